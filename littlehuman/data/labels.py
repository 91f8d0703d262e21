"""Raw labels to classes.

In: the label map of a dataset's YAML and the classes of the task. Out: the class of each raw label;
labels that the map does not know are counted and reported together, with the override to type.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean
from littlehuman.schema import DatasetConfig, Head, TaskConfig

MANY = 10  # unknown labels beyond which they look like answers, or like classes of their own
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
            [
                Problem(
                    f"dataset.labels: {name}", f"is no class of task={task.name}; {did_you_mean(name, task.classes)}"
                )
                for name in strange
            ]
        )
    return config.labels


def is_classification(task: TaskConfig) -> bool:
    """Whether targets are classes rather than free answers."""
    return task.head is Head.classification


def classes_of(
    found: Iterable[str], mapping: Mapping[str, str] | None, task: TaskConfig, where: str
) -> tuple[str, ...]:
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

    def __init__(self, config: DatasetConfig, mapping: Mapping[str, str] | None, task: TaskConfig) -> None:
        self._config, self._task = config, task
        self._mapping = mapping
        self._folded = {raw.casefold(): name for raw, name in (mapping or {}).items()}
        self._ignored = {raw.casefold() for raw in config.ignored_labels}
        self._unknown: Counter[str] = Counter()
        self._some_known = False

    def class_of(self, raw: str) -> str | None:
        """The class; None for an ignored label. An unknown label is remembered for `check`."""
        if raw.casefold() in self._ignored:
            return None
        if self._mapping is None:
            return raw
        name = self._mapping.get(raw, self._folded.get(raw.casefold()))
        if name is None:
            self._unknown[raw] += 1
        else:
            self._some_known = True
        return name

    def check(self, where: str) -> None:
        """Report labels outside the map.

        Raises:
            DataError: naming values, counts, and the overrides that mend it. Which class a label means is left to
                the reader: a guess that is followed would be a wrong training set.
        """
        if not self._unknown:
            return
        listed = [f"'{raw}' ({count} rows)" for raw, count in self._unknown.most_common(MANY)]
        more = [f"and {len(self._unknown) - MANY} more"] if len(self._unknown) > MANY else []
        known = ", ".join(self._mapping or {})
        raise DataError(
            f"{where}: dataset.labels does not say what these labels mean: {', '.join(listed + more)}; it knows: {known}\n"
            f"Try: {self._mends()}"
        )

    def _mends(self) -> str:
        unknown = [raw for raw, _ in self._unknown.most_common()]
        if len(unknown) > MANY and not self._some_known:
            own = "task=classify strategy=annotate (the labels found are the classes)"
            return f"task=qa (short answers), or {own if self._task.classes else 'points of all classes in train'}"
        mends = [_naming(unknown, self._stay, self._classes)] if self._classes else []
        if self._some_known or not mends:  # without a known label no row would be left
            ignored = ", ".join(_in_list(value) for value in [*self._config.ignored_labels, *unknown])
            mends.append(f"'dataset.ignored_labels=[{ignored}]'" + " to leave their rows out" * bool(mends))
        return ", or ".join(mends)

    @property
    def _classes(self) -> tuple[str, ...]:
        """What a label can be mapped to; nothing where the labels found in train are the classes."""
        return tuple(self._task.classes) or tuple(dict.fromkeys(self._config.labels.values()))

    @property
    def _stay(self) -> Sequence[str]:
        """Labels that are classes as they are: a map that names others has to name them too."""
        return self._task.classes if self._some_known and not self._config.labels else ()


def _naming(unknown: Sequence[str], stay: Sequence[str], classes: Sequence[str]) -> str:
    """Overrides with CLASS where the reader says which one; Hydra takes no quoted keys, and reads 1 or true as no text."""
    in_braces = [raw for raw in unknown if re.fullmatch(WORDS, raw, re.ASCII) and not _is_typed(raw)]
    dotted = [raw for raw in unknown if _is_typed(raw) and re.fullmatch(r"\d+|[a-z]+", raw, re.ASCII | re.IGNORECASE)]
    pairs = [*(f"{raw}: CLASS" for raw in in_braces), *(f"{name}: {name}" for name in stay)]
    overrides = [f"'dataset.labels={{{', '.join(pairs)}}}'"] if pairs else []
    overrides += [f"+dataset.labels.{raw}=CLASS" for raw in dotted]
    if odd := [repr(raw) for raw in unknown if raw not in in_braces + dotted]:
        overrides.append(f"{'and ' * bool(overrides)}labels: of a dataset's YAML (--config-dir) for {', '.join(odd)}")
    return f"{' '.join(overrides)}  (CLASS: {' or '.join(classes)})"


def _is_typed(raw: str) -> bool:
    """Whether Hydra would read it as a number, a truth value or null."""
    try:
        float(raw)
    except ValueError:
        return raw.casefold() in ("true", "false", "null")
    return True


def _in_list(value: str) -> str:
    return value if re.fullmatch(WORDS, value, re.ASCII) else f'"{value}"'
