"""An audit as lines of text: its numbers, its alarms, and the worst pairs with their texts where these are at hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from littlehuman.formatting import first_of, interval, one_line, percent

if TYPE_CHECKING:
    from littlehuman.audit.group_change import GroupChange

SHOWN, WIDTH, NAMED = 3, 160, 10  # pairs of a measure, characters of a text, and small groups
_ORDER = ("same_row", "near_row", "repeated", "opposite_label", "same_text", "near_text", "ngram_text")
_NAMES = {
    "same_text": "the same text",
    "near_text": "nearly the same text",
    "ngram_text": "a run of words of the text",
    "repeated": "the same or nearly the same text, with its class or answer",
    "opposite_label": "the same or nearly the same text, with another class",
    "same_row": "the same text and evidence",
    "near_row": "nearly the same text and evidence",
    "same_evidence": "the same evidence",
    "near_evidence": "nearly the same evidence",
    "ngram_evidence": "a run of words of the evidence",
}


def lines_of_audit(found: Mapping[str, Any]) -> Iterator[str]:
    """The numbers of one `audit.json`, and its alarms."""
    yield from _contamination(found)
    yield from _twins(found)
    yield from _fidelity(found.get("fidelity", {}))
    yield from _factuality(found.get("factuality", {}))
    yield from _groups(found)
    alarms = found.get("alarms", [])
    for alarm in alarms:
        human = "" if alarm.get("human") is None else f" (human texts: {alarm['human']:.3g})"
        yield f"  ALARM {alarm['measure']}: {alarm['what']}{human}"
    if not alarms:
        yield "  no alarm: nothing that human data does not show of itself"


def one_cell(found: Mapping[str, Any]) -> str:
    """The audit of a cell on one line."""
    parts = [f"{name} {_of(found[name])}" for name in ("contamination", "copies", "collapse") if _measured(found, name)]
    test = found.get("fidelity", {}).get("two_sample", {})
    parts += [f"AUC {test['auc']:.2f}"] if "auc" in test else []
    alarms = [alarm["measure"] for alarm in found.get("alarms", [])]
    return f"{'; '.join(parts) or 'nothing measured'}; alarms: {', '.join(alarms) or 'none'}"


def lines_of_pairs(found: Mapping[str, Any], texts: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """The worst pairs with their texts; `texts`: side (test, human, synthetic) -> id -> text."""
    pairs = found.get("contamination", {}).get("pairs", {})
    for measure in (name for name in _ORDER if name in pairs):
        yield f"  {_NAMES[measure]}:"
        for left, right, like, same_label, origin in pairs[measure][:SHOWN]:
            label = "same label" if same_label else "another label"
            yield f"    {like:.2f}, {label}: test {_shown(left, texts.get('test'))}"
            yield f"      {origin} {_shown(right, texts.get(origin))}"
    for left, right, like, *_ in found.get("copies", {}).get("pairs", [])[:SHOWN]:
        yield f"  a twin that repeats another human point ({like:.2f}): {_shown(left, texts.get('synthetic'))}"
        yield f"      human {_shown(right, texts.get('human'))}"
    for first, count in found.get("collapse", {}).get("texts", [])[:SHOWN]:
        yield f"  {count} twins are: {_shown(first, texts.get('synthetic'))}"
    opening = found.get("diversity", {}).get("opening")
    if opening and any(alarm["measure"] == "opening" for alarm in found.get("alarms", [])):
        yield f"  {opening['count']} twins begin like: {_shown(opening['first'], texts.get('synthetic'))}"


def _contamination(found: Mapping[str, Any]) -> Iterator[str]:
    part = found.get("contamination", {})
    if "share" not in part:
        return
    usual = part["of_human_points"]
    share = f"; of human points on other evidence {_percent(usual['count'], usual['rows'])} do" if usual["rows"] else ""
    alone = found.get("points", {}).get("test") == 0  # a table that was compared with itself
    what = "rows repeat another row" if alone else "test points stand in the training set"
    yield f"  contamination: {_of(part)} {what}{share}"
    for origin in ("human", "synthetic"):
        for measure, counts in part.get(origin, {}).items():
            label = f", {counts['same_label']} with the same class or answer" if "evidence" not in measure else ""
            name = _NAMES.get(measure) or f"the same {measure.removeprefix('column:')}"
            yield f"    {origin}: {counts['count']:>5} have {name}{label}"
    yield from _scores(found.get("scores", {}))


def _scores(scores: Mapping[str, Any]) -> Iterator[str]:
    for kind, what in (("contamination", "those test points"), ("evidence", "test points on evidence of training")):
        parts = scores.get(kind, {})
        if parts.get("touched", {}).get("n"):
            said = [f"{name} {_score(parts[name])}" for name in ("all", "touched", "others") if parts[name].get("n")]
            yield f"    {scores['metric']} with and without {what}: {'; '.join(said)}"


def _score(part: Mapping[str, Any]) -> str:
    return f"{interval(part['value'], part['low'], part['high'])} (n = {part['n']})"


def _twins(found: Mapping[str, Any]) -> Iterator[str]:
    if _measured(found, "copies"):
        part, usual = found["copies"], found["copies"]["of_human_points"]
        same = f"{part['same']} word for word; of human points {_percent(usual['count'], usual['rows'])}"
        yield f"  copies: {_of(part)} twins repeat another human point than their own ({same})"
    if not _measured(found, "repeated_texts"):
        return
    part, usual = found["repeated_texts"], found["diversity"]["of_human_points"]
    human = f"of as many human points {usual['distinct']} of {usual['rows']}"
    yield f"  diversity: {part['rows'] - part['count']} of {part['rows']} twins are different texts; {human}"
    for name, one in found["diversity"]["measures"].items():
        yield f"    {name:<12} {one['twins']:.3f}, human texts {one['low']:.3f} to {one['high']:.3f}"


def _fidelity(part: Mapping[str, Any]) -> Iterator[str]:
    for name, effect in part.get("features", {}).items():
        yield f"  fidelity: {name:<12} effect {effect['effect']:+.2f}, p {effect['p']:.2g} (n = {effect['n']})"
    test, human = part.get("two_sample", {}), part.get("of_human_points", {})
    if "auc" in test:
        usual = f"; human against human {human['auc']:.2f}" if "auc" in human else ""
        told = f"AUC {test['auc']:.2f}, p {test['p']:.3f}{usual}"
        yield f"  fidelity: a classifier tells twins from human texts: {told}"


def lines_of_changes(found: Mapping[str, Sequence[GroupChange]]) -> Iterator[str]:
    """What going from 0 to 100 % synthetic points does to each group of test points."""
    for name, changes in found.items():
        yield f"{name}: change from 0 to 100 % synthetic by group, in points"
        for one in changes:
            told = f"too few to be tested ({one.points})" if one.p is None else f"n = {one.points}, p {one.p:.2g}"
            yield f"  {one.grouping} '{one_line(one.group)}': {percent(one.change, signed=True)}, {told}"


def _factuality(part: Mapping[str, Any]) -> Iterator[str]:
    if "judge" not in part:
        yield f"  factuality: not measured ({part.get('not measured', 'of this audit no judge was asked')})"
        return
    right = part["share_right"]
    passed = ", ".join(
        f"{part[name]['count']} of {part[name]['read']} {name}" for name in ("synthetic", "human", "wrong")
    )
    told = interval(right["value"], right["low"], right["high"]) + " %" if "value" in right else right["not measured"]
    yield f"  factuality: right twins, by {part['judge']} ({part['by']}): {told}; it passes {passed} points"


def _groups(found: Mapping[str, Any]) -> Iterator[str]:
    """Changed labels and errors by group; groups that are too small to be tested are named."""
    errors = found.get("errors", {})
    for name, rows in found.get("groups", {}).items():
        tests = errors.get(name, {})
        for group in dict.fromkeys([*rows, *tests]):
            said = [*_of_labels(rows.get(group, {})), *_of_errors(tests.get(group, {}))]
            if said:
                yield f"  {name} '{one_line(group)}': {'; '.join(said)}"
        yield from _too_few(name, tests, "test")
        if any(row.get("synthetic") for row in rows.values()):
            yield from _too_few(name, rows, "synthetic")


def _too_few(name: str, rows: Mapping[str, Mapping[str, Any]], kind: str) -> Iterator[str]:
    if small := [one_line(group) for group, row in rows.items() if row.get(f"too_few_{kind}")]:
        yield f"  {name}: too few {kind} points to be tested: {first_of(small, NAMED)}"


def _of_labels(row: Mapping[str, Any]) -> Iterator[str]:
    if "p_changed" in row:
        yield f"{row['changed']} of {row['synthetic']} labels changed, p {row['p_changed']:.2g}"
    if "p_labels" in row:
        yield f"label shift p {row['p_labels']:.2g}"


def _of_errors(row: Mapping[str, Any]) -> Iterator[str]:
    if "p_error" in row:
        yield f"model error {percent(row['error'])} % of {row['test']}, p {row['p_error']:.2g}"


def _measured(found: Mapping[str, Any], name: str) -> bool:
    return "share" in found.get(name, {})


def _of(part: Mapping[str, Any]) -> str:
    return f"{part['count']} of {part['rows']}"


def _percent(count: int, rows: int) -> str:
    return f"{percent(count / rows if rows else 0.0)} %"


def _shown(name: str, texts: Mapping[str, str] | None) -> str:
    text = (texts or {}).get(name)
    if text is None:
        return f"[{name}]"
    short = one_line(text)
    return f"[{name}] {short if len(short) <= WIDTH else short[:WIDTH] + ' ...'}"
