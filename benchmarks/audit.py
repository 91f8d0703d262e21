"""False alarms, cost and real findings of the data quality audit (`littlehuman/audit`).

    python -m benchmarks.audit halves DATA [--count 40] [--points 250]   alarms on random halves of human data
    python -m benchmarks.audit speed [--train 10000] [--test 3000]      CPU seconds and memory of one large audit
    python -m benchmarks.audit real DATA                                what public datasets share between their splits

DATA is a folder of public datasets in their release layout: one folder each, as `dataset.path` takes it.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.audit_data import columns, invented, load
from littlehuman.audit import compute
from littlehuman.audit.sets import AuditSets
from littlehuman.records import Example

DATASETS = ("fever", "wanli", "ropes", "squad", "conference_titles")


def halves(data: Path, count: int, points: int) -> None:
    """Halves of the documents of human data as "human" and "twins", and a fifth of them as the test split."""
    found, runs = Counter[str](), 0
    for name in DATASETS:
        dataset = load(name, data)
        for seed in range(count):
            made = compute.audit(_halves(dataset.train, bool(dataset.classes), seed, points))
            found.update({alarm.measure for alarm in made.alarms})
            runs += 1
        print(f"{name}: {runs} halves so far; alarms: {dict(found.most_common())}", flush=True)
    print(f"largest share of {runs} halves with an alarm of one measure: {max(found.values(), default=0) / runs:.3f}")


def _halves(points: Sequence[Example], has_classes: bool, seed: int, most: int) -> AuditSets:
    """Whole documents go to one side; a point of one half is the "original" of one of the other."""
    rng = random.Random(seed)
    documents = sorted({e.group or e.evidence_key for e in points})
    side = {name: rng.choice((0, 0, 1, 1, 2)) for name in documents}
    parts = [[e for e in points if side[e.group or e.evidence_key] == number] for number in range(3)]
    human, twins, test = (rng.sample(part, min(most, len(part))) for part in parts)
    count = min(len(human), len(twins))
    renamed = [replace(twin, id=original.id) for original, twin in zip(human[:count], twins[:count], strict=True)]
    return AuditSets(tuple(human), tuple(renamed), tuple(test), tuple(human), has_classes)


def speed(train: int, test: int) -> None:
    """One audit of a training set of half human points, half twins, of random words."""
    pool, others = invented(train, "human"), invented(test, "test")
    twins = [replace(e, text=other.text) for e, other in zip(pool[::2], invented(train, "twin"), strict=False)]
    sets = AuditSets(tuple(pool[1::2]), tuple(twins), tuple(others), tuple(pool), has_classes=True)
    began = time.process_time()
    compute.audit(sets)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{train:,} training and {test:,} test rows: {time.process_time() - began:.1f} s of CPU, {peak:.0f} MiB")


def real(data: Path) -> None:
    """Test rows that stand in the training split, by measure."""
    for name in (*DATASETS, "scifact", "banking77", "fairytaleqa"):
        dataset = load(name, data)
        human = (*dataset.train, *dataset.valid) if name in ("wanli", "ropes", "scifact") else dataset.train
        sets = AuditSets(human, (), dataset.test, human, bool(dataset.classes), columns=columns(name, data))
        part = compute.audit(sets).findings["contamination"]
        usual = part["of_human_points"]
        print(f"{name}: {len(human):,} training and {part['rows']:,} test rows")
        print(f"  touched {part['count']} ({100 * part['share']:.1f} %), human points on other evidence ", end="")
        print(f"{100 * usual['count'] / usual['rows']:.1f} %")
        for measure, counts in part["human"].items():
            print(f"  {measure}: {counts['count']}, {counts['same_label']} with the same label or answer")


def main(argv: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("halves", "speed", "real"))
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--count", type=int, default=40, help="halves of each dataset")
    parser.add_argument("--points", type=int, default=250, help="points of a half")
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--test", type=int, default=3_000)
    arguments = parser.parse_args(argv)
    if arguments.what == "speed":
        speed(arguments.train, arguments.test)
    elif arguments.data is None:
        parser.error(f"{arguments.what} needs DATA")
    elif arguments.what == "halves":
        halves(arguments.data, arguments.count, arguments.points)
    else:
        real(arguments.data)
    return 0


if __name__ == "__main__":
    sys.exit(main())
