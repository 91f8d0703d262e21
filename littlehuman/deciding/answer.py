"""The answer in ten lines: for what it holds, what to buy, what a label brings, what is not known, what was spent.

In: the study's report (`answers.json`), its price model and plan, and how the rounds ended. Out: lines. Every number is
read off what `report`, `price`, `plan` and `plan --pilot` say: nothing is computed anew here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from littlehuman import cli
from littlehuman.deciding import purchase
from littlehuman.deciding.asked import Asked
from littlehuman.deciding.budget import FIXED_GRID, complete
from littlehuman.deciding.rounds import Ended, Why
from littlehuman.deciding.running import LOG
from littlehuman.deciding.settings import FILE, Settings
from littlehuman.formatting import count, listed, named, percent, share
from littlehuman.generation.spending import paid_in_study
from littlehuman.study.look_design import LOOKS
from littlehuman.study.scores import ScoredRuns, read_scores

REHEARSAL = "REHEARSAL"
_SETTLED = ("worse", "better", "equal")


@dataclass(frozen=True, slots=True)
class Known:
    """What the lines are made of: the curve's entry of `answers.json` (None: none yet), and the runs."""

    settings: Settings
    asked: Asked
    ended: Ended
    curve: Mapping[str, Any] | None
    runs: ScoredRuns | None
    seconds: float

    @property
    def rows(self) -> Sequence[Mapping[str, Any]]:
        """The shares of the curve, the base first."""
        return self.curve["shares"] if self.curve else ()

    @property
    def floor(self) -> Mapping[str, Any] | None:
        """The highest score that needs no training."""
        floors = self.curve["floors"] if self.curve else []
        return max(floors, key=lambda floor: floor["score"]) if floors else None

    @property
    def learnt(self) -> bool:
        """Whether a score is shown to lie above the floors: without it no number is a ground to buy on."""
        return not self.nothing_learnt and (self.curve is None or bool(self.curve["learnt"]))

    @property
    def nothing_learnt(self) -> bool:
        """Whether no share scores above the floor."""
        scores = [row["score"]["value"] for row in self.rows if row["score"]]
        return bool(self.floor and scores and max(scores) <= self.floor["score"])


def write(settings: Settings, asked: Asked, ended: Ended, seconds: float) -> list[str]:
    """Write the report of the study, and say what follows from it."""
    from littlehuman import report

    if not complete(settings.folder):
        return lines(Known(settings, asked, ended, None, None, seconds))
    made = report.write(settings.folder)
    curves = json.loads(made.answers)["curves"]
    curve = next((one for one in curves if one["n_train"] == settings.n_train), None)
    runs = next(iter(read_scores(settings.folder)), None)
    return lines(Known(settings, asked, ended, curve, runs, seconds))


def lines(known: Known) -> list[str]:
    """At most ten lines; of a rehearsal each says so."""
    settings = known.settings
    said = [
        f"{holds(settings)}: {verdict(known)}.",
        *_scores(known),
        *purchase.lines(known.runs, known.asked, settings, known.learnt),
        *_not_known(known),
        *_to_tell(known),
        _spent(known),
        _files(known),
    ]
    if settings.rehearsal:
        why = f"no ground for a decision: {settings.rehearsal}"
        return [f"{REHEARSAL}: {line}" for line in (f"{why[0].upper()}{why[1:]}.", *said)]
    return said


def _files(known: Known) -> str:
    folder = known.settings.folder
    report = f"Report: {folder / 'report.html'}; choices" if known.runs is not None else "Choices"
    return f"{report} and commands: {folder / FILE}; what the cells said: {folder / LOG}"


def holds(settings: Settings) -> str:
    """The answer's first words: what it holds for."""
    made = "machine labels" if "strategy=annotate" in settings.words else "twins"
    points = f"up to {settings.n_train:,} points of {settings.dataset}"
    return f"With {made} by {settings.writer}, model {settings.model}, {points}"


