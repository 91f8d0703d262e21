"""Access to the columns of a raw row, which is a dict, possibly nested."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from littlehuman.errors import DataError, did_you_mean

Row: TypeAlias = Mapping[str, Any]
LONG_NAME = 60  # characters; a longer name of a column is the text of a row without a header


class ClassName(str):
    """The name of a class, where the column holds its number; `names` are those of all classes, by number."""

    number: int
    names: Sequence[str]

    def __new__(cls, names: Sequence[str], number: int) -> ClassName:
        """The name with this number."""
        made = super().__new__(cls, names[number])
        made.number, made.names = number, names
        return made


class InvalidValue(ValueError):
    """A value that is no text: bytes that are not UTF-8, or half of a surrogate pair."""


def require(row: Row, key: str, where: str) -> Any:
    """`row[key]`, for readers of a known format.

    Raises:
        DataError: when the key is missing; lists those that exist.
    """
    if not isinstance(row, Mapping) or key not in row:
        raise DataError(f"{where}: {_missing_column(key, row)}")
    return row[key]


def looks_like_data(names: Iterable[str]) -> bool:
    """Whether names of columns are the cells of a first row: one is a number, or longer than a name."""
    return any(re.fullmatch(r"[-+]?\d+([.,]\d+)?", name.strip()) or len(name) > LONG_NAME for name in map(str, names))


def column_texts(row: Row, column: str, where: str, hint: str, at: str = "") -> list[str]:
    """The texts of one column, stripped and without empty ones; lists along a path are flattened.

    Args:
        row: a raw row.
        column: a column's name, or a dotted path such as `answers.text`.
        where: file or hub split, for the message.
        hint: how to correct a missing column, for the message.
        at: the row, such as `row 7: `, for the message about its value.

    Raises:
        DataError: when there is no such column, or it holds a mapping instead of text, or no valid text.
    """
    parts = [column] if column in row else column.split(".")
    leaves: list[str] = []
    try:
        _collect_texts(row, parts, leaves)
    except LookupError as error:
        raise DataError(f"{where}: {error.args[0]}\nTry: {hint}") from None
    except InvalidValue as error:
        raise DataError(f"{where}: {at}column '{column}' {error}\nTry: correct that row, or leave it out") from None
    return [text for text in leaves if text]


def as_text(value: Any) -> str:
    """A value as text.

    None and NaN are empty (missing), 1.0 is `1` (a column of integers with missing values), bytes are UTF-8, the rest
    is by `str`.

    Raises:
        InvalidValue: for bytes and surrogates that are no text.
    """
    if value is None or isinstance(value, ClassName):
        return value or ""
    if isinstance(value, float | Decimal) and value != value:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bytes | bytearray | memoryview):
        return _decoded(bytes(value))
    return _valid(str(value)).strip()


def _decoded(value: bytes) -> str:
    try:
        return value.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        shown = value[max(error.start - 10, 0) : error.end + 10]
        raise InvalidValue(f"holds bytes that are not UTF-8, at byte {error.start}: {shown!r}") from None


def _valid(text: str) -> str:
    """The text, if it can be written as UTF-8: half of a surrogate pair cannot, and no tokenizer takes it."""
    try:
        if not text.isascii():
            text.encode("utf-8")
    except UnicodeEncodeError as error:
        shown = text[max(error.start - 10, 0) : error.end + 10]
        what = (
            f"holds half of a surrogate pair, at character {error.start}: {shown.encode('ascii', 'backslashreplace')!r}"
        )
        raise InvalidValue(what) from None
    return text


def _missing_column(key: str, value: Any) -> str:
    known = [str(name) for name in value] if isinstance(value, Mapping) else []
    suggestion = did_you_mean(key, known)
    listed = f" (there is: {', '.join(sorted(known))})" if suggestion.startswith("did") else ""
    if looks_like_data(known) and not all(name.isdigit() for name in known):
        listed += (
            "\nThese seem to be the cells of a first row, not names: "
            "dataset.csv.header=false reads a file without a header, its columns by number (dataset.columns.text=2)"
        )
    return f"no column '{key}'; {suggestion}{listed}"


def _collect_texts(value: Any, parts: Sequence[str], leaves: list[str]) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _collect_texts(item, parts, leaves)
    elif parts and value is not None:
        if not isinstance(value, Mapping) or parts[0] not in value:
            raise LookupError(_missing_column(parts[0], value))
        _collect_texts(value[parts[0]], parts[1:], leaves)
    elif isinstance(value, Mapping):
        raise LookupError(f"the column holds parts, name one of them with a dot: {', '.join(map(str, value))}")
    else:
        leaves.append(as_text(value))
