"""Twins that were made elsewhere: `prompt_model=provided prompt_model.path=twins.jsonl`.

In: a table of twins (.jsonl, .csv, .parquet, or a folder of them, such as `littlehuman.export` writes) and the
training points that they may stand for. Out: for each point its twin, or why it has none. No prompt is written and no
request made; labels, filters and the audit treat these twins as any others.

A row stands for the point whose `id` it has. Without an id it stands for a point on the same evidence and, where the
strategy requests a label, with the same label. Each row is used once. Which point gets which row depends on the file
and the whole training split alone, so a smaller set is part of a larger one.
"""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from littlehuman.data.files import FILE_TYPES, ReadOptions, read_rows
from littlehuman.data.rows import Row, column_texts
from littlehuman.errors import ConfigError, DataError, GenerationError, Problem
from littlehuman.prompting.class_matching import match_class, parse_label
from littlehuman.prompting.templates import asks_for_label
from littlehuman.records import Dataset, Example, Origin, Rejected, Synthetic, evidence_key
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import PromptModelConfig, StrategyConfig, Writes
from littlehuman.store import digest, packaged, visible_files

log = logging.getLogger(__name__)

COLUMNS = {  # names that a column may have where the config names none
    "text": ("text", "claim", "question"),
    "target": ("target", "label", "answer"),
    "evidence": ("evidence",),
    "id": ("id",),
}


@dataclass(frozen=True, slots=True)
class ProvidedRow:
    """One row of the file; `where` names the file and the row number."""

    where: str
    id: str
    evidence: str
    text: str
    target: str


