"""Flat rows to `Example`s, by the columns and labels of the dataset's YAML. Dropped rows are counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from littlehuman.data.labels import LabelMapper
from littlehuman.data.rows import Row, column_texts
from littlehuman.errors import DataError, Problem
from littlehuman.records import Example
from littlehuman.schema import DatasetConfig
from littlehuman.store import digest

ID_CHARS = 12


@dataclass(frozen=True, slots=True)
class ParsedSplit:
    """The examples of one split, and the number of dropped rows by reason."""

    examples: tuple[Example, ...]
    dropped: Mapping[str, int]


def parse_rows(rows: Iterable[Row], config: DatasetConfig, where: str, labels: LabelMapper | None) -> ParsedSplit:
    """Make examples of rows.

    Args:
        rows: flat rows of one split.
        config: the dataset, with the names of the columns.
        where: file or hub split, for messages.
        labels: maps the labels of a classification; None for free answers.

    Raises:
        DataError: when a column is missing, a label is unknown, or no row can be used.
    """
    dropped: Counter[str] = Counter()
    examples: dict[tuple[str, ...], Example] = {}
    for row in rows:
        example = _example(row, config, where, labels)
        if isinstance(example, str):
            dropped[example] += 1
        elif (content := _content(example)) in examples:
            dropped["exact duplicate"] += 1
        else:
            examples[content] = example
    if labels is not None:
        labels.raise_unknown(where)
    if not examples:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in dropped.items())
        raise DataError(f"{where}: no row can be used ({reasons})" if dropped else f"{where}: holds no rows")
    return ParsedSplit(tuple(examples.values()), dict(dropped))


def unique_ids(examples: Iterable[Example], taken: Collection[str] = ()) -> tuple[Example, ...]:
    """Examples with unique ids: a content hash is the id where there is none, and is appended to repeated ids."""
    named = [e if e.id else replace(e, id=_digest(e)) for e in examples]
    counts = Counter(e.id for e in named)
    return tuple(e if counts[e.id] == 1 and e.id not in taken else replace(e, id=f"{e.id}-{_digest(e)}") for e in named)


def check_columns(config: DatasetConfig) -> list[Problem]:
    """Problems of `dataset.columns`, without reading data."""
    problems = []
    for name in ("evidence", "text", "target", "id", "group"):
        value = getattr(config.columns, name)
        if value is None and name in ("text", "target"):
            problems.append(Problem(f"dataset.columns.{name}=null", "must name a column"))
        if not all(isinstance(column, str) for column in _columns(value)):
            problems.append(Problem(f"dataset.columns.{name}={value}", "must be a column, or a list of columns"))
    return problems


def _example(row: Row, config: DatasetConfig, where: str, labels: LabelMapper | None) -> Example | str:
    """The row as an example (with an empty id where it has none), or the reason why it is dropped."""
    cells = {name: _cells(row, config, name, where) for name in ("evidence", "text", "target", "id", "group")}
    evidence, text = "\n".join(cells["evidence"]), "\n".join(cells["text"])
    targets = tuple(dict.fromkeys(cells["target"]))
    if not text:
        return "empty text"
    if not evidence and config.columns.evidence is not None:
        return "empty evidence"
    if not targets:
        return "no answer" if labels is None else "no label"
    if labels is not None:
        if len(targets) > 1:
            listed = f"{len(targets)} labels ({', '.join(targets)})"
            raise DataError(f"{where}: a row has {listed}; a classification takes one")
        name = labels.class_of(targets[0])
        if name is None:
            return "ignored label"
        targets = (name,)
    return Example("-".join(cells["id"]), evidence, text, targets, "\n".join(cells["group"]))


def _cells(row: Row, config: DatasetConfig, name: str, where: str) -> list[str]:
    columns = _columns(getattr(config.columns, name))
    null = f", or dataset.columns.{name}=null where there is none" if name in ("evidence", "id", "group") else ""
    hint = f"dataset.columns.{name}=NAME{null}"
    return [text for column in columns for text in column_texts(row, column, where, hint)]


def _columns(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _content(example: Example) -> tuple[str, ...]:
    return (example.evidence, example.text, *example.targets)


def _digest(example: Example) -> str:
    return digest(_content(example))[:ID_CHARS]
