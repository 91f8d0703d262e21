r"""Reasoning traces in a completion ("thinking"): which part of the text is the answer.

In: the text of a completion and the markers of its answer form. Out: the parts of the text that are outside all
thoughts, the last one first. Known are `<think>` and its relatives, `[THINK]`, the harmony format of gpt-oss, raw
(`<|channel|>analysis<|message|>`) and without its special tokens (`analysis...assistantfinal...`), and the special
tokens of other model families. A chat template often writes the opening marker itself, so a closing marker alone
makes everything before it thoughts; thoughts that are not closed hold no answer, whatever they draft.

A marker that is only mentioned is text: in quotes, inside the value of a JSON answer, or as a word of a field's value
(`Claim: The tag <think> opens a thought. || Label: True`). In doubt it is a marker, and the answer is lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NAME = (
    r"(?:[a-z_]+:)?(?:think(?:ing)?|thoughts?|reason(?:ing)?|reflection|analysis|scratch_?pad|inner_monologue"
    r"|internal_thoughts|chain_of_thought|cot|deliberation|ant_?thinking)"
)
_FAMILIES = {"thinking": "think", "thought": "think", "thoughts": "think", "reason": "reasoning"}
_PAIRS = {  # special tokens of model families: opening -> closing
    r"◁think▷": r"◁/think▷",
    r"<\|START_THINKING\|>": r"<\|END_THINKING\|>",
    r"<\|begin_of_thought\|>": r"<\|end_of_thought\|>",
    r"<\|inner_prefix\|>": r"<\|inner_suffix\|>",
    r"<\|channel>\s*\w+": r"<channel\|>",
    r"<unused94>(?:thought)?": r"<unused95>",
}
_MARK = re.compile(
    rf"<(?P<slash>/?)\s*(?P<tag>{_NAME})(?:\s[^<>\n]{{0,80}})?(?P<alone>/?)>"
    r"|\[(?P<bar>/?)(?P<bracket>THINK(?:ING)?)\]"
    r"|(?:<\|start\|>\s*\w+\s*)?<\|channel\|>\s*(?P<channel>\w+)"
    r"(?:[^<>\n]{0,80}(?:<\|constrain\|>\s*\w+\s*)?(?P<message><\|message\|>))?"
    r"|(?-i:assistant(?P<glued>final|analysis|commentary))"
    + "".join(f"|(?P<o{i}>{left})|(?P<c{i}>{right})" for i, (left, right) in enumerate(_PAIRS.items())),
    re.IGNORECASE,
)
_PROSE = [  # opening at the start of the text, closing: only the pair means something
    (re.compile(r"\s*Here(?: is|'s) my thought process:"), re.compile(r"Here(?: is|'s) my response:")),
    (re.compile(r"\s*Thinking\.\.\.[ \t]*\n"), re.compile(r"^\.\.\.done thinking\.", re.MULTILINE)),
]
# `analysis` glued to the next word, or before a new sentence: a channel's name whose special tokens were removed.
_CHANNEL_START = re.compile(r"\s*(?:assistant)?(?:analysis|commentary)(?=\w|[\"'`“*{<]| +[A-Z]| *\n)")
_QUOTES = {'"': '"', "'": "'", "`": "`", "“": "”", "‘": "’", "«": "»", "„": "“", "「": "」", "(": ")"}
_OBJECT_START = re.compile(r"\s*(?:```\w*\s*)?(?=\{)")
_SPECIAL_TOKENS = re.compile(r"(?:\s*<\|\w+\|>)+")
_DECODER = json.JSONDecoder(strict=False)
_MAX_MENTIONS = 100  # a text with more marks is not about them
_NEAR = 2000  # characters of a line that are looked at on each side of a marker


@dataclass(frozen=True, slots=True)
class _Mark:
    start: int
    end: int
    family: str
    opens: bool
    certain: bool = False  # whether nothing but a marker looks like this


def outside_thoughts(text: str, markers: Sequence[str]) -> list[str]:
    """The parts of `text` outside all thoughts, the last one first, without those that are empty.

    A text without thoughts is one part. `markers` are the words of the answer form (`Claim`, `Label`).
    """
    parts: list[str] = []
    state, begin, place = _State(text), 0, _Place(text, markers)
    for mark in _marks(text, place):
        if mark.opens:
            if state.open(mark):
                parts.append(text[begin : place.value_begin(mark)])
        elif (was_open := state.family) == mark.family or state.ends_all(mark):
            if was_open != mark.family:  # the chat template wrote the opening marker
                parts.clear()
            state.family, begin = "", mark.end
    if not state.family:
        parts.append(text[begin:])
    if parts == [text]:
        return [text.strip()] if text.strip() else []
    cleaned = (_without_first_tokens(part).strip() for part in reversed(parts))
    return [part for part in cleaned if part]


def _without_first_tokens(part: str) -> str:
    found = _SPECIAL_TOKENS.match(part)
    return part[found.end() :] if found else part


def _marks(text: str, place: _Place) -> Iterator[_Mark]:
    """The markers in order, without those that are only mentioned."""
    found = [mark for match in _MARK.finditer(text) if (mark := _read(match))]
    found += _prose(text)
    if start := _channel_start(text, any(mark.family == "harmony" and not mark.opens for mark in found)):
        found.append(start)
    state, mentioned, value_end = _State(text), "", _object_end(text, 0)
    for mark in sorted(found, key=lambda mark: (mark.start, mark.end)):
        if mark.start < value_end or place.quotes(mark):
            continue
        partner = mentioned == mark.family and not mark.opens and place.follows_on_line(mark)
        if not state.family and not mark.certain and len(found) <= _MAX_MENTIONS and (partner or place.mentions(mark)):
            mentioned = mark.family if mark.opens else ""
            continue
        yield mark
        if mark.opens:
            state.open(mark)
        elif state.family == mark.family or state.ends_all(mark):
            state.family, mentioned, value_end = "", "", _object_end(text, mark.end)


class _State:
    """Which family of thoughts is open (`family`, empty: none), while the markers are read in order."""

    def __init__(self, text: str) -> None:
        self.family, self._text, self._at_start = "", text, False

    def open(self, mark: _Mark) -> bool:
        """Note an opening marker; False within thoughts, which do not nest."""
        if self.family:
            return False
        self.family, self._at_start = mark.family, not self._text[: mark.start].strip()
        return True

    def ends_all(self, mark: _Mark) -> bool:
        """Whether a closing marker of another family ends thoughts that began before the text did."""
        return not self.family or not self._at_start


def _read(match: re.Match[str]) -> _Mark | None:
    start, end = match.span()
    if name := match["tag"] or match["bracket"]:
        name = name.casefold().rpartition(":")[2]
        closes = bool(match["slash"] or match["bar"] or match["alone"])
        return _Mark(start, end, _FAMILIES.get(name, name), not closes)
    if channel := match["channel"]:
        if not match["message"] and channel.casefold() not in ("analysis", "commentary", "final"):
            return None
        return _Mark(start, end, "harmony", channel.casefold() != "final", certain=bool(match["message"]))
    if match["glued"]:
        return _Mark(start, end, "harmony", match["glued"] != "final")
    name = next(name for name, value in match.groupdict().items() if value and name[1:].isdigit())
    return _Mark(start, end, name[1:], name[0] == "o", certain=True)


def _prose(text: str) -> Iterator[_Mark]:
    for opening, closing in _PROSE:
        if begin := opening.match(text):
            yield _Mark(0, begin.end(), opening.pattern, opens=True, certain=True)
            if end := closing.search(text, begin.end()):
                yield _Mark(end.start(), end.end(), opening.pattern, opens=False, certain=True)


def _channel_start(text: str, has_final: bool) -> _Mark | None:
    found = _CHANNEL_START.match(text) or (has_final and re.match(r"\s*(?:analysis|commentary)\b", text))
    return _Mark(0, found.end(), "harmony", opens=True, certain=True) if found else None


def _object_end(text: str, position: int) -> int:
    """Where the JSON object that begins at `position` ends; `position` where none begins there."""
    start = _OBJECT_START.match(text, position)
    try:
        return _DECODER.raw_decode(text, start.end())[1] if start else position
    except (ValueError, RecursionError):
        return position


class _Place:
    """Where a marker stands: at a border of the text, or as a word in a field's value."""

    def __init__(self, text: str, markers: Sequence[str]) -> None:
        self.text = text
        words = [rf"(?<!\w){re.escape(marker)}[*_` ]{{0,8}}[:：]" for marker in markers]
        self._first = re.compile(words[0], re.IGNORECASE) if words else re.compile(r"(?!)")
        self._any = re.compile("|".join(words), re.IGNORECASE) if words else self._first
        self._last_first = max((match.start() for match in self._first.finditer(text)), default=-1)
        self._end = len(text.rstrip(" .\"'`*\n"))

    def quotes(self, mark: _Mark) -> bool:
        """Whether a marker alone stands in quotes."""
        before, after = self.text[mark.start - 1 : mark.start], self.text[mark.end : mark.end + 1]
        return bool(before) and _QUOTES.get(before) == after

    def follows_on_line(self, mark: _Mark) -> bool:
        """Whether it stands on a line that a field began, and no further answer begins after it."""
        return self._last_first < mark.start and self._begun_on_line(mark)

    def value_begin(self, mark: _Mark) -> int:
        """The line's beginning where a mark breaks off a value, which may have mentioned it; else the mark's own."""
        is_word = not mark.certain or self.text[mark.start - 1 : mark.start] == " "
        return self.text.rfind("\n", 0, mark.start) + 1 if is_word and self._begun_on_line(mark) else mark.start

    def mentions(self, mark: _Mark) -> bool:
        """Whether a marker outside of thoughts is a word of a sentence."""
        text = self.text
        if mark.family == "harmony" and self._any.match(text, _skip_space(text, mark.end)):
            return False
        if not re.search(r"[\w,;] $", text[max(mark.start - 2, 0) : mark.start]):
            return bool(mark.opens and mark.family != "harmony" and self._ends_a_value(mark))
        line = text[mark.end : self._line_end(mark.end)]
        if mark.family == "harmony":
            return bool(re.match(r"[\s.,;:!?)]|$", line))
        stands_alone = re.match(r"[\s.,;:!?)\-]", line) or (mark.opens and re.search(rf"</?\s*{_NAME}", line, re.I))
        later = self._any.search(line)
        within_value = later is not None and self.follows_on_line(mark)
        return bool(stands_alone and within_value) or (mark.opens and self._ends_a_value(mark))

    def _ends_a_value(self, mark: _Mark) -> bool:
        """Whether it is the last word of a text that has begun with a field: no thought follows."""
        return mark.end >= self._end and self._begun_on_line(mark)

    def _begun_on_line(self, mark: _Mark) -> bool:
        begin = self.text.rfind("\n", max(mark.start - _NEAR, 0), mark.start) + 1
        return bool(self._any.search(self.text[max(begin, mark.start - _NEAR) : mark.start]))

    def _line_end(self, position: int) -> int:
        end = self.text.find("\n", position, position + _NEAR)
        return position + _NEAR if end < 0 else end


def _skip_space(text: str, position: int) -> int:
    while position < len(text) and text[position].isspace():
        position += 1
    return position
