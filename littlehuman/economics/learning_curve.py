"""The learning curve over human labels alone: what they reach, what twice as many would bring, and how few are enough.

In: scores by the number of human labels (`study.human_labels`). Out: `LearningCurve`: the measured scores, and the
curve of the response model through the runs (power laws, logarithm and exponential, averaged; Viering and Loog 2023),
read at most to twice the largest number of labels. Its intervals are for new seeds on these test items.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from littlehuman.economics.human_alone import fit_alone, misfits
from littlehuman.economics.human_worth import estimate
from littlehuman.economics.identification import FEWEST_RUNS
from littlehuman.economics.reason_text import sentence
from littlehuman.economics.reasons import Kind, Reason
from littlehuman.economics.response import Response
from littlehuman.economics.response_shapes import Array, Index
from littlehuman.stats.interval import Interval
from littlehuman.study import answers
from littlehuman.study.curve_warnings import CurveWarning, WarningKind
from littlehuman.study.replacement import ReplacementCurve

REACH = 2  # times the most labels: no curve is read beyond
_POINTS = 41  # at which the curve is given, evenly on a logarithmic axis


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """Scores over human labels alone.

    `measured`: its arms are the shares of the labels that are left out, its base the most labels. `fitted`: draws of
    the curve; None where it must not be read, and `why` says so in a clause. `delta`: the loss that can be borne.
    """

    measured: ReplacementCurve
    delta: float
    fitted: Response | None
    why: str = ""
    caveats: tuple[str, ...] = ()

    @property
    def most(self) -> int:
        """The largest number of human labels."""
        return self.measured.curve.n_train

    @property
    def sizes(self) -> list[Any]:
        """A row of the measured scores per number of labels, ascending (columns: `study.curve_table`)."""
        return list(self.measured.table.sort_values("n_human").itertuples())

    @property
    def nothing_learnt(self) -> bool:
        """Whether no number of labels is shown to score above what needs no training."""
        return any(w.kind is WarningKind.NOTHING_LEARNT and w.share is None for w in self.measured.warnings)

    @property
    def withheld(self) -> tuple[CurveWarning, ...]:
        """Why nothing is said of the most labels: what is wrong with those runs."""
        return self.measured.withheld_because(0.0)

    def scores(self, n_human: Iterable[float]) -> Array:
        """Drawn scores [m, D] of numbers of labels [m], within 0 and 1.

        Raises:
            ValueError: where there is no curve, or for more than twice the most labels.
        """
        n = np.asarray(list(n_human), dtype=np.float64)
        if self.fitted is None or n.max() > REACH * self.most:
            raise ValueError("no curve is read here")
        return np.clip(self.fitted.score(np.zeros_like(n), n), 0.0, 1.0)

    @cached_property
    def doubled(self) -> Interval | None:
        """What twice the most labels would add to their score; None where it is not known."""
        if self.fitted is None or self.withheld:
            return None
        now, twice = self.scores([self.most, REACH * self.most])
        left = max(1.0 - float(self.sizes[-1].mean), 0.0)  # no score rises above 1
        return estimate(np.minimum(twice - now, left))

    @cached_property
    def enough(self) -> Interval | None:
        """The fewest labels within the tried ones whose score lies less than delta below that of the most."""
        if self.doubled is None:
            return None
        sizes = np.unique(np.geomspace(self.sizes[0].n_human, self.most, 200).round())
        near = self.scores(sizes) > self.scores([self.most]) - self.delta
        return estimate(sizes[near.argmax(axis=0)])

    @cached_property
    def curve(self) -> list[tuple[float, Interval]]:
        """The fitted score at numbers of labels, to twice the most; empty where there is no curve."""
        if self.fitted is None:
            return []
        sizes = np.geomspace(self.sizes[0].n_human, REACH * self.most, _POINTS)
        return [(float(n), estimate(draws)) for n, draws in zip(sizes, self.scores(sizes), strict=True)]

    def at(self, n_human: float) -> Interval | None:
        """The fitted score of so many labels; None where there is no curve."""
        return None if self.fitted is None else estimate(self.scores([n_human])[0])

    def as_json(self) -> dict[str, Any]:
        """All of it as plain values, None for what is not known; see `reporting/answers.py`."""
        found = answers.as_json(self.measured)
        sizes = [{"n_human": one.pop("n_human"), "left_out": one.pop("synth_frac"), **one} for one in found["shares"]]
        kept = ("series", "place", "protocol", "metric", "level", "learnt", "floors", "clusters", "variance", "caveats")
        doubled, enough = self.doubled, self.enough
        twice = None if doubled is None else {"n_human": REACH * self.most, "change": doubled.as_json()}
        return {
            **{key: found[key] for key in kept},
            "name": self.measured.curve.name,
            "n_human": self.most,
            "delta": self.delta,
            "doubling": twice,
            "within_delta_from": None if enough is None else enough.as_json(),
            "not_known_because": self.why or None,
            "sizes": sizes[::-1],
            "curve": [{"n_human": n, **s.as_json(), "extrapolated": n > self.most} for n, s in self.curve],
            "models": self._models(),
            "warnings": found["warnings"],
            "cells": found["cells"],
        }

    def _models(self) -> list[dict[str, Any]]:
        fit = self.fitted
        return (
            []
            if fit is None
            else [{"name": f.name, "weight": float(w)} for f, w in zip(fit.families, fit.weights, strict=True)]
        )


def learning_curve(measured: ReplacementCurve, delta: float) -> LearningCurve:
    """The learning curve of one series; `delta` is the loss that can be borne, in score units."""
    n, score, seed = _runs(measured)
    if measured.shares and not measured.learnt:
        return LearningCurve(measured, delta, None, "no score is shown to lie above what needs no training")
    if len(n) < FEWEST_RUNS:
        return LearningCurve(measured, delta, None, sentence(Reason(Kind.TOO_FEW_RUNS, _few(len(n)))))
    seeds = len(np.unique(seed))
    caveats = [Kind.ONE_SEED] if seeds == 1 else [Kind.TWO_SEEDS] if seeds == 2 else []
    said = tuple(sentence(Reason(kind)) for kind in caveats)
    fitted = fit_alone(n, score, seed)
    if misfits(n, score, seed, fitted):
        return LearningCurve(measured, delta, None, sentence(Reason(Kind.MISFITS)), said)
    return LearningCurve(measured, delta, fitted, "", said)


def _runs(measured: ReplacementCurve) -> tuple[Array, Array, Index]:
    """Labels, score and seed of the runs, without collapsed trainings."""
    gone = [(w.share, seed) for w in measured.warnings if w.kind is WarningKind.COLLAPSED for seed in w.seeds]
    cells = measured.curve.cells
    placed = zip(cells["synth_frac"], cells["seed"], strict=True)
    cells = cells[[pair not in gone for pair in placed]]
    scored = cells[cells[measured.metric].notna()] if measured.metric in cells else cells.iloc[:0]
    n, score = (pd.to_numeric(scored[name]).to_numpy(np.float64) for name in ("n_human", measured.metric))
    return n, score, scored["seed"].to_numpy(np.intp)


def _few(runs: int) -> dict[str, float]:
    return {"runs": runs, "needed": FEWEST_RUNS}
