"""Names of the classes of a hub dataset: columns that hold numbers, with their names in the table's features.

`datasets` writes its features as JSON: `{"label": {"names": ["neg", "pos"], "_type": "ClassLabel"}}`; a parquet or
arrow file has them in its schema's metadata, under `huggingface`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from littlehuman.data.rows import ClassName, Row

METADATA = b"huggingface"
NO_LABEL = -1  # of a row without a label, such as those of a hidden test split


def features_of(metadata: Mapping[bytes, bytes] | None) -> Mapping[str, Any]:
    """The features in a schema's metadata; empty where there are none."""
    try:
        features = json.loads((metadata or {})[METADATA])["info"]["features"]
    except (KeyError, TypeError, ValueError):
        return {}
    return features if isinstance(features, Mapping) else {}


def with_class_names(rows: Iterable[Row], features: Mapping[str, Any]) -> Iterator[Row]:
    """Rows with the names of their classes for the numbers, at any depth; None for -1, which stands for no label."""
    named = {column: feature for column, feature in features.items() if _has_names(feature)}
    for row in rows:
        yield {**row, **{name: _named(row[name], named[name]) for name in named if name in row}} if named else row


def _has_names(feature: Any) -> bool:
    if isinstance(feature, Mapping):
        return _names(feature) is not None or any(_has_names(part) for part in feature.values())
    return isinstance(feature, list) and any(_has_names(part) for part in feature)


def _names(feature: Any) -> list[str] | None:
    is_class = isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel"
    names = feature.get("names") if is_class else None
    return names if isinstance(names, list) else None


def _named(value: Any, feature: Any) -> Any:
    inner = _inner(feature)
    if isinstance(value, list | tuple):
        return [_named(item, inner) for item in value]
    if isinstance(value, Mapping):
        return {
            key: _named(part, inner.get(key) if isinstance(inner, Mapping) else None) for key, part in value.items()
        }
    names = _names(feature)
    if names is None or not isinstance(value, int):
        return value
    if value == NO_LABEL:
        return None
    return ClassName([str(name).strip() for name in names], value) if 0 <= value < len(names) else value


def _inner(feature: Any) -> Any:
    """The feature of the items of a list, or those of the parts of a mapping."""
    if isinstance(feature, list) and feature:
        return feature[0]
    if isinstance(feature, Mapping) and "_type" in feature and "feature" in feature:
        return feature["feature"]
    return feature
