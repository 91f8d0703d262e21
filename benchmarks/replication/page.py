"""All published numbers, computed from the results files alone: `numbers.json`, README's generated part, the figure.

In: the folder `docs/replication`. Out: plain values, and texts made of them, so that a check can make them again.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.replication import results
from benchmarks.replication.analysis import HELD, INCOMPLETE, REFUTED, UNKNOWN, Arms, curves_of, entry, of_set
from benchmarks.replication.design import Set
from littlehuman.errors import DataError
from littlehuman.figures import replacement, style
from littlehuman.study.curve_warnings import CONSTANT
from littlehuman.study.load import load

DOCS = Path(__file__).parents[2] / "docs" / "replication"
NUMBERS, README, FIGURE = "numbers.json", "README.md", "shares"
BEGIN, END = "<!-- generated: begin -->", "<!-- generated: end -->"
NOTHING = "**There are no results yet**: the design is written, and none of its runs was made."
ROWS = {
    "entry": "human learning curve",
    "H1": "H1: 90 % synthetic costs less than the margin",
    "H2": "H2: the last tenth costs more than the first nine",
    "H3": "H3: 2.5 % human points beat none",
    "H4": "H4: a human point is worth ten synthetic ones",
    "positive": "positive control: exchanged labels are seen",
    "negative": "negative control: other human points, no change",
    "style": "style alone, against human points",
    "alone": "what the twins add to the human points",
}
WORDS = {"positive": {HELD: "seen", UNKNOWN: "not seen"}, "negative": {HELD: "none found", REFUTED: "a change found"}}
INTRO = """Percentage points with simultaneous 95 % intervals over seeds and test items; H4 in synthetic points.
*Not known* has the change that would have been found with 80 % power; *incomplete*: not all of its runs were made;
a dash: none was."""


@contextmanager
def opened(docs: Path, sets: Sequence[Set]) -> Iterator[dict[str, tuple[Arms, Arms, list[dict[str, Any]]]]]:
    """The runs of each set that has any, those of its learning curve, and the results files."""
    found = {}
    with TemporaryDirectory() as temporary:
        for one in sets:
            files = [docs / "results" / f"{study.removeprefix('replication-')}.json.gz" for study in _studies(one)]
            if there := [file for file in files if file.is_file()]:
                arms = [Arms(one, load(results.unpack(file, Path(temporary) / file.stem))) for file in there]
                found[one.name] = (arms[-1], arms[0], [results.read(file) for file in there])
        yield found


def _studies(one: Set) -> list[str]:
    return list(dict.fromkeys((one.curve_study, one.study)))


def numbers(docs: Path, sets: Sequence[Set]) -> dict[str, Any]:
    """All numbers that are published, with digests of the files that they come from."""
    with opened(docs, sets) as found:
        said = {}
        for name, (arms, curve, files) in found.items():
            said[name] = {"entry": entry_of(curve, files), **of_set(arms), **_runs(arms, files)}
            said[name]["warnings"] += list(_constant(files))
    digests = {path.relative_to(docs).as_posix(): _digest(path) for path in sorted(docs.glob("re*/*.gz"))}
    value: dict[str, Any] = json.loads(json.dumps({"files": digests, "sets": said}, allow_nan=False))
    return value


def entry_of(curve: Arms, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The entry rule; the best constant answer is that of the curve's own test items."""
    return entry(curve, max((table["floor"] or 0.0 for table in files[0]["items"]), default=0.0))


