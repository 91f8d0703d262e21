"""Sentences about the looks at a study, for `next` and for the report.

In: `Blocks`. Out: sentences.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from littlehuman.formatting import first_of, listed, share
from littlehuman.study.blocks import Blocks
from littlehuman.study.look_design import FILE

_MOST_NAMED = 6


def schedule(blocks: Blocks) -> str:
    """When the study is looked at, and the level of the intervals now."""
    design = blocks.design
    now = "are" if blocks.at_look else "of the next look are"
    kept = f", so that all looks together keep {100 * design.alpha:.3g} % false alarms"
    return (
        f"This study is looked at after {seeds_listed(design.looks)} seeds ({FILE}); intervals of differences {now} at "
        f"{100 * (1 - blocks.level):.1f} %{'' if blocks.added else kept}."
    )


def between(blocks: Blocks) -> str:
    """Why nothing is decided now; a clause."""
    parts = [f"{len(blocks.seeds)} of {blocks.upcoming} seeds are complete on all shares"]
    if blocks.missing:
        parts.append(f"{missing(blocks)} {'is' if len(blocks.missing) == 1 else 'are'} missing")
    return f"between looks nothing is decided: {', '.join(parts)}"


def missing(blocks: Blocks) -> str:
    """Cells of the blocks under way that have no result: `seed 3 at 90 % (failed) and 100 %`."""
    found = []
    for seed, cells in groupby(blocks.missing, key=lambda cell: cell.seed):
        states = [share(cell.share) + (f" ({cell.state})" if cell.state != "not run" else "") for cell in cells]
        found.append(f"seed {seed} at {listed(states)}")
    return "; ".join(found)


def added(blocks: Blocks) -> str | None:
    """Cells that the design does not ask for, and what they end; None where there are none."""
    if not blocks.added:
        return None
    named = first_of([f"{share(fraction)} seed {seed}" for fraction, seed in blocks.added], _MOST_NAMED)
    plural = len(blocks.added) > 1
    return (
        f"{len(blocks.added)} cell{'s were' if plural else ' was'} added that {FILE} does not ask for "
        f"({named}): the rate of false alarms over all looks is no longer guaranteed."
    )


def seeds_listed(seeds: Sequence[int]) -> str:
    """Numbers of seeds in words."""
    return listed([str(seed) for seed in seeds])
