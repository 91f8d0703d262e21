"""What the results files say: hypotheses, controls and entry rule of the design, each held, refuted or not known.

In: the cells of a set (the frame of `results.load` on an unpacked results file). Out: plain values. All intervals are
those of `littlehuman.stats` (simultaneous over the comparisons of a curve) and of the price model. What was not run is
absent, and where a cell of the design is missing nothing is computed: its state is "incomplete".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.replication.design import (
    ALONE,
    CURVE_SEEDS,
    CUT,
    EXCHANGED,
    EXCHANGES,
    OTHERS,
    SHARES,
    WORTH_SEEDS,
    WRITER,
    Set,
)
from littlehuman import stats
from littlehuman.economics.price import price_of_scores
from littlehuman.errors import DataError
from littlehuman.study import series
from littlehuman.study.clusters import ClusterIndex
from littlehuman.study.comparisons import statistics_of
from littlehuman.study.control_comparison import compare_with_controls
from littlehuman.study.replacement import ReplacementCurve, curves_of_study
from littlehuman.study.scores import of_series

HELD, REFUTED, UNKNOWN, INCOMPLETE = "held", "refuted", "not known", "incomplete"
WORTH = 10  # synthetic points that a human one is worth at least (H4)
ENTRY = 4  # detectable differences that the human learning curve must rise
Value = dict[str, Any]
Curves = tuple[tuple[ReplacementCurve, ...], tuple[ReplacementCurve, ...]]


class Arms:
    """The complete runs of a set, by arm."""

    def __init__(self, one: Set, frame: pd.DataFrame) -> None:
        self.set, self.index = one, ClusterIndex(frame)
        self.done = frame[frame["state"] == "done"]
        self.metric = str(self.done["metric"].iloc[0])

    def human(self, n: int) -> pd.DataFrame:
        """Human points alone, n of them."""
        return self._cells(synth_frac=0, n_train=n, extra_human=0)

    def main(self, share: float, **groups: str) -> pd.DataFrame:
        """An arm of the main study; `groups` differ from few-shot twins without a filter."""
        if not share:
            return self.human(self.set.n)
        written = {"prompt_model": WRITER, "strategy": "few_shot", "filter": "none"} | groups
        return self._cells(synth_frac=share, n_train=self.set.n, extra_human=0, synthetic=True, **written)

    def control(self, share: float, file: str) -> pd.DataFrame:
        """Points of a control file in the place of a share of the points."""
        return self._cells(synth_frac=share, n_train=self.set.n, synthetic=True, prompt_model=file)

    def alone(self, share: float) -> pd.DataFrame:
        """The human points of a mixture without its twins."""
        return self._cells(synth_frac=share, n_train=self.set.n, synthetic=False)

    def worth(self, n: int, human: int) -> pd.DataFrame:
        """n synthetic points with some human ones beside them."""
        written = {"prompt_model": WRITER, "strategy": "few_shot", "filter": "none"}
        cells = self._cells(synth_frac=1, n_train=n, extra_human=human, **written)
        return cells[cells["seed"] < WORTH_SEEDS]

    def scores(self, *arms: pd.DataFrame) -> tuple[Any, Any]:
        """Item scores `[arms, seeds, items]`, and the clusters of the items."""
        placed = pd.concat([cells.assign(synth_frac=float(at)) for at, cells in enumerate(arms)])
        found = statistics_of(placed, self.metric, self.index)
        assert found is not None, f"{self.metric} has no scores of single items"
        return found.scores.scores, found.clusters.labels

    def differences(self, base: pd.DataFrame, *others: pd.DataFrame) -> list[stats.Difference]:
        """Each arm against the base, as one family."""
        curve = stats.analyse(*self.scores(base, *others), delta=self.set.margin / 100)
        return [found for found in curve.differences if found is not None]

    def seeds(self, *arms: pd.DataFrame) -> int:
        """Seeds that all arms have."""
        return min(len(set(cells["seed"])) for cells in arms)

    def _cells(self, **wanted: object) -> pd.DataFrame:
        cells = self.done
        for column, value in wanted.items():
            cells = cells[cells[column] == value] if column in cells else cells[:0]
        return cells


def of_set(arms: Arms) -> Value:
    """All that is said about a set but for its entry.

    That 90 % cost little (H1) is known only where the instrument sees what does cost: the positive control is seen, and
    something was learnt.
    """
    lines, _ = curves_of(arms)
    warnings = [warning for line in lines for warning in line.warnings]
    found, checks = dict(hypotheses(arms)), dict(controls(arms))
    blind = checks.get("positive", {}).get("state") == UNKNOWN
    if blind or any(warning.withholds and warning.share is None for warning in warnings):
        found |= {"H1": found["H1"] | {"state": UNKNOWN}} if found.get("H1", {}).get("state") == HELD else {}
    return {
        "metric": arms.metric,
        "hypotheses": found,
        "controls": checks,
        "shares": {f"{row['synth_frac']:g}": _share(row) for line in lines for row in line.table.to_dict("records")},
        "warnings": [f"{warning.kind.value} ({_where(warning.share)})" for warning in warnings],
    }


def _where(share: float | None) -> str:
    return "all shares" if share is None else f"{share:.1%} synthetic"


def entry(arms: Arms, floor: float) -> Value:
    """The human learning curve, and whether it lies far enough above the untrained model and the constant answer."""
    sizes = (0, *arms.set.curve)
    runs = [cells[cells["seed"] < CURVE_SEEDS] for cells in map(arms.human, sizes)]
    if (seeds := arms.seeds(*runs)) < CURVE_SEEDS:
        return {"state": INCOMPLETE, "seeds": seeds}
    found = stats.analyse(*arms.scores(*runs)).scores
    highest, needed = max(found[0].value, floor), ENTRY * arms.set.detectable / 100
    points = {str(n): _interval(score) for n, score in zip(sizes, found, strict=True)}
    state = "enters" if found[-1].value - highest >= needed else "does not enter"
    return {"state": state, "scores": points, "floor": _number(highest), "needed": _number(needed)}


def hypotheses(arms: Arms) -> Iterator[tuple[str, Value]]:
    """H1 to H4 with their decision rules, as far as any of their runs is there."""
    main, margin = {share: arms.main(share) for share in SHARES}, arms.set.margin / 100

    def loss() -> Value:
        found = arms.differences(*main.values())[SHARES.index(0.9) - 1]
        return _decided(found, found.interval.low > -margin, found.interval.high < -margin)

    def fall() -> Value:
        found = _contrast(arms)
        return _decided(found, found.interval.high < 0, found.interval.low > 0, times=2)

    def gain() -> Value:
        found = arms.differences(main[1], main[0.975], *(main[share] for share in (0, 0.5, 0.9, 0.95)))[0]
        return _decided(found, found.interval.low > 0, found.interval.high < 0)

    for name, rule in (("H1", loss), ("H2", fall), ("H3", gain)):
        yield from _asked(name, arms, list(main.values()), arms.set.seeds, rule)
    if arms.set.human:
        grid = [arms.worth(n, human) for n in arms.set.sizes for human in (0, arms.set.human)]
        yield from _asked("H4", arms, grid, WORTH_SEEDS, lambda: _worth(arms, pd.concat(grid)))


def _asked(
    name: str, arms: Arms, cells: list[pd.DataFrame], seeds: int, rule: Callable[[], Value]
) -> Iterator[tuple[str, Value]]:
    """What a rule says once all cells are there; nothing where none is."""
    if any(map(len, cells)):
        there = arms.seeds(*cells)
        yield name, rule() if there >= seeds else {"state": INCOMPLETE, "seeds": there}


def _contrast(arms: Arms) -> stats.Difference:
    """Half of (change from 0.9 to 1) - (change from 0 to 0.9): the mean of shares 0 and 1, against share 0.9.

    That mean is an arm like another one (scores in 0..1), so the model of a curve gives its interval; the other shares
    tell it how much seeds scatter.
    """
    scores, clusters = arms.scores(*(arms.main(share) for share in (0.9, 0, 1, 0.5, 0.95, 0.975)))
    scores = np.concatenate([scores[:1], (scores[[1]] + scores[[2]]) / 2, scores[3:]])
    found = stats.analyse(scores, clusters).differences[1]
    assert found is not None  # it is not the base
    return found


def _worth(arms: Arms, cells: pd.DataFrame) -> Value:
    try:
        found = price_of_scores(of_series(Path(arms.set.study), series.Series(arms.set.name, cells))).headline
    except DataError as error:
        return {"state": UNKNOWN, "why": error.one_line}
    ends = {name: float(f"{getattr(found.worth, name):.3g}") for name in ("value", "low", "high")}
    state = HELD if found.worth.low >= WORTH else REFUTED if found.worth.high < WORTH else UNKNOWN
    return {"state": state, "at": found.n} | {k: x if math.isfinite(x) else str(x) for k, x in ends.items()}


def controls(arms: Arms) -> Iterator[tuple[str, Value]]:
    """Positive, negative, style, human points alone, and the filtered arm, as far as their runs are there."""
    one, human, last = arms.set, arms.main(0), arms.main(1)
    exchanged = [arms.control(share, EXCHANGED) for share in EXCHANGES]
    others = arms.control(one.negative, OTHERS)
    style = arms.control(1, CUT) if one.answers else arms.main(1, strategy="annotate")
    alone = [arms.alone(share) for share in ALONE]

    def positive() -> Value:
        found = arms.differences(human, *exchanged)
        return _decided(found[-1], found[-1].differs and found[-1].interval.high < 0, False) | {
            "shares": {f"{share:g}": _value(each) for share, each in zip(EXCHANGES, found, strict=True)}
        }

    def negative() -> Value:
        (found,) = arms.differences(human, others)
        return _decided(found, not found.differs, found.differs)

    def in_form() -> Value:
        own, whole = arms.differences(human, style, last)
        return {"state": "", **_value(own), "twins": _value(whole)}

    def added() -> Value:
        rows = compare_with_controls(*curves_of(arms)).to_dict("records")
        return {"state": "", "shares": {f"{row['synth_frac']:g}": _share(row) for row in rows}}

    asked = [("positive", exchanged, positive), ("negative", [others], negative), ("style", [style], in_form)]
    for name, own, rule in [*asked, ("alone", alone, added)]:
        if any(map(len, own)):
            yield from _asked(name, arms, [human, *own, *([last] if rule is in_form else [])], one.seeds, rule)
    for share in (0.9, 1) if one.filtered else ():
        own = [arms.main(share), arms.main(share, filter=one.filtered)]
        rule = partial(_against, arms, own)
        yield from _asked(f"{one.filtered} at {share:g}", arms, own, one.seeds, rule)


def _against(arms: Arms, own: list[pd.DataFrame]) -> Value:
    return {"state": "", **_value(arms.differences(*own)[0])}


def curves_of(arms: Arms) -> Curves:
    """The curve of the main study and that of its human points alone; none before two shares are there."""
    main, alone = [arms.main(share) for share in SHARES], [arms.alone(share) for share in ALONE]
    if not len(main[0]) or sum(map(bool, map(len, main))) < 2:
        return (), ()
    frame = series.named(pd.concat([*main, *alone]))
    delta = arms.set.margin / 100
    lines = curves_of_study(frame, None, delta, index=arms.index)
    return lines, curves_of_study(frame, None, delta, control=True, index=arms.index)


def _decided(found: stats.Difference, held: bool, refuted: bool, times: int = 1) -> Value:
    state = HELD if held else REFUTED if refuted else UNKNOWN
    return {"state": state if found.of_seeds else UNKNOWN} | _value(found, times)


def _value(found: stats.Difference, times: int = 1) -> Value:
    smallest = math.nan if found.detectable is None else times * found.detectable
    return _interval(found.interval.times(times)) | {"seeds": found.interval.seeds, "detectable": _number(smallest)}


def _share(row: Mapping[Any, Any]) -> Value:
    names = ("seeds", "items", "clusters", "mean", "low", "high", "change", "change_low", "change_high", "verdict")
    return {name: _number(row[name]) for name in names if name in row}


def _interval(found: stats.Interval) -> Value:
    return {"value": _number(found.value), "low": _number(found.low), "high": _number(found.high)}


def _number(value: Any) -> Any:
    """A number to four digits after the point, which another machine gives too; None where there is none."""
    value = value.item() if hasattr(value, "item") else value
    if not isinstance(value, float):
        return value
    return round(value, 4) + 0.0 if math.isfinite(value) else None
