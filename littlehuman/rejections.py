"""Why a point has no usable twin, as data: a kind, its details, and the English sentence that both make.

Code decides by the kind. Sentences are for readers, and keys of `rejected_because` in `result.json`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from string import Formatter
from typing import Any


class RejectionKind(StrEnum):
    """Why a point has no usable twin."""

    # without a twin
    FAILED_REQUEST = auto()
    UNFINISHED = auto()  # cut at the token limit, or withheld by the provider
    EMPTY_ANSWER = auto()
    ONLY_THOUGHTS = auto()  # the model was still thinking, or wrote nothing after its thoughts
    MISSING_FIELD = auto()
    UNFILLED_FORM = auto()  # the placeholders of the answer form came back
    UNKNOWN_LABEL = auto()
    SEVERAL_LABELS = auto()
    REFUSAL = auto()  # an annotator that says that it cannot, or does not know
    NOT_SHORT = auto()  # an annotator's text without the form, where a short answer was asked for
    WRONG_LABEL = auto()  # a class, but not the requested one
    NO_SPAN = auto()  # an answer that is to be marked in the evidence, and does not stand there
    NOT_PROVIDED = auto()  # no row of the user's file stands for the point
    WRONG_EVIDENCE = auto()  # the row of the user's file has other evidence
    # a twin that a filter dropped
    NO_WORDS = auto()
    TOO_SHORT = auto()
    TOO_LONG = auto()
    COPIED = auto()
    ANSWER_NOT_IN_EVIDENCE = auto()
    DUPLICATE = auto()
    NEAR_DUPLICATE = auto()
    DISAGREED = auto()  # the round trip came to another label or answer
    ROUND_TRIP_UNREADABLE = auto()
    JUDGED_BAD = auto()
    JUDGE_WITHOUT_SCORE = auto()
    JUDGE_UNREADABLE = auto()

    @property
    def by_filter(self) -> bool:
        """Whether a filter dropped a twin that could be read."""
        return self in _FILTER_SENTENCES


_FILTER_SENTENCES = {
    RejectionKind.NO_WORDS: "rules: no word in the {field}",
    RejectionKind.TOO_SHORT: "rules: text of fewer than {limit:d} words",
    RejectionKind.TOO_LONG: "rules: {field} of more than {limit:d} words",
    RejectionKind.COPIED: "rules: text copied from the evidence",
    RejectionKind.ANSWER_NOT_IN_EVIDENCE: "rules: answer not in the evidence",
    RejectionKind.DUPLICATE: "rules: repeats an earlier twin",
    RejectionKind.NEAR_DUPLICATE: "rules: nearly repeats an earlier twin",
    RejectionKind.DISAGREED: "round trip: another {field}",
    RejectionKind.ROUND_TRIP_UNREADABLE: "round trip: no answer ({cause})",
    RejectionKind.JUDGED_BAD: "judge: score {score:g}, below {limit:g}",
    RejectionKind.JUDGE_WITHOUT_SCORE: "judge: no score",
    RejectionKind.JUDGE_UNREADABLE: "judge: no score ({cause})",
}
# The sentences also read back run folders of versions without kinds. The first that fits counts, so a failed
# request, whose error may be any text, is last.
_SENTENCES = _FILTER_SENTENCES | {
    RejectionKind.UNFINISHED: "finish reason: {finish}",
    RejectionKind.EMPTY_ANSWER: "empty answer",
    RejectionKind.ONLY_THOUGHTS: "no answer after the thoughts",
    RejectionKind.UNFILLED_FORM: "the form was repeated, not filled: {quoted}",
    RejectionKind.UNKNOWN_LABEL: "unknown label: {quoted}",
    RejectionKind.SEVERAL_LABELS: "several labels: {labels}",
    RejectionKind.REFUSAL: "refused: {quoted}",
    RejectionKind.NOT_SHORT: "{lines:d} lines of {words:d} words where a short answer was asked for",
    RejectionKind.WRONG_LABEL: "label {returned} returned, {requested} requested",
    RejectionKind.NO_SPAN: "answer not in the evidence, where it is to be marked",
    RejectionKind.NOT_PROVIDED: "not provided",
    RejectionKind.WRONG_EVIDENCE: "made for other evidence than that of its point",
    RejectionKind.MISSING_FIELD: "no {field}",
    RejectionKind.FAILED_REQUEST: "{error}",
}
_SUMMARIES = {
    RejectionKind.UNFILLED_FORM: "the form was repeated, not filled",
    RejectionKind.UNKNOWN_LABEL: "unknown label",
    RejectionKind.SEVERAL_LABELS: "several labels",
    RejectionKind.REFUSAL: "refused",
    RejectionKind.NOT_SHORT: "no short answer",
    RejectionKind.WRONG_LABEL: "another label than requested",
}
_TYPES: dict[str | None, tuple[type, str]] = {"": (str, ".*"), "d": (int, r"\d+"), "g": (float, r"[\d.e+-]+")}


@dataclass(frozen=True, slots=True)
class RejectionCause:
    """A kind, and by name what its sentence fills in."""

    kind: RejectionKind
    parts: Mapping[str, str | int | float] = field(default_factory=dict)

    def __str__(self) -> str:
        return _SENTENCES[self.kind].format(**self.parts)

    @property
    def summary(self) -> str:
        """The sentence without what it quotes of the answer: causes are counted by this."""
        return _SUMMARIES.get(self.kind) or str(self)

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> RejectionCause:
        """The cause of a rejected answer in `mixture.json`; rows of versions without kinds have a `reason` alone."""
        if row.get("kind") in list(RejectionKind):
            return cls(RejectionKind(row["kind"]), row.get("parts", {}))
        matches = ((kind, _parts(sentence, row["reason"])) for kind, sentence in _SENTENCES.items())
        return next(cls(kind, parts) for kind, parts in matches if parts is not None)


def _parts(sentence: str, reason: str) -> dict[str, Any] | None:
    """What a sentence was filled with to make `reason`; None when it cannot have been."""
    pieces = list(Formatter().parse(sentence))
    patterns = (re.escape(text) + (f"(?P<{name}>{_TYPES[spec][1]})" if name else "") for text, name, spec, _ in pieces)
    found = re.fullmatch("".join(patterns), reason, re.DOTALL)
    return {name: _TYPES[spec][0](found[name]) for _, name, spec, _ in pieces if name} if found else None
