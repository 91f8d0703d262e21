"""All that the report of a study says, computed once.

In: a study folder. Out: `ReportData`: replacement curves with their statistics, the human points alone, learning curves
over human labels, trade-offs with prices, texts of twins and humans, cost, audit, missing cells. Sentences, tables and
figures only show it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from littlehuman.economics import next_runs
from littlehuman.economics import price_options as checked
from littlehuman.economics.allocation import Terms
from littlehuman.economics.learning_curve import LearningCurve, learning_curve
from littlehuman.economics.plan import PlanRequest, PurchasePlan, plan_of_scores
from littlehuman.economics.price import Tradeoff, of_study
from littlehuman.errors import DataError
from littlehuman.formatting import shortened
from littlehuman.runs.artifacts import STATUS
from littlehuman.stats.curve import DELTA
from littlehuman.store import read_json
from littlehuman.study import comparisons, look_design, text_comparison, writers
from littlehuman.study.clusters import ClusterIndex, LoadClusters
from littlehuman.study.control_comparison import compare_with_controls
from littlehuman.study.human_labels import curves_over_labels
from littlehuman.study.labelling import Labelling, labellings
from littlehuman.study.left_out import left_out
from littlehuman.study.load import check_metric, load
from littlehuman.study.method_comparison import MethodComparison, compare_methods
from littlehuman.study.missing import missing_conditions
from littlehuman.study.replacement import ReplacementCurve, curves_of_study
from littlehuman.study.run_files import result_of
from littlehuman.study.series import Cells, split

if TYPE_CHECKING:
    from littlehuman.study.look_design import LookDesign
    from littlehuman.study.text_comparison import TextComparison

AUDITED = (
    "twins_equal_to_their_human_point",
    "twins_near_their_human_point",
    "twins_equal_to_a_shown_example",
    "repeated_twins",
    "training_points_in_test",
    "training_points_on_test_evidence",
)


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that a report shows; frames are empty where there is nothing."""

    study: Path
    frame: pd.DataFrame
    lines: tuple[ReplacementCurve, ...]
    controls: tuple[ReplacementCurve, ...]
    added: pd.DataFrame  # what the twins add to the human points alone
    tradeoffs: tuple[Tradeoff, ...]
    texts: tuple[TextComparison, ...]
    over_seeds: pd.DataFrame
    cost: pd.DataFrame
    audit: pd.DataFrame
    left_out: pd.DataFrame  # dropped rows and notes of the cells
    missing: pd.DataFrame
    versions: tuple[str, ...]
    newest: str
    delta: float
    labellings: tuple[Labelling, ...] = ()  # machine labels beside people's
    methods: tuple[MethodComparison, ...] = ()  # models on machine labels beside models on human ones
    writers: pd.DataFrame = field(default_factory=pd.DataFrame)  # cells by a tuned prompt model against those without
    plans: tuple[PurchasePlan, ...] = ()  # what a budget buys, by the runs of each trade-off
    learning: tuple[LearningCurve, ...] = ()  # scores over the number of human labels alone

    @property
    def protocols(self) -> str:
        """Names of the protocols of all cells, joined."""
        return ", ".join(sorted({str(name) for name in self.frame["protocol"].dropna()})) or "unknown"


