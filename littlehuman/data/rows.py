"""Cells of a raw row, by name.

In: a row as it stands in the source (a dict, possibly nested) and a column. Out: the texts in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from littlehuman.errors import DataError, did_you_mean

Row: TypeAlias = Mapping[str, Any]


def need(row: Row, key: str, where: str) -> Any:
    """`row[key]`, for readers of a known format.

    Raises:
        DataError: naming the file, the missing key and the keys that exist.
    """
    if not isinstance(row, Mapping) or key not in row:
        raise DataError(f"{where}: {missing(key, row)}")
    return row[key]


def texts(row: Row, column: str, where: str, mend: str) -> list[str]:
    """The texts of one column, stripped, without empty ones; lists on the way are walked.

    Args:
        row: A raw row.
        column: A column's name, or a dotted path such as `answers.text`.
        where: File or hub split, for the message.
        mend: What to do about a missing column, for the message.

    Raises:
        DataError: when there is no such column, or it holds keys instead of text.
    """
    parts = [column] if column in row else column.split(".")
    leaves: list[str] = []
    try:
        _walk(row, parts, leaves)
    except LookupError as error:
        raise DataError(f"{where}: {error.args[0]}\nTry: {mend}") from None
    return [text for text in leaves if text]


def missing(key: str, value: Any) -> str:
    """Say that `key` is absent, what there is, and what may have been meant."""
    known = [str(name) for name in value] if isinstance(value, Mapping) else []
    hint = did_you_mean(key, known)
    listed = f" (there is: {', '.join(sorted(known))})" if hint.startswith("did") else ""
    return f"no column '{key}'; {hint}{listed}"


def as_text(value: Any) -> str:
    """A cell as text: None is empty, 1.0 is `1` (a column of integers with gaps), the rest by `str`."""
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()


def _walk(value: Any, parts: Sequence[str], leaves: list[str]) -> None:
    if isinstance(value, list | tuple):
        for item in value:
            _walk(item, parts, leaves)
    elif parts and value is not None:
        if not isinstance(value, Mapping) or parts[0] not in value:
            raise LookupError(missing(parts[0], value))
        _walk(value[parts[0]], parts[1:], leaves)
    elif isinstance(value, Mapping):
        raise LookupError(f"the column holds parts, name one of them with a dot: {', '.join(map(str, value))}")
    else:
        leaves.append(as_text(value))
