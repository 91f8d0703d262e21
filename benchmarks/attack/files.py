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

from benchmarks.attack.damages import DAMAGES, Damage
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
        codes = {command: base.run(command, str(base.study)).code for command in READERS}
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
            for command, end in ended.items():
                _check(command, end, study, problems)
            logs = "".join(path.read_text("utf-8", "replace") for path in place.study.glob("*/run.log"))
            problems.expect("Traceback" not in logs, "a traceback in a cell's log")
            named = any(_names(end.text, victim) for end in ended.values())
            mended = _content(victim) != harmed
            problems.expect(named or mended or not damage.matters, f"{victim.name}: neither named nor mended")
            _others(study, place, damage, victim, problems)
            problems.expect(ended["run"].code == 0 or named, f"run failed without naming it: {ended['run'].said}")

    return guarded("files", damage.name, scenario)


def _check(command: str, end: Ended, study: Study, problems: Problems) -> None:
    problems.expect(not end.timed_out, f"{command}: not ended")
    problems.expect("Traceback" not in end.text, f"{command}: a traceback: {end.said}")
    problems.expect(end.code in (0, 1), f"{command}: exit code {end.code}: {end.said}")
    if command != "run" and study.codes[command] == 0 and end.code:
        problems.expect(bool(end.text.strip()), f"{command}: ended with {end.code} without a word")


def _names(text: str, victim: Path) -> bool:
    """Whether an output names the file, or, for a cell, its folder."""
    return victim.name in text or f"{victim.parent.name} " in text and victim.name.split(".")[0] in text


def _content(path: Path) -> bytes | None:
    """The bytes of a file; None for what is none."""
    return path.read_bytes() if path.is_file() else None


def _others(study: Study, place: Ground, damage: Damage, victim: Path, problems: Problems) -> None:
    """Cells that were not damaged are complete, as before; a damaged one that is told complete is whole."""
    cells = place.cells()
    harmed = {part for part in victim.relative_to(place.folder).parts if part in study.cells}
    for name, expected in study.cells.items():
        if name in harmed:
            continue
        if damage.in_cache and name not in cells:
            continue  # the cell that was computed anew
        problems.expect(name in cells and _same(cells[name], expected), f"{name}, which was not damaged, has changed")


def _same(cell: Path, expected: dict[str, Any]) -> bool:
    try:
        return outcome(cell) == expected
    except (ValueError, OSError):
        return False
