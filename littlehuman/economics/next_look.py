"""What `littlehuman next` answers: the design is fixed, the study is looked at where it may be, and what to run.

In: a study folder, the rules asked for, the name of a curve. Out: a `NextStep`: where the study stands, at a look its
verdicts and advice, and the command that adds what the next look needs.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.cli import command
from littlehuman.economics import next_runs, stopping
from littlehuman.errors import DataError, did_you_mean
from littlehuman.study import look_design
from littlehuman.study.blocks import Blocks, blocks_of, complete_blocks, complete_seeds, never_begun
from littlehuman.study.curve_table import WITHHELD
from littlehuman.study.look_design import AskedRules, LookDesign, cells_of_curve, key_of

if TYPE_CHECKING:
    import pandas as pd

    from littlehuman.study.clusters import LoadClusters
    from littlehuman.study.comparisons import CurveCells

SETTLED = ("worse", "better", "equal")


@dataclass(frozen=True, slots=True)
class Cost:
    """In the unit of the design: spent in complete blocks, of one block, and of the full grid (None: not known yet)."""

    unit: str
    spent: float
    block: float | None
    full: float | None


@dataclass(frozen=True, eq=False)
class NextStep:
    """Where a study stands. `rows` (of the curve's table, without the base) at a look alone, `advice` from two
    complete blocks on.

    `withheld`: shares without a verdict that the choice would rest on; then there is no advice. `series`: the curve
    that was named. `newly_fixed`: whether this call wrote the design. `command`: what to run next, if anything.
    """

    study: Path
    blocks: Blocks
    cost: Cost
    newly_fixed: bool
    series: str | None = None
    rows: tuple[Mapping[str, Any], ...] = ()
    advice: stopping.Advice | None = None
    withheld: tuple[float, ...] = ()
    command: str | None = None

    @property
    def design(self) -> LookDesign:
        """The rules."""
        return self.blocks.design


def next_step(
    study: Path, asked: AskedRules, series: str | None = None, load_clusters: LoadClusters | None = None
) -> NextStep:
    """Fix the design of a curve at the first call, and say what to do now.

    Args:
        study: its folder.
        asked: rules, at the first call; later ones must be the same.
        series: the curve, in a study with several.
        load_clusters: reads the clusters of test items from the data, for runs that did not write them.

    Raises:
        DataError: for a folder that is no study, has no replacement curve or another design, and a damaged design.
        ConfigError: for looks that cannot be.
    """
    from littlehuman.study.clusters import ClusterIndex
    from littlehuman.study.load import load

    designs = look_design.read(study)
    frame = load(study)
    curve = _chosen(study, frame, designs, series)
    fixed = [design for design in designs if design.key == key_of(curve)]
    index = ClusterIndex(frame, load_clusters)
    if fixed:
        design = fixed[0]
        look_design.refuse_other_rules(study, design, asked, _again(study, series))
        _refuse_other_shares(study, design, curve)
    else:
        design = look_design.design_of(curve, asked)
        _refuse_what_cannot_be_fixed(study, design, curve, index, partial(_again, study, series, asked))
        look_design.write(study, [*designs, design])  # before anything is computed from the scores
    blocks = blocks_of(design, curve)
    rows, advice, withheld = _checked(blocks, curve, index) if blocks.may_stop else ((), None, ())
    advice = None if withheld else advice
    stops = advice is not None and advice.stop is not stopping.Stop.GO_ON
    line = None if stops else _command(study, blocks, curve)
    return NextStep(study, blocks, _cost(blocks, curve), not fixed, series, rows, advice, withheld, line)


def _checked(
    blocks: Blocks, curve: CurveCells, index: Any
) -> tuple[tuple[Mapping[str, Any], ...], stopping.Advice, tuple[float, ...]]:
    """The verdicts of a look, whether the study may stop, and which shares' runs forbid to say so; of complete blocks.

    Between looks there is no verdict: there a study stops only where more seeds would hardly change the choice.
    """
    from littlehuman.study.replacement import replacement_curve

    design, whole = blocks.design, complete_blocks(blocks, curve)
    found = replacement_curve(whole, design.metric, design.delta, index, blocks if blocks.at_look else None)
    rows = [{str(key): value for key, value in row.items()} for row in found.table.to_dict("records")[1:]]
    means = whole.cells.pivot(index="synth_frac", columns="seed", values=design.metric).sort_index().astype(float)
    if means.isna().any(axis=None):
        cell = whole.cells[whole.cells[design.metric].isna()]["folder"].iloc[0]
        raise DataError(
            f"{cell}: has no {design.metric}\nTry: rm -r {shlex.quote(cell)}, and the sweep's command again"
        )
    settled = [blocks.at_look and row["verdict"] in SETTLED for row in rows]
    advice = stopping.advise(_rules(design), stopping.look_at(means.to_numpy(), settled, blocks.number))
    return tuple(rows) if blocks.at_look else (), advice, _withheld(design, rows, advice.choice)


def _withheld(design: LookDesign, rows: Sequence[Mapping[str, Any]], choice: float) -> tuple[float, ...]:
    """Shares whose verdict is withheld among those that make a choice: all up to the first one beyond it."""
    deciding = design.shares[: design.shares.index(choice) + 2]
    return tuple(row["synth_frac"] for row in rows if row["verdict"] == WITHHELD and row["synth_frac"] in deciding)


def _rules(design: LookDesign) -> stopping.Rules:
    return stopping.Rules(design.shares, design.delta, most_seeds=design.last, most_looks=len(design.looks))


def _command(study: Path, blocks: Blocks, curve: CurveCells) -> str | None:
    """All cells of the seeds up to the next look; a sweep repeats none that is complete."""
    seeds = blocks.to_run
    if not seeds:
        return None
    shares: Sequence[float] = blocks.design.shares
    if seeds == blocks.begun:
        shares = sorted({cell.share for cell in blocks.missing})
    return _sweep(study, curve, shares, seeds)


def _sweep(study: Path, curve: CurveCells, shares: Sequence[float], seeds: Sequence[int]) -> str:
    cells = cells_of_curve(curve)
    twins = cells[~cells["without_twins"]]  # cells without twins may have been typed for another series
    rows: Sequence[Mapping[Hashable, Any]] = twins.to_dict("records")
    words = [f"n_train={curve.n_train}", f"synth_frac={_joined(shares)}", "extra_human=0", "synthetic=true"]
    return next_runs.sweep(study, rows, [*words, f"seed={_joined(seeds)}"])


def _joined(values: Sequence[float]) -> str:
    return ",".join(f"{value:.12g}" for value in values)


def _cost(blocks: Blocks, curve: CurveCells) -> Cost:
    design, done = blocks.design, len(blocks.seeds)
    if design.cost_unit == "cells":
        arms = len(design.shares)
        return Cost("cells", arms * done, arms, arms * design.last)
    spent = float(complete_blocks(blocks, curve).cells["usd"].astype(float).sum())
    block = spent / done if done else None
    return Cost("usd", spent, block, None if block is None else block * design.last)


def _chosen(study: Path, frame: pd.DataFrame, designs: Sequence[LookDesign], series: str | None) -> CurveCells:
    """The curve that is meant: the one named, else the one that is fixed, else the only one."""
    from littlehuman.study.comparisons import replacement_curves

    curves = [curve for curve in replacement_curves(frame) if not curve.control]
    known = {(str(row.series_id), int(row.n_train)) for row in frame.dropna(subset="n_train").itertuples()}
    for design in designs:
        if design.key not in known:
            raise _of_another_study(study, design, "this study has no cell of it")
    if not curves:
        raise DataError(
            f"{study}: has no replacement curve: two synthetic shares of one n_train with a complete cell each\n"
            f"Try: {_replacement(study, frame)}"
        )
    if series is not None:
        named = [curve for curve in curves if curve.name == series]
        if not named:
            raise DataError(
                f"{study}: there is no curve {series!r}; {did_you_mean(series, (curve.name for curve in curves))}"
            )
        return named[0]
    keys = {design.key for design in designs}
    meant = [curve for curve in curves if key_of(curve) in keys] if keys else curves
    if not meant:
        raise _of_another_study(study, designs[0], "no two of its shares have a complete cell here")
    if len(meant) > 1:
        names = "\n".join(f"  {curve.name}" for curve in meant)
        raise DataError(
            f"{study}: has {len(meant)} curves, and each has a design of its own:\n{names}\n"
            f"Try: {command('next', [str(study), '--series', meant[0].name])}"
        )
    return meant[0]


def _replacement(study: Path, frame: pd.DataFrame) -> str:
    """The command that gives a study without a replacement curve one, at its largest size."""
    sizes = frame["n_train"].dropna()
    words = [f"n_train={int(sizes.max())}"] if len(sizes) and sizes.max() > 0 else []
    rows: Sequence[Mapping[Hashable, Any]] = frame.to_dict("records")
    mixtures = ["synth_frac=0,0.5,0.9,1", "extra_human=0", "synthetic=true", "seed=0,1,2"]
    return next_runs.sweep(study, rows, [*words, *mixtures])


def _of_another_study(study: Path, design: LookDesign, why: str) -> DataError:
    return DataError(
        f"{study / look_design.FILE}: fixes the looks at {design.title}; {why}; a file "
        f"that came from another study has to go\nTry: rm {shlex.quote(str(study / look_design.FILE))}"
    )


def _refuse_other_shares(study: Path, design: LookDesign, curve: CurveCells) -> None:
    if absent := never_begun(design, curve):
        seeds = sorted({int(seed) for seed in curve.cells["seed"]})
        raise DataError(
            f"{study / look_design.FILE}: fixes the shares {_joined(design.shares)}; this study has no cell at "
            f"{_joined(absent)}\nTry: {_sweep(study, curve, absent, seeds)}"
        )


def _again(study: Path, series: str | None, asked: AskedRules | None = None, **other: Any) -> str:
    """The command that was typed, with other rules."""
    words = replace(asked or AskedRules(), **other).options()
    return command("next", [str(study), *words, *(["--series", series] if series else [])])


def _refuse_what_cannot_be_fixed(
    study: Path, design: LookDesign, curve: CurveCells, index: Any, again: Callable[..., str]
) -> None:
    from littlehuman.study.comparisons import statistics_of
    from littlehuman.study.load import check_metric, metric_names

    check_metric(study, curve.cells, design.metric)
    if statistics_of(curve.cells, design.metric, index) is None:
        others = [name for name in metric_names(curve.cells) if statistics_of(curve.cells, name, index) is not None]
        mend = again(metric=others[0]) if others else "a study with another metric"
        raise DataError(f"{study}: {design.metric} has no scores of single items, so it has no verdicts\nTry: {mend}")
    if design.cost_unit == "usd" and not curve.cells["usd"].astype(float).sum() > 0:
        mend = again(cost_unit="cells")
        raise DataError(f"{study}: nothing was paid for its twins, so its cost in usd is not known\nTry: {mend}")
    whole = len(complete_seeds(design, curve))
    if whole > design.looks[0]:
        looks = tuple(whole + more for more in range(3))
        raise DataError(
            f"{study}: has {whole} complete seeds, and the first look was to be after {design.looks[0]}: who has seen "
            "them cannot fix that look any more. Where nothing was decided before, the first look may be at the seeds "
            f"that there are\nTry: {again(looks=looks)}"
        )
