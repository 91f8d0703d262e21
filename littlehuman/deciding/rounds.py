"""The rounds of a study: a first cell, a pilot, then what `next` and the price model ask for, until a limit.

In: `Settings` and limits. Out: an `Ended`: why no more is run, and what one more round would take. Cells are those of
`littlehuman run`; complete ones are not computed again, so that the same command goes on where it stopped.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from littlehuman.deciding import budget
from littlehuman.deciding.budget import Rates
from littlehuman.deciding.running import LOG, Ran, Runner
from littlehuman.deciding.settings import PILOT_SEEDS, Settings
from littlehuman.economics import next_runs
from littlehuman.economics.identification import SEEDS
from littlehuman.economics.next_look import next_step
from littlehuman.economics.pilot import curves_of_pilot
from littlehuman.economics.price import model_of
from littlehuman.errors import DataError
from littlehuman.formatting import listed
from littlehuman.generation.spending import paid_in_study
from littlehuman.runs.artifacts import rows
from littlehuman.study.look_design import AskedRules
from littlehuman.study.replacement import ReplacementCurve
from littlehuman.study.scores import read_scores

SAFETY = 1.2  # a round fits where so many times its expected time is left; it is begun where its first cell does
MIXTURES = 2  # off the curve, beside the first cell, with `SEEDS` seeds each
_OFF_CURVE = 0.9  # of the curve's points: runs on fewer are off the line on which all have one total


class Why(StrEnum):
    """Why no more cells are run."""

    DONE = "nothing more is asked for"
    HOURS = "the time is used up"
    MONEY = "the money is used up"
    FAILED = "cells failed"
    NOTHING_LEARNT = "nothing was learnt, which more seeds would not change"


@dataclass(frozen=True, slots=True)
class Ended:
    """How the rounds ended: `left` is the round that was not run, `needs_s` its time; `cause` of a failure."""

    why: Why
    left: str = ""
    needs_s: float = 0.0
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Round:
    """Cells of one command. `cells`: (synthetic, human) points of each; `axes`: (n_train, share, seed) of each, by
    which complete ones are known (empty: all are new)."""

    name: str
    words: Sequence[str]
    cells: Sequence[tuple[int, int]]
    axes: frozenset[tuple[int, float, int]] = frozenset()


@dataclass
class Rounds:
    """Runs the rounds of a study until `deadline` (of the monotonic clock). `resize` takes settings, measured rates and
    the seconds that are left. `max_usd` is over all commands of the study, None where nothing is paid."""

    settings: Settings
    runner: Runner
    rates: Rates
    deadline: float
    resize: Callable[[Settings, Rates, float], Settings]
    max_usd: float | None = None

    def run(self) -> Ended:
        """All rounds.

        Raises:
            DataError: where the first cell fails.
        """
        self.rates = budget.measured(self.settings.folder, self.rates)
        if ended := self._take(self._first()):
            return ended
        for block in self._pilot():
            if ended := self._take(block):
                return ended
        curve = curve_of(self.settings)
        if curve is not None and below_floor(curve):
            return Ended(Why.NOTHING_LEARNT)
        while (more := self._asked_for()) is not None:
            if ended := self._take(more):
                return ended
        return Ended(Why.DONE)

    def _first(self) -> Round:
        own = self.settings
        return Round("the first cell", own.first, [(own.small, 0)], frozenset({(own.small, 1.0, 0)}))

    def _pilot(self) -> list[Round]:
        """Two seeds on all shares, at fewer points where the first cell showed that they take too long; one seed after
        the other where even so the time may end before."""
        left_s = self.deadline - time.monotonic()
        if not any(n == self.settings.n_train for n, _, _ in _complete(self.settings.folder)):
            self.settings = self.resize(self.settings, self.rates, left_s)
        both = self._block(*PILOT_SEEDS)
        return [both] if self._expected(both) * SAFETY <= left_s else [self._block(seed) for seed in PILOT_SEEDS]

    def _block(self, *seeds: int) -> Round:
        """Seeds on all shares."""
        n, shares = self.settings.n_train, self.settings.shares
        cells = [(round(share * n), n - round(share * n)) for share in shares] * len(seeds)
        named = listed([str(seed) for seed in seeds])
        axes = frozenset((n, share, seed) for share in shares for seed in seeds)
        return Round(f"seed{'s' * (len(seeds) > 1)} {named} on all shares", self.settings.block(*seeds), cells, axes)

    def _asked_for(self) -> Round | None:
        """The next round: the verdicts of a look first, then what each kind of points adds, then the seeds that `next`
        still asks for."""
        from littlehuman.exporting.item_clusters import clusters_of_test_items

        rules = AskedRules(delta=self.settings.delta)
        step = next_step(self.settings.folder, rules, load_clusters=clusters_of_test_items)
        seeds = step.blocks.to_run
        if seeds and not step.blocks.at_look:
            return self._block(seeds[0])
        if mixture := self._mixture():
            return mixture
        return self._block(seeds[0]) if seeds and step.command and not step.withheld else None

    def _mixture(self) -> Round | None:
        """The mixture off the curve that tells most of what human and synthetic points add, with `plan`'s command."""
        (scored,) = read_scores(self.settings.folder)
        model, n = model_of(scored), self.settings.n_train
        off = int(((model.n_synthetic + model.n_human) < _OFF_CURVE * n).sum())
        if off > (MIXTURES - 1) * SEEDS + 1:
            return None
        cells = next_runs.mending(model.mend(int(_OFF_CURVE * n) - 1))
        (cell, *_) = next_runs.commands(cells[:1], self.settings.folder, scored.name)
        name = f"{cell.n_human} human and {cell.n_synthetic} synthetic points"
        words = shlex.split(cell.command or "")
        axes = words[len(words) - words[::-1].index("-m") :]  # `python -m littlehuman -m ...` has it twice
        return Round(name, [*axes, "hydra/launcher=fused"], [(cell.n_synthetic, cell.n_human)] * cell.runs)

    def _take(self, one: Round) -> Ended | None:
        """Run a round that is not complete, if time and money are left for it; how it all ended, if it did."""
        folder = self.settings.folder
        if one.axes and one.axes <= _complete(folder):
            return None
        left_s, expected = self.deadline - time.monotonic(), self._expected(one)
        begun = budget.complete(folder) > 0
        if left_s <= 0 or (begun and self._expected(replace(one, cells=one.cells[:1])) * SAFETY > left_s):
            return Ended(Why.HOURS, one.name, expected)
        # Where the time may end in the middle: cell after cell, so that some are complete by then.
        singly = [] if expected * SAFETY <= left_s else ["hydra.launcher.ahead=1"]
        limit = [] if self.max_usd is None else [f"launch.max_usd={max(self.max_usd - paid_in_study(folder), 0.0):.6g}"]
        before, busy = budget.complete(folder), budget.busy_s(folder)
        ran = self.runner([*one.words, *singly, *limit], left_s)
        if budget.complete(folder) > before:
            start = max(ran.seconds - (budget.busy_s(folder) - busy), 1.0)
            self.rates = budget.measured(folder, replace(self.rates, start_s=start))
        elif not ran.code and not ran.stopped:
            return Ended(Why.FAILED, one.name, cause="a command that ended well added no cell")
        return self._failed(one, ran)

    def _expected(self, one: Round) -> float:
        new = min(max(s for s, _ in one.cells), max(self.settings.pool - budget.asked(self.settings.folder), 0))
        return self.rates.seconds(one.cells, self.settings.n_test, new)

    def _failed(self, one: Round, ran: Ran) -> Ended | None:
        if ran.stopped:
            return Ended(Why.HOURS, one.name, self._expected(one))
        if not ran.code:
            return None
        cause = _cause(self.settings)
        if budget.complete(self.settings.folder) == 0:
            raise DataError(f"{self.settings.folder}: {one.name} failed: {cause}")
        return Ended(Why.MONEY if "max_usd" in cause else Why.FAILED, one.name, self._expected(one), cause)