def _constant(files: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Trained cells that give one answer to nearly all test items."""
    for name, cell in ((name, cell) for file in files for name, cell in file["cells"].items()):
        if cell["counts"]["total"] and (cell["commonest_answer"] or 0) > CONSTANT:
            yield f"one answer to {cell['commonest_answer']:.0%} of the test items ({name})"


def _runs(arms: Arms, files: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {
        "cells": sum(len(file["cells"]) for file in files),
        "seeds": sorted({int(seed) for seed in arms.done["seed"]}),
        "incomplete": [cell for file in files for cell in file["incomplete"]],
        "cpu_hours": {step: round(seconds / 3600, 1) for step, seconds in files[-1]["cpu_s"].items()},
    }


def _digest(file: Path) -> str:
    return hashlib.sha256(gzip.decompress(file.read_bytes())).hexdigest()


def write(docs: Path, sets: Sequence[Set]) -> None:
    """Write numbers, figure and README's generated part."""
    said = numbers(docs, sets)
    (docs / NUMBERS).write_text(as_json(said), "utf-8")
    readme = docs / README
    readme.write_text(with_part(readme.read_text("utf-8"), generated(said)), "utf-8")
    with opened(docs, sets) as found:
        pairs = [curves_of(arms) for arms, _, _ in found.values()]
        lines, alone = ([line for pair in pairs for line in pair[side]] for side in (0, 1))
        if lines:
            margin = min(one.margin for one in sets if one.name in found) / 100
            style.save(replacement.replacement(lines, alone, margin), docs, FIGURE)


def as_json(said: Mapping[str, Any]) -> str:
    """The text of `numbers.json`."""
    return json.dumps(said, indent=1, sort_keys=True) + "\n"


def with_part(text: str, part: str) -> str:
    """README with another generated part.

    Raises:
        DataError: where its markers are gone.
    """
    if BEGIN not in text or END not in text:
        raise DataError(f"{README}: has no lines {BEGIN} and {END}\nTry: git checkout {README}")
    return re.sub(f"{BEGIN}.*{END}", lambda _: f"{BEGIN}\n{part}\n{END}", text, flags=re.DOTALL)


def generated(said: Mapping[str, Any]) -> str:
    """README's generated part."""
    sets = said.get("sets", {})
    if not sets:
        return NOTHING
    lines = ["| |" + "".join(f" {name} |" for name in sets), "|---|" + "---|" * len(sets)]
    for row, title in ROWS.items():
        lines.append(f"| {title} |" + "".join(f" {_cell(row, own)} |" for own in sets.values()))
    further = sorted({name for own in sets.values() for name in own["controls"]} - set(ROWS))
    for row in further:
        lines.append(f"| {row}, against no filter |" + "".join(f" {_cell(row, own)} |" for own in sets.values()))
    lines.append("| runs, seeds |" + "".join(f" {own['cells']}, {_span(own['seeds'])} |" for own in sets.values()))
    lines.append("| hours of CPU |" + "".join(f" {sum(own['cpu_hours'].values()):.1f} |" for own in sets.values()))
    drawn = any(own["shares"] for own in sets.values())
    picture = f"![Score over the synthetic share, and its change against no synthetic points]({FIGURE}.png)"
    warned = [f"- {name}: {text}" for name, own in sets.items() for text in own["warnings"]]
    return "\n".join([INTRO, "", *lines, *(["", picture] if drawn else []), *(["", *warned] if warned else [])])


def _cell(row: str, own: Mapping[str, Any]) -> str:
    found = own["entry"] if row == "entry" else {**own["hypotheses"], **own["controls"]}.get(row)
    if not found:
        return "–"
    state = WORDS.get(row, {}).get(found["state"], found["state"])
    if found["state"] == INCOMPLETE:
        return f"{INCOMPLETE} ({found['seeds']} seeds)"
    if row == "entry":
        last = list(found["scores"].values())[-1]
        return f"{state}: {_percent(last['value'])} %, floor {_percent(found['floor'])} %"
    if row == "H4":
        return f"{state}: {found['why']}" if "why" in found else f"{state}: {_range(found)} at {found['at']:,.0f}"
    shares = "; ".join(f"{float(s):.1%} {_change(each)}" for s, each in found.get("shares", {}).items())
    text = shares or _change(found)
    text += f"; twins {_change(found['twins'])}" if "twins" in found else ""
    text += f"; {_percent(found['detectable'])} would be found" if found["state"] == UNKNOWN else ""
    return f"{state}: {text}" if state else text


def _change(found: Mapping[str, Any]) -> str:
    keys = ("change", "change_low", "change_high") if "change" in found else ("value", "low", "high")
    value, low, high = (None if found[key] is None else f"{100 * found[key]:+.1f}" for key in keys)
    return "no interval" if None in (low, high) else f"{value} [{low}, {high}]"


def _range(found: Mapping[str, Any]) -> str:
    value, low, high = (found[k] if isinstance(found[k], str) else f"{found[k]:g}" for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _percent(value: float | None) -> str:
    return "?" if value is None else f"{100 * value:.1f}"


def _span(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))
