"""From a completion to a twin, or to a rejection with its reason.

In: the completion and the strategy's answer form, for example `Claim: {text} || Label: {target}`.
Out: `Synthetic` or `Rejected`. The form itself says what to look for, so a new strategy needs no
new parser. A field begins only at the start of a line, after `||`, or where the previous field
has visibly ended: "10:30 am" and the word Label inside a question stay whole. In doubt a twin is
rejected: a lost twin is counted and replaced, a wrong one would be trained on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from littlehuman.prompting.answer_schema import object_in
from littlehuman.prompting.templates import asks_for_label, fields_of
from littlehuman.records import Completion, Example, Failure, Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import PromptText

MAX_CHARS = 20_000
FINISHED = {"stop", "eos", "eos_token", "end_turn", "stop_sequence", ""}  # providers differ in the word
_PAIRS = [
    ('"', '"'),
    ("“", "”"),
    ("„", "“"),
    ("'", "'"),
    ("‘", "’"),
    ("«", "»"),
    ("「", "」"),
    ("`", "`"),
    ("__", "__"),
    ("_", "_"),
    ("<", ">"),
]
_ESSENTIAL = ("text", "target")  # an explanation may be missing: nothing is trained on it
_INVISIBLE = re.compile(
    r"[\x00-\x08\x0e-\x1b\x7f\u200b\u200e\u200f\u2060\ufeff]"
)  # signs without a width; joiners are part of words
_EMOJI = r"\u2190-\u2bff\ufe0f\U0001f300-\U0001faff"
_BEFORE = rf"(?:\d+[.)])?[*_#>`~• {_EMOJI}-]*"  # what may stand before a field's name: a list's number or sign, markdown, an emoji
_SEPARATED = r"(?:\A|\n|[|｜]{1,2}) ?"
_INLINE = r"(?:(?<=[.?!\"”’)।؟])\s+|(?<=[。？！])\s*)"  # without a separator, only where a sentence has ended
_AFTER_LAST = re.compile(r"\n|\|\||｜｜|<\|\w+\|>|</s>")  # where the last field ends, whatever chatter follows
_PLACEHOLDER = re.compile(r"<([^<>]+)>")
_OWN_FIELD = re.compile(r"\{\w+\}")
_ROUND_A_LABEL = re.compile(rf"^[\s{_EMOJI}]+|[\s{_EMOJI}]+$")


def parse(
    answer: Completion | Failure, example: Example, words: PromptText, classes: Sequence[str] = ()
) -> Synthetic | Rejected:
    """Read the twin of `example` out of an answer.

    The twin is rejected when the request failed, the answer was cut or lacks a field, or its label
    is none of `classes` (empty: free answers) or another one than was requested.
    """
    if isinstance(answer, Failure):
        return Rejected(example.id, RejectionCause(RejectionKind.FAILED_REQUEST, {"error": answer.reason}), "")
    found = split_fields(answer.text, words.assistant)
    target, label_problem = _target(found.get("target", ""), example, words, classes)
    cause = _unfinished(answer) or _missing(found, words) or _unfilled(found, words) or label_problem
    if cause:
        labels = (example.target, target) if cause.kind is RejectionKind.WRONG_LABEL else ()
        return Rejected(example.id, cause, answer.text, labels)
    # An annotator answers with the target alone: the text stays the human one.
    return Synthetic(example.id, example.evidence, found.get("text", example.text), target, answer.key)


def split_fields(text: str, form: str) -> dict[str, str]:
    """Return the fields of `form` that `text` holds, tidied; of several answers the first whole one is taken."""
    markers = fields_of(form)
    body = _plain(text)
    given = object_in(body, markers)  # an endpoint may have been held to a schema
    answers = [{name: _tidy(given[name], marker) for marker, name in markers.items() if name in given}] if given else []
    answers += [_fields(block, markers) for block in _blocks(body, next(iter(markers)))]
    return next((found for found in answers if not _absent(found, markers)), answers[0])


def _plain(text: str) -> str:
    """The answer without thoughts, with one kind of line end and single spaces (which keeps the patterns linear)."""
    body = _INVISIBLE.sub("", text.rpartition("</think>")[2][:MAX_CHARS]).strip()
    return _unwrap(re.sub(r"[^\S\n]+", " ", "\n".join(body.splitlines())))


def _blocks(body: str, marker: str) -> Iterator[str]:
    """The answers in the body: each begins with the form's first field."""
    separated, inline = _patterns(marker)
    begins = [match for match in (separated.search(body), inline.search(body)) if match]
    cut, start = 0, min((match.end() for match in begins), default=len(body))
    while again := separated.search(body, start):
        yield body[cut : again.start()]
        cut, start = again.start(), again.end()
    yield body[cut:]