def curve_of(settings: Settings) -> ReplacementCurve | None:
    """The curve over the shares at `n_train`; None before two shares are complete."""
    from littlehuman.exporting.item_clusters import clusters_of_test_items

    try:
        found = curves_of_pilot(settings.folder, load_clusters=clusters_of_test_items)
    except DataError:
        return None
    return next((curve for curve in found if curve.curve.n_train == settings.n_train), None)


def below_floor(curve: ReplacementCurve) -> bool:
    """Whether even the best share scores no more than what needs no training, seeds and items aside."""
    return curve.floor is not None and float(curve.table["mean"].astype(float).max()) <= curve.floor


def _complete(folder: Path) -> set[tuple[int, float, int]]:
    """(n_train, share, seed) of the complete cells without extra human points."""
    return {
        (int(row["n_train"]), float(row["synth_frac"]), int(row["seed"]))
        for row in rows(folder)
        if row["state"] == "done" and not int(row["extra_human"] or 0)
    }


def _cause(settings: Settings) -> str:
    """Why cells failed: of the first one that says so, else the last line of the log."""
    found = rows(settings.folder)
    causes = [str(row["error"]) for row in found if row.get("error")]
    log = settings.folder / LOG
    lines = log.read_text("utf-8", errors="replace").strip().splitlines() if log.is_file() else []
    said = [line for line in lines if line.startswith(("REFUSED", "NOT COMPLETE", "ConfigError", "Could not"))]
    return (causes or said[-1:] or lines[-1:] or ["no cell was written"])[0]
