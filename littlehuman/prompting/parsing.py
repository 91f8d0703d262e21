"""The answer parser: from a completion to a twin, or to a rejection with its cause.

In: the completion and the strategy's answer form, for example `Claim: {text} || Label: {target}`. Out: `Synthetic` or
`Rejected`. The form itself names the fields, so a new strategy needs no new parser. A field begins only at the start
of a line, after `||`, or where the previous field's sentence has ended: "10:30 am" and the word Label inside a
question stay whole. In doubt an answer is rejected: a lost twin is counted and replaced, a wrong one would be trained
on. Of a text with thoughts only what is outside of them counts (`thoughts.py`). What an annotator says without the
form is read in `lone_answers.py`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from littlehuman.formatting import plain_text
from littlehuman.prompting.answer_schema import parse_object
from littlehuman.prompting.class_matching import EMOJI, parse_label
from littlehuman.prompting.containers import contents, unpacked
from littlehuman.prompting.lone_answers import lone_answer, lone_label
from littlehuman.prompting.templates import form_fields
from littlehuman.prompting.thoughts import outside_thoughts
from littlehuman.records import Completion, Example, Failure, Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import PromptText

MAX_CHARS = 20_000  # of an answer; the rest is not parsed
_CUT = "\x00"  # where the rest was left out; no text holds it
FINISHED = {"stop", "eos", "eos_token", "end_turn", "stop_sequence", ""}  # providers differ in the word
_ENCLOSING = [
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
# Characters without a width; joiners stay, for they are part of words.
_INVISIBLE = re.compile(r"[\x00-\x08\x0e-\x1b\x7f\u200b\u200e\u200f\u2060\ufeff]")
_BEFORE = rf"(?:\d+[.)])?[*_#>`~• {EMOJI}-]*"  # before a marker: a list's number or bullet, markdown, an emoji
_BULLET = re.compile(r"^(?:\d+[.)] |[-*•#>]+ )")
_SEPARATED = r"(?:\A|\n|[|｜]{1,2}) ?"
_INLINE = r"(?:(?<=[.?!\"”’)।؟])\s+|(?<=[。？！])\s*)"  # without a separator, only where a sentence has ended
_AFTER_LAST = re.compile(r"\n|\|\||｜｜|<\|\w+\|>|</s>")  # where the last field ends; what follows is chatter
_MENTIONED = re.compile(r" (?:<\|\w+\|>|</s>)\w* \w")  # a special token as a word: in doubt the value is none
_PLACEHOLDER = re.compile(r"<([^<>]+)>")
_FORM_FIELD = re.compile(r"\{\w+\}")


def parse(
    answer: Completion | Failure,
    example: Example,
    template: PromptText,
    classes: Sequence[str] = (),
    *,
    target_alone: bool = False,
) -> Synthetic | Rejected:
    """Parse the twin of `example` out of an answer.

    The answer is rejected when the request failed, it was cut or lacks a field, or its label is none of `classes`
    (empty: free answers) or another one than was requested. `target_alone`: the prompt model was asked for the target
    and nothing else (`strategy.writes=target`), so a label or short answer is read without its marker too.
    """
    if isinstance(answer, Failure):
        return Rejected(example.id, RejectionCause(RejectionKind.FAILED_REQUEST, {"error": answer.reason}), "")
    found = split_fields(answer.text, template.assistant)
    if target_alone and not found.get("target"):
        found |= {"target": _first_line(answer.text, template)}
        target, problem = _lone(answer.text, template, classes)
    else:
        target, problem = _target(found.get("target", ""), example, template, classes)
        if problem and target_alone:
            target, problem = _read_alone([found["target"]], template, classes)
    unfinished = _unfinished(answer, form_fields(template.assistant))
    cause = unfinished or _missing(found, template) or _unfilled(found, template) or problem
    if cause:
        labels = (example.target, target) if cause.kind is RejectionKind.WRONG_LABEL else ()
        return Rejected(example.id, cause, answer.text, labels)
    # An annotator answers with the target alone: the text stays the human one.
    return Synthetic(example.id, example.evidence, found.get("text", example.text), target, answer.key)


def split_fields(text: str, form: str) -> dict[str, str]:
    """The cleaned values of the fields of `form` in a text, by name.

    Of several answers the first complete one counts. What follows the last thoughts goes before what stands before
    them.
    """
    markers = form_fields(form)
    answers = [_read(part, markers) for part in _parts(text, markers)]
    return _first_whole(answers, markers) if answers else {}


def after_thoughts(text: str, form: str) -> str:
    """What a text says last outside of its thoughts; empty where it says nothing there."""
    return next(iter(_parts(text, form_fields(form))), "")


def _parts(text: str, markers: Mapping[str, str]) -> list[str]:
    """What the text says outside of thoughts, the last part first; of an empty text nothing."""
    return outside_thoughts(_INVISIBLE.sub("", plain_text(text)), tuple(markers))


def _read(part: str, markers: Mapping[str, str]) -> dict[str, str]:
    """The fields in one part of a text, those in a container (`<answer>`, `\\boxed`) first."""
    held = contents(part[:MAX_CHARS])
    for body in held:
        found = _first_whole(_answers(body, markers), markers)
        if not _absent(found, markers):
            return found
    found = _first_whole(_answers(part, markers), markers)
    if (
        held
        and "target" not in found
        and _absent(found, markers) == [marker for marker, name in markers.items() if name == "target"]
    ):
        return found if contents(found.get("text", "")) else found | {"target": _clean(_plain(held[0]), "")}
    return found


def _first_whole(answers: Sequence[dict[str, str]], markers: Mapping[str, str]) -> dict[str, str]:
    return next((found for found in answers if not _absent(found, markers)), answers[0])


def _answers(text: str, markers: Mapping[str, str]) -> list[dict[str, str]]:
    """The fields of each answer in a text, in order; at least one, which may have none."""
    body = _plain(text)
    values = parse_object(body, markers)  # of an endpoint with structured outputs
    answers = [{n: _clean(values[n], marker) for marker, n in markers.items() if n in values}] if values else []
    return answers + [_fields(block, markers) for block in _blocks(body, next(iter(markers)))]


def _plain(text: str) -> str:
    """A text with one kind of line end and single spaces (which keep the patterns linear)."""
    body = text[:MAX_CHARS].strip() + _CUT * (len(text) > MAX_CHARS)
    return _unwrap(re.sub(r"[^\S\n]+", " ", "\n".join(body.splitlines())))


def _blocks(body: str, marker: str) -> Iterator[str]:
    """Split the body into answers: each begins with the first field of the form."""
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
        name: _clean(_value(block[value:end], name == last), marker)
        for (marker, name, _, value), end in zip(starts, ends, strict=False)
    }


@lru_cache
def _patterns(marker: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Where a field begins: `marker:` after a separator, or else after the end of a sentence."""
    start = _BEFORE + re.escape(marker) + r"[*_` ]*[:：][*_ ]*(?:`+[*_ ]+)?"
    return re.compile(_SEPARATED + start, re.IGNORECASE), re.compile(_INLINE + start, re.IGNORECASE)


