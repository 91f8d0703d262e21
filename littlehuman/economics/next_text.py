"""The text and the JSON of `littlehuman next`.

In: a `NextStep`. Out: lines, or plain values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from littlehuman.cli import command
from littlehuman.economics import look_text
from littlehuman.economics.next_look import NextStep
from littlehuman.economics.stopping import CERTAINTY, Stop
from littlehuman.formatting import absent, count, listed, percent, share
from littlehuman.study.look_design import FILE

_NUMBERS = ("synth_frac", "mean", "change", "change_low", "change_high", "p_holm")


def text(step: NextStep) -> str:
    """What was fixed, what this look says, and what to do."""
    return "\n".join([*_rules(step), "", *_look(step), *_warnings(step), "", *_what_to_do(step)])


def as_json(step: NextStep) -> dict[str, Any]:
    """The same as plain values; `look` and `advice` are null between looks, `advice` also where it would rest on a
    withheld verdict, `command` where nothing is to run.
    """
    blocks, design = step.blocks, step.design
    look = {"number": blocks.number, "seeds": len(blocks.seeds), "level": blocks.level, "shares": _json_rows(step)}
    return {
        "study": str(step.study),
        "design": asdict(design) | {"levels": design.schedule.levels},
        "newly_fixed": step.newly_fixed,
        "seeds": blocks.seeds,
        "look": look if blocks.at_look else None,
        "advice": step.advice.as_json() if step.advice else None,
        "withheld": step.withheld,
        "to_run": {"seeds": blocks.to_run if step.command else (), "command": step.command},
        "missing": [asdict(cell) for cell in blocks.missing],
        "added": [{"share": fraction, "seed": seed} for fraction, seed in blocks.added],
        "guaranteed": not blocks.added,
        "cost": asdict(step.cost),
    }


def _json_rows(step: NextStep) -> list[dict[str, Any]]:
    def plain(row: Mapping[str, Any], name: str) -> float | None:
        return None if absent(row[name]) else float(row[name])

    words = ("verdict", "withheld_because")
    return [
        {name: plain(row, name) for name in _NUMBERS}
        | {name: None if absent(row[name]) else str(row[name]) for name in words}
        for row in step.rows
    ]


def _rules(step: NextStep) -> Iterator[str]:
    design, place = step.design, step.study / FILE
    head = "now fixed" if step.newly_fixed else f"fixed {design.fixed[:10]}"
    yield f"{design.title}: group-sequential design, {head} in {place}"
    yield f"  shares {', '.join(map(share, design.shares))}, compared with {share(design.base)}; {design.metric}"
    yield (
        f"  looks after {look_text.seeds_listed(design.looks)} seeds; a block is one new seed on all "
        f"{len(design.shares)} shares"
    )
    yield (
        f"  tolerated loss {percent(design.delta)} percentage points; {100 * design.alpha:.3g} % false alarms over all "
        f"shares and looks; cost counted in {'cells' if design.cost_unit == 'cells' else 'US dollars paid for twins'}"
    )


def _look(step: NextStep) -> Iterator[str]:
    blocks = step.blocks
    if not blocks.at_look:
        yield f"{_sentence(look_text.between(blocks))}"
        return
    of_all = f"{blocks.number} of {len(step.design.looks)}"
    yield (
        f"Look {of_all}, after {len(blocks.seeds)} seeds ({', '.join(map(str, blocks.seeds))}), at the level "
        f"{100 * blocks.level:.1f} %:"
    )
    yield from (f"  {share(row['synth_frac'])}: {_verdict(step, row)}" for row in step.rows)


def _verdict(step: NextStep, row: Mapping[str, Any]) -> str:
    if row["verdict"] == "withheld":
        return f"withheld: {row['withheld_because']}"
    interval = f"[{percent(row['change_low'], signed=True)}, {percent(row['change_high'], signed=True)}]"
    words = {"unknown": "not known", "equal": f"equal within {percent(step.design.delta)} percentage points"}
    verdict = words.get(str(row["verdict"]), row["verdict"])
    return f"{verdict}, {percent(row['change'], signed=True)} percentage points {interval}"


def _warnings(step: NextStep) -> Iterator[str]:
    if sentence := look_text.added(step.blocks):
        yield f"{sentence} They are not counted here."


def _what_to_do(step: NextStep) -> Iterator[str]:
    if step.advice:
        yield _choice(step)
        yield _why(step)
    if step.withheld:
        shares = listed([share(fraction) for fraction in step.withheld])
        yield f"No choice is made: it would rest on {shares}, whose verdict is withheld; more seeds rarely mend runs."
        yield f"What is wrong with them: {command('report', [str(step.study)])}"
    yield f"Cost: {_cost(step)}."
    if step.command:
        seeds = step.blocks.to_run
        yield f"Run seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))} (what is complete is not repeated):"
        yield f"  {step.command}"
        yield f"Then: {command('next', [str(step.study), *(['--series', step.series] if step.series else [])])}"


def _no_verdict(step: NextStep) -> str:
    """Of a choice between looks."""
    first = step.blocks.upcoming
    return "" if step.blocks.at_look else f" It is a choice, no finding: verdicts come at the look after {first} seeds."


def _choice(step: NextStep) -> str:
    assert step.advice
    design, choice = step.design, step.advice.choice
    within = f"loses less than {percent(design.delta)} percentage points"
    if choice == design.base:
        return (
            f"Choice: {share(choice)} synthetic; the next larger share already loses {percent(design.delta)} or more."
        )
    return f"Choice: {share(choice)} synthetic, the largest share up to which each {within} (point estimates)."


def _why(step: NextStep) -> str:
    assert step.advice
    sure = f"{100 * step.advice.certainty:.0f} %"
    enough = f"{100 * CERTAINTY:.0f} %"
    full = f"after the full grid of {step.design.last} seeds"
    return {
        Stop.GO_ON: f"Go on: this choice stands {full} with a probability of {sure}; {enough} would be enough.",
        Stop.ALL_SETTLED: f"Stop: every share has a verdict. The choice stands {full} with a probability of {sure}.",
        Stop.DECISION_STANDS: f"Stop: this choice stands {full} with a probability of {sure}.{_no_verdict(step)}",
        Stop.LAST_LOOK: "Stop: this was the last look. What is not known now stays not known in this study.",
    }[step.advice.stop]


def _cost(step: NextStep) -> str:
    cost = step.cost
    unit = "cells" if cost.unit == "cells" else "US dollars"
    if cost.block is None or cost.full is None:
        return f"not known in {unit} before the first complete block"
    amount = count if cost.unit == "cells" else "{:,.2f}".format
    spent = f"{amount(cost.spent)} of at most {amount(cost.full)} {unit}"
    return f"{spent}; a block takes {amount(cost.block)}" if step.command else spent


def _sentence(clause: str) -> str:
    return f"{clause[0].upper()}{clause[1:]}."
