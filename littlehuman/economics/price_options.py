"""The two prices that `price`, `plan` and `report` ask for: one wording, one check.

In: what a human label and a synthetic point cost, in one currency. Out: the options of a command line,
and what is wrong with the prices. On a command line that is wrong usage (exit code 2), elsewhere a `ConfigError`.
"""

from __future__ import annotations

import argparse
import math

from littlehuman.errors import ConfigError, Problem

_EXAMPLES = {"human-price": 0.8, "synthetic-price": 0.002}


def problems(human: float | None, synthetic: float | None) -> list[Problem]:
    """What is wrong with two prices; None is a price that was not given."""
    given = {"human-price": human, "synthetic-price": synthetic}
    if (human is None) != (synthetic is None):
        return [
            Problem(name, "is missing: give both prices, or none") for name, price in given.items() if price is None
        ]
    wrong = {name: price for name, price in given.items() if price is not None and not 0 < price < math.inf}
    return [
        Problem(f"{name}={price:g}", f"must be a number above 0: what one point costs, such as {_EXAMPLES[name]}")
        for name, price in wrong.items()
    ]


def check_prices(human: float | None, synthetic: float | None) -> None:
    """Refuse prices that cannot be.

    Raises:
        ConfigError: for a price that is not above 0, or one price without the other.
    """
    if wrong := problems(human, synthetic):
        raise ConfigError(wrong)


def add_options(parser: argparse._ActionsContainer, *, measured: bool = False) -> None:
    """`--human-price` and `--synthetic-price`; call `check_options` on what was parsed.

    `parser`: of a command, or a group of its options. `measured`: the default of the second is what the
    synthetic points of the study cost.
    """
    default = "; default: what those of the study cost, in US dollars" if measured else ""
    helps = {
        "human": "what one human label costs, in any currency",
        "synthetic": f"what one synthetic point costs, in the same currency{default}",
    }
    for kind, text in helps.items():
        parser.add_argument(f"--{kind}-price", type=float, metavar="PRICE", help=text)


def check_options(
    parser: argparse.ArgumentParser, asked: argparse.Namespace, *, measured: bool = False
) -> tuple[float, float] | None:
    """The two prices, None where they were not given; ends the program with 2 where they cannot be."""
    human, synthetic = asked.human_price, asked.synthetic_price
    if wrong := problems(human, 1.0 if measured and synthetic is None else synthetic):
        parser.error("; ".join(f"--{problem.where} {problem.what}" for problem in wrong))
    return None if human is None or synthetic is None else (human, synthetic)