def _value(text: str, is_last: bool) -> str:
    """A field's value in the text before the next field: the last field is one line, the others one paragraph."""
    if is_last:
        text = text.removeprefix("\n").lstrip(" ")
        end = _AFTER_LAST.search(text)
        value = text[: end.start()] if end else text
        return "" if _CUT in value or (end and _MENTIONED.match(text, end.start() - 1)) else value
    return re.split(r"\n\s*\n", text.strip(), maxsplit=1)[0]


def _clean(value: str, marker: str) -> str:
    """The value on one line, without enclosing quotes and markdown or a repeated marker."""
    value = " ".join(value.split())
    before = None
    while value != before:
        before = value
        value = re.sub(r"^```+|```+$|(?:^|\s)[|｜]+$", "", value).strip("* ")
        value = _unwrap(re.sub(rf"^(?:{re.escape(marker)} ?[:：] ?)+", "", unpacked(value), flags=re.IGNORECASE))
    return value


def _unwrap(value: str) -> str:
    """Remove quotes or markdown that enclose the whole value."""
    for left, right in _ENCLOSING:
        inner = value[len(left) : -len(right)]
        if value.startswith(left) and value.endswith(right) and inner and left not in inner and right not in inner:
            return inner.strip()
    return value


def _unfinished(answer: Completion, markers: Mapping[str, str]) -> RejectionCause | None:
    if answer.finish.casefold() not in FINISHED:
        return RejectionCause(RejectionKind.UNFINISHED, {"finish": answer.finish})
    if _parts(answer.text, markers):
        return None
    said = _INVISIBLE.sub("", plain_text(answer.text)).strip()
    return RejectionCause(RejectionKind.ONLY_THOUGHTS if said else RejectionKind.EMPTY_ANSWER)


