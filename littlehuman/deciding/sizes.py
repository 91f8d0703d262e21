"""Sizes that the data carries: test points by the power that they give, training points from the rest.

In: the data as it was inspected, how long a cell may take, and sizes that were typed. Out: `Sizes`, or an error that
says how many rows it takes. The power is that of `stats.power` for an assumed variation (there is no pilot yet), over
the full grid of seeds that `next` may ask for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from littlehuman.deciding.asked import Asked
from littlehuman.deciding.inspecting import Choice, Inspected
from littlehuman.errors import ConfigError, DataError, Problem
from littlehuman.stats.power import Design, Variation, smallest_detectable
from littlehuman.study.look_design import LOOKS

SHARES = (0.0, 0.5, 0.9, 1.0)
ASSUMED = Variation(
    seed_sd=0.01, stable_sd=0.3, noise_sd=0.3, icc=0.1
)  # two shares differ on about a sixth of the items
DELTAS = (0.02, 0.03, 0.05)
FEWEST_TEST, FEWEST_TRAIN, PER_CLASS = 60, 60, 4
_TEST_SHARE = 0.5  # at most, of points without a test split of their own
_SPARES = 0.9  # of the training points that are used: the others stand in for twins that fail
_STEPS = (60, 80, 100, 125, 150, 200, 250, 300, 400, 500, 650, 800, 1_000, 1_500, 2_000)
_MOST_TRAIN = 1_000  # beyond, cells of the packaged models take long; n_train=NUMBER asks for more
_SMALLEST = 4  # the first cell is on this part of the training points: less would measure fixed costs


@dataclass(frozen=True, slots=True)
class Sizes:
    """Points of all cells: `n_train` of the curve, `small` of the first cell, `n_test`; `delta`: the loss that counts.

    `test_share`: of the points that are held out for the test; None where the data has a test split.
    """

    n_train: int
    small: int
    n_test: int
    delta: float
    test_share: float | None
    choices: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class Affordable:
    """What time and money allow: `seconds` in all for so many `cells` and their twins; seconds of a training point, a
    test point and a twin; `twins` that can be paid."""

    seconds: float
    cells: int
    train_s: float
    test_s: float
    twin_s: float
    twins: float

    def n_train(self, n_test: int) -> int:
        """Training points of a cell beside so many test points; each seed up to the first look needs its own twins."""
        left = self.seconds - self.cells * n_test * self.test_s
        each = self.cells * self.train_s + LOOKS[0] * self.twin_s
        return int(min(left / max(each, 1e-9), self.twins / LOOKS[0]))

    @property
    def n_test(self) -> int:
        """Test points that take half of the time."""
        return int(0.5 * self.seconds / self.cells / self.test_s)


def sizes_of(found: Inspected, asked: Asked, affordable: Affordable) -> Sizes:
    """Choose sizes.

    Args:
        found: the data.
        asked: what was typed; `n_train=` and `n_test=` win.
        affordable: by the time and the money that were given.

    Raises:
        DataError: where the data has too few points, with the number that it takes.
        ConfigError: for typed sizes that the data does not carry.
    """
    total, own = len(found.points), len(found.dataset.test)
    least = max(FEWEST_TRAIN, PER_CLASS * len(found.dataset.classes))
    _refuse_few(found, asked, least)
    most_test = own or int(_TEST_SHARE * total)
    n_test, delta = _test_points(min(most_test, max(affordable.n_test, FEWEST_TEST)), asked.delta)
    n_test = _typed(asked, "n_test", most_test) or n_test
    pool = len(found.dataset.train) - (0 if own else n_test)
    fits = max(affordable.n_train(n_test), least)
    n_train = _typed(asked, "n_train", pool) or min(int(_SPARES * pool), fits, max(_MOST_TRAIN, least))
    share = None if own else n_test / total
    choices = tuple(_choices(found, n_train, n_test, delta, pool, asked, least=least if n_train == fits else 0))
    return Sizes(n_train, max(n_train // _SMALLEST, 16), n_test, delta, share, choices)


def _choices(
    found: Inspected, n_train: int, n_test: int, delta: float, pool: int, asked: Asked, *, least: int
) -> Iterator[Choice]:
    finds = f"about {100 * _finds(n_test):.0f} percentage points ({LOOKS[-1]} seeds, 80 % power, before any pilot)"
    held = "of its own test split" if found.dataset.test else f"held out of {len(found.points)} points"
    yield Choice("n_test", n_test, f"{held}; it finds differences of {finds}")
    why = "the others stand in for twins that fail"
    if least:
        why = f"as many as {asked.hours:g} hours allow (--hours), {least} at least"
    yield Choice("n_train", n_train, f"of {pool} training points; {why}")
    said = (
        "you said so" if asked.delta is not None else "the smallest of 2, 3 and 5 points that such a test finds, or 5"
    )
    yield Choice("delta", delta, f"a loss that can be borne, in score units: {said}")
    yield Choice("synth_frac", list(SHARES), "no twins, half, nine of ten, twins alone")


def _test_points(most: int, delta: float | None) -> tuple[int, float]:
    """The fewest test points that find the smallest loss that they can find, and that loss."""
    steps = [step for step in _STEPS if step < most] + [most]
    wanted = DELTAS if delta is None else (delta,)
    for loss in wanted:
        if _finds(most) <= loss:
            return next(step for step in steps if _finds(step) <= loss), loss
    return most, wanted[-1]


@cache
def _finds(n_test: int) -> float:
    """The smallest difference that the full grid of seeds finds on so many test points."""
    return smallest_detectable(Design(len(SHARES), LOOKS[-1], n_test), ASSUMED, studies=250)


def _refuse_few(found: Inspected, asked: Asked, least: int) -> None:
    dataset, own = found.dataset, len(found.dataset.test)
    needed = least if own else least + FEWEST_TEST
    short = len(dataset.train) < needed or 0 < own < FEWEST_TEST
    if not short:
        return
    classes = (
        f", {PER_CLASS} for each of {len(dataset.classes)} classes"
        if len(dataset.classes) * PER_CLASS > FEWEST_TRAIN
        else ""
    )
    split = f"{own} test points" if own else f"{len(found.points)} points that can be used"
    dropped = sum(dataset.dropped.values())
    left_out = f" ({dropped} rows are left out: {', '.join(dataset.dropped)})" if dropped else ""
    raise DataError(
        f"{asked.source or dataset.name}: {len(dataset.train)} training points, {split}{left_out}: too few. It takes "
        f"{least} to train on{classes}, and {FEWEST_TEST} to test on: {least + FEWEST_TEST} in all\n"
        f"Try: a file with {least + FEWEST_TEST} labelled rows or more"
    )


def _typed(asked: Asked, key: str, most: int) -> int | None:
    value = asked.value(key)
    if value is None or value == "null":
        return None
    if not value.isdigit() or not 0 < int(value) <= most:
        tried = asked.again(f"{key}={most}")
        raise ConfigError([Problem(f"{key}={value}", f"must be from 1 to {most}, what this data carries")], tried)
    return int(value)
