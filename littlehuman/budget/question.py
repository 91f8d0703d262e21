"""What is asked of a plan, and whether it can be answered at all.

In: prices, a budget, a target score, the factor to look beyond the runs. Out: a `Question`, or one
error that lists all that is wrong with it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from littlehuman.errors import ConfigError, Problem
from littlehuman.study.scored import Scored
from littlehuman.worth import prices

MOST_REACH = 1_000  # times the largest tried numbers: no surface holds there any more


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked: prices per point, and a sum, a score or both."""

    human_price: float
    synthetic_price: float
    budget: float | None = None
    target: float | None = None
    reach: float = 2.0


def check(question: Question, scored: Scored) -> None:
    """Refuse a question that makes no sense for these runs.

    Raises:
        ConfigError: for a price, budget, target or reach that cannot be; all of them at once.
    """
    problems = prices.problems(question.human_price, question.synthetic_price)
    if question.budget is not None and not 0 < question.budget < math.inf:
        problems.append(Problem(f"budget={question.budget:g}", "must be a number above 0"))
    if not 1 <= question.reach <= MOST_REACH:
        problems.append(Problem(f"reach={question.reach:g}", f"must be from 1 to {MOST_REACH:,} (times the largest tried numbers)"))
    if question.budget is None and question.target is None:
        problems.append(Problem("budget, target", "give one of them, or both"))
    limit = highest_score(scored)
    if question.target is not None and not 0 < question.target <= limit:
        problems.append(Problem(f"target={question.target:g}", f"must be above 0 and at most {limit:g}, as the scores of these runs are"))
    if problems:
        raise ConfigError(problems)


def highest_score(scored: Scored) -> float:
    """The highest score that can be: 1, or 100 where the runs were scored in percent; infinity for other scales."""
    most = float(scored.score.max(initial=0))
    return next((limit for limit in (1.0, 100.0) if most <= limit), float("inf"))
