"""Where a study stands in its group-sequential design: complete blocks, the block under way, cells outside the design.

In: a `LookDesign` and the cells of its curve, complete or not. Out: `Blocks`. A block is one seed on all shares. The
design decides at its looks alone: after the planned numbers of complete blocks, with no block half done.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from littlehuman.study.comparisons import CurveCells
from littlehuman.study.look_design import LookDesign, cells_of_curve, key_of

CHECKED_FROM = 2  # complete blocks: of one seed nobody knows how much seeds scatter
NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class BlockCell:
    """A cell of the design without a result: `state` is failed, running, ..., or `not run`."""

    share: float
    seed: int
    state: str


@dataclass(frozen=True, slots=True)
class Blocks:
    """`seeds` of the complete blocks that count, ascending; `used`: all seeds of the curve.

    `begun`: seeds of blocks under way, each with a cell missing, and `missing` their cells without a result. `added`:
    cells (share, seed) with a result that the design does not ask for; they end its guarantee.
    """

    design: LookDesign
    seeds: tuple[int, ...]
    used: tuple[int, ...]
    begun: tuple[int, ...]
    missing: tuple[BlockCell, ...]
    added: tuple[tuple[float, int], ...]

    @property
    def at_look(self) -> bool:
        """Whether the study may be looked at now."""
        return len(self.seeds) in self.design.looks and not self.begun

    @property
    def may_stop(self) -> bool:
        """Whether it may be asked whether more seeds would change the choice: that decides no verdict, at any block."""
        return CHECKED_FROM <= len(self.seeds) <= self.design.last and not self.begun

    @property
    def number(self) -> int:
        """The number of this look, from 1; 0 between looks."""
        return self.design.looks.index(len(self.seeds)) + 1 if self.at_look else 0

    @property
    def upcoming(self) -> int | None:
        """Seeds of the next look; None after the last."""
        return _upcoming(self.design, len(self.seeds))

    @property
    def level(self) -> float:
        """Family-wise level of this look, between looks of the next one."""
        return self.design.schedule.level(len(self.seeds) if self.at_look else self.upcoming or self.design.last)

    @property
    def to_run(self) -> tuple[int, ...]:
        """Seeds of the next block, at first of the two that `may_stop` needs: under way, or the lowest not used."""
        if self.upcoming is None:
            return ()
        fresh = max(max(CHECKED_FROM, len(self.seeds) + 1) - len(self.seeds) - len(self.begun), 0)
        free = (seed for seed in range(len(self.used) + fresh) if seed not in self.used)
        return (*self.begun, *(next(free) for _ in range(fresh)))


def blocks_of(design: LookDesign, curve: CurveCells) -> Blocks:
    """Where the curve of a design stands."""
    states, whole = _states(cells_of_curve(curve)), complete_seeds(design, curve)
    counted = whole[: design.last]
    room = (_upcoming(design, len(counted)) or len(counted)) - len(counted)
    partial = [seed for seed, mine in states.items() if seed not in whole and set(mine) & set(design.shares)]
    begun = tuple(sorted(sorted(partial, key=lambda seed: (-_done(states[seed], design), seed))[:room]))
    missing = tuple(_missing(design, states, begun))
    foreseen = {(share, seed) for seed in (*counted, *begun) for share in design.shares}
    done = {(share, seed) for seed, mine in states.items() for share, state in mine.items() if state == "done"}
    return Blocks(design, counted, tuple(sorted(states)), begun, missing, tuple(sorted(done - foreseen)))


def complete_seeds(design: LookDesign, curve: CurveCells) -> tuple[int, ...]:
    """All seeds that are complete on all shares of the design, ascending, also beyond its last look."""
    states = _states(cells_of_curve(curve))
    return tuple(sorted(seed for seed, mine in states.items() if _done(mine, design) == len(design.shares)))


def blocks_of_curve(designs: Iterable[LookDesign], curve: CurveCells) -> Blocks | None:
    """The same with the design of a curve among those of a study; None where it has none."""
    if curve.control or not (found := [design for design in designs if design.key == key_of(curve)]):
        return None
    return blocks_of(found[0], curve)


def never_begun(design: LookDesign, curve: CurveCells) -> tuple[float, ...]:
    """Shares of the design that the curve has no cell of, complete or not."""
    begun = {float(share) for share in cells_of_curve(curve)["synth_frac"]}
    return tuple(share for share in design.shares if share not in begun)


def complete_blocks(blocks: Blocks, curve: CurveCells) -> CurveCells:
    """The curve without cells outside its complete blocks: what a look is computed from."""
    cells = curve.cells
    mine = cells["synth_frac"].isin(blocks.design.shares) & cells["seed"].isin(blocks.seeds)
    return replace(curve, cells=cells[mine].drop_duplicates(["synth_frac", "seed"]))


def _upcoming(design: LookDesign, seeds: int) -> int | None:
    return next((look for look in design.looks if look > seeds), None)


def _states(cells: pd.DataFrame) -> dict[int, dict[float, str]]:
    """Seed -> share -> state; of several cells at one place a complete one counts."""
    found: dict[int, dict[float, str]] = {}
    rows: Sequence[Any] = list(cells.itertuples())
    for row in rows:
        mine = found.setdefault(int(row.seed), {})
        if mine.get(float(row.synth_frac)) != "done":
            mine[float(row.synth_frac)] = str(row.state)
    return found


def _done(states: Mapping[float, str], design: LookDesign) -> int:
    return sum(states.get(share) == "done" for share in design.shares)


def _missing(
    design: LookDesign, states: Mapping[int, Mapping[float, str]], seeds: Sequence[int]
) -> Iterator[BlockCell]:
    for seed in seeds:
        for share in design.shares:
            if (state := states[seed].get(share, NOT_RUN)) != "done":
                yield BlockCell(share, seed, state)