def gather(
    study: Path,
    *,
    delta: float | None = None,
    metric: str | None = None,
    prices: tuple[float, float] | None = None,
    budget: float | None = None,
    load_clusters: LoadClusters | None = None,
) -> ReportData:
    """Read a study and compute all tables.

    Args:
        study: the study's folder.
        delta: the largest loss that would not matter, as a share of 1 (default: the one that `next.json` fixes, else
            `DELTA`, two percentage points).
        metric: for the curves over the fraction, instead of each series' headline.
        prices: of a human label and of a synthetic point.
        budget: to spend on both, where there are prices.
        load_clusters: reads the clusters of test items from the data, for runs that did not write them.

    Raises:
        ConfigError: for a price or a budget that cannot be.
        DataError: for a folder that is no study, one without a complete cell, a metric that no cell has, and a damaged
            `next.json`.
    """
    checked.check_prices(*(prices or (None, None)))
    frame = load(study)
    done = frame[frame["state"] == "done"]
    if done.empty:
        raise DataError(
            f"{study}: {_unfinished(frame)}\nTry: the sweep's command again; it repeats only what is missing"
        )
    check_metric(study, done, metric)
    index, series = ClusterIndex(frame, load_clusters), split(frame)
    designs = look_design.read(study)
    margin = _margin(delta, designs)
    lines = curves_of_study(series, metric, margin, index=index, designs=designs)
    controls = curves_of_study(series, metric, margin, control=True, index=index)
    tradeoffs = tuple(of_study(study, series, prices))
    learning = [learning_curve(one, margin) for one in curves_over_labels(series, metric, margin, index)]
    finished = {folder: result_of(folder) for folder in done["folder"]}
    return ReportData(
        study=study,
        frame=frame,
        lines=lines,
        controls=controls,
        added=compare_with_controls(lines, controls),
        tradeoffs=tradeoffs,
        texts=tuple(text_comparison.compare(study)),
        over_seeds=comparisons.over_seeds(series, index=index),
        cost=cost_table(series),
        audit=audit_table(series, finished),
        left_out=left_out(finished.values()),
        missing=missing_conditions(series),
        versions=tuple(
            sorted(
                {f"{name} {v}" for r in finished.values() for name, v in r.get("versions", {}).items() if v != "absent"}
            )
        ),
        newest=max((str(read_json(Path(folder) / STATUS).get("updated", "")) for folder in done["folder"]), default=""),
        delta=margin,
        labellings=labellings(frame),
        methods=compare_methods(lines, frame),
        writers=writers.compare(frame, index, margin),
        plans=() if prices is None or budget is None else tuple(_plans(study, tradeoffs, Terms(*prices), budget)),
        learning=tuple(learning),
    )


def _margin(delta: float | None, designs: Sequence[LookDesign]) -> float:
    """The margin asked for, else the one that all designs have."""
    fixed = {design.delta for design in designs}
    return delta or (fixed.pop() if len(fixed) == 1 else DELTA)


def _plans(study: Path, tradeoffs: Sequence[Tradeoff], terms: Terms, budget: float) -> Iterator[PurchasePlan]:
    """What the budget buys, by the runs of each series; human labels that the study has cost nothing any more."""
    for one in tradeoffs:
        plan = plan_of_scores(one.scored, PlanRequest(replace(terms, owned_human=one.scored.owned_human), budget))
        yield replace(plan, next_cells=next_runs.commands(plan.next_cells, study, plan.name))


def cost_table(frame: Cells) -> pd.DataFrame:
    """Per series: complete cells, money, requests, seconds, and human labels per cell (fewest and most).

    Money paid is that of all cells; the rest is of complete ones.
    """
    rows = []
    for series in split(frame):
        cells = series.complete
        row: dict[str, Any] = {
            "series": series.name,
            "cells": len(cells),
            "usd": pd.to_numeric(series.cells["usd"]).sum(),
            "seconds": cells["seconds"].sum(),
        }
        row |= {name: pd.to_numeric(cells[name]).sum() for name in ("usd_saved", "requests", "from_cache")}
        for key, column in (("in_training", "n_human"), ("in_prompts", "human_in_prompts"), ("in_all", "human_labels")):
            row |= {f"{key}_low": cells[column].min(), f"{key}_high": cells[column].max()}
        rows.append(row)
    return pd.DataFrame(rows)


def audit_table(frame: Cells, finished: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """Per series the largest share in any cell: copied and repeated twins, training points in the test split."""
    rows = []
    for series in split(frame):
        shares = [
            _audit_shares(finished[folder]) for folder in series.complete["folder"] if finished[folder].get("audit")
        ]
        if shares:
            rows.append({"series": series.name, "cells": len(shares), **pd.DataFrame(shares).max().to_dict()})
    return pd.DataFrame(rows, columns=["series", "cells", *AUDITED])


def _audit_shares(result: Mapping[str, Any]) -> dict[str, float]:
    found, counts = result["audit"], result.get("counts", {})
    twins, points = counts.get("synthetic", 0), counts.get("total", 0)
    of_twins = {name: found.get(name, math.nan) for name in AUDITED[:3]} | {
        "repeated_twins": twins - found["distinct_twins"]
    }
    shares = {name: value / twins if twins else 0.0 for name, value in of_twins.items()}
    return shares | {name: found[name] / points if points else 0.0 for name in AUDITED[4:]}


def _unfinished(frame: pd.DataFrame) -> str:
    text = f"none of the {len(frame)} cells of this study is complete"
    causes = frame["error"].dropna()
    return text + (f" (first cause: {shortened(causes.iloc[0])})" if len(causes) else "")
