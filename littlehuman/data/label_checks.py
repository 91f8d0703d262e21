"""What is odd about the labels of a classification: spellings of one class, contradictory rows. Nothing is changed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from littlehuman.data.label_overrides import ignored_override, map_overrides
from littlehuman.records import Example, evidence_key

MAX_LISTED = 6
MANY_CLASSES = 20
SHOWN = 60  # characters of a text in a message
_MISSING = ("nan", "null", "n/a", "<na>", "nat")  # what programs write for a missing value; `none` may be a class
_TRUTH = {"yes": "true", "t": "true", "y": "true", "1": "true", "no": "false", "f": "false", "n": "false", "0": "false"}


def folded(label: str) -> str:
    """A label without differences of case and of Unicode form: equal for labels that one entry of the map covers."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", label).casefold())


def spellings(classes: Mapping[str, int]) -> list[list[str]]:
    """Groups of classes that may be one, the most frequent spelling first.

    They differ in case, Unicode form, white space or punctuation, as a number (1 and 1.0), or as a truth value where
    `true` or `false` is a class too.

    Args:
        classes: class -> rows.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    truth = not {"true", "false"}.isdisjoint(map(folded, classes))
    for name in sorted(classes, key=lambda name: (-classes[name], name)):
        key = _bare(name)
        groups[_TRUTH.get(key, key) if truth else key].append(name)
    return [group for group in groups.values() if len(group) > 1]


def remarks(classes: Mapping[str, int], from_data: bool) -> Iterator[str]:
    """What is odd about the classes; where the config names them (not `from_data`), they are as the user wants them."""
    if not from_data:
        return
    if groups := spellings(classes):
        listed = "; ".join(_counted(group, classes) for group in groups[:MAX_LISTED])
        first = {name: group[0] for group in groups for name in group}
        pairs = {folded(name): (name, first.get(name, name)) for name in sorted(classes)}
        mend = map_overrides({raw: name for raw, name in pairs.values()})
        yield f"separate classes that may be one: {listed}\nIf they are: {mend}"
    if missing := [name for name in classes if name.casefold() in _MISSING]:
        yield (
            f"classes that read like a missing label: {_counted(missing, classes)}\n"
            f"To leave their rows out: {ignored_override(missing)}"
        )
    rows = sum(classes.values())
    if len(classes) > MANY_CLASSES and 2 * len(classes) > rows:
        yield f"{len(classes)} classes in {rows} rows: these look like free answers\nIf they are: task=qa"
    others = [name for name in classes if name != "-1"]
    if "-1" in classes and others and all(name.isdigit() for name in others):
        yield (
            f"class '-1' ({classes['-1']} rows): on the hub it stands for no label\n"
            f"To leave its rows out: {ignored_override(['-1'])}"
        )


def contradictions(examples: Iterable[Example]) -> str:
    """One line on inputs that stand with several labels; empty where there are none."""
    labels: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    first: dict[tuple[str, str], Example] = {}
    for example in examples:
        key = example.evidence_key if example.evidence else "", evidence_key(example.text)
        labels[key][example.target] += 1
        first.setdefault(key, example)
    found = [key for key, counts in labels.items() if len(counts) > 1]
    if not found:
        return ""
    rows = sum(labels[key].total() for key in found)
    text = " ".join(first[found[0]].text.split())
    shown = text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
    named = " and ".join(labels[found[0]])
    return (
        f"{len(found)} input(s) stand with several labels, in {rows} rows (first: '{shown}' as {named}); all are kept"
    )


def class_counts(classes: Sequence[str], examples: Iterable[Example]) -> dict[str, int]:
    """Class -> examples, in the order of the classes."""
    counts = Counter(example.target for example in examples)
    return {name: counts[name] for name in classes}


def _counted(names: Sequence[str], classes: Mapping[str, int]) -> str:
    return ", ".join(f"{ascii(name) if _looks_alike(name, names) else repr(name)} ({classes[name]})" for name in names)


def _looks_alike(name: str, names: Sequence[str]) -> bool:
    """Whether another name is shown by the same letters, in another Unicode form."""
    same = [n for n in names if unicodedata.normalize("NFKC", n) == unicodedata.normalize("NFKC", name)]
    return len(same) > 1


def _bare(name: str) -> str:
    """A label without what spellings differ in."""
    key = " ".join(re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", name)).split()).casefold()
    try:
        return str(float(name)) if not float(name).is_integer() else str(int(float(name)))
    except (ValueError, OverflowError):
        return key or name
