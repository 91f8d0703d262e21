"""Overrides of `dataset.labels` and `dataset.ignored_labels`, in words that a shell and Hydra take as they are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_WORDS = r"[\w-]+( [\w-]+)*"


def map_overrides(pairs: Mapping[str, str]) -> str:
    """Overrides that map raw labels to classes. Hydra has no quoted keys, and reads 1 or true as no text."""
    in_braces = [raw for raw in pairs if re.fullmatch(_WORDS, raw, re.ASCII) and not is_typed(raw)]
    dotted = [raw for raw in pairs if is_typed(raw) and re.fullmatch(r"\d+|[a-z]+", raw, re.ASCII | re.IGNORECASE)]
    listed = ", ".join(f"{raw}: {list_item(pairs[raw])}" for raw in in_braces)
    overrides = [f"'dataset.labels={{{listed}}}'"] if listed else []
    overrides += [f"+dataset.labels.{raw}={_shell_word(pairs[raw])}" for raw in dotted]
    if odd := [repr(raw) for raw in pairs if raw not in in_braces + dotted]:
        overrides.append(f"{'and ' * bool(overrides)}labels: of a dataset's YAML (--config-dir) for {', '.join(odd)}")
    return " ".join(overrides)


def ignored_override(labels: Iterable[str]) -> str:
    """The override that leaves the rows of these labels out."""
    return f"'dataset.ignored_labels=[{', '.join(map(list_item, labels))}]'"


def list_item(value: str) -> str:
    """A text inside braces or brackets, quoted where Hydra would read it otherwise."""
    plain = re.fullmatch(_WORDS, value, re.ASCII) and value.casefold() != "null"
    return value if plain else '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def is_typed(raw: str) -> bool:
    """Whether Hydra would parse it as a number, a boolean or null."""
    try:
        float(raw)
    except ValueError:
        return raw.casefold() in ("true", "false", "null")
    return True


def _shell_word(value: str) -> str:
    item = list_item(value)
    return item if item == value and " " not in item else f"'{item}'"
