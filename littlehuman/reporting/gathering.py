"""Everything that the report of a study says, computed once.

In: a study folder. Out: `Gathered`: replacement curves with their statistics, the human points
alone, trade-offs with prices, twins beside human texts, costs, audits, what is missing. Figures,
findings and the HTML file only show it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from littlehuman.errors import DataError, did_you_mean
from littlehuman.journal import STATUS
from littlehuman.numbers import shortened
from littlehuman.reporting import accounts
from littlehuman.results import RESULT
from littlehuman.store import read_json
from littlehuman.study import analysis, comparisons, gaps
from littlehuman.study.frame import load
from littlehuman.study.lines import Line, added, lines_of
from littlehuman.worth import prices as checked
from littlehuman.worth.tradeoff import Tradeoff, of_study

if TYPE_CHECKING:
    from littlehuman.study.analysis import Comparison


@dataclass(frozen=True, eq=False)
class Gathered:
    """All that a report shows; frames are empty where there is nothing."""

    study: Path
    frame: pd.DataFrame
    lines: tuple[Line, ...]
    controls: tuple[Line, ...]
    added: pd.DataFrame  # what the twins add to the human points alone
    tradeoffs: tuple[Tradeoff, ...]
    texts: tuple[Comparison, ...]
    over_seeds: pd.DataFrame
    cost: pd.DataFrame
    audit: pd.DataFrame
    missing: pd.DataFrame
    versions: tuple[str, ...]
    newest: str
    delta: float

    @property
    def protocols(self) -> str:
        """Names of the protocols of all cells, joined."""
        return ", ".join(sorted({str(name) for name in self.frame["protocol"].dropna()})) or "unknown"


def gather(study: Path, *, delta: float, metric: str | None = None, prices: tuple[float, float] | None = None) -> Gathered:
    """Read a study and compute all tables.

    Args:
        study: the study's folder.
        delta: the largest loss that would not matter, as a share of 1 (0.02: two percentage points).
        metric: for the curves over the fraction, instead of each series' headline.
        prices: of a human label and of a synthetic point.

    Raises:
        ConfigError: for a price that cannot be.
        DataError: for a folder that is no study, one without a complete cell, and a metric that no cell has.
    """
    checked.check(*(prices or (None, None)))
    frame = load(study)
    done = frame[frame["state"] == "done"]
    if done.empty:
        raise DataError(f"{study}: {_unfinished(frame)}\nTry: the sweep's command again; it repeats only what is missing")
    _check_metric(study, done, metric)
    lines = lines_of(frame, metric, delta)
    controls = lines_of(frame, metric, delta, control=True)
    finished = {folder: read_json(Path(folder) / RESULT) for folder in done["folder"]}
    return Gathered(
        study=study,
        frame=frame,
        lines=lines,
        controls=controls,
        added=added(lines, controls),
        tradeoffs=tuple(of_study(study, frame, prices)),
        texts=tuple(analysis.compare(study)),
        over_seeds=comparisons.over_seeds(frame),
        cost=accounts.cost(frame),
        audit=accounts.audit(frame, finished),
        missing=gaps.missing(frame),
        versions=tuple(sorted({f"{name} {v}" for r in finished.values() for name, v in r.get("versions", {}).items() if v != "absent"})),
        newest=max((str(read_json(Path(folder) / STATUS).get("updated", "")) for folder in done["folder"]), default=""),
        delta=delta,
    )


def _check_metric(study: Path, done: pd.DataFrame, metric: str | None) -> None:
    known = [column.removesuffix("_low") for column in done.columns if column.endswith("_low")]
    if metric and metric not in known:
        raise DataError(f"{study}: no cell has a metric {metric!r}; {did_you_mean(metric, known)}")


def _unfinished(frame: pd.DataFrame) -> str:
    text = f"none of the {len(frame)} cells of this study is complete"
    causes = frame["error"].dropna()
    return text + (f" (first cause: {shortened(causes.iloc[0])})" if len(causes) else "")
