"""`littlehuman plan`: what to buy, and, before a study is run, how large it must be.

`plan STUDY --budget 500 --human-price 0.8 --synthetic-price 0.002` reads a study folder, or a CSV with the columns
n_synthetic, n_human, score and maybe seed; two prices; and a budget, a target score, or both. It prints how many human
labels and synthetic points to buy, the score to expect with its interval, the runner-up and the best design for other
sums. Where the runs cannot tell the two kinds of points apart: why, and the two cells to run next.

`plan --pilot STUDY`, or stated parts of the variation: how many seeds and test items find a drop with 80 % power, and
how small a difference other designs find, as a table and a figure.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman import cli
from littlehuman.economics import next_runs, pilot_options, price_options
from littlehuman.economics.allocation import Terms
from littlehuman.economics.plan import REACH, PlanRequest, PurchasePlan, plan_of_scores
from littlehuman.errors import DataError
from littlehuman.study.scores import ScoredRuns, read_scores

if TYPE_CHECKING:
    from littlehuman.economics.pilot import DesignAnswer

__all__ = ["PurchasePlan", "main", "plan_of_scores"]


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    program = cli.program("plan")
    made = cli.Parser(
        prog=program,
        usage=f"{program} [-h] STUDY --budget SUM --human-price PRICE ...\n       {program} --pilot STUDY ...",
        description="How many human and synthetic points to buy; or how large a study must be, before it is run.",
    )
    buy = made.add_argument_group("what to buy")
    buy.add_argument(
        "scores",
        nargs="?",
        metavar="STUDY",
        help="a study folder multirun/STUDY, or a CSV: n_synthetic, n_human, score, seed",
    )
    buy.add_argument("--budget", type=float, help="the sum to spend")
    buy.add_argument("--target", type=float, help="the score to reach: the least sum for it is sought")
    price_options.add_options(buy, measured=True)
    buy.add_argument(
        "--owned-human",
        type=int,
        metavar="N",
        help="human labels that cost nothing any more (default: the most of any run of a study; of a CSV 0)",
    )
    buy.add_argument(
        "--evidence", type=int, metavar="N", help="evidence texts at hand; each carries one point (no limit)"
    )
    buy.add_argument(
        "--reach",
        type=float,
        help=f"propose at most this many times the largest tried numbers ({REACH:g}; from 1 to 1000)",
    )
    pilot_options.add_options(made)
    made.add_argument("--series", help="one series of a study with several")
    made.add_argument("--json", action="store_true", help="strict JSON instead of text")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = parser()
    args = options.parse_args(argv)
    pilot_options.check(options, args)
    if pilot_options.asked(args):
        return cli.print_lines(lambda: [_size(args)])
    if args.scores is None:
        options.error("give STUDY and --human-price (what to buy), or --pilot STUDY (how large a study must be)")
    if args.human_price is None:
        options.error("--human-price is missing: what one human label costs, such as --human-price 0.8")
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
    return _as_text(value)


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
    if not scored.n_synthetic.any():
        price = None  # none can be bought: these runs say nothing about them
    elif price is None:
        raise DataError(f"{scored.place}: nothing was paid for its synthetic points\nTry: --synthetic-price 0.002")
    owned = scored.owned_human if args.owned_human is None else args.owned_human
    reach = REACH if args.reach is None else args.reach
    return PlanRequest(Terms(args.human_price, price, owned, args.evidence), args.budget, args.target, reach)


def _size(args: argparse.Namespace) -> str:
    """How large a study must be, as text or JSON, with the figure's files."""
    from littlehuman.reporting import sample_size_text

    answers, failed = _answers(args)
    place = _figure_place(args)
    files = [] if place is None else [str(file) for file in _draw(answers, *place)]
    if args.json:
        return _as_text(sample_size_text.as_json(answers, failed, files, stated=args.pilot is None))
    blocks = [sample_size_text.text(answer) for answer in answers] + [str(error) for _, error in failed]
    return "\n\n".join([*blocks, *(["\n".join(files)] if files else [])])


def _answers(args: argparse.Namespace) -> tuple[list[DesignAnswer], list[tuple[str, DataError]]]:
    """One answer per curve, and the curves without one.

    Raises:
        DataError: where no curve has an answer.
        ConfigError: for numbers that no study has.
    """
    from littlehuman.economics import pilot
    from littlehuman.exporting.item_clusters import clusters_of_test_items
    from littlehuman.stats.curve import DELTA

    drop = DELTA if args.delta is None else args.delta
    wanted = pilot.Wanted(drop, args.shares, args.seeds, args.items)
    if args.pilot is None:
        varies = pilot.stated(args.seed_sd, args.item_sd, args.noise_sd or 0.0, args.icc or 0.0)
        return [pilot.of_stated(varies, wanted, args.clusters)], []
    study = Path(args.pilot).expanduser()
    found: list[DesignAnswer] = []
    failed: list[tuple[str, DataError]] = []
    for curve in pilot.curves_of_pilot(study, args.series, args.metric, clusters_of_test_items):
        try:
            found.append(pilot.of_pilot(study, curve, wanted))
        except DataError as error:
            failed.append((curve.curve.name, error))
    if not found:
        raise failed[0][1] if len(failed) == 1 else DataError("\n".join(str(error) for _, error in failed))
    return found, failed


def _figure_place(args: argparse.Namespace) -> tuple[Path, str] | None:
    """Folder and name of the figure; None where none is wanted."""
    if args.figure is not None:
        path = Path(args.figure).expanduser()
        return path.parent, path.stem if path.suffix in (".png", ".svg") else path.name
    return None if args.pilot is None else (Path(args.pilot).expanduser() / "figures", "sample_size")


def _draw(answers: Sequence[DesignAnswer], folder: Path, name: str) -> tuple[Path, Path]:
    from littlehuman.figures import sample_size, style

    figure = sample_size.sample_sizes([(answer.name, answer.sizes) for answer in answers])
    try:
        return style.save(figure, folder, name)
    except OSError as error:
        what = error.strerror or str(error)
        raise DataError(f"{folder / name}.png: cannot be written ({what})\nTry: --figure sample_size") from None


def _as_text(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
