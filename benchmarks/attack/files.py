"""Damaged files: one file of a complete study at a time, then every command that reads the study, then its sweep again.

What must hold: each command ends without a traceback; the file is named, or mended by the sweep; and the cells that
were not damaged stay as they were.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.attack.damages import CELL, DAMAGES, Damage
from benchmarks.attack.endpoint import FaultServer, healthy
from benchmarks.attack.ground import TINY, Ground, at, ground, outcome
from benchmarks.attack.processes import Ended
from benchmarks.attack.trials import Problems, Trial, guarded, side_by_side

SWEEP = ("-m", "synth_frac=0,1", "seed=0,1", *TINY)
READERS = ("report", "next", "price")


@dataclass(frozen=True)
class Study:
    """A complete study that nobody touches: its ground, what its cells hold, and how its readers end."""

    folder: Path
    cells: dict[str, dict[str, Any]]
    codes: dict[str, int]


def names() -> list[str]:
    """The names of all scenarios."""
    return [damage.name for damage in DAMAGES]


@contextmanager
def complete() -> Iterator[Study]:
    """The study that is copied and damaged.

    Raises:
        RuntimeError: when the undisturbed sweep fails.
    """
    with tempfile.TemporaryDirectory(prefix="attack-", ignore_cleanup_errors=True) as place:
        base = Ground(Path(place).resolve() / "study")
        with FaultServer(healthy()) as server:
            ended = base.run("run", *SWEEP, at(server.url))
        if ended.code:
            raise RuntimeError(f"undisturbed, the sweep ended with {ended.code}: {ended.said}")
        codes = {command: base.run(command, str(base.study)).code for command in READERS} | {"run": 0}
        shutil.rmtree(base.folder / "output")
        yield Study(base.folder, {name: outcome(cell) for name, cell in base.cells().items()}, codes)


def trials(workers: int, only: Sequence[str] | None = None, every: int = 1) -> Iterator[Trial]:
    """Each damage (or every n-th) as one trial."""
    chosen = [damage for damage in DAMAGES if only is None or damage.name in only][::every]
    if chosen:
        with complete() as study:
            yield from side_by_side([partial(_trial, study, damage) for damage in chosen], workers)


def _trial(study: Study, damage: Damage) -> Trial:
    def scenario(problems: Problems) -> None:
        with ground(study.folder) as place:
            victim = damage.apply(place)
            harmed = _content(victim)
            ended = {command: place.run(command, str(place.study)) for command in READERS}
            with FaultServer(healthy()) as server:
                ended["run"] = place.run("run", *SWEEP, at(server.url))
            told = {command for command, end in ended.items() if _names(end.text, victim, damage)}
            for command, end in ended.items():
                _check(command, end, command in told or study.codes[command] == end.code, problems)
            logs = "".join(path.read_text("utf-8", "replace") for path in place.study.glob("*/run.log"))
            problems.expect("Traceback" not in logs, "a traceback in a cell's log")
            mended = _content(victim) != harmed
            problems.expect(bool(told) or mended or not damage.matters, f"{victim.name}: neither named nor mended")
            _compare(study, place, damage, victim, bool(told), problems)

    return guarded("files", damage.name, scenario)


def _check(command: str, end: Ended, explained: bool, problems: Problems) -> None:
    problems.expect(not end.timed_out, f"{command}: not ended")
    problems.expect("Traceback" not in end.text, f"{command}: a traceback: {end.said}")
    problems.expect(end.code in (0, 1), f"{command}: exit code {end.code}: {end.said}")
    problems.expect(explained, f"{command}: ended with {end.code} without naming the file: {end.said}")


def _names(text: str, victim: Path, damage: Damage) -> bool:
    """Whether an output names the file; of the cache its folder will do."""
    return victim.name in text or damage.in_cache and victim.parent.name in text


def _content(path: Path) -> bytes | None:
    """The bytes of a file; None for what is none."""
    return path.read_bytes() if path.is_file() else None


def _compare(study: Study, place: Ground, damage: Damage, victim: Path, told: bool, problems: Problems) -> None:
    """Cells that were not damaged are complete, as before; a damaged one that is complete is as before, or told."""
    cells = place.cells()
    harmed = {part for part in victim.relative_to(place.folder).parts if part in study.cells}
    if damage.in_cache:
        harmed = {path.name for path in place.study.glob(CELL)}  # the cell that is computed anew
    for name, expected in study.cells.items():
        if name not in harmed:
            problems.expect(
                name in cells and _same(cells[name], expected), f"{name}, which was not damaged, has changed"
            )
        elif name in cells:
            problems.expect(told or _same(cells[name], expected), f"{name} is complete and not as before")


def _same(cell: Path, expected: dict[str, Any]) -> bool:
    try:
        return outcome(cell) == expected
    except (ValueError, OSError):
        return False
