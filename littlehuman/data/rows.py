"""Access to the columns of a raw row, which is a dict, possibly nested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from littlehuman.errors import DataError, did_you_mean

Row: TypeAlias = Mapping[str, Any]


def require(row: Row, key: str, where: str) -> Any:
    """`row[key]`, for readers of a known format.

    Raises:
        DataError: when the key is missing; lists those that exist.
    """
    if not isinstance(row, Mapping) or key not in row:
        raise DataError(f"{where}: {_missing_column(key, row)}")
    return row[key]


def column_texts(row: Row, column: str, where: str, hint: str) -> list[str]:
    """The texts of one column, stripped and without empty ones; lists along a path are flattened.

    Args:
        row: a raw row.
        column: a column's name, or a dotted path such as `answers.text`.
        where: file or hub split, for the message.
        hint: how to correct a missing column, for the message.

    Raises:
        DataError: when there is no such column, or it holds a mapping instead of text.
    """
    parts = [column] if column in row else column.split(".")
    leaves: list[str] = []
    try:
        _collect_texts(row, parts, leaves)
    except LookupError as error:
        raise DataError(f"{where}: {error.args[0]}\nTry: {hint}") from None
    return [text for text in leaves if text]


def as_text(value: Any) -> str:
    """A value as text: None is empty, 1.0 is `1` (a column of integers with missing values), the rest by `str`."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _missing_column(key: str, value: Any) -> str:
    known = [str(name) for name in value] if isinstance(value, Mapping) else []
    suggestion = did_you_mean(key, known)
    listed = f" (there is: {', '.join(sorted(known))})" if suggestion.startswith("did") else ""
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
