"""`make replication` (hours on two cores) and `make replication-check`: the replication's runs, files and numbers.

    python -m benchmarks.replication run --data DIR [--only banking77 titles] [--steps curve twins] [--dry-run]
    python -m benchmarks.replication collect | page | check | unpack SET FOLDER

`run` goes through the steps of docs/replication/design.md. It may be stopped and started again: what is complete is not
computed twice. After each step the files in docs/replication are written anew.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.replication import check, page, results
from benchmarks.replication.design import SETS, STEPS, Set, Step, schedule, sets
from littlehuman import cli, store
from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    options = parser()
    asked = options.parse_args(argv)
    if len(asked.names) != (2 if asked.action == "unpack" else 0):
        options.error("unpack takes a results file and a new folder, the others no name; sets are named by --only")
    try:
        return cli.print_lines(lambda: _lines(asked))
    except KeyboardInterrupt:
        return 130  # the same command goes on


def _lines(asked: argparse.Namespace) -> Iterator[str]:
    """What an action says, each line as it comes."""
    asked.known = sets(asked.sets)
    if unknown := sorted(set(asked.only or ()) - asked.known.keys()):
        problem = Problem(f"--only {unknown[0]}", f"is no set; {did_you_mean(unknown[0], asked.known)}")
        raise ConfigError([problem])
    chosen = [one for name, one in asked.known.items() if name in (asked.only or asked.known)]
    actions = {"run": run, "collect": collected, "page": written, "check": checked, "cut": cut, "unpack": unpacked}
    for line in actions[asked.action](chosen, asked):
        yield line
        sys.stdout.flush()


def parser() -> argparse.ArgumentParser:
    """The options."""
    made = argparse.ArgumentParser(prog="python -m benchmarks.replication", description=__doc__)
    made.add_argument("action", choices=("run", "collect", "page", "check", "cut", "unpack"))
    made.add_argument("names", nargs="*", help="of unpack: a results file and a new folder")
    beside = Path(__file__).parents[3] / "shared" / "data"
    public = os.environ.get("LITTLEHUMAN_TEST_DATA") or beside
    made.add_argument(
        "--data", type=Path, default=Path(public), help="folder of the public files (default: %(default)s)"
    )
    made.add_argument("--work", type=Path, default=Path(".replication"), help="prepared data, cache, log")
    made.add_argument("--docs", type=Path, default=page.DOCS, help=argparse.SUPPRESS)
    made.add_argument("--only", nargs="+", metavar="SET", help="some of the sets")
    made.add_argument("--sets", type=Path, default=SETS, help="the sets, in the form of the default (%(default)s)")
    made.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    made.add_argument("--dry-run", action="store_true", help="print the commands and the expected hours")
    return made


def run(chosen: Sequence[Set], asked: argparse.Namespace) -> Iterator[str]:
    """Go through the steps; a set that does not enter has its learning curve alone."""
    failed, total = [], 0.0
    for step in schedule(chosen, asked.work):
        if step.name not in asked.steps or not step.commands:
            continue
        total += step.hours
        title = f"{step.set.name} {step.name}: {step.cells} cells"
        if asked.dry_run:
            yield f"# {title}, about {step.hours:.1f} h"
            yield from (shlex.join(["python", "-m", *words]) for words in step.commands)
            continue
        if step.name != "curve" and (state := _state(step.set, asked)) != "enters":
            yield f"{title}: left out, the set {state}"
            continue
        yield f"{title}, about {step.hours:.1f} h"
        _prepare(step.set, asked)
        if not all([_logged(words, step, asked) for words in step.commands]):
            failed.append(title)
            yield f"{title}: not all of it is complete; the same command goes on"
        yield from collected([step.set], asked)
    yield f"expected in all: {total:.1f} h" if asked.dry_run else f"steps with failures: {len(failed)}"
    if failed:
        raise DataError("; ".join(failed))


def _prepare(one: Set, asked: argparse.Namespace) -> None:
    from benchmarks.replication import data

    if not (asked.work / "data" / one.name / "test.jsonl").is_file():
        data.prepare(one, asked.data, asked.work)


def _state(one: Set, asked: argparse.Namespace) -> str:
    """What the entry rule says of a set's learning curve."""
    with page.opened(asked.docs, [one]) as found:
        if one.name not in found:
            return "has no learning curve yet"
        return str(page.entry_of(*found[one.name][1:])["state"])


