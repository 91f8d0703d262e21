"""Which column of a table is what: evidence, text, label or answer, document. Names are asked first, then values.

In: raw rows. Out: `Roles` with the reason for each, or an error that says what to type. A wrong guess would make a
wrong study, so two columns that could both be the label are refused, and so is a table without one.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

from littlehuman.data.rows import Row, as_text
from littlehuman.errors import DataError, did_you_mean

LABEL = "label labels target class category verdict gold goldlabel labeltext tag intent sentiment topic folder truth"
ANSWER = "answer answers answertext goldanswer shortanswer response"
TEXT = "claim hypothesis question query statement utterance text sentence message review tweet comment input"
TITLED = "title subject headline"  # read together with the body
BODY = "body content text message mail email"
EVIDENCE = "evidence context premise passage document paragraph article abstract story source background"
GROUP = "group document documentid docid article articleid title thread threadid conversation author user session"
ID = "id uid uuid guid index idx key number nr row rowid"
SHORT_WORDS, MOST_CLASSES, ROWS_PER_CLASS = 6, 300, 3  # of a column of labels
_FEW = 0.2  # of the rows: distinct values that a column of labels has at most, where it has more than a few


@dataclass(frozen=True, slots=True)
class Column:
    """What a column holds, over the rows that were looked at."""

    name: str
    rows: int
    filled: int
    values: Counter[str]

    @property
    def words(self) -> float:
        """Words of a cell, on average."""
        return mean(len(value.split()) for value in self.values) if self.values else 0.0

    @property
    def numeric(self) -> bool:
        """Whether all cells are numbers."""
        return bool(self.values) and all(re.fullmatch(r"[-+]?\d+([.,]\d+)?", value) for value in self.values)

    @property
    def questions(self) -> bool:
        """Whether most cells are questions."""
        return sum(value.endswith("?") for value in self.values) > len(self.values) / 2

    @property
    def like_labels(self) -> bool:
        """Whether few short values come again and again."""
        distinct = len(self.values)
        if not 2 <= distinct <= MOST_CLASSES or self.filled < ROWS_PER_CLASS * distinct:
            return False
        return self.words <= SHORT_WORDS and distinct <= max(10, _FEW * self.rows)

    @property
    def like_text(self) -> bool:
        """Whether most cells are texts of their own."""
        return self.words > 1.5 and len(self.values) > self.filled / 2 and not self.numeric

    def __str__(self) -> str:
        shown = ", ".join(f"{value[:24]!r}" for value, _ in self.values.most_common(3))
        return f"'{self.name}' ({len(self.values)} values: {shown}{', ...' if len(self.values) > 3 else ''})"


@dataclass(frozen=True, slots=True)
class Roles:
    """Columns by role; `text` may be several, which are joined. `why` by role."""

    target: str
    text: tuple[str, ...]
    evidence: str | None = None
    group: str | None = None
    id: str | None = None
    answers: bool = False  # whether the target is a free answer, not a class
    why: Mapping[str, str] = field(default_factory=dict)


def columns_of(rows: Sequence[Row]) -> list[Column]:
    """The columns of rows, in the order of the file; lists and nested cells by their dotted path."""
    names = list(dict.fromkeys(str(key) for row in rows for key in row))
    found = []
    for name in names:
        path = _path(name, rows)
        cells = [_text(row, path) for row in rows]
        values = Counter(cell for cell in cells if cell)
        found.append(Column(path, len(rows), sum(values.values()), values))
    return found


def roles_of(columns: Sequence[Column], given: Mapping[str, Any], where: str, again: Callable[..., str]) -> Roles:
    """The role of each column.

    Args:
        columns: of the table.
        given: roles that the user typed (role -> column), which are not guessed.
        where: the file, for messages.
        again: makes the command with further words, for messages.

    Raises:
        DataError: where no column, or more than one, can be the label or the text.
    """
    _refuse_absent(columns, given, where, again)
    taken = {str(name) for value in given.values() for name in (value if isinstance(value, list | tuple) else [value])}
    left = [column for column in columns if column.name not in taken]
    why: dict[str, str] = {role: "you said so" for role in given}
    evidence = given.get("evidence") if "evidence" in given else _named(left, EVIDENCE, why, "evidence", texts=True)
    left = [column for column in left if column.name != evidence]
    target = str(given["target"]) if "target" in given else _target(left, where, again, why)
    left = [column for column in left if column.name != target]
    text = _typed(given["text"]) if "text" in given else _text_columns(left, evidence, where, again, why)
    left = [column for column in left if column.name not in text]
    chosen = next((column for column in columns if column.name == target), None)
    answers = (
        chosen is not None and not chosen.like_labels and len(chosen.values) > 1 and _are_answers(chosen, columns, text)
    )
    group = given.get("group") if "group" in given else _group(left, why)
    own_id = given.get("id") if "id" in given else _id(left, why)
    return Roles(target, text, evidence, group, own_id, answers, why)


def _refuse_absent(columns: Sequence[Column], given: Mapping[str, Any], where: str, again: Callable[..., str]) -> None:
    """Refuse a typed column that is not there."""
    names = {column.name for column in columns} | {column.name.split(".")[0] for column in columns}
    for role, value in given.items():
        for name in _typed(value) if value is not None else ():
            if name not in names and name.split(".")[0] not in names:
                near = difflib.get_close_matches(name, names, n=1) or [next(iter(sorted(names)))]
                key = f"dataset.columns.{role}"
                tried = again(f"{key}={near[0]}")
                raise DataError(
                    f"{where}: {key}={name}: there is no such column; {did_you_mean(name, names)}\nTry: {tried}"
                )


def _target(left: Sequence[Column], where: str, again: Callable[..., str], why: dict[str, str]) -> str:
    """The label or answer column: the only one with such a name, else the only one with such values."""
    by_name = [column for column in left if _is(column, LABEL) and column.filled]
    answers = [column for column in left if _is(column, ANSWER) and column.filled]
    asks = any(column.questions for column in left)
    named = answers if asks and answers else by_name or answers
    if len(named) > 1 and (
        usable := [column for column in named if column.like_labels or (asks and column in answers)]
    ):
        named = usable
    if len(named) == 1:
        why["target"] = "its name"
        return named[0].name
    like = named or [column for column in left if column.like_labels and not _is(column, ID)]
    if len(like) == 1:
        why["target"] = f"the only column of few short values: {like[0]}"
        return like[0].name
    if len(like) > 1:
        listed = " and ".join(map(str, like[:4]))
        tried = again(f"dataset.columns.target={like[0].name}")
        raise DataError(f"{where}: {len(like)} columns could be the label: {listed}\nTry: {tried}")
    names = ", ".join(column.name for column in left) or "none"
    raise DataError(
        f"{where}: no column looks like a label or an answer (columns: {names}); a decision needs the human labels\n"
        f"Try: a file with a column `label`; or say which column it is: dataset.columns.target=NAME"
    )


def _text_columns(
    left: Sequence[Column], evidence: Any, where: str, again: Callable[..., str], why: dict[str, str]
) -> tuple[str, ...]:
    titled = [column for column in left if _is(column, TITLED) and column.filled]
    bodies = [column for column in left if _is(column, BODY) and column.like_text]
    if evidence is None and titled and bodies:
        why["text"] = "their names: read together"
        return titled[0].name, bodies[0].name
    named = [column for column in left if _is(column, TEXT) and column.filled and not column.numeric]
    if len(named) > 1:
        named = [column for column in named if column.questions] or sorted(named, key=lambda column: -column.words)
    like = sorted((column for column in left if column.like_text), key=lambda column: -column.words)
    for chosen, said in ((named, "its name"), (titled, "its name"), (like, "the column with the longest texts")):
        if chosen:
            why["text"] = said
            return (chosen[0].name,)
    names = ", ".join(column.name for column in left) or "none"
    tried = again(f"dataset.columns.text={left[0].name if left else 'COLUMN'}")
    raise DataError(f"{where}: no column holds the texts (columns left: {names})\nTry: {tried}")


def _are_answers(target: Column, columns: Sequence[Column], text: Sequence[str]) -> bool:
    """Whether values that hardly repeat are answers to questions."""
    asked = any(column.name in text and column.questions for column in columns)
    return _is(target, ANSWER) or asked


def _group(left: Sequence[Column], why: dict[str, str]) -> str | None:
    for column in left:
        if _is(column, GROUP) and 1 < len(column.values) < 0.8 * column.filled:
            why["group"] = f"its name; {len(column.values)} groups, whose points are not independent"
            return column.name
    return None


def _id(left: Sequence[Column], why: dict[str, str]) -> str | None:
    for column in left:
        if _is(column, ID) and len(column.values) == column.rows:
            why["id"] = "its name; each row has its own"
            return column.name
    return None


def _named(left: Sequence[Column], names: str, why: dict[str, str], role: str, *, texts: bool) -> str | None:
    found = [column for column in left if _is(column, names) and column.filled and (column.words > 1.5 or not texts)]
    if found:
        why[role] = "its name"
        return max(found, key=lambda column: column.words).name
    why[role] = "no column is named like one"
    return None


def _is(column: Column, names: str) -> bool:
    """Whether a column has one of the names, whatever its case and punctuation; of a path the first part counts."""
    bare = re.sub(r"[\W_]", "", column.name.split(".")[0].lower())
    return bare in names.split()


def _typed(value: Any) -> tuple[str, ...]:
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


def _path(name: str, rows: Sequence[Row]) -> str:
    """The dotted path to the texts of a nested column: `answers.text`."""
    first = next((row[name] for row in rows if row.get(name) is not None), None)
    first = first[0] if isinstance(first, list | tuple) and first else first
    if isinstance(first, Mapping):
        inside = [key for key in ("text", "input_text", "answer", "value") if key in first]
        return f"{name}.{inside[0]}" if inside else name
    return name


def _text(row: Row, path: str) -> str:
    value: Any = row.get(path) if path in row else row
    for part in path.split(".") if value is row else ():
        value = value[0] if isinstance(value, list | tuple) and value else value
        value = value.get(part) if isinstance(value, Mapping) else None
    value = value[0] if isinstance(value, list | tuple) and value else value
    return "" if isinstance(value, Mapping | list | tuple) else as_text(value)
