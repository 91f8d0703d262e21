"""Raw labels to classes.

In: the label map of a dataset's YAML and the classes of the task. Out: the class of each raw label;
labels that the map does not know are counted and reported together, with the override to type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean
from littlehuman.groups import DatasetConfig, Head, TaskConfig

SHOWN = 5  # unknown labels that a message lists
WORDS = r"[\w-]+( [\w-]+)*"


def label_map(config: DatasetConfig, task: TaskConfig) -> Mapping[str, str] | None:
    """Raw label -> class; None where the labels found in train shall be the classes.

    Raises:
        ConfigError: when the map leads to a class that the task does not have.
    """
    if not config.labels:
        return {name: name for name in task.classes} or None
    strange = sorted(set(config.labels.values()) - set(task.classes or config.labels.values()))
    if strange:
        raise ConfigError(
            [Problem(f"dataset.labels: {name}", f"is no class of task={task.name}; {did_you_mean(name, task.classes)}") for name in strange]
        )
    return config.labels


def is_classification(task: TaskConfig) -> bool:
    """Whether targets are classes rather than free answers."""
    return task.head is Head.classification


def classes_of(found: Iterable[str], mapping: Mapping[str, str] | None, task: TaskConfig, where: str) -> tuple[str, ...]:
    """The classes in their order: the task's, else the map's, else those found in train, sorted.

    Raises:
        DataError: when there are fewer than two.
    """
    classes = tuple(task.classes) or tuple(dict.fromkeys((mapping or {}).values())) or tuple(sorted(set(found)))
    if len(classes) < 2:
        raise DataError(f"{where}: a classification needs two classes; here is: {', '.join(classes) or 'none'}")
    return classes


class Labels:
    """Reads the labels of one split. A label differs from the map's by case at most."""

    def __init__(self, config: DatasetConfig, mapping: Mapping[str, str] | None) -> None:
        self._config = config
        self._mapping = mapping
        self._folded = {raw.casefold(): name for raw, name in (mapping or {}).items()}
        self._ignored = {raw.casefold() for raw in config.ignored_labels}
        self._unknown: Counter[str] = Counter()

    def class_of(self, raw: str) -> str | None:
        """The class; None for an ignored label. An unknown label is remembered for `check`."""
        if raw.casefold() in self._ignored:
            return None
        if self._mapping is None:
            return raw
        name = self._mapping.get(raw, self._folded.get(raw.casefold()))
        if name is None:
            self._unknown[raw] += 1
        return name

    def check(self, where: str) -> None:
        """Report labels outside the map.

        Raises:
            DataError: naming values, counts, and the overrides that mend it.
        """
        if not self._unknown:
            return
        listed = self._unknown.most_common(SHOWN)
        counts = ", ".join(f"'{raw}' ({count} rows)" for raw, count in listed)
        known = ", ".join(self._mapping or {})
        raise DataError(
            f"{where}: dataset.labels does not say what these labels mean: {counts}; it knows: {known}\nTry: {self._mends(listed[0][0])}"
        )

    def _mends(self, raw: str) -> str:
        name = list((self._mapping or {}).values())[-1]
        ignored = ", ".join(_in_list(value) for value in [*self._config.ignored_labels, raw])
        mends = [f"'dataset.ignored_labels=[{ignored}]'"]
        # Hydra reads a word after a dot, or several words in braces; it takes no quoted keys.
        if re.fullmatch(r"[\w-]+", raw, re.ASCII):
            mends.insert(0, f"+dataset.labels.{raw}={name}")
        elif re.fullmatch(WORDS, raw, re.ASCII):
            mends.insert(0, f"'+dataset.labels={{{raw}: {name}}}'")
        return " or ".join(mends)


def _in_list(value: str) -> str:
    return value if re.fullmatch(WORDS, value, re.ASCII) else f'"{value}"'
