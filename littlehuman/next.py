"""`littlehuman next multirun/STUDY`: whether a replacement study needs another seed, and the command that adds it.

The first call fixes the design in `STUDY/next.json`, before any score is looked at: shares, tolerated loss, error rate
and looks (group-sequential design with alpha spending). Every later report of the study uses the level of its look.
Prints what the look says and whether the study can stop, or what to run next. From two seeds on a study may also stop
between looks, where more seeds would hardly change the choice of a share; that decides no verdict.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from littlehuman import cli


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = cli.Parser(
        prog=cli.program("next"),
        description="Whether a study needs another seed, and the command that adds it. The first call fixes the rules.",
    )
    made.add_argument("study", metavar="STUDY", help="a folder multirun/STUDY with shares of synthetic points")
    made.add_argument("--delta", type=cli.share, help="the loss that can be borne (0.02: two percentage points)")
    made.add_argument(
        "--looks",
        type=_looks,
        metavar="SEEDS",
        help="numbers of seeds after which the study is looked at, at most four (3,4,5); "
        "verdicts at two seeds, as in 2,3,4,5, would not see a share that scatters more than the others",
    )
    made.add_argument("--alpha", type=cli.share, help="false alarms over all shares and looks (0.05)")
    made.add_argument("--metric", help="instead of the headline metric")
    made.add_argument(
        "--cost-unit",
        choices=("cells", "usd"),
        help="what cost is counted in: cells, or dollars paid for twins (cells)",
    )
    made.add_argument("--series", metavar="NAME", help="the curve, in a study with several")
    made.add_argument("--json", action="store_true", help="strict JSON instead of text")
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    args = parser().parse_args(argv)
    return cli.print_lines(lambda: [_answer(args)])


def _answer(args: argparse.Namespace) -> str:
    from littlehuman.economics import next_look, next_text
    from littlehuman.study.look_design import AskedRules

    asked = AskedRules(args.delta, args.looks, args.alpha, args.metric, args.cost_unit)
    step = next_look.next_step(Path(args.study).expanduser(), asked, args.series, _clusters_from_data)
    if not args.json:
        return next_text.text(step)
    return json.dumps(next_text.as_json(step), indent=2, ensure_ascii=False, allow_nan=False)


def _clusters_from_data(cell: Path) -> dict[str, dict[str, str]]:
    from littlehuman.exporting.item_clusters import clusters_of_test_items

    return clusters_of_test_items(cell)


def _looks(text: str) -> tuple[int, ...]:
    from littlehuman.errors import ConfigError
    from littlehuman.stats.looks import Looks

    try:
        return Looks(tuple(int(part) for part in text.split(","))).seeds
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no list of numbers of seeds; write 3,4,5") from None
    except ConfigError as error:
        raise argparse.ArgumentTypeError(f"{error.problems[0].what}; write 3,4,5") from None


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
