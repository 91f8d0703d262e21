"""Options of `plan` that ask how many seeds and test items a study needs, and how they go with the others.

`plan` answers two questions: what to buy (a study, prices, a budget), and how large a study must be (a pilot, or stated
parts of the variation). An option of one beside an option of the other is wrong usage (exit code 2).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from littlehuman import cli

_BUY = ("scores", "budget", "target", "human_price", "synthetic_price", "owned_human", "evidence", "reach")
_STATED = ("seed_sd", "item_sd", "noise_sd", "icc", "clusters")
_SIZE = ("pilot", *_STATED, "delta", "shares", "seeds", "items", "figure", "metric")


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options; `asked` and `check` read what was parsed."""
    made = parser.add_argument_group(
        "how many seeds and test items",
        "before a study is run: from a pilot study with two seeds or more, or from stated parts of the variation; "
        "all in score units, where 0.01 is one percentage point",
    )
    made.add_argument(
        "--pilot", metavar="STUDY", help="a study folder multirun/STUDY, from which the variation is read"
    )
    made.add_argument("--delta", type=float, help="the drop to find, against the smallest share (0.02)")
    made.add_argument("--shares", type=int, metavar="N", help="synthetic shares (those of the pilot; without one 8)")
    made.add_argument("--seeds", type=int, metavar="N", help="seeds of each share that are asked about (3)")
    made.add_argument("--items", type=int, metavar="N", help="test items (those of the pilot; without one 1,000)")
    made.add_argument("--metric", help="of the pilot, instead of its headline metric")
    made.add_argument("--figure", metavar="PATH", help="PATH.png and PATH.svg (of a pilot: STUDY/figures/sample_size)")
    made.add_argument(
        "--seed-sd",
        type=float,
        metavar="SD",
        help="without a pilot: standard deviation of a score between the seeds of one share",
    )
    made.add_argument(
        "--item-sd",
        type=float,
        metavar="SD",
        help="and over test items of the difference of two shares, as far as every seed repeats it "
        "(0.3: two shares differ on 9 %% of items that are right or wrong)",
    )
    made.add_argument("--noise-sd", type=float, metavar="SD", help="the same, as far as it is new in every run (0)")
    made.add_argument("--icc", type=float, help="correlation of these differences on one text, 0 to 1 (0)")
    made.add_argument("--clusters", type=int, metavar="N", help="texts that the test items are about (one each)")


def asked(args: argparse.Namespace) -> bool:
    """Whether the question is how large a study must be."""
    return bool(_given(args, _SIZE))


def check(parser: argparse.ArgumentParser, args: argparse.Namespace) -> None:
    """End the program with 2 where options of the two questions, or of pilot and stated parts, are mixed."""
    sizes, buys = _given(args, _SIZE), _given(args, _BUY)
    if sizes and buys:
        size = f"{_names(sizes)}: how large a study must be (--pilot STUDY)"
        parser.error(f"{_names(buys)}: what to buy; {size}; ask one at a time")
    if not sizes:
        return
    stated = _given(args, _STATED)
    if args.pilot is not None and stated:
        parser.error(f"{_names(stated)}: --pilot measures the variation; give one or the other")
    if args.pilot is None and (only := _given(args, ("series", "metric"))):
        parser.error(f"{_names(only)}: there is no pilot study to choose from; add --pilot STUDY")
    missing = [name for name in ("seed_sd", "item_sd") if getattr(args, name) is None]
    if args.pilot is None and missing:
        example = cli.command("plan", ["--seed-sd", "0.01", "--item-sd", "0.3"])
        parser.error(f"give --pilot STUDY, or {_names(('seed_sd', 'item_sd'))} both, such as {example}")
    if args.clusters is None and args.icc:
        parser.error("--icc is a correlation within clusters of test items: add --clusters N, their number")


def _given(args: argparse.Namespace, names: Iterable[str]) -> list[str]:
    return [name for name in names if getattr(args, name) is not None]


def _names(names: Iterable[str]) -> str:
    return ", ".join("STUDY" if name == "scores" else f"--{name.replace('_', '-')}" for name in names)
