"""Sample size of a study before it is run: how many seeds and test items find a drop, and what other designs find.

In: how scores vary (`Variation`) and a `Question`. Out: `SampleSizes`: the smallest detectable difference for each
number of seeds and test items, and the fewest seeds that find the drop. A pilot knows the between-seed standard
deviation from few degrees of freedom; its interval is that of a variance of normal values (chi-square).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scipy import special

from littlehuman.errors import ConfigError, Problem
from littlehuman.stats.curve import DELTA, POWER, Parts
from littlehuman.stats.interval import LEVEL
from littlehuman.stats.power import Design, Variation, power, smallest_detectable, standard_error

SEEDS = (2, 3, 4, 5, 8)
ITEMS = (250, 500, 1_000, 2_000, 5_000)
MOST_SEEDS, MOST_SHARES, MOST_ITEMS = 20, 20, 10_000_000
DRAWS = 250  # studies a design: a difference is then known to about 1 % of itself
_WIDEST = 0.5  # standard deviation of scores in 0..1: they lie at both ends
_LEAST = float(special.ndtri((1 + LEVEL) / 2) + special.ndtri(POWER))  # standard errors that no test of 95 % goes below


@dataclass(frozen=True, slots=True)
class Question:
    """What a study is to find: a `drop` in score units between one share and the smallest, among so many `shares`.

    `seeds` and `items` are the design that is asked about; `cluster_size`: mean number of test items in a cluster.

    Raises:
        ConfigError: for numbers that no study has.
    """

    drop: float = DELTA
    shares: int = 8
    seeds: int = 3
    items: int = 1_000
    cluster_size: float = 1.0

    def __post_init__(self) -> None:
        if problems := list(self._problems()):
            raise ConfigError(problems, f"--delta {DELTA} --shares 8 --seeds 3 --items 1000")

    def _problems(self) -> Iterator[Problem]:
        if not 0 < self.drop < 1:
            yield Problem(f"delta={self.drop:g}", "must lie between 0 and 1; two percentage points are 0.02")
        for name, value, most in (
            ("shares", self.shares, MOST_SHARES),
            ("seeds", self.seeds, MOST_SEEDS),
            ("items", self.items, MOST_ITEMS),
        ):
            if not 2 <= value <= most:
                yield Problem(f"{name}={value}", f"must be from 2 to {most:,}")
        if self.items >= 2 and self.clusters(self.items) < 2:
            yield Problem(f"items={self.items}", f"fill fewer than two clusters of {self.cluster_size:.1f} items")

    def clusters(self, items: int) -> int:
        """Clusters that so many test items come in."""
        return round(items / self.cluster_size)

    def design(self, seeds: int, items: int) -> Design:
        """The study with so many seeds and test items."""
        return Design(self.shares, seeds, items, self.clusters(items) if self.cluster_size > 1 else None)


@dataclass(frozen=True, slots=True)
class Column:
    """What a number of test items finds.

    `smallest` by number of seeds: the difference found with 80 % power; `power`: for the drop, with the seeds that
    were asked about; `fewest`: seeds that find the drop with 80 % power, None where even `MOST_SEEDS` do not.
    """

    items: int
    clusters: int
    smallest: dict[int, float]
    power: float
    fewest: int | None


@dataclass(frozen=True, slots=True)
class SampleSizes:
    """The answer: a `Column` per number of test items, ascending, all with the same numbers of seeds.

    `at_upper`: the same columns, of the asked seeds alone, where seeds differ by `limits[1]`: the upper end of the
    interval of the between-seed standard deviation. Both are None where that was stated.
    """

    question: Question
    varies: Variation
    columns: tuple[Column, ...]
    limits: tuple[float, float] | None = None
    at_upper: tuple[Column, ...] | None = None

    @property
    def asked(self) -> Column:
        """The column of the test items that were asked about."""
        return self._of_asked(self.columns)

    @property
    def asked_at_upper(self) -> Column | None:
        """The same where seeds differ by the upper end of the interval; None where there is none."""
        return None if self.at_upper is None else self._of_asked(self.at_upper)

    @property
    def enough(self) -> Column | None:
        """The fewest test items, beyond those asked about, on which some number of seeds finds the drop; None: none."""
        more = (column for column in self.columns if column.items > self.question.items)
        return next((column for column in more if column.fewest is not None), None)

    def _of_asked(self, columns: Sequence[Column]) -> Column:
        return next(column for column in columns if column.items == self.question.items)


def sample_sizes(question: Question, varies: Variation, limits: tuple[float, float] | None = None) -> SampleSizes:
    """Answer a question; `limits` of the between-seed standard deviation where it was measured (`seed_sd_limits`)."""
    rows = sorted({*SEEDS, question.seeds})
    items = sorted({n for n in ITEMS if question.clusters(n) >= 2} | {question.items})
    columns = tuple(_column(question, varies, n, rows) for n in items)
    if limits is None:
        return SampleSizes(question, varies, columns)
    upper = Variation(limits[1], varies.stable_sd, varies.noise_sd, varies.icc)
    at_upper = tuple(_column(question, upper, n, [question.seeds]) for n in items)
    return SampleSizes(question, varies, columns, limits, at_upper)


def seed_sd_limits(parts: Parts, level: float = LEVEL) -> tuple[float, float]:
    """Interval of the between-seed standard deviation: chi-square for the scatter of the cell means, from which the
    part of the test items is then taken off."""
    size = parts.items / parts.clusters
    icc = 0.0 if math.isnan(parts.icc_differences) else min(max(parts.icc_differences, 0.0), 1.0)
    noise = parts.noise_sd**2 / 2 * (1 + (size - 1) * icc) / parts.items
    scatter = (parts.seed_sd**2 + noise) * parts.df_seeds
    tails = (1 - level) / 2, (1 + level) / 2
    low, high = (scatter / float(special.chdtri(parts.df_seeds, tail)) - noise for tail in tails)
    return math.sqrt(max(low, 0.0)), min(math.sqrt(max(high, 0.0)), _WIDEST)


def _column(question: Question, varies: Variation, items: int, rows: Sequence[int]) -> Column:
    smallest = {seeds: _smallest(question, varies, items, seeds) for seeds in rows}
    chance = power(question.drop, question.design(question.seeds, items), varies, studies=DRAWS)
    fewest = _fewest(question, varies, items, smallest)
    return Column(items, question.clusters(items), smallest, chance, fewest)


def _smallest(question: Question, varies: Variation, items: int, seeds: int) -> float:
    return smallest_detectable(question.design(seeds, items), varies, studies=DRAWS)


def _fewest(question: Question, varies: Variation, items: int, known: dict[int, float]) -> int | None:
    """Bisection over the numbers of seeds, between those whose smallest difference is known."""
    above = next((seeds for seeds in sorted(known) if known[seeds] <= question.drop), MOST_SEEDS)
    below = max((seeds for seeds in known if seeds < above), default=1)

    def enough(seeds: int) -> bool:
        if _LEAST * standard_error(question.design(seeds, items), varies) > question.drop:
            return False  # not even with known variances
        return _smallest(question, varies, items, seeds) <= question.drop

    tried = range(below + 1, above + 1)
    at = bisect_left(tried, True, key=enough)
    return tried[at] if at < len(tried) else None
