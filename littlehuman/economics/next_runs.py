"""Which cells to run next, when the runs at hand do not say enough.

In: the runs of one series; for commands also the study that they come from. Out: `NextCell`s: the
missing corners and middles of the design (human points x synthetic points), or more seeds where
the design is whole; each with the command that runs it.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from littlehuman.cli import config_dir_of, sweep_command
from littlehuman.store import multirun_root
from littlehuman.study.scores import ScoredRuns

SEEDS = 3
_MOST = 6
_NEAR = 1.25  # a tried cell stands for another one within this factor
_FIRST_HUMAN = 10  # without human points so far: one human point for ten synthetic ones
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
        line = f"  {self.n_human:,} human + {self.n_synthetic:,} synthetic points, {seeds}: {self.why}"
        return line + (f"\n    {self.command}" if self.command else "")


def missing_cells(scored: ScoredRuns) -> tuple[NextCell, ...]:
    """At most six cells, those that say most first; never none."""
    tried = _tried(scored)
    design = list(_design(scored))
    largest = max((s + h for s, h in tried), default=0)
    absent = [
        NextCell(s, h, SEEDS, why + ", more points than any run had" * (s + h > largest))
        for s, h, why in design
        if not any(_near((s, h), cell) for cell in tried)
    ]
    single = [NextCell(*cell, SEEDS - n, "one seed says nothing about scatter") for cell, n in tried.items() if n == 1]
    fewest = sorted(tried, key=lambda cell: (tried[cell], -cell[0], -cell[1]))
    more = [NextCell(*cell, SEEDS, "more seeds narrow the interval") for cell in fewest]
    return tuple([*absent, *single][:_MOST] or more[:_MOST])


def affordable(budget: float, human_price: float, synthetic_price: float, most: int) -> tuple[NextCell, ...]:
    """The cells that a budget below all that was tried can pay: of one kind alone, at most `most` points."""
    synthetic, human = (int(min(budget / price, most)) for price in (synthetic_price, human_price))
    cells = (
        NextCell(synthetic, 0, SEEDS, "synthetic points alone for this sum"),
        NextCell(0, human, SEEDS, "human points alone for this sum"),
    )
    return tuple(cell for cell in cells if cell.n_synthetic + cell.n_human > 0)


def commands(cells: Sequence[NextCell], study: Path, series: str) -> tuple[NextCell, ...]:
    """The cells with the command that adds them to a study: its own settings, other mixtures, seeds not yet used.

    Raises:
        DataError: when the folder is no study.
    """
    from littlehuman.study import load

    rows: Sequence[Mapping[Hashable, Any]] = load.load(study).to_dict("records")
    same = [row for row in rows if row["state"] == "done" and row["series"] == series]
    settings, own = _settings(same)
    return tuple(
        replace(cell, command=_command(cell, settings, own, study.resolve(), _seeds(same, cell))) for cell in cells
    )


def _design(scored: ScoredRuns) -> Iterator[tuple[int, int, str]]:
    """The corners and middles, synthetic points first, that a surface needs."""
    most_s, most_h = int(scored.n_synthetic.max(initial=0)), int(scored.n_human.max(initial=0))
    s = most_s or most_h or 1000
    h = most_h or max(_rounded(s / _FIRST_HUMAN), 1)
    yield s, 0, "synthetic points alone"
    yield 0, h, "human points alone"
    yield s, h, "the most of both"
    yield _middle(s), _middle(h), "the middle"
    yield s, _middle(h), "fewer human points beside the same synthetic ones"
    yield _middle(s), 0, "fewer synthetic points"


def _middle(n: int) -> int:
    """A third of it, rounded: the score bends early."""
    return max(_rounded(n / 3), 1)


def _rounded(x: float) -> int:
    step = 10.0 ** math.floor(math.log10(max(x, 1)))
    return round(x / step) * int(step)


def _tried(scored: ScoredRuns) -> dict[tuple[int, int], int]:
    counted: dict[tuple[int, int], int] = {}
    for s, h in zip(scored.n_synthetic, scored.n_human, strict=True):
        counted[int(s), int(h)] = counted.get((int(s), int(h)), 0) + 1
    counted.pop((0, 0), None)
    return counted


def _near(one: Iterable[int], other: Iterable[int]) -> bool:
    return all((a == b) or (min(a, b) > 0 and max(a, b) / min(a, b) <= _NEAR) for a, b in zip(one, other, strict=True))


def _settings(cells: Sequence[Mapping[Hashable, Any]]) -> tuple[list[str], str | None]:
    """What all cells of the series share, from one of them (with twins, where there is one): overrides, and the user's own groups."""
    cells = sorted(cells, key=lambda row: not row["n_synthetic"] > 0)
    chosen = next(filter(_typed, cells), cells[0] if cells else {})
    own = config_dir_of(Path(str(chosen["folder"]))) if chosen else None
    if typed := _typed(chosen):
        return [text for text in typed if text.lstrip("+~").partition("=")[0] not in _OWN], own
    groups = ("dataset", "model", "prompt_model", "strategy", "filter", "protocol")
    return [f"{key}={chosen[key]}" for key in groups if isinstance(chosen.get(key), str) and chosen[key]], own


def _typed(row: Mapping[Hashable, Any]) -> list[str]:
    """What was typed for a cell, as Hydra keeps it in the run folder."""
    from omegaconf import OmegaConf

    try:
        return [str(text) for text in OmegaConf.load(Path(str(row["folder"])) / ".hydra" / "overrides.yaml")]
    except (OSError, KeyError):
        return []


def _seeds(cells: Iterable[Mapping[Hashable, Any]], cell: NextCell) -> list[int]:
    used = {
        int(row["seed"]) for row in cells if (row["n_synthetic"], row["n_human"]) == (cell.n_synthetic, cell.n_human)
    }
    free = (seed for seed in range(len(used) + cell.runs) if seed not in used)
    return [next(free) for _ in range(cell.runs)]


def _command(cell: NextCell, settings: Sequence[str], own: str | None, study: Path, seeds: Sequence[int]) -> str:
    """A line for a shell; a study elsewhere than new runs go says where."""
    alone = cell.n_synthetic == 0
    mixture = [
        f"n_train={cell.n_human if alone else cell.n_synthetic}",
        f"synth_frac={0 if alone else 1}",
        f"extra_human={0 if alone else cell.n_human}",
        "synthetic=true",
        f"seed={','.join(map(str, seeds))}",
    ]
    elsewhere = study.parent != multirun_root().resolve()
    place = f"LITTLEHUMAN_MULTIRUN={shlex.quote(str(study.parent))} " if elsewhere else ""
    return place + sweep_command([*settings, f"study={study.name}", *mixture], own)
