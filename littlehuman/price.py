"""`littlehuman price STUDY --human-price 0.8 --synthetic-price 0.002`: what a human label is worth.

Reads a study folder, or a CSV of scores by numbers of human and synthetic points. Prints how many synthetic points a
human one replaces beside N of them, with its interval, how that changes over N, and what follows from two prices; as
text or as JSON. Beside it stands the paper's own number (Table 3 of arXiv 2410.13098).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from littlehuman import cli
from littlehuman.economics import next_runs, price_options
from littlehuman.economics.price import PAPER_NOTE, Price, model_of, price_of_scores
from littlehuman.economics.reason_text import sentence
from littlehuman.errors import ConfigError, DataError, LittlehumanError
from littlehuman.study.scores import ScoredRuns, read_scores

__all__ = ["PAPER_NOTE", "Price", "main", "price_of_scores"]


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = parser()
    asked = options.parse_args(argv)
    price_options.check_options(options, asked)
    return cli.print_lines(lambda: [_answer(asked)])


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = cli.Parser(prog=cli.program("price"), description="What human data is worth, in synthetic points.")
    made.add_argument(
        "scores",
        help="a CSV with columns n_synthetic, n_human, score, maybe seed (one row per run), or a folder multirun/STUDY",
    )
    price_options.add_options(made)
    made.add_argument(
        "--at", type=float, metavar="N", help="beside how many synthetic points (default: the most of the study)"
    )
    made.add_argument("--series", metavar="NAME", help="of a study with several series, this one only")
    made.add_argument(
        "--json", action="store_true", help="strict JSON instead of text (for a study: a list under the key series)"
    )
    return made


def _answer(asked: argparse.Namespace) -> str:
    """All series of the input, as text or JSON; one without an answer has an error in its entry, unless none has one.

    Raises:
        ConfigError: for an `--at` outside the study.
        DataError: when the scores cannot be read, or no series can tell human from synthetic points.
    """
    outcomes: list[Price | tuple[str, LittlehumanError]] = []
    for scored in read_scores(asked.scores, asked.series):
        try:
            outcomes.append(price_of_scores(scored, asked.human_price, asked.synthetic_price, asked.at))
        except (ConfigError, DataError) as error:
            outcomes.append((scored.name, _with_commands(error, scored, Path(asked.scores).expanduser())))
    failed = [one[1] for one in outcomes if isinstance(one, tuple)]
    if len(failed) == len(outcomes):
        raise failed[0] if len(failed) == 1 else DataError("\n".join(str(error) for error in failed))
    if not asked.json:
        return "\n\n".join(
            [*(one.text() if isinstance(one, Price) else f"{one[1]}" for one in outcomes), f"Note: {PAPER_NOTE}"]
        )
    entries = [one.as_json() if isinstance(one, Price) else {"name": one[0], "error": str(one[1])} for one in outcomes]
    whole = {"series": entries} if Path(asked.scores).expanduser().is_dir() else entries[0]
    return json.dumps(whole, indent=2, ensure_ascii=False, allow_nan=False)


def _with_commands(error: LittlehumanError, scored: ScoredRuns, path: Path) -> LittlehumanError:
    """An error about a study whose runs cannot answer, with the commands that add the missing cells."""
    if not path.is_dir() or not (scored.n_synthetic + scored.n_human).any():
        return error
    model = model_of(scored)
    if (obstacle := model.obstacle) is None:
        return error
    cells = next_runs.commands(next_runs.mending(model.mend()), path, scored.name)
    tries = "\n".join(f"Try: {cell.command}" for cell in cells)
    return DataError(f"{scored.place}: {sentence(obstacle)}\n{tries}")


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