def verdict(known: Known) -> str:
    """The answer itself: which share costs less than the loss that can be borne, with the interval that decides it."""
    rows, delta = known.rows[1:], known.settings.delta
    if known.curve is None or not rows:
        return "not known, as no two shares are complete"
    if known.nothing_learnt:
        assert known.floor
        best = max(row["score"]["value"] for row in known.rows if row["score"])
        return f"not known: nothing was learnt, as the best score is {percent(best)} % and {_floor(known.floor)}"
    reached = known.curve["within_delta_up_to"]
    safe = next((row for row in rows if row["synth_frac"] == reached), None)
    clear = next((row for row in rows if row["verdict"] == "worse" and row is not safe), None)
    said = []
    if safe:
        said.append(
            f"up to {share(safe['synth_frac'])} of the points may be {_made(known)} at a loss below {_points(delta)}, "
            f"which changes {_change(known, safe)}"
        )
    if clear:
        said.append(f"{share(clear['synth_frac'])} {_made(known)} lower it: {_change(known, clear)}")
    if not said and all(row["withheld_because"] for row in rows):
        reasons = dict.fromkeys(name for row in rows for name in row["withheld_because"])
        why = listed([_warning(known, name) for name in reasons if name != "BETWEEN_LOOKS"] or ["no look is due"])
        said.append(f"no share has a verdict ({why}); as it stands, {_widest(known, rows)}")
    elif not said:
        which = listed([share(row["synth_frac"]) for row in rows])
        said.append(
            f"it is not known whether {which} {_made(known)} cost {_points(delta)} or more: {_widest(known, rows)}"
        )
    return "; ".join(said)


def _made(known: Known) -> str:
    return "machine-labelled" if "strategy=annotate" in known.settings.words else "twins"


def _change(known: Known, row: Mapping[str, Any]) -> str:
    """`squad f1 by -1.2 percentage points [-3.9, +1.5]`."""
    assert known.curve
    return f"{named(known.curve['metric'])} by {_interval(row['change'])}"


def _interval(change: Mapping[str, Any] | None) -> str:
    if change is None:
        return "an unknown amount"
    value = f"{percent(change['value'], signed=True)} percentage points"
    if change["low"] is None or change["high"] is None:
        return f"{value} (no interval yet)"
    return f"{value} [{percent(change['low'], signed=True)}, {percent(change['high'], signed=True)}]"


def _widest(known: Known, rows: Sequence[Mapping[str, Any]]) -> str:
    compared = [row for row in rows if row["change"]]
    if not compared:
        return "no seed is complete on both"
    return "; ".join(f"{share(row['synth_frac'])} changes {_change(known, row)}" for row in compared[-2:])


def _points(delta: float) -> str:
    return f"{100 * delta:g} percentage point{'s' * (delta != 0.01)}"


def _floor(floor: Mapping[str, Any]) -> str:
    kinds = {
        "UNTRAINED": "the untrained model",
        "COMMONEST_LABEL": f"always saying {floor['answer']!r}",
        "CONSTANT_ANSWER": f"always answering {floor['answer']!r}",
    }
    return f"{kinds[floor['kind']]} has {percent(floor['score'])} %"


def _scores(known: Known) -> Iterator[str]:
    """The score of each share, with what needs no training beside it."""
    if not known.curve:
        return
    cells = [f"{share(row['synth_frac'])} {_score(row['score'])}" for row in known.rows if row["score"]]
    floor = f"; {_floor(known.floor)}" if known.floor else ""
    yield f"Scores ({named(known.curve['metric'])} in %, by share of {_made(known)}): {', '.join(cells)}{floor}."


def _score(score: Mapping[str, Any]) -> str:
    if score["low"] is None:
        return percent(score["value"])
    return f"{percent(score['value'])} [{percent(score['low'])}, {percent(score['high'])}]"


