"""The human data and the task: the groups `dataset` and `task`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from littlehuman.schema.metadata import IF_SET, NOT_IDENTITY


class Head(StrEnum):
    """The head of the fine-tuned model: a classifier, the language model's own, or where an answer starts and ends."""

    classification = "classification"
    generation = "generation"
    span = "span"


@dataclass(frozen=True, kw_only=True)
class ColumnsConfig:
    """The columns of a row: each a name, a dotted path, or a list of them, joined by newlines."""

    evidence: Any = None
    text: Any = None
    target: Any = None
    id: Any = None
    group: Any = field(default=None, metadata=NOT_IDENTITY)  # points of one group are not independent (intervals)
    traits: Any = field(default=None, metadata=NOT_IDENTITY)  # further columns to keep: those of `audit.groups`


@dataclass(frozen=True, kw_only=True)
class CsvConfig:
    """The dialect of delimited text (csv, tsv, txt). Null: as the kind of file says (`data/delimited.py`).

    Attributes:
        delimiter: one character, or its name: comma, semicolon, tab, pipe, space.
        quoting: minimal (cells in quotes, a quote in them doubled), backslash (a quote in them is \\"), or none.
        header: whether the first row names the columns; if not, they are named by their number, from 1.
        encoding: a codec of Python; null is UTF-8.
    """

    delimiter: str | None = field(default=None, metadata=IF_SET)
    quoting: str | None = field(default=None, metadata=IF_SET)
    header: bool | None = field(default=None, metadata=IF_SET)
    encoding: str | None = field(default=None, metadata=IF_SET)


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """Group `dataset`: where the rows are, and what their columns and labels mean.

    `labels` and `class_descriptions` (class -> one line) may be typed with numbers and booleans as keys, as YAML and
    Hydra read them: they become text.
    `unanswerable=drop` is what null means, so it is no other run.
    """

    name: str = "?"
    reader: str = "table"
    language: str | None = field(default=None, metadata=IF_SET)  # of the answers, ISO 639-1; null: by their script
    hub: str | None = None
    hub_config: str | None = None
    hub_revision: str | None = None
    path: str | None = None
    how_to_get: str = field(default="", metadata=NOT_IDENTITY)
    splits: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    columns: ColumnsConfig = field(default_factory=ColumnsConfig)
    csv: CsvConfig = field(default_factory=CsvConfig, metadata=IF_SET)
    rows: str | None = field(default=None, metadata=IF_SET)  # where a JSON document holds its rows: a dotted path
    labels: dict[Any, Any] = field(default_factory=dict)
    class_descriptions: dict[Any, Any] = field(default_factory=dict, metadata=NOT_IDENTITY)  # but where prompts use it
    ignored_labels: list[str] = field(default_factory=list)
    valid_share: float = 0.2
    test_share: float = 0.2
    split_seed: int = 0
    sizes: list[int] = field(default_factory=lambda: [5000], metadata=NOT_IDENTITY)
    tradeoff_step: int | None = field(default=1000, metadata=NOT_IDENTITY)  # null, as empty sizes: by the data
    tradeoff_human: int | None = field(default=200, metadata=NOT_IDENTITY)
    max_tokens: int = 512
    answer_tokens: int = 32
    code_answer_tokens: int | None = None
    unanswerable: str | None = field(default=None, metadata=IF_SET)  # keep: a question without answer is a point

    def __post_init__(self) -> None:
        """Give labels the type that rows have, text, and a default its one form."""
        labels = {label_text(raw): label_text(name) for raw, name in self.labels.items()}
        object.__setattr__(self, "labels", labels)
        described = {label_text(name): " ".join(str(line).split()) for name, line in self.class_descriptions.items()}
        object.__setattr__(self, "class_descriptions", described)
        if self.unanswerable == "drop":
            object.__setattr__(self, "unanswerable", None)


def label_text(value: Any) -> str:
    """A label as text: `true` for a boolean, `1` for 1 and 1.0, the rest by `str`."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """Group `task`: head, classes, input template and metrics of the fine-tuned model.

    `prompts`: the task whose prompts a strategy or filter uses where it has none for this one.
    """

    name: str = "?"
    head: Head = Head.generation
    prompts: str | None = field(default=None, metadata=IF_SET)
    classes: list[str] = field(default_factory=list)
    model_input: str = "{evidence}\n{text}"
    metrics: list[str] = field(default_factory=list)
    headline: str = "?"