class Provided:
    """The twins of one file, each with the training point that it stands for.

    Args:
        model: the path of the file and the names of its columns.
        dataset: twins stand for points of its training split.
        strategy: how the twins were asked for: whether a label was requested, and in which words.
        task: selects the strategy's texts.
        labels: the dataset's own labels -> classes; a row may have either.

    Raises:
        ConfigError: when no file is named.
        DataError: when the file is absent, or a row lacks a column.
    """

    def __init__(
        self,
        model: PromptModelConfig,
        dataset: Dataset,
        strategy: StrategyConfig,
        task: str,
        labels: Mapping[str, str] | None = None,
    ) -> None:
        self.path, self.texts = _existing(model.path), strategy.tasks[task]
        self.annotated = strategy.writes is Writes.target  # twins keep the human text, and have a new target
        own = {name: name for name in dataset.classes}
        words = {self.texts.label_words.get(name, name): name for name in dataset.classes}
        self.classes = {**(labels or {}), **own, **words} if own else {}  # what a row may say -> class
        self.rows = tuple(self._read(model))
        self.by_id, self.unmatched = self._match(dataset.train)
        self._log_matches(dataset.name)

    def has(self, example: Example) -> bool:
        """Whether a row stands for this point."""
        return example.id in self.by_id

    def twin_of(self, example: Example) -> Synthetic | Rejected:
        """The twin of a training point, or why there is none."""
        row = self.by_id.get(example.id)
        if row is None:
            return Rejected(example.id, RejectionCause(RejectionKind.NOT_PROVIDED), "", asked=0)
        target, label_problem = self._target(row, example)
        if cause := self._problem(row, example) or label_problem:
            labels = (example.target, target) if self.classes and target else ()
            return Rejected(example.id, cause, f"{row.text} || {row.target}", labels)
        text = row.text or example.text
        return Synthetic(example.id, example.evidence, text, target, digest(["provided", example.id, text, target]))

    def unusable_error(self, rejected: Sequence[Rejected], name: str) -> GenerationError:
        """The error for a file that gave no usable twin at all."""
        reasons = (r.reason for r in rejected if r.kind is not RejectionKind.NOT_PROVIDED)
        reason = next(reasons, "no row stands for a point that is to be replaced")
        return GenerationError(
            f"prompt_model.path={self.path}: none of its {len(self.rows)} rows is a usable twin of {name}: {reason}\n"
            "Try: a column id with the ids of the training points (mixture.json lists those of a run), "
            "or a column evidence with their evidence, word for word"
        )

    def _target(self, row: ProvidedRow, example: Example) -> tuple[str, RejectionCause | None]:
        return parse_label(row.target, example, self.texts, self.classes) if self.classes else (row.target, None)

    def _problem(self, row: ProvidedRow, example: Example) -> RejectionCause | None:
        absent = "text" if not row.text and not self.annotated else "target" if not row.target else ""
        if absent:
            return RejectionCause(RejectionKind.MISSING_FIELD, {"field": absent})
        other = row.evidence and example.evidence and evidence_key(row.evidence) != example.evidence_key
        return RejectionCause(RejectionKind.WRONG_EVIDENCE) if other else None

    def _read(self, model: PromptModelConfig) -> Iterator[ProvidedRow]:
        files = [file for file in visible_files(self.path) if self.path.is_file() or file.suffix.lower() in FILE_TYPES]
        if not files:
            raise DataError(f"prompt_model.path={self.path}: holds no table; known are {', '.join(FILE_TYPES)}")
        options = ReadOptions()
        for file in files:
            for number, row in enumerate(read_rows(file, options), 1):
                if row.get("origin") != Origin.HUMAN:  # an export may contain the human points too
                    yield self._row(row, f"{file}: row {number}", model)
        for line in options.remarks.lines():
            log.warning("%s: %s", self.path, line)

    def _row(self, row: Row, where: str, model: PromptModelConfig) -> ProvidedRow:
        cells = {name: _cell(row, getattr(model.columns, name), name, where) for name in COLUMNS}
        absent = [
            name for name in ("text", "target") if cells[name] is None and not (self.annotated and name == "text")
        ]
        if absent or not (cells["id"] or cells["evidence"]):
            raise DataError(_missing_column(row, where, absent))
        return ProvidedRow(where, **{name: cell or "" for name, cell in cells.items()})

    def _match(self, points: Sequence[Example]) -> tuple[dict[str, ProvidedRow], list[ProvidedRow]]:
        """Rows by the id of the point that they stand for, and rows that stand for none."""
        ids, found = {point.id for point in points}, dict[str, ProvidedRow]()
        without_id: dict[tuple[str, ...], deque[ProvidedRow]] = defaultdict(deque)
        unmatched: list[ProvidedRow] = []
        for row in self.rows:
            if row.id in ids and row.id not in found:
                found[row.id] = row
            elif row.id not in ids and row.evidence:
                target = match_class(row.target, self.classes) or ""
                without_id[self._match_key(evidence_key(row.evidence), row.text, target)].append(row)
            else:
                unmatched.append(row)
        for point in sorted(points, key=lambda e: e.id):
            rows = without_id.get(self._match_key(point.evidence_key, point.text, point.target))
            if rows and point.id not in found:
                found[point.id] = rows.popleft()
        return found, unmatched + [row for rows in without_id.values() for row in rows]

    def _match_key(self, evidence: str, text: str, target: str) -> tuple[str, ...]:
        """What a row without a known id must share with its point; an annotated row shares the human text too."""
        return (
            evidence,
            evidence_key(text) if self.annotated else "",
            target if self.classes and asks_for_label(self.texts) else "",
        )

    def _log_matches(self, name: str) -> None:
        matched = "%s: %d rows, %d of which stand for a training point of %s"
        log.info(matched, self.path, len(self.rows), len(self.by_id), name)
        if self.unmatched:
            unmatched = "%s: %d rows match no training point that another row does not stand for (first: %s)"
            log.warning(unmatched, self.path, len(self.unmatched), self.unmatched[0].where)


def _existing(path: str | None) -> Path:
    if not path:
        problem = Problem("prompt_model.path=null", "names no file of twins")
        raise ConfigError([problem], "prompt_model.path=FILE")
    found = packaged(path)
    if not found.exists():
        raise DataError(f"prompt_model.path={path}: there is no such file or folder ({found.absolute()})")
    return found


def _cell(row: Row, setting: str | None, name: str, where: str) -> str | None:
    """The first text of a cell; None where there is no such column."""
    column = setting or next((alias for alias in COLUMNS[name] if alias in row), None)
    if column is None:
        return None
    return next(iter(column_texts(row, column, where, f"prompt_model.columns.{name}=NAME")), "")


def _missing_column(row: Row, where: str, absent: Sequence[str]) -> str:
    known = f"there is: {', '.join(map(str, row)) or 'nothing'}"
    if absent:
        name = absent[0]
        return f"{where}: no column {' or '.join(COLUMNS[name])}; {known}\nTry: prompt_model.columns.{name}=NAME"
    mend = "prompt_model.columns.id=NAME or prompt_model.columns.evidence=NAME"
    return f"{where}: neither an id nor an evidence says which training point this is the twin of; {known}\nTry: {mend}"
