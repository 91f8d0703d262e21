"""Keys that no config class has: a typo, or `+key=value` on Hydra's own advice.

In: a composed config and the dataclass that it is to become. Out: a problem for each key without
a field. Dictionaries whose keys are the user's own (labels, splits, tasks, ...) stay free.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, get_args, get_type_hints

from omegaconf import DictConfig, ListConfig, OmegaConf

from littlehuman.errors import Problem, did_you_mean


def unknown_keys(config: DictConfig, kind: type, path: str = "") -> Iterator[Problem]:
    """Each key of `config`, at any depth, that dataclass `kind` has no field for; `path` stands before its name."""
    known = get_type_hints(kind)
    for key, node in _items(config):
        if key in known:
            yield from _below(node, known[key], f"{path}{key}")
        else:
            yield Problem(f"{path}{key}{_value(node)}", f"is no key; {did_you_mean(key, known)}")


def _below(node: Any, kind: Any, path: str) -> Iterator[Problem]:
    """What is wrong inside a value: in a dataclass by its fields, in a collection of dataclasses item by item."""
    if not isinstance(node, DictConfig | ListConfig) or node._is_none() or node._is_missing() or node._is_interpolation():
        return
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(node, DictConfig):
        yield from unknown_keys(node, kind, f"{path}.")
    elif items := [item for item in get_args(kind) if is_dataclass(item)]:
        for key, item in _items(node):
            yield from _below(item, items[0], f"{path}.{key}")


def _items(node: DictConfig | ListConfig) -> Iterator[tuple[str, Any]]:
    """Keys and nodes, with interpolations as they stand."""
    keys: Any = node if isinstance(node, DictConfig) else range(len(node))
    return ((str(key), node._get_node(key)) for key in keys)


def _value(node: Any) -> str:
    """`=value`, as it was typed; nothing for a whole mapping or list."""
    if OmegaConf.is_config(node):
        return ""
    return "=***" if re.search("key|token|secret|password", str(node._key()), re.IGNORECASE) else f"={node._value()}"
