"""What the page draws: replacement curves with every seed, trade-offs with the worth of a human point over N.

In: curves and trade-offs of a study. Out: plain values. Infinite ends are the texts "inf" and "-inf": JSON has no
number for them, and an interval without an upper end is another thing than one that is not known.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from littlehuman.economics import human_worth
from littlehuman.reporting import learning_curve as over_labels
from littlehuman.reporting import tables, verdicts
from littlehuman.reporting.warning_texts import shown_warnings, warning_texts
from littlehuman.study.answers import as_json

if TYPE_CHECKING:
    from littlehuman.economics.learning_curve import LearningCurve
    from littlehuman.economics.price import Price, Tradeoff
    from littlehuman.reporting.tables import ReportTable
    from littlehuman.study.replacement import ReplacementCurve

POSITIONS = 41  # numbers of synthetic points at which the worth is computed: the positions of the page's slider
KEPT = ("label", "place", "protocol", "n_train", "metric", "base", "delta", "level", "floors", "learnt", "shares")


def curve(line: ReplacementCurve, delta: float, number: int) -> dict[str, Any]:
    """One replacement curve: its shares with intervals and verdicts, and the score of every run."""
    value = as_json(line)
    cells = line.curve.cells
    runs = cells[["synth_frac", "seed", "n_human", line.metric, "cell"]] if line.metric in cells else None
    words = tables.curve(line, delta)
    return {
        "id": f"{'control' if line.curve.control else 'curve'}-{number}",
        "name": line.curve.name,
        "control": line.curve.control,
        **{key: value[key] for key in KEPT},
        "ruled_out": [row.synth_frac for row in verdicts.rows_of(line)[1:] if verdicts.ruled_out(row)],
        "floors": [{"name": floor.kind.value, "answer": floor.answer, "score": floor.value} for floor in line.floors],
        "runs": [] if runs is None else [list(run) for run in runs.itertuples(index=False)],
        "answer": verdicts.answer(line, delta),
        "table": table(words),
        "problems": [warning_texts(line, [warning]) for warning in shown_warnings(line)],
        "notes": list(verdicts.notes(line)),
    }


def table(of: ReportTable) -> dict[str, Any]:
    """A table of the report as JSON."""
    return {"title": of.title, "header": list(of.header), "words": of.words, "rows": [list(row) for row in of.rows]}


def learning_curve(one: LearningCurve) -> dict[str, Any]:
    """Scores over human labels alone: measured, of each run, and fitted."""
    value, cells = one.as_json(), one.measured.curve.cells
    metric = one.measured.metric
    runs = cells[["n_human", "seed", metric, "cell"]] if metric in cells else None
    return {
        **{key: value[key] for key in ("name", "metric", "protocol", "n_human", "delta", "sizes", "curve", "doubling")},
        "floors": [{"name": floor.kind.value, "score": floor.value} for floor in one.measured.floors],
        "runs": [] if runs is None else [list(run) for run in runs.itertuples(index=False)],
        "answer": over_labels.answer(one),
        "table": table(over_labels.table(one)),
        "problems": over_labels.problems(one),
        "notes": list(over_labels.notes(one)),
    }


def tradeoff(one: Tradeoff) -> dict[str, Any]:
    """One series of runs over sizes: its runs, the fitted curves, and the worth of a human point over N."""
    scored, price = one.scored, one.price
    seeds: Sequence[Any] = [None] * len(scored.score) if scored.seed is None else scored.seed.tolist()
    runs = zip(scored.n_synthetic.tolist(), scored.n_human.tolist(), scored.score.tolist(), seeds, strict=True)
    value: dict[str, Any] = {"name": scored.name, "metric": scored.metric, "protocol": one.protocol}
    value |= {"dataset": one.dataset, "why": one.why, "runs": [list(run) for run in runs]}
    value |= {"synthetic_usd": scored.synthetic_usd, "owned_human": scored.owned_human}
    if price is None:
        return value | {"fitted": [], "worth": [], "text": "", "prices": None}
    worth = [_worth(price, found.human_points) for found in price.by_human]
    return value | {"fitted": _fitted(price), "worth": worth, "text": price.text(), "prices": price.prices}


def _positions(price: Price) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Numbers of synthetic points from the smallest to the largest tried, evenly on a log scale."""
    tried = price.model.n_synthetic[price.model.n_synthetic > 0]
    return np.unique(np.geomspace(tried.min(), tried.max(), POSITIONS).round())


def _worth(price: Price, human_points: float) -> dict[str, Any]:
    positions = _positions(price)
    middle, low, high = human_worth.worth_draws(price.model.response, positions, human_points).limits()
    ends = {"value": middle, "low": low, "high": high}
    numbers = {name: [_number(x) for x in values] for name, values in ends.items()}
    return {"human_points": human_points, "n": positions.tolist(), **numbers}


def _fitted(price: Price) -> list[dict[str, Any]]:
    """The fitted score over N without human points, and beside each tried number of them."""
    return list(_lines(price, [0.0, *sorted(found.human_points for found in price.by_human)]))


def _lines(price: Price, levels: Sequence[float]) -> Iterator[dict[str, Any]]:
    positions = _positions(price)
    for human in levels:
        found = [
            human_worth.estimate(row) for row in price.model.response.score(positions, np.full_like(positions, human))
        ]
        ends = {name: [getattr(one, name) for one in found] for name in ("value", "low", "high")}
        yield {"human_points": human, "n": positions.tolist(), **ends}


def _number(value: float) -> float | str | None:
    if math.isnan(value):
        return None
    return float(value) if math.isfinite(value) else "inf" if value > 0 else "-inf"