def _environment(one: Set, work: Path) -> dict[str, str]:
    """A cache of its own for each set, so that its completions can be told; weights are those of the common cache."""
    cache, weights = (work / "cache" / one.name).absolute(), store.cache_root() / "weights"
    weights.mkdir(parents=True, exist_ok=True)
    cache.mkdir(parents=True, exist_ok=True)
    if not (cache / "weights").exists():
        (cache / "weights").symlink_to(weights.absolute())
    return os.environ | {"LITTLEHUMAN_CACHE": str(cache)}


def _logged(words: Sequence[str], step: Step, asked: argparse.Namespace) -> bool:
    """Run one command, and note its seconds."""
    begun, before = time.time(), resource.getrusage(resource.RUSAGE_CHILDREN)
    code = subprocess.run([sys.executable, "-m", *words], env=_environment(step.set, asked.work)).returncode
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    row = {"set": step.set.name, "step": step.name, "code": code, "cpu_s": round(cpu, 1)}
    row |= {"begun": round(begun), "wall_s": round(time.time() - begun, 1), "command": shlex.join(words)}
    asked.work.mkdir(parents=True, exist_ok=True)
    with (asked.work / "log.jsonl").open("a", encoding="utf-8") as log:
        log.write(json.dumps(row) + "\n")
    if code == 130:  # Ctrl-C
        raise KeyboardInterrupt
    return code == 0


def collected(chosen: Sequence[Set], asked: argparse.Namespace) -> Iterator[str]:
    """Write the results files and recordings of what was run, and the page's numbers."""
    log = asked.work / "log.jsonl"
    for one in chosen:
        cpu: Counter[str] = Counter()
        for row in store.read_jsonl(log) if log.is_file() else ():
            if row["set"] == one.name:
                cpu[row["step"]] += row["cpu_s"]
        for study in dict.fromkeys((one.curve_study, one.study)):
            if any((store.multirun_root() / study).glob("*/result.json")):
                file = asked.docs / "results" / f"{study.removeprefix('replication-')}.json.gz"
                results.pack(store.multirun_root() / study, file, cpu)
                yield f"{file}: {file.stat().st_size:,} bytes"
        if one.recordings:
            file = asked.docs / "recordings" / f"{one.name}.jsonl.gz"
            if count := results.record(asked.work / "cache" / one.name / "completions", file):
                yield f"{file}: {count} completions"
    yield from written(chosen, asked)


def written(chosen: Sequence[Set], asked: argparse.Namespace) -> Iterator[str]:
    """Write the page's numbers, table and figure, of all sets."""
    page.write(asked.docs, list(asked.known.values()))
    yield f"{asked.docs / page.README}, {page.NUMBERS}, {page.FIGURE}.png"


def checked(chosen: Sequence[Set], asked: argparse.Namespace) -> Iterator[str]:
    """Compute all published numbers again, and run one small cell again where the public data is there."""
    found = list(check.problems(asked.docs, list(asked.known.values())))
    yield f"published numbers: {len(found)} differ"
    cells = ((one, check.smallest_cell(asked.docs, one)) for one in chosen)
    one, cell = next(((one, cell) for one, cell in cells if cell), (None, None))
    if one is None or cell is None:
        yield "one cell again: not done, there is no recording"
    elif not asked.data.is_dir():
        yield "one cell again: not done, the public data is not there (--data DIR)"
    else:
        again = list(check.repeated(asked.docs, one, cell, asked.data))
        yield f"one cell again ({one.name}, {cell['counts']['total']} points): {len(again)} differ"
        found += again
    if found:
        raise DataError("\n".join(found))


def cut(chosen: Sequence[Set], asked: argparse.Namespace) -> Iterator[str]:
    """Write the control file of twins whose answers are cut to the human median length."""
    from benchmarks.replication import data
    from littlehuman.exporting import rebuild

    for one in chosen:
        study = store.multirun_root() / f"{one.study}-twins"
        for cell in study.glob("*/result.json"):
            points = (point.example for point in rebuild.rebuild(cell.parent).mixture.points)
            data.cut(one, ({"id": p.id, "text": p.text, "target": p.target} for p in points), asked.work)
            yield f"{one.name}: answers cut"


def unpacked(chosen: Sequence[Set], asked: argparse.Namespace) -> Iterator[str]:
    """Make a study folder of a results file."""
    file, folder = map(Path, asked.names)
    yield f"littlehuman report {results.unpack(file, folder)}"


if __name__ == "__main__":
    sys.exit(main())