def _fields(block: str, markers: Mapping[str, str]) -> dict[str, str]:
    starts: list[tuple[str, str, int, int]] = []
    for marker, name in markers.items():
        separated, inline = _patterns(marker)
        position = starts[-1][3] if starts else 0
        match = separated.search(block, position) or inline.search(block, position)
        if match:
            starts.append((marker, name, match.start(), match.end()))
    ends = [begin for _, _, begin, _ in starts[1:]] + [len(block)]
    last = list(markers.values())[-1]
    return {
        name: _tidy(_end(block[value:end], name == last), marker)
        for (marker, name, _, value), end in zip(starts, ends, strict=False)
    }


@lru_cache
def _patterns(marker: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Where `marker:` begins: set apart from what precedes, or else where a sentence has ended."""
    word = _BEFORE + re.escape(marker) + r"[*_` ]*[:：][*_` ]*"
    return re.compile(_SEPARATED + word, re.IGNORECASE), re.compile(_INLINE + word, re.IGNORECASE)


def _end(value: str, is_last: bool) -> str:
    """A field's own part of what stands before the next one: the last is one line, the others one paragraph."""
    if is_last:
        return _AFTER_LAST.split(value.removeprefix("\n").lstrip(" "), maxsplit=1)[0]
    return re.split(r"\n\s*\n", value.strip(), maxsplit=1)[0]


def _tidy(value: str, marker: str) -> str:
    value = " ".join(value.split())
    before = None
    while value != before:
        before = value
        value = re.sub(r"^```+|```+$|(?:^|\s)[|｜]+$", "", value).strip("* ")
        value = _unwrap(re.sub(rf"^(?:{re.escape(marker)} ?[:：] ?)+", "", value, flags=re.IGNORECASE))
    return value


def _unwrap(value: str) -> str:
    """Take quotes or markdown off that enclose the whole value."""
    for left, right in _PAIRS:
        inner = value[len(left) : -len(right)]
        if value.startswith(left) and value.endswith(right) and inner and left not in inner and right not in inner:
            return inner.strip()
    return value


def _unfinished(answer: Completion) -> RejectionCause | None:
    if answer.finish.casefold() not in FINISHED:
        return RejectionCause(RejectionKind.UNFINISHED, {"finish": answer.finish})
    return None if _plain(answer.text) else RejectionCause(RejectionKind.EMPTY_ANSWER)


def _missing(found: Mapping[str, str], words: PromptText) -> RejectionCause | None:
    absent = _absent(found, fields_of(words.assistant))
    return RejectionCause(RejectionKind.MISSING_FIELD, {"field": absent[0]}) if absent else None


def _absent(found: Mapping[str, str], markers: Mapping[str, str]) -> list[str]:
    empty = {
        name for name in _ESSENTIAL if not found.get(name) or (name == "text" and not re.search(r"\w", found[name]))
    }
    return [marker for marker, name in markers.items() if name in empty]


def _unfilled(found: Mapping[str, str], words: PromptText) -> RejectionCause | None:
    """Whether the request's own `<the claim>` came back, or a field of the form itself."""
    blanks = {blank.casefold() for blank in _PLACEHOLDER.findall(words.system)}
    bare = [value.strip("[]()") for value in found.values()]
    empty = [value for value in bare if value.casefold() in blanks or _OWN_FIELD.fullmatch(value)]
    return RejectionCause(RejectionKind.UNFILLED_FORM, {"quoted": empty[0]}) if empty else None


def _target(raw: str, example: Example, words: PromptText, classes: Sequence[str]) -> tuple[str, RejectionCause | None]:
    """The class or answer, and what is wrong with it."""
    if not classes:
        return raw, None
    return parse_label(raw, example, words, {words.label_words.get(name, name): name for name in classes})


def parse_label(
    raw: str, example: Example, words: PromptText, by_word: Mapping[str, str]
) -> tuple[str, RejectionCause | None]:
    """The class that a label names, and what is wrong with it; `by_word` has a class for each word."""
    label = class_named(raw, by_word)
    if label is None:
        return "", RejectionCause(RejectionKind.UNKNOWN_LABEL, {"quoted": raw[:40]})
    if asks_for_label(words) and label != example.target:
        return label, RejectionCause(RejectionKind.WRONG_LABEL, {"returned": label, "requested": example.target})
    return label, None


def class_named(raw: str, by_word: Mapping[str, str]) -> str | None:
    """The class that a label names: alone, or before a stop and chatter that names no other class; `by_word` has a class for each word."""
    raw = _ROUND_A_LABEL.sub("", raw)
    raw = next((raw[1:-1].strip() for pair in ("[]", "()") if raw[:1] + raw[-1:] == pair), raw)
    alone = {_bare(word): name for word, name in by_word.items()}
    if _bare(raw) in alone:
        return alone[_bare(raw)]
    for word, name in by_word.items():
        chatter = re.match(re.escape(word) + r"(?: ?[.,;:!(|。，]| [-–—])(.*)", raw, re.IGNORECASE | re.DOTALL)
        others = "|".join(re.escape(other) for other in by_word if other != word)
        if chatter and not (others and re.search(rf"(?<!\w)(?:{others})(?!\w)", chatter[1], re.IGNORECASE)):
            return name
    return None


def _bare(word: str) -> str:
    return word.strip(" .!*\"'`。").casefold() or word
