"""The prepared data of a set: the training pool, the test items, and the files of the controls.

In: the public files, read as `littlehuman` reads them. Out: below the work folder `data/SET/{train,test}.jsonl` and
`controls/*.jsonl` (`prompt_model=provided`). All choices are seeded by name: the same files give the same choices.

The pool has the n points, those beside them and stand-ins: all seeds draw from it, so that all share their twins.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.jobs import compose
from benchmarks.replication.design import Set, folder_of
from littlehuman import data
from littlehuman.errors import DataError
from littlehuman.mixture.mixing import MixtureSpec, plan_mixture
from littlehuman.records import Example
from littlehuman.seeding import ordering
from littlehuman.store import read_jsonl, write_jsonl

Points = tuple[Example, ...]
HELD_OUT = 3  # one of so many documents is held out where the split is made anew


def prepare(one: Set, public: Path, work: Path) -> None:
    """Write pool, test items and control files.

    Raises:
        LittlehumanError: where the public files are not there, or too few.
    """
    source, test = _split(one, public)
    drawn = _drawn(source, f"replication: pool of {one.name}")
    if len(drawn) < max(one.pool, *one.curve):
        raise DataError(
            f"{one.name}: {len(drawn)} training points; pool={one.pool} and curve={max(one.curve)} are asked"
        )
    for study, size in {one.curve_study: max(one.pool, *one.curve), one.study: one.pool}.items():
        for name, points in (("train", drawn[:size]), ("test", test)):
            write_jsonl(folder_of(work, study) / f"{name}.jsonl", (_row(point) for point in points))
    pool, others = drawn[: one.pool], drawn[one.pool :]
    write_jsonl(_control(work, f"{one.name}-exchanged"), exchanged(pool))
    for seed in range(one.seeds):
        rows = replaced(pool, others, one, seed)
        write_jsonl(_control(work, f"{one.name}-others-s{seed}"), rows)


def exchanged(pool: Sequence[Example]) -> list[dict[str, str]]:
    """Each point with the target of another one; a point whose partner has the same target takes one that differs."""
    order = _drawn(pool, "replication: exchanged targets")
    targets = [*(point.target for point in order[1:]), order[0].target]
    for i, point in enumerate(order):
        if targets[i] == point.target:  # exchanged with the next place where both then differ
            later = ((i + step) % len(order) for step in range(1, len(order)))
            fits = (j for j in later if targets[j] != point.target and order[j].target != targets[i])
            j = next(fits, i)
            targets[i], targets[j] = targets[j], targets[i]
    return [_twin(point, point.text, target) for point, target in zip(order, targets, strict=True)]


def replaced(pool: Sequence[Example], others: Sequence[Example], one: Set, seed: int) -> list[dict[str, str]]:
    """For the points that turn synthetic under a seed, other human points of the same class, or on the same evidence.

    Stand-ins come after them, so that a point without another one has a spare in its place.
    """
    free: dict[str, list[Example]] = defaultdict(list)
    for other in _drawn(others, "replication: other human points"):
        free[_alike(other, one)].append(other)
    plan = plan_mixture(pool, MixtureSpec(one.n, one.negative, seed), one.name)
    wanted = (*plan.to_replace, *plan.spares)
    pairs = ((point, free[_alike(point, one)].pop()) for point in wanted if free[_alike(point, one)])
    return [_twin(point, other.text, other.target) for point, other in pairs]


def cut(one: Set, twins: Iterable[dict[str, str]], work: Path) -> None:
    """Write twins (rows with id, text and target) whose answers have at most the human median number of words."""
    train = read_jsonl(folder_of(work, one.study) / "train.jsonl")
    targets = (row["target"] if isinstance(row["target"], str) else row["target"][0] for row in train)
    lengths = sorted(len(target.split()) for target in targets)
    most = lengths[len(lengths) // 2]
    rows = (row | {"target": " ".join(row["target"].split()[:most])} for row in twins)
    kept = ({name: row[name] for name in ("id", "text", "target")} for row in rows)
    write_jsonl(_control(work, f"{one.name}-cut"), kept)


def _split(one: Set, public: Path) -> tuple[Points, Points]:
    """Training points and test items."""
    words = [word.replace("PATH", str(public.absolute())) for word in one.source]
    config = compose(*words)
    read = data.load(config.dataset, config.task)
    if not one.documents:
        source, test = read.train + read.valid, read.test
    else:
        points = read.train + read.valid + read.test
        groups = ordering({point.group for point in points}, 0, f"replication: documents of {one.name}")
        held_out = set(groups[: len(groups) // HELD_OUT])
        source = tuple(point for point in points if point.group not in held_out)
        test = tuple(point for point in points if point.group in held_out)
    return source, _drawn(test, f"replication: test of {one.name}")[: one.n_test]


def _drawn(points: Sequence[Example], purpose: str) -> Points:
    by_id = {point.id: point for point in points}
    return tuple(by_id[i] for i in ordering(by_id, 0, purpose))


def _alike(point: Example, one: Set) -> str:
    return point.evidence_key if one.answers else point.target


def _row(point: Example) -> dict[str, object]:
    context = {"evidence": point.evidence, "group": point.group} if point.evidence else {}
    target = list(point.targets) if len(point.targets) > 1 else point.target
    return {"id": point.id, **context, "text": point.text, "target": target}


def _twin(point: Example, text: str, target: str) -> dict[str, str]:
    return {"id": point.id, "text": text, "target": target}


def _control(work: Path, name: str) -> Path:
    return work / "controls" / f"{name}.jsonl"
