"""From a completion to a twin, or to a rejection with its reason.

In: the completion and the strategy's answer form, for example `Claim: {text} || Label: {target}`.
Out: `Synthetic` or `Rejected`. The form itself says what to look for, so a new strategy needs no
new parser. A field begins only at the start of a line, after `||`, or where the previous field
has visibly ended: "10:30 am" and the word Label inside a question stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from littlehuman.config import PromptText
from littlehuman.prompting import asks_for_label
from littlehuman.records import Completion, Example, Failure, Rejected, Synthetic

_FIELD = re.compile(r"(?P<marker>[^{}|\n:]+):\s*\{(?P<name>\w+)\}")
_DECORATION = "*_#>`~ \t"
_QUOTES = [('"', '"'), ("“", "”"), ("'", "'"), ("«", "»"), ("`", "`")]
MAX_CHARS = 20_000


def parse(answer: Completion | Failure, example: Example, words: PromptText, classes: Sequence[str] = ()) -> Synthetic | Rejected:
    """Read the twin of `example` out of an answer.

    The twin is rejected when the request failed, the answer was cut or lacks a field, or its label
    is none of `classes` (empty: free answers) or another one than was requested.
    """
    if isinstance(answer, Failure):
        return Rejected(example.id, answer.reason, "")
    found = split_fields(answer.text, words.assistant)
    target, wrong_label = _target(found.get("target", ""), example, words, classes)
    reason = _unfinished(answer) or _missing(found, words) or wrong_label
    if reason:
        return Rejected(example.id, reason, answer.text)
    # An annotator answers with the target alone: the text stays the human one.
    return Synthetic(example.id, example.evidence, found.get("text", example.text), target, answer.key)


def split_fields(text: str, form: str) -> dict[str, str]:
    """Return the fields of `form` that `text` holds, tidied; of two answers the first is taken."""
    body = text[:MAX_CHARS].replace("\r", "\n")
    starts: list[tuple[str, int, int]] = []
    for marker, name in _markers(form):
        start = _start(body, marker, starts[-1][2] if starts else 0)
        if start is None:
            break
        starts.append((name, *start))
    ends = [begin for _, begin, _ in starts[1:]] + [len(body)]
    fields = {name: body[value:end] for (name, _, value), end in zip(starts, ends, strict=True)}
    if starts and len(starts) == len(_markers(form)):
        last = starts[-1][0]
        fields[last] = re.split(r"\n|\|\|", fields[last].lstrip(), maxsplit=1)[0]
    return {name: _tidy(value) for name, value in fields.items()}


@lru_cache
def _markers(form: str) -> tuple[tuple[str, str], ...]:
    return tuple((m["marker"].strip(" |"), m["name"]) for m in _FIELD.finditer(form))


def _start(body: str, marker: str, position: int) -> tuple[int, int] | None:
    """Where `marker:` begins and where its value begins, searching from `position`."""
    word = r"[*_#>`~ \t-]*" + re.escape(marker) + r"[*_` \t]*[:：][*_` \t]*"
    separated = re.compile(r"(?:\A|\n|\|\|?)" + word, re.IGNORECASE)
    # Without the separator a field may still begin where a sentence has ended.
    inline = re.compile(r"(?<=[.?!\"”’)])\s+" + word, re.IGNORECASE)
    match = separated.search(body, position) or inline.search(body, position)
    return (match.start(), match.end()) if match else None


def _tidy(value: str) -> str:
    value = " ".join(value.split()).strip().strip("|").strip(_DECORATION)
    for left, right in _QUOTES:
        if len(value) > 1 and value.startswith(left) and value.endswith(right) and left not in value[1:-1] and right not in value[1:-1]:
            return value[1:-1].strip()
    return value


def _unfinished(answer: Completion) -> str:
    if answer.finish not in {"stop", "eos", ""}:
        return f"finish reason: {answer.finish}"
    return "" if answer.text.strip() else "empty answer"


def _missing(found: dict[str, str], words: PromptText) -> str:
    absent = [marker for marker, name in _markers(words.assistant) if not found.get(name)]
    return f"no {absent[0]}" if absent else ""


def _target(raw: str, example: Example, words: PromptText, classes: Sequence[str]) -> tuple[str, str]:
    """The class or answer, and what is wrong with it."""
    if not classes:
        return raw, ""
    by_word = {words.label_words.get(name, name).casefold(): name for name in classes}
    label = by_word.get(raw.strip(" .!*\"'").casefold())
    if label is None:
        return "", f"unknown label: {raw[:40]}"
    if asks_for_label(words) and label != example.target:
        return "", f"label {label} returned, {example.target} requested"
    return label, ""
