"""What to buy, for prices and a sum that the reader chose on the page: `economics.plan` of a study as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from littlehuman.errors import ConfigError, Problem
from littlehuman.webpage.studies import Look

if TYPE_CHECKING:
    from littlehuman.study.scores import ScoredRuns

_runs: dict[str, tuple[str, list[ScoredRuns]]] = {}  # study -> stamp, and the runs of its series


def plan_of(look: Look, asked: Mapping[str, str]) -> dict[str, Any]:
    """The plan of one series.

    Args:
        look: the study.
        asked: `series`, `human_price`, `synthetic_price`, `budget`.

    Raises:
        ConfigError: for a number that is none, or one that cannot be.
        DataError: where the study has no such series.
    """
    from littlehuman.economics import next_runs  # with scipy, which the server need not wait for
    from littlehuman.economics.allocation import Terms
    from littlehuman.economics.plan import PlanRequest, plan_of_scores

    human, synthetic, budget = (_number(asked, name) for name in ("human_price", "synthetic_price", "budget"))
    scored = _series(look, asked.get("series", ""))
    plan = plan_of_scores(scored, PlanRequest(Terms(human, synthetic, scored.owned_human), budget))
    cells = next_runs.commands(plan.next_cells, look.folder, plan.name)
    return plan.as_json() | {"text": plan.text(), "next_cells": [cell.as_json() for cell in cells]}


def _series(look: Look, name: str) -> ScoredRuns:
    from littlehuman.study.scores import read_scores

    known = _runs.get(look.name)
    if known is None or known[0] != look.stamp:
        known = _runs[look.name] = (look.stamp, list(read_scores(look.folder)))
    found = next((one for one in known[1] if one.name == name), None)
    if found is None:
        raise ConfigError([Problem(f"series={name}", "is no series of this study")])
    return found


def _number(asked: Mapping[str, str], name: str) -> float:
    try:
        return float(asked[name])
    except (KeyError, ValueError):
        raise ConfigError([Problem(f"{name}={asked.get(name, '')}", "is no number")]) from None