def _missing(found: Mapping[str, str], template: PromptText) -> RejectionCause | None:
    absent = _absent(found, form_fields(template.assistant))
    return RejectionCause(RejectionKind.MISSING_FIELD, {"field": absent[0]}) if absent else None


def _absent(found: Mapping[str, str], markers: Mapping[str, str]) -> list[str]:
    empty = {
        name for name in _ESSENTIAL if not found.get(name) or (name == "text" and not re.search(r"\w", found[name]))
    }
    return [marker for marker, name in markers.items() if name in empty]


def _unfilled(found: Mapping[str, str], template: PromptText) -> RejectionCause | None:
    """Whether a placeholder came back unfilled: `<the claim>` of the request, or `{text}` of the form."""
    placeholders = {name.casefold() for name in _PLACEHOLDER.findall(template.system)}
    bare = [value.strip("[]()") for value in found.values()]
    unfilled = [value for value in bare if value.casefold() in placeholders or _FORM_FIELD.fullmatch(value)]
    return RejectionCause(RejectionKind.UNFILLED_FORM, {"quoted": unfilled[0]}) if unfilled else None


def _target(
    raw: str, example: Example, template: PromptText, classes: Sequence[str]
) -> tuple[str, RejectionCause | None]:
    """The class or answer, and why it is rejected."""
    if not classes:
        return raw, None
    return parse_label(raw, example, template, _by_word(template, classes))


def _lone(text: str, template: PromptText, classes: Sequence[str]) -> tuple[str, RejectionCause | None]:
    """The class or answer that a text without the form's markers is; what a container holds goes before the rest."""
    parts = _parts(text, form_fields(template.assistant))
    bodies = [body for part in parts for body in (*contents(part[:MAX_CHARS]), part)]
    read = [_read_alone(_lines(body), template, classes) for body in bodies] or [("", None)]
    return next((found for found in read if not found[1]), read[0])


def _read_alone(
    lines: Sequence[str], template: PromptText, classes: Sequence[str]
) -> tuple[str, RejectionCause | None]:
    markers = list(form_fields(template.assistant))
    if not classes:
        return lone_answer(lines, markers)
    return lone_label(lines, _by_word(template, classes), classes, markers)


def _first_line(text: str, template: PromptText) -> str:
    """What a text begins to say outside of its thoughts."""
    return next((line for part in _parts(text, form_fields(template.assistant)) for line in _lines(part)), "")


def _lines(body: str) -> list[str]:
    """The lines of a text up to a special token, cleaned of quotes and markdown; not those that say nothing."""
    plain = re.split(r"<\|\w+\|>|</s>", _plain(body), maxsplit=1)[0]
    cleaned = (_clean(_BULLET.sub("", line.strip()), "") for line in plain.split("\n"))
    return [line for line in cleaned if re.search(r"\w", line)]


def _by_word(template: PromptText, classes: Sequence[str]) -> dict[str, str]:
    """The word of each label, as prompts give it -> its class."""
    return {template.label_words.get(name, name): name for name in classes}
