"""Coverage of the worth of a human point, wrong verdicts, and regret of plans, over simulated studies: `make simulate`.

In: planted truths. Out: a table, and exit status 1 where the 99 % Monte-Carlo interval of a share excludes its limit.
"""

from __future__ import annotations

import argparse
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from joblib import Memory  # type: ignore[import-untyped]

from benchmarks.simulate import next_cells
from benchmarks.simulate import price_truths as truths
from benchmarks.simulate.verdicts import Z
from littlehuman.economics import allocation, identification, response
from littlehuman.economics.human_worth import worth_draws
from littlehuman.economics.response import Batch, Fitter
from littlehuman.economics.response_design import Design
from littlehuman.economics.response_shapes import Array

CHUNK = 50


@dataclass(frozen=True, slots=True)
class Setting:
    """What was planted: truth, layout, seeds; standard deviations of a run, of a seed and of its human points."""

    truth: str
    layout: str
    seeds: int
    sds: tuple[float, float, float]

    def rng(self, salt: str) -> np.random.Generator:
        return np.random.default_rng(zlib.crc32(f"{salt} {self}".encode()))


@dataclass(frozen=True, slots=True)
class PriceRow:
    """Shares of studies; `wrong` is the largest share of confident wrong verdicts over prices around the truth."""

    setting: Setting
    true: float
    studies: int
    covered: float
    too_low: float
    too_high: float
    wrong: float
    number: float
    width: float | None

    def failures(self) -> Iterator[str]:
        """Limits that the Monte-Carlo interval excludes; above 97 % only if over 1.3 times as wide as the oracle's."""
        margin = Z * np.sqrt(max(self.covered * (1 - self.covered), 1 / self.studies) / self.studies)
        if self.covered + margin < 0.92:
            yield f"covered {self.covered:.3f}"
        if self.covered - margin > 0.97 and self.width is not None and self.width > 1.3:
            yield f"covered {self.covered:.3f}, {self.width:.2f} times as wide as the oracle's"
        if self.wrong - Z * np.sqrt(max(self.wrong * (1 - self.wrong), 1e-6) / self.studies) > 0.05:
            yield f"wrong verdicts {self.wrong:.3f}"

    def line(self) -> str:
        s = self.setting
        width = "" if self.width is None else f"{self.width:.2f}"
        return (
            f"| {s.truth} | {s.layout} | {s.seeds} | {s.sds} | {self.true:.1f} | "
            f"{self.covered:.3f} | {self.too_low:.3f} | "
            f"{self.too_high:.3f} | {self.wrong:.3f} | {self.number:.2f} | {width} | {'; '.join(self.failures())} |"
        )


PRICE_HEAD = (
    "| truth | layout | seeds | sd (run, seed, draw) | true | "
    "covered | too low | too high | wrong | both ends | width | fails |\n" + "|---" * 12 + "|"
)


def price(setting: Setting, studies: int, draws: int = 1000) -> PriceRow:
    """Worth at the largest N of the layout, for many studies."""
    truth, layout = truths.PRICE[setting.truth], truths.LAYOUTS[setting.layout]
    n = float(layout.synthetic.max())
    true = truths.worth(truth, n)
    fitter, rng = _fitter(setting.layout, setting.seeds), setting.rng("price")
    ends, oracle = [], []
    for start in range(0, studies, CHUNK):
        batch = fitter.batch(truths.scores(truth, layout, setting.seeds, setting.sds, min(CHUNK, studies - start), rng))
        known = _oracle(batch, setting)
        for study in range(batch.centre.shape[0]):
            ends.append(_ends(batch, study, n, draws, rng))
            if known is not None and start < studies / 10:
                oracle.append(_ends(known, study, n, draws, rng))
    low, high = np.array(ends).T
    return PriceRow(
        setting, true, studies, *_hits(low, high, true), _wrong(low, high, true), *_widths(low, high, oracle)
    )


@cache
def _fitter(layout: str, seeds: int) -> Fitter:
    return Fitter(Design(*truths.LAYOUTS[layout].runs(seeds)))


def _ends(batch: Batch, study: int, n: float, draws: int, rng: np.random.Generator) -> tuple[float, float]:
    _, low, high = worth_draws(response.draw(batch, study, draws, rng), n, truths.HUMAN).limits()
    return float(low[0]), float(high[0])


def _hits(low: Array, high: Array, true: float) -> tuple[float, float, float]:
    return float(np.mean((low <= true) & (true <= high))), float(np.mean(high < true)), float(np.mean(low > true))


