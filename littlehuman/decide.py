"""`littlehuman decide data.csv --prompt-model NAME --human-price 0.8`: from a file to a decision, in one command.

Looks at the data, writes what it assumed and chose into `multirun/STUDY/decide.yaml`, runs a pilot and then the cells
that `next` and `plan` ask for, until the answer is known well enough or a limit is reached. Ends with ten lines at
most: for what the answer holds, what to buy, what one more label brings, what is not known, what was spent. Every cell
is an ordinary one of an ordinary study. The same command again goes on where it stopped.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from littlehuman import cli

if TYPE_CHECKING:
    from littlehuman.deciding.running import Runner
    from littlehuman.deciding.settings import Settings


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    program = cli.program("decide")
    made = cli.Parser(
        prog=program,
        usage=f"{program} [-h] FILE --prompt-model NAME --human-price PRICE [KEY=VALUE ...]\n"
        f"       {program} dataset=NAME --prompt-model NAME --human-price PRICE [KEY=VALUE ...]",
        description="How many human labels do you need? One command from a file with labels to an answer.",
    )
    made.add_argument(
        "words",
        nargs="*",
        metavar="FILE or KEY=VALUE",
        help="a csv, tsv, jsonl, json or parquet file "
        "or a folder of them, or dataset=NAME; and settings of all runs, such as model=minilm",
    )
    made.add_argument(
        "--prompt-model",
        nargs="+",
        metavar=("NAME", "KEY=VALUE"),
        help="who writes the twins: an option of prompt_model, and settings such as prompt_model.base_url=URL",
    )
    made.add_argument("--human-price", metavar="PRICE", help="what one human label costs, in any currency")
    made.add_argument("--synthetic-price", metavar="PRICE", help="what one twin costs (default: what it cost here)")
    made.add_argument("--budget", metavar="SUM", help="the sum to spend (default: the price of 100 labels)")
    made.add_argument("--target", metavar="SCORE", help="the score to reach, such as 0.85")
    made.add_argument("--evidence", metavar="N", help="evidence texts at hand; each carries one point (no limit)")
    made.add_argument("--hours", metavar="H", help="stop after so many hours (0.7)")
    made.add_argument(
        "--max-usd", metavar="USD", help="spending limit of the study; obligatory for a paid prompt model"
    )
    made.add_argument(
        "--delta", metavar="SHARE", help="the loss that can be borne, such as 0.02 (default: by the test size)"
    )
    made.add_argument("--study", metavar="NAME", help="the folder under multirun/ (default: by file and prompt model)")
    made.add_argument("--rehearsal", action="store_true", help="allow a prompt model that is too weak for a decision")
    made.add_argument("--dry-run", action="store_true", help="stop after decide.yaml, with cells, minutes and money")
    return made


def main(argv: Sequence[str] | None = None, runner: Runner | None = None) -> int:
    """Command line; returns the exit code. `runner` runs the cells (default: `littlehuman run` in a process)."""
    cli.note_typed("decide", sys.argv[1:] if argv is None else argv)
    args = parser().parse_intermixed_args(argv)
    try:
        return cli.print_lines(lambda: _lines(args, runner))
    except KeyboardInterrupt:
        print("Stopped; the same command goes on from the complete cells.", file=sys.stderr)
        return 130  # the shell's code for SIGINT


def _lines(args: argparse.Namespace, runner: Runner | None) -> Iterator[str]:
    from littlehuman.deciding import answer, asked, preparing
    from littlehuman.deciding.rounds import Rounds

    start = time.monotonic()
    question = asked.of_options(args)
    ready = preparing.prepare(question)
    yield from ready.lines
    if args.dry_run:
        return
    limit = question.max_usd if ready.paid else None
    deadline = start + 3600 * question.hours
    with _progress(ready.settings, runner) as run:
        rounds = Rounds(ready.settings, run, ready.rates, deadline, partial(preparing.resize, question), limit)
        ended = rounds.run()
    yield ""
    yield from answer.write(rounds.settings, question, ended, time.monotonic() - start)


@contextmanager
def _progress(settings: Settings, runner: Runner | None) -> Iterator[Runner]:
    """The runner, with a bar of complete cells on a terminal."""
    from tqdm import tqdm

    from littlehuman.deciding.budget import complete
    from littlehuman.deciding.preparing import cells_expected
    from littlehuman.deciding.running import in_a_process

    with tqdm(total=cells_expected()[1], unit="cell", disable=None, initial=complete(settings.folder)) as bar:

        def show(cells: int) -> None:
            bar.update(cells - bar.n)

        yield runner or in_a_process(settings.folder, show)


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
