"""The audits of a study's cells (`audit.json`) as a table: the worst cell of each series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman.audit.reading import read
from littlehuman.formatting import NOTHING, count, percent
from littlehuman.reporting.tables import ReportTable
from littlehuman.study.series import Cells, split

HEADER = ("series", "alarms", "audited cells", "contaminated test points (%)", "score with them (%)", "without (%)")
TWINS = ("twins that copy another human point (%)", "repeated twins (%)", "AUC of twins against human texts")


def audits(frame: Cells) -> ReportTable:
    """One row per series whose cells have audits; empty without any."""
    rows = []
    for series in split(frame):
        found = [part for folder in series.complete["folder"] if (part := read(Path(folder)))]
        if found:
            rows.append((series.name, _alarms(found), count(len(found)), *_scores(found), *_twins(found)))
    return ReportTable((*HEADER, *TWINS), tuple(rows), words=2)


def _alarms(found: Sequence[Mapping[str, Any]]) -> str:
    names = [alarm["measure"] for part in found for alarm in part["alarms"]]
    return ", ".join(f"{name} ({names.count(name)})" for name in dict.fromkeys(names)) or "none"


def _scores(found: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    """Largest share of contaminated test points of any cell, and that cell's score with and without them."""
    worst = max(found, key=lambda part: _share(part, "contamination"))
    scores = worst.get("scores", {}).get("contamination", {})
    values = [percent(scores.get(name, {}).get("value")) for name in ("all", "others")]
    return percent(_share(worst, "contamination"), digits=2), values[0], values[1]


def _twins(found: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    shares = [percent(max(_share(part, name) for part in found)) for name in ("copies", "repeated_texts")]
    tests = [part["fidelity"].get("two_sample", {}).get("auc") for part in found]
    known = [auc for auc in tests if auc is not None]
    return shares[0], shares[1], f"{max(known):.2f}" if known else NOTHING


def _share(part: Mapping[str, Any], name: str) -> float:
    return float(part.get(name, {}).get("share", 0.0))
