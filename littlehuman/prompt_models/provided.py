"""Synthetic data that was made elsewhere: `prompt_model=provided prompt_model.path=twins.jsonl`.

In: a table of twins (.jsonl, .csv, .parquet, or a folder of them, such as `littlehuman.export` writes)
and the points that they may stand for. Out: for each point its twin, or why it has none. No request is
made and no prompt written; labels, filters and the audit treat these twins as any others.

A row stands for the point whose `id` it has; without one, for a point on the same evidence and, where
the strategy requests a label, with the same label. Each row is used once. Who gets which row depends
on the file and the whole training split alone: a smaller set is part of a larger one.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from littlehuman.data.files import FILE_TYPES, read_rows
from littlehuman.data.rows import Row, column_texts
from littlehuman.errors import ConfigError, DataError, GenerationError, Problem
from littlehuman.prompting.parsing import class_named, other_label
from littlehuman.prompting.templates import asks_for_label
from littlehuman.records import Dataset, Example, Origin, Rejected, Synthetic, evidence_key
from littlehuman.schema import PromptModelConfig, StrategyConfig, Writes
from littlehuman.store import digest, packaged, visible_files

log = logging.getLogger(__name__)

NOT_PROVIDED = "not provided"
COLUMNS = {  # what a column may be called where the config names none
    "text": ("text", "claim", "question"),
    "target": ("target", "label", "answer"),
    "evidence": ("evidence",),
    "id": ("id",),
}


@dataclass(frozen=True, slots=True)
class Given:
    """A row of the file; `where` is its place there."""

    where: str
    id: str
    evidence: str
    text: str
    target: str


class Provided:
    """The twins of one file, each with the training point that it stands for.

    Args:
        model: where the file is, and what its columns are called.
        dataset: its training points are those that twins may stand for.
        strategy: how the twins were asked for: whether a label was requested, and in which words.
        task: which of the strategy's texts holds.
        labels: labels of the dataset's own -> classes: a row may have either.

    Raises:
        ConfigError: when no file is named.
        DataError: when it is absent, or a row lacks what it must have.
    """

    def __init__(
        self,
        model: PromptModelConfig,
        dataset: Dataset,
        strategy: StrategyConfig,
        task: str,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.words, self.annotated = (
            _place(model.path),
            strategy.tasks[task],
            strategy.writes is Writes.target,
        )
        words = {self.words.label_words.get(name, name): name for name in dataset.classes}
        self.classes = (
            {**(labels or {}), **{name: name for name in dataset.classes}, **words} if dataset.classes else {}
        )
        self.rows = tuple(self._read(model))
        self.by_id, self.unmatched = self._matched(dataset.train)
        self._say(dataset.name)

    def has(self, example: Example) -> bool:
        """Whether a row stands for this point."""
        return example.id in self.by_id

    def twin_of(self, example: Example) -> Synthetic | Rejected:
        """The twin of a training point, or why there is none."""
        row = self.by_id.get(example.id)
        if row is None:
            return Rejected(example.id, NOT_PROVIDED, "", asked=0)
        target, reason = self._target(row, example)
        if reason := self._lacking(row, example) or reason:
            return Rejected(
                example.id,
                reason,
                f"{row.text} || {row.target}",
                (example.target, target) if self.classes and target else (),
            )
        text = row.text or example.text
        return Synthetic(example.id, example.evidence, text, target, digest(["provided", example.id, text, target]))

    def useless(self, rejected: Sequence[Rejected], name: str) -> GenerationError:
        """The error of a file that gave no twin at all."""
        reason = next(
            (r.reason for r in rejected if r.reason != NOT_PROVIDED), "no row stands for a point that is to be replaced"
        )
        return GenerationError(
            f"prompt_model.path={self.path}: none of its {len(self.rows)} rows is a usable twin of {name}: {reason}\n"
            "Try: a column id with the ids of the training points (mixture.json lists those of a run), or a column evidence with their "
            "evidence, word for word"
        )

    def _target(self, row: Given, example: Example) -> tuple[str, str]:
        if not self.classes:
            return row.target, ""
        label = class_named(row.target, self.classes)
        return (label, other_label(label, example, self.words)) if label else ("", f"unknown label: {row.target[:40]}")

    def _lacking(self, row: Given, example: Example) -> str:
        if not row.text and not self.annotated:
            return "no text"
        if not row.target:
            return "no target"
        other = row.evidence and example.evidence and evidence_key(row.evidence) != example.evidence_key
        return "made for other evidence than that of its point" if other else ""

    def _read(self, model: PromptModelConfig) -> Iterator[Given]:
        files = [file for file in visible_files(self.path) if self.path.is_file() or file.suffix.lower() in FILE_TYPES]
        if not files:
            raise DataError(f"prompt_model.path={self.path}: holds no table; known are {', '.join(FILE_TYPES)}")
        for file in files:
            for number, row in enumerate(read_rows(file), 1):
                if row.get("origin") != Origin.HUMAN:  # an export may hold the human points too
                    yield self._given(row, f"{file}: row {number}", model)

    def _given(self, row: Row, where: str, model: PromptModelConfig) -> Given:
        cells = {name: _cell(row, getattr(model.columns, name), name, where) for name in COLUMNS}
        absent = [
            name for name in ("text", "target") if cells[name] is None and not (self.annotated and name == "text")
        ]
        if absent or not (cells["id"] or cells["evidence"]):
            raise DataError(_what_is_missing(row, where, absent))
        return Given(where, **{name: cell or "" for name, cell in cells.items()})

    def _matched(self, points: Sequence[Example]) -> tuple[dict[str, Given], list[Given]]:
        """Rows by the id of the point that they stand for, and those that stand for none."""
        ids, found = {point.id for point in points}, dict[str, Given]()
        waiting: dict[tuple[str, ...], deque[Given]] = defaultdict(deque)
        unmatched: list[Given] = []
        for row in self.rows:
            if row.id in ids and row.id not in found:
                found[row.id] = row
            elif row.id not in ids and row.evidence:
                target = class_named(row.target, self.classes) or ""
                waiting[self._kind(evidence_key(row.evidence), row.text, target)].append(row)
            else:
                unmatched.append(row)
        for point in sorted(points, key=lambda e: e.id):
            rows = waiting.get(self._kind(point.evidence_key, point.text, point.target))
            if rows and point.id not in found:
                found[point.id] = rows.popleft()
        return found, unmatched + [row for rows in waiting.values() for row in rows]

    def _kind(self, evidence: str, text: str, target: str) -> tuple[str, ...]:
        """What a row and a point must have in common, besides ids: an annotator keeps the human text."""
        return (
            evidence,
            evidence_key(text) if self.annotated else "",
            target if self.classes and asks_for_label(self.words) else "",
        )

    def _say(self, name: str) -> None:
        log.info(
            "%s: %d rows, %d of which stand for a training point of %s",
            self.path,
            len(self.rows),
            len(self.by_id),
            name,
        )
        if self.unmatched:
            what = "match no training point that another row does not stand for (first: %s)"
            log.warning(f"%s: %d rows {what}", self.path, len(self.unmatched), self.unmatched[0].where)


def _place(path: str | None) -> Path:
    if not path:
        raise ConfigError(
            [Problem("prompt_model.path=null", "names no file of twins")], "prompt_model.path=twins.jsonl"
        )
    place = packaged(path)
    if not place.exists():
        raise DataError(f"prompt_model.path={path}: there is no such file or folder ({place.absolute()})")
    return place


def _cell(row: Row, setting: str | None, name: str, where: str) -> str | None:
    """The first text in a column; None where there is no such column."""
    column = setting or next((alias for alias in COLUMNS[name] if alias in row), None)
    if column is None:
        return None
    return next(iter(column_texts(row, column, where, f"prompt_model.columns.{name}=NAME")), "")


def _what_is_missing(row: Row, where: str, absent: Sequence[str]) -> str:
    known = f"there is: {', '.join(map(str, row)) or 'nothing'}"
    if absent:
        name = absent[0]
        return f"{where}: no column {' or '.join(COLUMNS[name])}; {known}\nTry: prompt_model.columns.{name}=NAME"
    mend = "prompt_model.columns.id=NAME or prompt_model.columns.evidence=NAME"
    return f"{where}: neither an id nor an evidence says which training point this is the twin of; {known}\nTry: {mend}"
