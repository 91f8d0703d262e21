"""What to buy, what one more label brings, and how large a study would tell more: `plan`, `price`, `plan --pilot`.

In: the runs of the study and the prices. Out: lines for the answer.
"""

from __future__ import annotations

from collections.abc import Iterator

from littlehuman.deciding.asked import Asked
from littlehuman.deciding.rounds import curve_of
from littlehuman.deciding.settings import Settings
from littlehuman.economics import pilot
from littlehuman.economics.allocation import Terms
from littlehuman.economics.human_worth import estimate
from littlehuman.economics.plan import PlanRequest, PurchasePlan, highest_score, plan_of_scores
from littlehuman.economics.price import Price, price_of_scores
from littlehuman.economics.price_text import worth_sentence
from littlehuman.economics.reason_text import sentence
from littlehuman.errors import ConfigError, DataError
from littlehuman.formatting import named, percent
from littlehuman.stats.interval import LEVEL, Interval
from littlehuman.study.scores import ScoredRuns


def lines(runs: ScoredRuns | None, asked: Asked, settings: Settings, learnt: bool) -> Iterator[str]:
    """What to buy, and what one more label brings; or why that cannot be said."""
    if runs is None:
        yield "To buy: no number can be named, as no cell is complete."
        return
    if not learnt:
        yield "To buy: no number can be named, as no score is shown to lie above what needs no training."
        return
    price, how = _synthetic_price(runs, asked)
    try:
        plan = _plan(runs, asked, price)
        if plan.obstacle is not None:
            yield f"To buy: no number can be named: {sentence(plan.obstacle)}."
            return
        yield f"To buy: {_bought(plan, asked, how, highest_score(runs))}"
        yield f"One more label: {_one_more(price_of_scores(runs, asked.human_price, price), runs.owned_human)}"
    except (DataError, ConfigError) as error:
        yield f"To buy: no number can be named: {error.one_line}."


def enough(settings: Settings) -> str:
    """How many test items and seeds find the loss that counts with 80 % power; empty where that is not known."""
    curve = curve_of(settings)
    if curve is None:
        return ""
    try:
        found = pilot.of_pilot(settings.folder, curve, pilot.Wanted(drop=settings.delta)).sizes
    except (DataError, ConfigError):
        return ""
    points = f"a loss of {100 * settings.delta:g} percentage points (80 % power, by the variation of these runs)"
    if (seeds := found.asked.fewest) is not None:
        return f"{seeds} seeds on the same {found.asked.items:,} test points find {points}"
    if (more := found.enough) is not None:
        return f"{more.items:,} test points, not {found.asked.items:,}, with {more.fewest} seeds find {points}"
    return f"no number of seeds up to 20 and of test points up to {found.columns[-1].items:,} finds {points}"


def _synthetic_price(runs: ScoredRuns, asked: Asked) -> tuple[float, str]:
    """What a twin counts as, and where that is from."""
    if asked.synthetic_price is not None:
        return asked.synthetic_price, "your price"
    if runs.synthetic_usd is not None:
        return runs.synthetic_usd, "what it cost here"
    return asked.assumed_synthetic_price, "assumed, as nothing was billed; --synthetic-price says it"


def _plan(runs: ScoredRuns, asked: Asked, price: float) -> PurchasePlan:
    terms = Terms(asked.human_price, price, runs.owned_human, asked.evidence)
    return plan_of_scores(runs, PlanRequest(terms, asked.sum_to_spend, asked.target))


def _bought(plan: PurchasePlan, asked: Asked, how: str, most: float) -> str:
    terms, best, budget = plan.question.terms, plan.best, plan.question.budget
    sum_ = f"for {budget:,.2f}" if budget is not None else ""
    reached = f"for a score of {asked.target:g}" if asked.target is not None else ""
    asked_for = " or ".join(filter(None, [sum_, reached]))
    if best is None:
        return f"no plan {asked_for}: {plan.findings[0] if plan.findings else 'the runs do not allow one'}."
    labels = max(best.n_human - terms.owned_human, 0)
    what = f"{labels:,} more labels (beside {terms.owned_human:,} at hand) and {best.n_synthetic:,} twins"
    if not labels and not best.n_synthetic:
        what = f"nothing, as no purchase within reach scores higher than {best.n_human:,} labels at hand"
    expected = f"expected {percent(best.score.value)} [{percent(best.score.low)}, {percent(best.score.high)}]"
    if best.score.value > most:
        expected = "what score to expect is not known, as the curve through these runs rises above the highest one"
    return f"{asked_for}: {what}, cost {best.cost:,.2f}: {expected}{_doubt(plan)}. {_counted(terms, how)}"


def _doubt(plan: PurchasePlan) -> str:
    """The runner-up, where it may be as good."""
    sure = plan.allocation.sure if plan.allocation else None
    if plan.runner_up is None or sure is None or sure >= LEVEL:
        return ""
    return f"; {plan.runner_up} is better in {1 - sure:.0%} of the draws"


def _counted(terms: Terms, how: str) -> str:
    return f"A twin counts as {terms.synthetic_price:.3g} ({how})."


def _one_more(price: Price, owned: int) -> str:
    """What a label adds: to those at hand, and to synthetic points alone."""
    worth, metric = price.headline, named(price.metric)
    more = max(round(worth.human_points), 1)
    drawn = price.model.response.score([0.0, 0.0], [float(owned), float(owned + more)])
    beside = estimate((drawn[1] - drawn[0]) / more)
    alone = worth.lift.times(1 / worth.human_points)
    verdict = f"; at these prices {price.verdict.buy.value}" if price.verdict else ""
    return (
        f"{metric} {_per_label(beside)} percentage points beside the {owned:,} at hand, {_per_label(alone)} beside "
        f"{worth.n:,.0f} twins and nobody's labels (mean of the next {more}); {worth_sentence(worth)}{verdict}."
    )


def _per_label(lift: Interval) -> str:
    value, low, high = (percent(x, signed=True, digits=2) for x in (lift.value, lift.low, lift.high))
    return f"{value} [{low}, {high}]"
