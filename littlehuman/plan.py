"""`littlehuman plan STUDY --budget 500 --human-price 0.8 --synthetic-price 0.002`: what to buy.

Reads a study folder, or a CSV with the columns n_synthetic, n_human, score and maybe seed; two prices; and a budget, a
target score, or both. Prints how many human labels and synthetic points to buy, the score to expect with its interval,
the runner-up and the best design for other sums. Where the runs cannot tell the two kinds of points apart: why, and the
two cells to run next.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from littlehuman import cli
from littlehuman.economics import next_runs, price_options
from littlehuman.economics.allocation import Terms
from littlehuman.economics.plan import REACH, PlanRequest, PurchasePlan, plan_of_scores
from littlehuman.errors import DataError
from littlehuman.study.scores import ScoredRuns, read_scores

__all__ = ["PurchasePlan", "main", "plan_of_scores"]


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = argparse.ArgumentParser(prog=cli.program("plan"), description="How many human and synthetic points to buy.")
    made.add_argument(
        "scores", metavar="STUDY", help="a study folder multirun/STUDY, or a CSV: n_synthetic, n_human, score, seed"
    )
    made.add_argument("--budget", type=float, help="the sum to spend")
    made.add_argument("--target", type=float, help="the score to reach: the least sum for it is sought")
    price_options.add_options(made, measured=True)
    made.add_argument(
        "--owned-human",
        type=int,
        metavar="N",
        help="human labels that cost nothing any more (default: the most of any run of a study; of a CSV 0)",
    )
    made.add_argument(
        "--evidence", type=int, metavar="N", help="evidence texts at hand; each carries one point (no limit)"
    )
    made.add_argument(
        "--reach",
        type=float,
        default=REACH,
        help="propose at most this many times the largest tried numbers (2; from 1 to 1000)",
    )
    made.add_argument("--series", help="one series of a study with several")
    made.add_argument("--json", action="store_true", help="strict JSON instead of text")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = parser()
    args = options.parse_args(argv)
    if args.budget is None and args.target is None:
        options.error("give --budget, --target or both")
    if args.synthetic_price is None and not Path(args.scores).expanduser().is_dir():
        options.error("--synthetic-price is missing: only a study folder knows what a synthetic point cost")
    price_options.check_options(options, args, measured=True)
    return cli.print_lines(lambda: [_answer(args)])


def _answer(args: argparse.Namespace) -> str:
    plans = _plans(args)
    if not args.json:
        return "\n\n".join(plan.text() for plan in plans)
    found = [plan.as_json() for plan in plans]
    value = {"series": found} if Path(args.scores).expanduser().is_dir() else found[0]
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


def _plans(args: argparse.Namespace) -> list[PurchasePlan]:
    path = Path(args.scores).expanduser()
    plans = [plan_of_scores(scored, _request(args, scored)) for scored in read_scores(path, args.series)]
    if not path.is_dir():
        return plans
    return [replace(plan, next_cells=next_runs.commands(plan.next_cells, path, plan.name)) for plan in plans]


def _request(args: argparse.Namespace, scored: ScoredRuns) -> PlanRequest:
    """What was asked; what was not given is taken from the study.

    Raises:
        DataError: for a study whose synthetic points have no known cost, where no price was given.
    """
    price = scored.synthetic_usd if args.synthetic_price is None else args.synthetic_price
    if price is None:
        raise DataError(f"{scored.place}: nothing was paid for its synthetic points\nTry: --synthetic-price 0.002")
    owned = scored.owned_human if args.owned_human is None else args.owned_human
    return PlanRequest(Terms(args.human_price, price, owned, args.evidence), args.budget, args.target, args.reach)


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