def _wrong(low: Array, high: Array, true: float) -> float:
    """The largest share over human prices, in synthetic points, from a tenth of the true worth to ten times it."""
    worth = 1000.0 if not np.isfinite(true) else max(abs(true), 1.0)
    paid = worth * np.array([0.1, 0.3, 0.7, 0.95, 1.05, 1.5, 3, 10])
    human, synthetic = paid[:, None] < low, paid[:, None] > high
    return float(np.max(np.mean(np.where(paid[:, None] < true, synthetic, human), axis=1)))


def _widths(low: Array, high: Array, oracle: list[tuple[float, float]]) -> tuple[float, float | None]:
    finite = np.isfinite(low) & np.isfinite(high)
    if not oracle:
        return float(np.mean(finite)), None
    both = finite[: len(oracle)] & np.isfinite(oracle).all(axis=1)
    if np.mean(both) < 0.5:
        return float(np.mean(finite)), None
    known = np.array(oracle)[both]
    return float(np.mean(finite)), float(np.median((high - low)[: len(oracle)][both] / (known[:, 1] - known[:, 0])))


def _oracle(batch: Batch, setting: Setting) -> Batch | None:
    """The same studies, read by an oracle: it knows the family and, to the grid's precision, the variance ratios."""
    name = {
        "log": "log combined",
        "power": "power combined",
        "saturating": "exponential combined",
        "constant lift": "log interaction",
        "saturating, lift": "exponential interaction",
        "falling": "log interaction",
        "no gain": "log interaction",
        "a little of both": "log combined",
        "fading": "log interaction",
        "growing": "log interaction",
    }[setting.truth]
    design = batch.design
    number = [family.name for family in design.families].index(name)
    ratios = design.nearest(setting.sds[1] / setting.sds[0], setting.sds[2] / setting.sds[0])
    weights = []
    for block, own in zip(design.blocks, batch.log_weights, strict=True):
        keep = (np.arange(own.shape[0]) == ratios)[:, None, None] & (block.shapes.family == number)[:, None]
        weights.append(np.where(keep, own, -np.inf))
    top = np.max([w.max(axis=(0, 1)) for w in weights], axis=0)
    if not np.isfinite(top).all():
        return None
    return replace(batch, log_weights=tuple(w - top for w in weights))


@dataclass(frozen=True, slots=True)
class PlanRow:
    """Regret in points over studies with random prices and budgets; `covered`: the score of the plan's design."""

    setting: Setting
    studies: int
    median: float
    mean: float
    p90: float
    covered: float

    def failures(self) -> Iterator[str]:
        if self.median >= 0.3:
            yield f"regret {self.median:.2f}"

    def line(self) -> str:
        s = self.setting
        numbers = f"{self.median:.3f} | {self.mean:.3f} | {self.p90:.2f} | {self.covered:.3f}"
        return f"| {s.truth} | {s.layout} | {s.seeds} | {s.sds} | {numbers} | {'; '.join(self.failures())} |"


PLAN_HEAD = (
    "| truth | layout | seeds | sd (run, seed, draw) | regret: median | mean | p90 | covered | fails |\n"
    + "|---" * 9
    + "|"
)


def plan(setting: Setting, studies: int, draws: int = 500) -> PlanRow:
    """Regret of the plan within reach, for a human price of 1 to 100 synthetic ones and any budget within reach."""
    truth, rng = truths.PLAN[setting.truth], setting.rng("plan")
    mended = setting.layout == "replacement, mended"
    layout = _mended(setting) if mended else truths.LAYOUTS[setting.layout]
    s, h, _ = layout.runs(setting.seeds)
    fitter, bounds = (
        Fitter(Design(*layout.runs(setting.seeds))) if mended else _fitter(setting.layout, setting.seeds),
        allocation.bounds_of(s, h),
    )
    found = []
    for start in range(0, studies, CHUNK):
        batch = fitter.batch(truths.scores(truth, layout, setting.seeds, setting.sds, min(CHUNK, studies - start), rng))
        for study in range(batch.centre.shape[0]):
            terms = allocation.Terms(float(10 ** rng.uniform(0, 2)), 1.0)
            dear = bounds.human[1] * terms.human_price + bounds.synthetic[1]
            least = max(1.05 * (bounds.synthetic[0] + bounds.human[0] * terms.human_price), 0.02 * dear)
            budget = float(np.exp(rng.uniform(np.log(least), np.log(dear))))
            found.append(_regret(response.draw(batch, study, draws, rng), bounds, terms, budget, truth))
    regret, hit = np.array([one for one in found if one is not None]).T
    return PlanRow(
        setting,
        len(regret),
        *(float(x) for x in (np.median(regret), regret.mean(), np.quantile(regret, 0.9), hit.mean())),
    )


