"""The document of a study: all that the page shows but single items, as plain JSON values.

In: `ReportData` and its sentences. Out: a dict with these keys (scores and shares in 0..1, None: not known):

- `study`, `littlehuman`, `delta`, `protocols`, `answer`, `findings`, `facts` (pairs), `methods`, `commands` (name ->
  what to type);
- `curves`, `controls`, `learning`, `tradeoffs`, `plans`: what is drawn, see `webpage/drawn.py`;
- `sections`: view -> its tables with titles, notes and warnings, in the words of `reporting`;
- `cells`: the table of cells, by columns.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman import __version__, cli
from littlehuman.formatting import plain_text
from littlehuman.reporting import audit_section, labelling, methods, tables, writer_table
from littlehuman.reporting.method_texts import methods_section
from littlehuman.study.answers import known
from littlehuman.webpage import SCHEMA, drawn
from littlehuman.webpage.cells import columns_of

if TYPE_CHECKING:
    from littlehuman.reporting.gathering import ReportData
    from littlehuman.reporting.tables import ReportTable

VIEWS = ("answer", "curves", "price", "data", "audit", "runs", "methods")
NO_CURVE = "No series has two complete synthetic shares of one size."
NO_TRADEOFF = "No series has three complete sizes of synthetic points alone."
NO_TEXTS = "No complete run with twins describes their texts (texts.json); runs of older versions do not."
ALONE = "The human points of each mixture without their twins (synthetic=false)."
AUDITS = "Alarms with their numbers of runs; the other columns are those of the worst run."
WRITERS = (
    "Twins by a prompt model that was tuned before it wrote, against the same mixtures by the prompt model as it is; "
    "in rounds against round 0 (replace: tuned on the round before; accumulate: on the human points and all twins "
    "before). Changes are paired over seeds and test items, with intervals that hold together over the writers of a "
    "mixture. Distinct-n is the share of n-grams that are different, over the twins of a run (Li et al. 2016); it "
    "falls with their number."
)
AGAIN = "The command of the sweep, given again, repeats only what is missing."


def document(found: ReportData, sentences: Sequence[str], *, portable: bool = True) -> dict[str, Any]:
    """The document of a study; `portable`: for another machine too, so its commands name no folder of this one."""
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "littlehuman": __version__,
        "study": found.study.resolve().name,
        "delta": found.delta,
        "protocols": found.protocols,
        "answer": sentences[0],
        "findings": list(sentences[1:]),
        "facts": [list(pair) for pair in facts(found)],
        "commands": commands(found, portable),
        "curves": [drawn.curve(line, found.delta, nth) for nth, line in enumerate(found.lines)],
        "controls": [drawn.curve(line, found.delta, nth) for nth, line in enumerate(found.controls)],
        "learning": [drawn.learning_curve(one) for one in found.learning],
        "tradeoffs": [drawn.tradeoff(one) for one in found.tradeoffs],
        "plans": [plan.as_json() | {"text": plan.text()} for plan in found.plans],
        "sections": {view: [] for view in VIEWS},
        "methods": methods_section(found),
        "cells": columns_of(found.frame.to_dict("records")),
    }
    for view, section in _sections(found):
        values["sections"][view].append(section)
    plain: dict[str, Any] = _plain(known(values))
    return plain


def facts(found: ReportData) -> Iterator[tuple[str, str]]:
    """What the study is made of."""
    frame = found.frame
    states = frame["state"].value_counts().to_dict()
    never = int((found.missing["state"] == "not run").sum())
    cells = [f"{n} {state}" for state, n in sorted(states.items())] + ([f"{never} never run"] if never else [])
    named = ("dataset", "test_dataset", "task", "model", "prompt_model", "strategy", "seed")
    titles = {"prompt_model": "twins by", "seed": "seeds", "test_dataset": "tested on"}
    pairs = [("protocol", found.protocols), *((titles.get(key, key), _names(frame, key)) for key in named)]
    pairs += [("runs", ", ".join(cells)), ("newest run", found.newest), ("versions", ", ".join(found.versions))]
    yield from ((key, value) for key, value in pairs if value)


def commands(found: ReportData, portable: bool) -> dict[str, str]:
    """Name of a view or an answer -> the command that makes its numbers."""
    inside = os.path.relpath(found.study)
    elsewhere = f"multirun/{found.study.resolve().name}" if portable else str(found.study)
    place = elsewhere if inside.startswith("..") else inside
    prices = next((one.price.prices for one in found.tradeoffs if one.price and one.price.prices), None)
    human, synthetic = prices or (0.8, 0.002)
    terms = ["--human-price", f"{human:g}", "--synthetic-price", f"{synthetic:g}"]
    typed = {
        "report": ("report", [place]),
        "next": ("next", [place]),
        "price": ("price", [place, *terms]),
        "plan": ("plan", [place, "--budget", "500", *terms]),
        "audit": ("audit", [place]),
        "verify": ("verify", [place]),
        "answers": ("report", [place, "--json"]),
    }
    made = {name: cli.command(command, words, portable=True) for name, (command, words) in typed.items()}
    again = sweep_again(found)
    shares = f"{again} synth_frac=0,0.25,0.5,0.75,0.9,0.95,0.975,1 seed=0,1,2"
    return made | {"curves": shares, "tradeoff": f"{again} experiment=tradeoff"}


def sweep_again(found: ReportData) -> str:
    """The start of a command that adds cells to this study: with the groups that all its cells share."""
    shared = {key: found.frame[key].dropna().unique() for key in ("dataset", "model", "protocol") if key in found.frame}
    words = [f"{key}={values[0]}" for key, values in shared.items() if len(values) == 1]
    theirs = len(found.frame) and cli.config_dir_of(Path(found.frame["folder"].iloc[0]))
    own = "DIR" if theirs else None  # a page may be read elsewhere
    return cli.sweep_command([f"study={found.study.resolve().name}", *words], own, portable=True)


def _section(title: str, *of: ReportTable, **more: Any) -> dict[str, Any]:
    return {"title": title, "tables": [drawn.table(one) for one in of if one.rows], "note": "", "problems": [], **more}


def _sections(found: ReportData) -> Iterator[tuple[str, dict[str, Any]]]:
    """View and section, of those that have something to say."""
    yield from (("curves", each) for each in _of_curves(found))
    if not found.tradeoffs:
        yield "price", _section("Trade-off and price", note=NO_TRADEOFF, command="tradeoff")
    elif (worths := tables.worth(found.tradeoffs)).rows:
        yield "price", _section("Synthetic points that the human ones are worth", worths, note=_paper_note())
    yield from (("data", each) for each in _of_texts(found))
    yield from (("audit", each) for each in _of_audit(found))
    yield "runs", _section("Cost", tables.cost(found.cost))
    if len(found.missing):
        yield "runs", _section("Not complete", tables.missing(found.missing), note=AGAIN)
    if (lost := tables.unplaced(found)).rows:
        yield "runs", _section("Not placed in a series with results", lost, note=AGAIN)
    yield "methods", _section("All conditions over seeds", tables.over_seeds(found.over_seeds))


def _of_curves(found: ReportData) -> Iterator[dict[str, Any]]:
    if not (found.lines or found.learning):
        yield _section("Replacement curves", note=NO_CURVE, command="curves")
    if len(found.added):
        yield _section("What the twins add to the human points alone", tables.added(found.added), note=ALONE)
    if (by_method := methods.table(found.methods)).rows:
        yield _section("Human labels, machine labels, and the annotator itself", by_method)
    if len(found.writers):
        yield _section("Writers", writer_table.table(found.writers), note=WRITERS)


def _of_texts(found: ReportData) -> Iterator[dict[str, Any]]:
    if found.texts:
        shown = (tables.texts(found.texts), tables.kinds(found.texts))
        notes = " ".join(f"{group.name}: {note}." for group in found.texts for note in group.notes)
        yield _section("What the synthetic texts look like beside the human ones", *shown, note=notes)
        yield _section("Usable answers", tables.yields(found.texts))
    else:
        yield _section("What the synthetic texts look like", note=NO_TEXTS)
    if found.labellings:
        classes = [labelling.classes(one) for one in found.labellings if one.entry.get("classes")]
        agreement = (labelling.agreement(found.labellings), labelling.thresholds(found.labellings))
        problems = [f"{one.name}: {text}" for one in found.labellings for text in one.warnings]
        yield _section("Machine labels beside human ones", *agreement, *classes, problems=problems)


def _of_audit(found: ReportData) -> Iterator[dict[str, Any]]:
    audits = audit_section.audits(found.frame)
    if audits.rows:
        yield _section("What human data does not show of itself", audits, note=AUDITS, command="audit")
    if len(found.audit):
        yield _section("Copies and contamination: the largest share in any run", tables.audit(found.audit))
    if (dropped := tables.left_out(found.left_out)).rows:
        yield _section("Left out, cut or doubted", dropped)


def _names(frame: Any, column: str) -> str:
    values = frame[column].dropna().unique() if column in frame else ()
    return ", ".join(f"{value:.0f}" if isinstance(value, float) else str(value) for value in sorted(values))


def _paper_note() -> str:
    from littlehuman.economics.price import PAPER_NOTE

    return PAPER_NOTE


def _plain(value: Any) -> Any:
    """Texts of strangers without control characters."""
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, Mapping):
        return {plain_text(str(key)): _plain(own) for key, own in value.items()}
    return [_plain(own) for own in value] if isinstance(value, list | tuple) else value
