"""Scores by the number of human labels, without synthetic points: what `experiment=learning_curve` measures.

In: the frame of `results.load`. Out: a `ReplacementCurve` per series with three or more numbers of human labels. Its
arms are the shares of the labels that are left out, 1 - n / most: the base is the largest number of labels, and a
verdict says what fewer of them lose against it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from littlehuman.study.clusters import ClusterIndex
from littlehuman.study.comparisons import CurveCells
from littlehuman.study.replacement import ReplacementCurve, has_metric, replacement_curve
from littlehuman.study.scores import SIZES
from littlehuman.study.series import Cells, Series, frame_of, split


def curves_over_labels(
    frame: Cells, metric: str | None, delta: float, index: ClusterIndex | None = None
) -> tuple[ReplacementCurve, ...]:
    """One curve per series; runs that several series share come once.

    Args:
        frame: of `results.load`, or its series.
        metric: instead of each series' headline, where it has it.
        delta: the loss that can be borne, in score units.
        index: clusters of the test items (default: those that the runs wrote).
    """
    known = index or ClusterIndex(frame_of(frame))
    return tuple(_analysed(curve, metric, delta, known) for curve in _cells(frame))


def _cells(frame: Cells) -> Iterator[CurveCells]:
    seen = set()
    for series in split(frame):
        cells = series.complete
        alone = cells[(cells["n_synthetic"] == 0) & (cells["n_human"] > 0)]
        if alone["n_human"].nunique() < SIZES or (key := frozenset(alone["cell"])) in seen:
            continue
        seen.add(key)
        most = alone["n_human"].max()
        left_out = 1 - alone["n_human"].astype(float) / most
        yield CurveCells(_name(series), series, int(most), alone.assign(synth_frac=left_out), control=True)


def _name(series: Series) -> str:
    """Whoever wrote the twins of a series has no part in the runs without any."""
    return series.name if series.cells["without_twins"].all() else series.place


def _analysed(curve: CurveCells, metric: str | None, delta: float, index: ClusterIndex) -> ReplacementCurve:
    name = metric if metric and has_metric(curve.series, metric) else curve.series.metric
    return replace(replacement_curve(curve, name, delta, index), missing=())
