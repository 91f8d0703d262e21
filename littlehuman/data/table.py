"""Flat rows to `Example`s, by the columns and labels of the dataset's YAML. Dropped rows are counted by reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from littlehuman.data import layouts
from littlehuman.data.labels import LabelMapper
from littlehuman.data.rows import Row, column_texts
from littlehuman.errors import DataError, Problem
from littlehuman.records import NO_ANSWER, Example
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
    lists: Counter[bool] = Counter()  # texts that are lists; True: with as many answers as texts
    examples: dict[tuple[str, ...], Example] = {}
    for number, row in enumerate(rows, 1):
        place = _Place(where, f"row {number}: ")
        example = _example(row, config, labels, place)
        if labels is None and isinstance(config.columns.text, str) and "\n" in getattr(example, "text", ""):
            count = len(_cells(row, config, "text", place))
            lists.update([count == len(_cells(row, config, "target", place))] if count > 1 else ())
        if isinstance(example, str):
            dropped[example] += 1
        elif (content := _content(example)) in examples:
            dropped["exact duplicate"] += 1
        else:
            examples[content] = example
    if lists[True] and not lists[False]:
        mend = layouts.fitting_reader(row) or "a file with one row per question"
        what = f"dataset.columns.text={config.columns.text} holds lists of texts, each with as many answers"
        raise DataError(f"{where}: {what}; a point has one text\nTry: {mend}")
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
        if not all(isinstance(column, str) or _is_number(column, config) for column in _columns(value)):
            what = "must be a column, or a list of columns; by number (from 1) where dataset.csv.header=false"
            problems.append(Problem(f"dataset.columns.{name}={value}", what))
    return problems


@dataclass(frozen=True, slots=True)
class _Place:
    """File or hub split, and row, for messages."""

    where: str
    row: str


def _example(row: Row, config: DatasetConfig, labels: LabelMapper | None, place: _Place) -> Example | str:
    """The row as an example (with an empty id where it has none), or the reason why it is dropped."""
    cells = {name: _cells(row, config, name, place) for name in ("evidence", "text", "target", "id", "group")}
    evidence, text = "\n".join(cells["evidence"]), "\n".join(cells["text"])
    targets = tuple(dict.fromkeys(cells["target"]))
    if not text:
        return "empty text"
    if len(cells["text"]) > 1:
        _refuse_several_questions(row, config, place)
    if not evidence and config.columns.evidence is not None:
        return "empty evidence"
    if not targets and labels is None and config.unanswerable == "keep":
        targets = (NO_ANSWER,)
    if not targets:
        return "no answer" if labels is None else "no label"
    if labels is not None:
        if len(targets) > 1:
            listed = f"{len(targets)} labels ({', '.join(targets)})"
            raise DataError(f"{place.where}: a row has {listed}; a classification takes one")
        name = labels.class_of(targets[0])
        if name is None:
            return "ignored label"
        targets = (name,)
    several = _columns(config.columns.evidence)
    parts = _one_by_one(row, several if len(several) > 1 else [], place)
    traits = _one_by_one(row, _columns(config.columns.traits), place)
    group = "\n".join(cells["group"])
    return Example("-".join(cells["id"]), evidence, text, tuple(map(str, targets)), group, parts, traits)


def _one_by_one(row: Row, columns: Sequence[Any], place: _Place) -> tuple[str, ...]:
    """The text of each column."""
    hint = "audit.groups={NAME: COLUMN}, with one of these columns, or {NAME: /PATTERN/}"
    return tuple("\n".join(column_texts(row, str(column), place.where, hint, place.row)) for column in columns)


def _cells(row: Row, config: DatasetConfig, name: str, place: _Place) -> list[str]:
    columns = map(str, _columns(getattr(config.columns, name)))
    null = f", or dataset.columns.{name}=null where there is none" if name in ("evidence", "id", "group") else ""
    hint = f"dataset.columns.{name}=NAME{null}"
    if place.where.endswith((".csv", ".tsv", ".txt")) and config.csv.header is not False:
        hint += "; or, where the file has no header, dataset.csv.header=false with columns by number, from 1"
    if reader := layouts.fitting_reader(row) if config.reader == "table" else "":
        hint += f"; or, for this layout, {reader}"
    return [text for column in columns for text in column_texts(row, column, place.where, hint, place.row)]


def _refuse_several_questions(row: Row, config: DatasetConfig, place: _Place) -> None:
    """Refuse a row whose text is several questions: joined, they would be one point with all their answers.

    Raises:
        DataError: with the reader that makes a point of each, where there is one.
    """
    for column in map(str, _columns(config.columns.text)):
        if (count := layouts.questions_in(row, column)) > 1:
            mend = layouts.fitting_reader(row) or "a file with one row per text"
            what = f"dataset.columns.text={column} names {count} texts through a list of objects; a point has one"
            raise DataError(f"{place.where}: {place.row}{what}\nTry: {mend}")


def _is_number(column: Any, config: DatasetConfig) -> bool:
    return config.csv.header is False and isinstance(column, int) and column >= 1


def _columns(value: Any) -> list[Any]:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]


def _content(example: Example) -> tuple[str, ...]:
    return (example.evidence, example.text, *example.targets)


def _digest(example: Example) -> str:
    return digest(_content(example))[:ID_CHARS]
