"""What human data is worth, in synthetic points and at the user's prices.

    python -m littlehuman.price scores.csv --human-price 0.8 --synthetic-price 0.002
    python -m littlehuman.price multirun/STUDY --json

In: scores by numbers of human and synthetic points (a CSV, or a study). Out: the curve, the
synthetic points that human ones stand for, the price ratio from which synthetic data is the
cheaper way to the same score, and what follows at two prices; as text or as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from littlehuman import cli
from littlehuman.economics import price_options
from littlehuman.economics.price import PAPER_NOTE, Price, price_of_scores
from littlehuman.errors import DataError
from littlehuman.study.scores import read_scores

__all__ = ["PAPER_NOTE", "Price", "main", "price_of_scores"]


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = _parser()
    asked = parser.parse_args(argv)
    price_options.check_options(parser, asked)
    return cli.print_lines(lambda: [_answer(asked)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m littlehuman.price", description="What human data is worth, in synthetic points."
    )
    parser.add_argument(
        "scores", help="a CSV with columns n_synthetic, n_human, score (one row per run), or a folder multirun/STUDY"
    )
    price_options.add_options(parser)
    parser.add_argument("--series", metavar="NAME", help="of a study with several series, this one only")
    parser.add_argument(
        "--json", action="store_true", help="strict JSON instead of text (for a study: a list under the key series)"
    )
    return parser


def _answer(asked: argparse.Namespace) -> str:
    """All series of the input, as text or JSON; a series without a curve says so, unless it is the only one."""
    found = read_scores(asked.scores, asked.series)
    told: list[Price | tuple[str, DataError]] = []
    for scored in found:
        try:
            told.append(price_of_scores(scored, asked.human_price, asked.synthetic_price))
        except DataError as error:
            told.append((scored.name, error))
    if all(isinstance(one, tuple) for one in told):
        raise DataError("\n".join(str(one[1]) for one in told if isinstance(one, tuple)))
    if not asked.json:
        return "\n\n".join(
            [*(one.text() if isinstance(one, Price) else f"{one[1]}" for one in told), f"Note: {PAPER_NOTE}"]
        )
    entries = [one.as_json() if isinstance(one, Price) else {"name": one[0], "error": str(one[1])} for one in told]
    whole = {"series": entries} if Path(asked.scores).expanduser().is_dir() else entries[0]
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)


if __name__ == "__main__":
    sys.exit(main())