def _regret(
    fitted: response.Response, bounds: allocation.Bounds, terms: allocation.Terms, budget: float, truth: truths.Truth
) -> tuple[float, float] | None:
    best = allocation.allocate(fitted, bounds, terms, budget, budgets=0).best
    if best is None:
        return None
    s, h = allocation.designs(bounds, terms, budget)
    allowed = terms.cost(s, h) <= budget * (1 + 1e-9)
    own = float(truth(np.array(float(best.n_synthetic)), np.array(float(best.n_human))))
    covered = best.score.holds(own)
    return float(truth(s[allowed], h[allowed]).max()) - own, float(covered)


def _mended(setting: Setting) -> truths.Layout:
    """A replacement study and the two cells that `identification.mend` proposes."""
    line, rng = truths.replacement(1000), setting.rng("mend")
    s, h, seed = line.runs(setting.seeds)
    y = truths.scores(truths.PLAN[setting.truth], line, setting.seeds, setting.sds, 1, rng)[:, 0]
    cells = identification.mend(response.fit(s, h, y, seed, draws=1000), s, h)
    synthetic, human = ([getattr(cell, name) for cell in cells] for name in ("n_synthetic", "n_human"))
    return truths.Layout(np.append(line.synthetic, synthetic), np.append(line.human, human))


PRICE_SETTINGS = [
    *(
        Setting(t, "20 sizes", seeds, (1.0, d, d))
        for t in truths.PRICE
        for seeds, d in ((1, 0.0), (1, 0.5), (3, 0.0), (3, 0.5), (3, 1.0), (5, 0.5))
    ),
    *(Setting(t, "4 sizes", 3, (1.0, d, d)) for t in truths.PRICE for d in (0.5, 1.0)),
    *(Setting(t, "20 sizes", 3, (2.0, 1.0, 1.0)) for t in truths.PRICE),
    *(Setting(t, "3 sizes", 3, (1.0, 0.5, 0.5)) for t in truths.PRICE),
]
PLAN_SETTINGS = [
    Setting(t, layout, 3, (1.0, 0.5, 0.5))
    for layout in ("20 sizes", "crossed", "replacement, mended")
    for t in truths.PLAN
]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulate.economics", description=__doc__.split("\n")[0] if __doc__ else None
    )
    parser.add_argument(
        "--studies", type=int, default=10_000, help="simulated studies a setting of `price` (default: 10,000)"
    )
    parser.add_argument("--plans", type=int, help="the same of `plan` (default: as --studies)")
    parser.add_argument("--grids", type=int, help="the same of the stopping rule (default: as --studies)")
    parser.add_argument("--only", default="", help="settings whose line contains this")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument(
        "--cache", help="a folder that keeps the rows of this version: the same command computes what is missing"
    )
    asked = parser.parse_args()
    plans, grids = (asked.studies if number is None else number for number in (asked.plans, asked.grids))
    keep = Memory(asked.cache, verbose=0).cache  # keeps nothing without a folder
    with ProcessPoolExecutor(asked.processes) as pool:
        failed = _print_rows(pool.map, PRICE_HEAD, keep(price), PRICE_SETTINGS, asked.only, asked.studies)
        failed |= _print_rows(pool.map, "\n" + PLAN_HEAD, keep(plan), PLAN_SETTINGS, asked.only, plans)
        sys.exit(_print_grids(pool.map, keep(next_cells.simulate), grids) or failed)


def _print_rows(
    each: Callable[..., Iterable[Any]], head: str, simulate: Callable[..., Any], settings: Any, only: str, studies: int
) -> bool:
    """Print a row for each setting as it is known; whether one fails. The random numbers are the setting's own."""
    print(head, flush=True)
    chosen = [setting for setting in settings if only in str(setting)] if studies else []
    failed = False
    for row in each(simulate, chosen, [studies] * len(chosen)):
        print(row.line(), flush=True)
        failed |= any(row.failures())
    return failed


def _print_grids(each: Callable[..., Iterable[Any]], simulate: Callable[..., Any], studies: int) -> bool:
    """The stopping rule of `next` against the fixed grid; whether it needs more than half of the cells."""
    settings = [(looks, sd, truth) for looks in next_cells.PLANS for sd in (0.5, 1.0) for truth in truths.LOSS]
    plans, sds, names = zip(*settings, strict=True)
    rows = list(each(simulate, names, sds, [studies] * len(settings), plans)) if studies else []
    print("\n".join(["", next_cells.HEAD, *(row.line() for row in rows)]))
    failed = False
    for looks in next_cells.PLANS if rows else ():
        mine = [row for row in rows if row.looks == looks]
        cells, agrees = np.mean([row.cells for row in mine]), np.mean([row.agrees for row in mine])
        print(f"\nlooks {looks}: on average {cells:.1f} of 40 cells; the choice stands in {agrees:.3f}")
        failed |= bool(cells > 20 and looks == next_cells.CHECKS)
    return failed


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
