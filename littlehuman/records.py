"""The records that flow through the pipeline, in one direction, each frozen.

    Example -> Prompt -> Completion -> Synthetic | Rejected -> Point -> Prediction -> Score

An `Example` is a human-labelled data point. A `Synthetic` is its twin: same id, same evidence, same requested label,
but written by the prompt model. A `Mixture` is a training set of both, in which each point keeps its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.store import digest

NO_ANSWER = "unanswerable"  # the answer to a question without one (`dataset.unanswerable=keep`)


class Origin(StrEnum):
    """Who wrote a training point: a person, or the prompt model."""

    HUMAN = "human"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, slots=True)
class Example:
    """A human-labelled point. `targets` are the accepted answers, or one class; the first is trained on."""

    id: str
    evidence: str
    text: str
    targets: tuple[str, ...]
    group: str = field(default="", compare=False)  # the document of the evidence (`dataset.columns.group`)
    parts: tuple[str, ...] = field(default=(), compare=False)  # columns of the evidence, where it is joined of several
    traits: tuple[str, ...] = field(default=(), compare=False)  # columns that group points (`audit.groups`)

    @property
    def target(self) -> str:
        """The answer or class that is trained on."""
        return self.targets[0]

    @property
    def evidence_key(self) -> str:
        """Equal for points with the same evidence, or with the same text where there is no evidence."""
        return evidence_key(self.evidence or self.text)

    @property
    def clusters(self) -> dict[str, str]:
        """Digests of what the point shares with others: `passage` (its evidence), and coarser `document` (its group).

        A level that the data does not have is absent.
        """
        levels = {"passage": evidence_key(self.evidence), "document": self.group}
        return {level: digest(text) for level, text in levels.items() if text}


def evidence_key(evidence: str) -> str:
    """The evidence without differences of case and white space."""
    return " ".join(evidence.split()).casefold()


@dataclass(frozen=True, slots=True)
class Dataset:
    """The three splits of a dataset. `classes` is empty for free answers; `dropped` counts rows by reason.

    `notes` say how it was made, `warnings` what may be wrong with it: a line, and on a second one what to try.
    """

    name: str
    train: tuple[Example, ...]
    valid: tuple[Example, ...]
    test: tuple[Example, ...]
    classes: tuple[str, ...] = ()
    dropped: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def fingerprint(self) -> str:
        """Hash of all points: equal for two datasets that hold the same points."""
        return digest([[e.id, e.evidence, e.text, *e.targets] for e in self.train + self.valid + self.test])


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request. `key`, its cache key, is the hash of all that can change the answer, and of nothing else."""

    example_id: str
    messages: tuple[Mapping[str, str], ...]
    key: str
    shown: tuple[str, ...] = ()  # ids of the human points that are its few-shot examples
    sample: int = 0  # number of the attempt: 1, 2, ... where earlier answers to the same prompt could not be parsed
    schema: Mapping[str, Any] | None = None  # JSON schema of the answer, for endpoints with structured output


@dataclass(frozen=True, slots=True)
class Completion:
    """One raw answer. `finish` is the provider's finish reason: stop, length, content_filter, ...

    `completion_tokens` has the tokens of thoughts in it; `cached_tokens` of `prompt_tokens` were read from the
    provider's prompt cache.
    """

    key: str
    text: str
    finish: str
    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without an answer, and why. `served` is false where the server had an error: a retry may succeed."""

    key: str
    reason: str
    served: bool = field(default=True, compare=False)


@dataclass(frozen=True, slots=True)
class Synthetic:
    """A twin: the point that the prompt model wrote for the evidence of a human point."""

    example_id: str
    evidence: str
    text: str
    target: str
    key: str

    def as_example(self) -> Example:
        """The twin in the form that training takes."""
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
    """A training point."""

    example: Example
    origin: Origin


@dataclass(frozen=True, slots=True)
class Mixture:
    """The training set of one cell, and how many human labels it used."""

    points: tuple[Point, ...]
    requested: int
    shown: frozenset[str] = frozenset()  # ids of human points that prompts showed
    tuned: frozenset[str] = frozenset()  # ids of human points that the writer of the twins saw when it was tuned

    @property
    def counts(self) -> dict[str, int]:
        """Number of points by origin, in total, and missing of the requested ones."""
        by_origin = Counter(point.origin for point in self.points)
        return {
            "human": by_origin[Origin.HUMAN],
            "synthetic": by_origin[Origin.SYNTHETIC],
            "total": len(self.points),
            "shortfall": self.requested - len(self.points),
        }

    @property
    def human_labels(self) -> dict[str, int]:
        """Number of human-labelled points: trained on, shown in prompts, seen by the writer if any, and their union."""
        trained = {p.example.id for p in self.points if p.origin is Origin.HUMAN}
        return {
            "in_training": len(trained),
            "in_prompts": len(self.shown),
            **({"in_writer": len(self.tuned)} if self.tuned else {}),
            "total": len(trained | self.shown | self.tuned),
        }

    @property
    def fingerprint(self) -> str:
        """Hash of ids, origins, texts and targets."""
        return digest(
            [
                [p.origin.value, p.example.id, p.example.evidence, p.example.text, *p.example.targets]
                for p in self.points
            ]
        )


@dataclass(frozen=True, slots=True)
class Prediction:
    """The fine-tuned model's output for one test point. `text` is a class or an answer."""

    id: str
    targets: tuple[str, ...]
    text: str
    evidence: str = ""
    question: str = ""
