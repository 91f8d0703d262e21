"""The records that flow through the pipeline, one way, each frozen.

    Example -> Prompt -> Completion -> Synthetic | Rejected -> Point -> Prediction -> Score

An `Example` is a human point; a `Synthetic` is its twin: same id, same evidence, same requested
label, but written by the prompt model. A `Mixture` says which ids are synthetic: it is not two
shuffled piles.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.store import digest


class Origin(StrEnum):
    """Who wrote a training point."""

    HUMAN = "human"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class Example:
    """A human point. `targets` are the accepted answers or the one class; the first is trained on."""

    id: str
    evidence: str
    text: str
    targets: tuple[str, ...]

    @property
    def target(self) -> str:
        """The answer or class that training uses."""
        return self.targets[0]

    @property
    def evidence_key(self) -> str:
        """Equal for points on the same evidence, or text where there is none, whatever its case and spaces."""
        return evidence_key(self.evidence or self.text)


def evidence_key(evidence: str) -> str:
    """Equal for evidence that differs in case and spaces alone."""
    return " ".join(evidence.split()).casefold()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Three splits of one dataset. `classes` is empty for free answers; `dropped` counts by reason."""

    name: str
    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: tuple[Example, ...]
    classes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Content of all splits: two datasets with one fingerprint hold the same points."""
        return digest([[e.id, e.evidence, e.text, *e.targets] for e in self.train + self.valid + self.test])


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request. `key` is the hash of all that can change the answer, and of nothing else."""

    example_id: str
    messages: tuple[Mapping[str, str], ...]
    key: str
    shown: tuple[str, ...] = ()  # ids of the human points that the prompt shows
    sample: int = 0  # which answer is wanted to the same words: 0, or 1, 2, ... where earlier ones could not be read
    schema: Mapping[str, Any] | None = None  # JSON schema of the answer, for endpoints with structured outputs


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer as it came. `finish` is the provider's word: stop, length, content_filter, ..."""

    key: str
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without an answer, and why.

    `served` is false where nothing was found out about the request itself: the server was in trouble.
    """

    key: str
    reason: str
    served: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A twin: the point that the prompt model wrote for the evidence of a human one."""

    example_id: str
    evidence: str
    text: str
    target: str
    key: str

    def as_example(self) -> Example:
        """The twin in the shape that training takes."""
        return Example(self.example_id, self.evidence, self.text, (self.target,))


@dataclass(frozen=True, slots=True)
class Rejected:
    """A completion that is no usable twin, with the cause and the raw text.

    `labels` are the requested class and the one that came back, where one could be read; `asked` is
    the number of requests (`strategy.attempts`); cause and text are those of the last answer.
    """

    example_id: str
    cause: RejectionCause
    raw: str
    labels: tuple[str, ...] = ()
    asked: int = 1

    @property
    def kind(self) -> RejectionKind:
        """The kind of its cause: code decides by this, never by the sentence."""
        return self.cause.kind

    @property
    def reason(self) -> str:
        """Its cause as an English sentence."""
        return str(self.cause)


@dataclass(frozen=True, slots=True)
class Point:
    """What is trained on."""

    example: Example
    origin: Origin


@dataclass(frozen=True, slots=True)
class Mixture:
    """The training set of one cell, with an account of the human labels that it cost."""

    points: tuple[Point, ...]
    requested: int
    shown: frozenset[str] = frozenset()  # ids of human points that prompts showed

    @property
    def counts(self) -> dict[str, int]:
        """Points by origin, and how many of the requested ones could not be had."""
        by_origin = Counter(point.origin for point in self.points)
        return {
            "human": by_origin[Origin.HUMAN],
            "synthetic": by_origin[Origin.SYNTHETIC],
            "total": len(self.points),
            "shortfall": self.requested - len(self.points),
        }

    @property
    def human_labels(self) -> dict[str, int]:
        """Human-labelled points that the cell used: trained on, shown in prompts, and either."""
        trained = {p.example.id for p in self.points if p.origin is Origin.HUMAN}
        return {
            "in_training": len(trained),
            "in_prompts": len(self.shown),
            "total": len(trained | self.shown),
        }

    @property
    def fingerprint(self) -> str:
        """Content of the set: ids, origins, texts and targets."""
        return digest(
            [
                [p.origin.value, p.example.id, p.example.evidence, p.example.text, *p.example.targets]
                for p in self.points
            ]
        )


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the fine-tuned model said about one test point. `text` is a class or an answer."""

    id: str
    targets: tuple[str, ...]
    text: str
    evidence: str = ""
    question: str = ""


@dataclass(frozen=True, slots=True)
class Score:
    """A metric over the test items: value and 95 % interval in 0..1, items, items without answer."""

    value: float
    low: float
    high: float
    n: int
    n_failed: int
    note: str = ""