def _not_known(known: Known) -> Iterator[str]:
    """What the runs leave open."""
    if known.nothing_learnt:
        yield f"Not known: whether more labels or {_made(known)} would help: the model learnt nothing from these."
        return
    if open_ := [*_unsettled(known), *_withheld(known), *_beside(known)]:
        yield f"Not known: {'; '.join(open_)}."


def _unsettled(known: Known) -> Iterator[str]:
    rows = [row for row in known.rows[1:] if row["verdict"] not in _SETTLED and not row["withheld_because"]]
    if rows:
        shares = listed([share(row["synth_frac"]) for row in rows])
        yield f"whether {shares} {_made(known)} cost {_points(known.settings.delta)} or more"


def _withheld(known: Known) -> Iterator[str]:
    """Shares without a verdict, by reason."""
    by_reason: dict[str, list[str]] = {}
    for row in known.rows[1:]:
        for name in row["withheld_because"]:
            by_reason.setdefault(name, []).append(share(row["synth_frac"]))
    for name, shares in by_reason.items():
        if name == "BETWEEN_LOOKS":
            yield f"the verdicts, before the look after {LOOKS[0]} seeds"
        else:
            yield f"the verdict on {listed(shares)} ({_warning(known, name)})"


def _beside(known: Known) -> Iterator[str]:
    """What lies beside the shares that were tried, and whether the twins are of any use."""
    rows = known.rows[1:]
    alone = next((row for row in rows if row["synth_frac"] == 1 and row["score"]), None)
    if known.floor and alone and alone["score"]["value"] <= known.floor["score"]:
        yield "whether another prompt model would help: models on its output alone stay below what needs no training"
    if rows and rows[0]["verdict"] == "worse":
        yield f"what a share below {share(rows[0]['synth_frac'])} costs"


def _warning(known: Known, name: str) -> str:
    assert known.curve
    return next((str(one["text"]) for one in known.curve["warnings"] if one["kind"] == name), name.lower())


def _to_tell(known: Known) -> Iterator[str]:
    """What would tell more: the round that was not run, or a larger study."""
    ended, asked = known.ended, known.asked
    minutes = max(ended.needs_s / 60, 1)
    if ended.why is Why.HOURS:
        hours = max(2 * asked.hours if not complete(known.settings.folder) else asked.hours, 2.4 * ended.needs_s / 3600)
        yield f"To tell more: {ended.left} (about {minutes:.0f} minutes): {asked.again(hours=round(hours, 2))}"
    elif ended.why is Why.MONEY:
        yield f"To tell more: {ended.left}: {asked.again(max_usd=2 * (asked.max_usd or 1.0))}"
    elif ended.why is Why.FAILED:
        yield f"To tell more: {ended.left} failed ({ended.cause.splitlines()[0]}); then {asked.again()}"
    elif ended.why is Why.NOTHING_LEARNT:
        yield "To tell more: more labelled points, or a larger model (model=NAME), in another study (--study NAME)."
    elif any(row["verdict"] not in _SETTLED for row in known.rows[1:]):
        yield from _larger(known)


def _larger(known: Known) -> Iterator[str]:
    """How many test items and seeds find the loss that counts, by the variation that these runs showed."""
    size = purchase.enough(known.settings)
    if size:
        yield f"To tell more: {size}; {cli.command('plan', ['--pilot', str(known.settings.folder)])} has the table."


def _spent(known: Known) -> str:
    folder = known.settings.folder
    usd = paid_in_study(folder)
    cells = complete(folder)
    why = f"; stopped as {known.ended.why.value}" if known.ended.why is not Why.DONE else ""
    return (
        f"Spent: {usd:.2f} US dollars for twins, {known.seconds / 60:.0f} minutes by this command; {count(cells)} "
        f"cell{'s' * (cells != 1)} (the fixed grid of 8 shares and 5 seeds has {FIXED_GRID}){why}."
    )
