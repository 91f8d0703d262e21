"""Which writer the twins of a cell are by, and the rounds of writing and tuning again.

`prompt_model.adapter` names a writer, or is `own`: then one is tuned on the cell's own human points. In rounds
(`generation.round`) the twins of round 0 are by the prompt model as it is; the writer of round r is tuned on the
training set of round r - 1, or (`generation.accumulate`) on the human points and the twins of all rounds before: the
designs "replace" and "accumulate" of Gerstgrasser et al. 2024 (arXiv 2404.01413) on model collapse (Shumailov et al.
2024).

Nothing is handed from cell to cell. A cell computes the rounds before it, whose answers are in the completion cache and
whose writers are in theirs, so it can be computed in any order, by any launcher, and again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeAlias

from littlehuman import twins
from littlehuman.config.identity import needs_twins
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, Problem
from littlehuman.mixture import mixing
from littlehuman.records import Dataset, Example, Mixture, Origin, Point
from littlehuman.schema import adapter
from littlehuman.writer import folder
from littlehuman.writer.folder import Writer
from littlehuman.writer.rows import tuning_rows
from littlehuman.writer.tuning import TuningSet, tune

Stage: TypeAlias = Callable[[str], AbstractContextManager[None]]


def writer_of(
    plan: mixing.MixturePlan, dataset: Dataset, config: RunConfig, test: Sequence[Example], stage: Stage
) -> Writer:
    """The writer of a cell's twins, tuned when it is its own and absent; without one, the prompt model as it is.

    Args:
        plan: the cell's design.
        dataset: whose training split the points are from; no other split is looked at.
        config: the cell.
        test: the test points, which a given writer must not have seen.
        stage: times the stage of a run.

    Raises:
        LittlehumanError: as `folder.given`, `tune_for` and `twins.write`.
    """
    asked = config.prompt_model.adapter or config.generation.round
    if not asked or not needs_twins(config):
        return Writer()
    with stage("writer"):
        if config.generation.round:
            return _after_rounds(plan, dataset, config)
        own = config.prompt_model.adapter == adapter.OWN
        return tune_for(plan, dataset, config) if own else folder.given(config, dataset, test)


def tune_for(plan: mixing.MixturePlan, dataset: Dataset, config: RunConfig, place: Path | None = None) -> Writer:
    """Tune a writer on the human points of a cell; it is kept in the folder `place` (default: the cache).

    Raises:
        ConfigError: when the cell has no human points.
    """
    human = [Point(example, Origin.HUMAN) for example in (*plan.human, *plan.extra)]
    if not human:
        what = "leaves no human points to tune a writer on"
        raise ConfigError([Problem(f"synth_frac={config.synth_frac:g}", what)], "synth_frac=0.9, or extra_human=20")
    return _tuned(human, plan, dataset, config, {}, place)


def _after_rounds(plan: mixing.MixturePlan, dataset: Dataset, config: RunConfig) -> Writer:
    """The writer of this round, after all rounds before it."""
    writer, before, seen = Writer(), list[Mixture](), dict[str, str]()
    everyone = {example.id: example for example in dataset.train}
    for _ in range(config.generation.round or 0):
        made = twins.write(plan, dataset, writer.on(config))
        before.append(mixing.mix(plan, made.by_id, made.shown))
        seen |= {i: folder.words_digest(everyone[i]) for i in made.shown}
        points = _accumulated(plan, before) if config.generation.accumulate else before[-1].points
        writer = _tuned(points, plan, dataset, config, seen)
        seen |= writer.info["human"]
    return writer


def _accumulated(plan: mixing.MixturePlan, before: Sequence[Mixture]) -> list[Point]:
    """All human points of the set, also those that twins replace, and the twins of every round."""
    points = [Point(example, Origin.HUMAN) for example in (*plan.human, *plan.to_replace, *plan.extra)]
    return points + [point for mixture in before for point in mixture.points if point.origin is Origin.SYNTHETIC]


def _tuned(
    points: Sequence[Point],
    plan: mixing.MixturePlan,
    dataset: Dataset,
    config: RunConfig,
    seen: dict[str, str],
    place: Path | None = None,
) -> Writer:
    """A writer tuned on `points`; `seen` are the human points behind them."""
    everyone = {example.id: example for example in dataset.train}
    rows = tuning_rows([point.example for point in points], plan.owned, dataset, config)
    ids = [point.example.id for point in points if point.origin is Origin.HUMAN] + [
        i for row in rows for i in row.shown
    ]
    human = seen | {i: folder.words_digest(everyone[i]) for i in ids}
    return tune(TuningSet(points, rows, human, folder.train_fingerprint(dataset)), config, place)
