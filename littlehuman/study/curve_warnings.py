"""What is wrong with the runs behind a curve: empty answers, short or leaked training sets, failed trainings.

In: the cells of a curve, their item scores and floors. Out: `CurveWarning`s: a kind that code decides by, the arm and
seeds concerned, numbers, and whether a verdict may rest on these runs. Nothing is removed from the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

import numpy as np
import pandas as pd

from littlehuman import stats
from littlehuman.stats import Interval
from littlehuman.stats.curve import DELTA
from littlehuman.study.comparisons import CurveStatistics
from littlehuman.study.floors import Floor
from littlehuman.study.item_scores import Floats, cells_of, one_per_seed
from littlehuman.study.run_files import predictions_of, result_of

EMPTY_NAMED, EMPTY_WITHHOLDS = 0.01, 0.5  # share of empty answers above which a warning names them, or withholds
SHORT_NAMED, SHORT_WITHHOLDS = 0.0, 0.05  # share of the points asked for: 5 % fewer hardly move a learning curve
CONSTANT = 0.95  # share of test items with one answer, where fewer have one target
GAP = 0.05  # in score units: a seed that is nearer to the others of its arm is neither collapsed nor outlying
_COLLAPSED_SE, _OUTLYING_SD = 4.0, 5.0
_AT_FLOOR = 0.02


class WarningKind(StrEnum):
    """What is wrong, as a reader of a table sees it."""

    BETWEEN_LOOKS = "between looks nothing is decided"
    NOTHING_LEARNT = "no score is shown to lie above its floors"
    MOSTLY_EMPTY = "most answers are empty"
    CONSTANT = "one answer to nearly all test items"
    COLLAPSED = "a training collapsed: its score is at the floor and far below other seeds"
    LEAK = "test items are in the training set"
    SHORTFALL = "fewer training points than asked for"
    SOME_EMPTY = "some answers are empty"
    OUTLYING = "a seed lies far from the others"


@dataclass(frozen=True, slots=True)
class CurveWarning:
    """One thing that is wrong. `share` is the arm (None: the whole curve); `seeds` the runs of it that are concerned.

    `parts` are numbers and texts: `share` of answers, points or items (the largest of the runs), `answer`, `floor`,
    `score`, `others` (median score of the arm's other seeds), `score_without` (leaked items). `withholds`: comparisons
    with this arm have no verdict.
    """

    kind: WarningKind
    share: float | None
    seeds: tuple[int, ...] = ()
    parts: Mapping[str, float | str] = field(default_factory=dict)
    withholds: bool = False


def warnings_of_curve(
    cells: pd.DataFrame,
    metric: str,
    found: CurveStatistics | None,
    analysis: stats.Curve | None,
    floors: Sequence[Floor],
) -> tuple[CurveWarning, ...]:
    """All that is wrong with the runs of a curve, what concerns the whole curve first.

    Args:
        cells: the complete cells of the curve.
        metric: its name.
        found: item scores of the cells, None where the metric has none.
        analysis: of these scores.
        floors: scores that need no training.
    """
    delta = DELTA if analysis is None else analysis.delta
    single = warnings_of_runs(cells, metric, delta)
    if found is None or analysis is None:
        return single
    if leaked := leaked_items(found.scores.folders):
        single = tuple(_without_leaked(warning, found, analysis, leaked) for warning in single)
    together = warnings_of_scores(found, analysis.scores, floors, analysis.base)
    return tuple(sorted((*together, *single), key=lambda warning: warning.share is not None))


def warnings_of_runs(cells: pd.DataFrame, metric: str, delta: float) -> tuple[CurveWarning, ...]:
    """Warnings by arm that need no comparison. A leak of more than `delta` of the test items withholds."""
    found: list[CurveWarning] = []
    for share, runs in one_per_seed(cells).groupby("synth_frac", sort=True):
        seeds, folders = [int(seed) for seed in runs["seed"]], list(runs["folder"])
        found += _of_arm(float(str(share)), seeds, folders, metric, delta)
    return tuple(found)


def _of_arm(
    share: float, seeds: Sequence[int], folders: Sequence[str], metric: str, delta: float
) -> Iterator[CurveWarning]:
    empty = {seed: _empty(folder, metric) for seed, folder in zip(seeds, folders, strict=True)}
    if (worst := max(empty.values())) > EMPTY_NAMED:
        kind = WarningKind.MOSTLY_EMPTY if worst > EMPTY_WITHHOLDS else WarningKind.SOME_EMPTY
        concerned = tuple(seed for seed, part in empty.items() if part > EMPTY_NAMED)
        yield CurveWarning(kind, share, concerned, {"share": worst}, kind is WarningKind.MOSTLY_EMPTY)
    short = {seed: _short(folder) for seed, folder in zip(seeds, folders, strict=True)}
    if (worst := max(short.values())) > SHORT_NAMED:
        concerned = tuple(seed for seed, part in short.items() if part > SHORT_NAMED)
        yield CurveWarning(WarningKind.SHORTFALL, share, concerned, {"share": worst}, worst > SHORT_WITHHOLDS)
    leaked = {seed: _leaked(folder) for seed, folder in zip(seeds, folders, strict=True)}
    if (worst := max(leaked.values())) > 0:
        concerned = tuple(seed for seed, part in leaked.items() if part > 0)
        yield CurveWarning(WarningKind.LEAK, share, concerned, {"share": worst}, worst > delta)
    constant = {seed: said for seed, folder in zip(seeds, folders, strict=True) if (said := _constant(folder))}
    if constant:
        answer, part = max(constant.values(), key=lambda said: said[1])
        parts: dict[str, float | str] = {"answer": answer, "share": part}
        yield CurveWarning(WarningKind.CONSTANT, share, tuple(constant), parts, True)


def warnings_of_scores(
    found: CurveStatistics, intervals: Sequence[Interval], floors: Sequence[Floor], base: int
) -> tuple[CurveWarning, ...]:
    """What the scores of all runs say together: nothing learnt, collapsed and outlying seeds."""
    highest = max((floor.value for floor in floors), default=None)
    return (*_unlearnt(found.scores.arms, intervals, highest, base), *_far_seeds(found, highest))


def leaked_items(folders: Sequence[str]) -> frozenset[str]:
    """Ids of test items that stand in the training set of any of these runs, as far as the runs name them."""
    return frozenset(i for folder in folders for i in result_of(folder).get("test_items_in_training", ()))


def _without_leaked(
    warning: CurveWarning, found: CurveStatistics, analysis: stats.Curve, leaked: frozenset[str]
) -> CurveWarning:
    """A leak with the score without the leaked items; it withholds nothing where the verdict is the same without."""
    kept = np.array([item not in leaked for item in found.scores.items])
    if warning.kind is not WarningKind.LEAK or warning.share not in found.scores.arms or not kept.any():
        return warning
    arm = found.scores.arms.index(warning.share)
    cells = cells_of(found.scores.scores[:, :, kept], found.clusters.labels[kept], found.scores.metric)
    clean = stats.of_cells(cells, base=analysis.base, delta=analysis.delta, alpha=analysis.alpha)
    verdicts = [None if d is None else d.verdict for d in (clean.differences[arm], analysis.differences[arm])]
    parts = {**warning.parts, "score_without": clean.scores[arm].value}
    withholds = warning.withholds and (arm == analysis.base or verdicts[0] != verdicts[1])
    return replace(warning, parts=parts, withholds=withholds)


def _empty(folder: str, metric: str) -> float:
    score = result_of(folder).get("scores", {}).get(metric, {})
    failed, scored = score.get("n_failed", 0), score.get("n", 0)
    return float(failed / max(failed, scored, 1))


def _short(folder: str) -> float:
    counts = result_of(folder).get("counts", {})
    missing = counts.get("shortfall", 0)
    return float(missing / max(counts.get("total", 0) + missing, 1))


def _leaked(folder: str) -> float:
    """Share of test items that are in training; at most that, where the run does not name them."""
    result = result_of(folder)
    points = result.get("audit", {}).get("training_points_in_test", 0)
    count = len(result.get("test_items_in_training", ())) or points
    read = predictions_of(folder) if count else None
    return min(count / len(read.ids), 1.0) if read else 0.0


def _constant(folder: str) -> tuple[str, float] | None:
    read = predictions_of(folder)
    if read is None or read.answers is None or read.targets is None:
        return None
    answer, part = read.answers.commonest
    return (answer, part) if answer.strip() and part > CONSTANT > read.targets.commonest[1] else None


def _unlearnt(
    arms: Sequence[float], intervals: Sequence[Interval], highest: float | None, base: int
) -> Iterator[CurveWarning]:
    if highest is None:
        return
    learnt = [interval.low > highest for interval in intervals]
    parts: dict[str, float | str] = {"floor": highest}
    if not any(learnt):
        yield CurveWarning(WarningKind.NOTHING_LEARNT, None, (), parts, True)
    elif not learnt[base]:
        for arm in (a for a, above in enumerate(learnt) if not above and a != base):
            yield CurveWarning(WarningKind.NOTHING_LEARNT, arms[arm], (), parts, True)


def _far_seeds(found: CurveStatistics, highest: float | None) -> Iterator[CurveWarning]:
    """Collapsed seeds (at the floor, far below the others of their arm); where there is none, outlying ones."""
    means = found.cells.means
    others = _medians_of_others(means)
    errors = np.sqrt(np.maximum(others * (1 - others), 0) / len(found.scores.items))
    at_floor = (means < others / 2) | (means <= (-np.inf if highest is None else highest + _AT_FLOOR))
    collapsed = np.asarray(at_floor & (others - means > np.maximum(GAP, _COLLAPSED_SE * errors)))
    distance = np.abs(means - np.nanmedian(means, 1, keepdims=True))
    distance[collapsed.any(1)] = np.nan
    for arm, share in enumerate(found.scores.arms):
        elsewhere = np.delete(distance, arm, 0)
        usual = 1.4826 * float(np.nanmedian(elsewhere)) if (~np.isnan(elsewhere)).any() else np.inf
        outlying = distance[arm] > np.maximum(GAP, _OUTLYING_SD * np.maximum(usual, errors[arm]))
        outlying &= np.count_nonzero(~np.isnan(means[arm])) > 2  # of two seeds nobody knows which is far
        for at in np.flatnonzero(collapsed[arm] | outlying):
            kind = WarningKind.COLLAPSED if collapsed[arm, at] else WarningKind.OUTLYING
            parts = {"score": float(means[arm, at]), "others": float(others[arm, at])}
            yield CurveWarning(kind, share, (found.scores.seeds[at],), parts, kind is WarningKind.COLLAPSED)


def _medians_of_others(means: Floats) -> Floats:
    """For each cell `[arms, seeds]` the median score of the same arm under other seeds; nan where there is none."""
    found = np.full(means.shape, np.nan)
    for seed in range(means.shape[1]):
        rest = np.delete(means, seed, 1)
        known = (~np.isnan(rest)).any(1)
        found[known, seed] = np.nanmedian(rest[known], 1) if known.any() else np.nan
    return np.where(np.isnan(means), np.nan, found)
