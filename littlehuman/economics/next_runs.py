"""Which cells to run next, when the runs at hand do not say enough.

In: mixtures to train on, such as the two of `identification.mend`; for commands also the study that they are to join.
Out: `NextCell`s, each with the command that runs it.
"""

from __future__ import annotations

import shlex
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from littlehuman.cli import config_dir_of, sweep_command
from littlehuman.economics.identification import Cell
from littlehuman.store import multirun_root

_OWN = ("study", "n_train", "synth_frac", "extra_human", "synthetic", "seed")  # set here, not repeated


@dataclass(frozen=True, slots=True)
class NextCell:
    """A mixture to train on, with `runs` seeds; `command` where a study says how."""

    n_synthetic: int
    n_human: int
    runs: int
    why: str
    command: str | None = None

    def as_json(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    def text(self) -> str:
        """One line, and the command below it."""
        seeds = f"{self.runs} seed{'s' * (self.runs != 1)}"
        beside = f" + {self.n_synthetic:,} synthetic points" if self.n_synthetic else " points alone"
        line = f"  {self.n_human:,} human{beside}, {seeds}: {self.why}"
        return line + (f"\n    {self.command}" if self.command else "")


def mending(cells: Iterable[Cell]) -> tuple[NextCell, ...]:
    """The cells that let runs on one line tell the two kinds of points apart."""
    return tuple(
        NextCell(cell.n_synthetic, cell.n_human, cell.seeds, "to tell what each kind of points adds") for cell in cells
    )


def commands(cells: Sequence[NextCell], study: Path, series: str) -> tuple[NextCell, ...]:
    """The cells with the command that adds them to a study: its own settings, other mixtures, seeds not yet used.

    Raises:
        DataError: when the folder is no study.
    """
    from littlehuman.study import load

    rows: Sequence[Mapping[Hashable, Any]] = load.load(study).to_dict("records")
    same = [row for row in rows if row["state"] == "done" and row["series"] == series]
    return tuple(replace(cell, command=sweep(study, same, _axes(cell, _seeds(same, cell)))) for cell in cells)


def sweep(study: Path, cells: Sequence[Mapping[Hashable, Any]], axes: Sequence[str]) -> str:
    """A line for a shell that adds cells to a study: settings as its `cells` have them, `axes` as given.

    A study elsewhere than new runs go says where.
    """
    settings, own = _settings(cells)
    place = study.resolve()
    elsewhere = place.parent != multirun_root().resolve()
    before = f"LITTLEHUMAN_MULTIRUN={shlex.quote(str(place.parent))} " if elsewhere else ""
    return before + sweep_command([*settings, f"study={place.name}", *axes], own)


def _settings(cells: Sequence[Mapping[Hashable, Any]]) -> tuple[list[str], str | None]:
    """What all cells of the series share: overrides, and the folder of the user's own groups.

    Read from one of them, with twins where there is one.
    """
    cells = sorted(cells, key=lambda row: not (row["n_synthetic"] or 0) > 0)
    chosen = next(filter(_typed, cells), cells[0] if cells else {})
    own = config_dir_of(Path(str(chosen["folder"]))) if chosen else None
    if typed := _typed(chosen):
        return [text for text in typed if text.lstrip("+~").partition("=")[0] not in _OWN], own
    groups = ("dataset", "model", "prompt_model", "strategy", "filter", "protocol")
    return [f"{key}={chosen[key]}" for key in groups if isinstance(chosen.get(key), str) and chosen[key]], own


def _typed(row: Mapping[Hashable, Any]) -> list[str]:
    """What was typed for a cell, as Hydra keeps it in the run folder."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]

    try:
        return [str(text) for text in OmegaConf.load(Path(str(row["folder"])) / ".hydra" / "overrides.yaml")]
    except (OSError, KeyError, TypeError, ValueError, YAMLError, OmegaConfBaseException):
        return []


def _seeds(cells: Iterable[Mapping[Hashable, Any]], cell: NextCell) -> list[int]:
    used = {
        int(row["seed"]) for row in cells if (row["n_synthetic"], row["n_human"]) == (cell.n_synthetic, cell.n_human)
    }
    free = (seed for seed in range(len(used) + cell.runs) if seed not in used)
    return [next(free) for _ in range(cell.runs)]


def _axes(cell: NextCell, seeds: Sequence[int]) -> list[str]:
    """The mixture of a cell, as overrides."""
    alone = cell.n_synthetic == 0
    return [
        f"n_train={cell.n_human if alone else cell.n_synthetic}",
        f"synth_frac={0 if alone else 1}",
        f"extra_human={0 if alone else cell.n_human}",
        "synthetic=true",
        f"seed={','.join(map(str, seeds))}",
    ]
