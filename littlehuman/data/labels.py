"""Mapping of raw labels to the classes of the task, by `dataset.labels`.

Labels that are not in the map are counted and reported together, with the override that adds them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from littlehuman.data.label_checks import folded
from littlehuman.data.label_overrides import ignored_override, map_overrides
from littlehuman.data.rows import ClassName
from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean
from littlehuman.formatting import first_of
from littlehuman.schema import DatasetConfig, Head, TaskConfig

MANY = 10  # more unknown labels than this look like free answers, or like classes of the dataset
_YAML_TRUTH = {"yes": "true", "on": "true", "no": "false", "off": "false"}  # YAML reads these keys as booleans


def label_map(config: DatasetConfig, task: TaskConfig) -> Mapping[str, str] | None:
    """Raw label -> class; None where the labels of the train split are the classes.

    Raises:
        ConfigError: when a class of the map is not one of the task.
    """
    if not config.labels:
        return {name: name for name in task.classes} or None
    unknown = sorted(set(config.labels.values()) - set(task.classes or config.labels.values()))
    what = f"is no class of task={task.name}"
    problems = [Problem(f"dataset.labels: {name}", f"{what}; {did_you_mean(name, task.classes)}") for name in unknown]
    if problems:
        raise ConfigError(problems)
    return config.labels


def is_classification(task: TaskConfig) -> bool:
    """Whether targets are classes, not free answers."""
    return task.head is Head.classification


def classes_of(
    found: Iterable[str], mapping: Mapping[str, str] | None, task: TaskConfig, where: str
) -> tuple[str, ...]:
    """The classes in order: those of the task, else of the map, else those found in train, sorted.

    Raises:
        DataError: when there are fewer than two.
    """
    classes = tuple(task.classes) or tuple(dict.fromkeys((mapping or {}).values())) or tuple(sorted(set(found)))
    if len(classes) < 2:
        what = f"a classification needs two classes; here is: {', '.join(classes) or 'none'}"
        raise DataError(f"{where}: {what}\nTry: dataset.columns.target=NAME, the column with the labels")
    return classes


class LabelMapper:
    """Maps the labels of one split, ignoring case and Unicode form. A class that has a number may be mapped by it."""

    def __init__(self, config: DatasetConfig, mapping: Mapping[str, str] | None, task: TaskConfig) -> None:
        self._config, self._task = config, task
        self._mapping = mapping
        self._folded = {folded(raw): name for raw, name in (mapping or {}).items()}
        self._ignored = {folded(raw) for raw in config.ignored_labels}
        self._unknown: Counter[str] = Counter()
        self._some_known = False

    def class_of(self, raw: str) -> str | None:
        """The class; None for an ignored or unknown label. Unknown ones are counted for `raise_unknown`.

        Raises:
            DataError: when the map may be by names or by numbers, which differ.
        """
        forms = [raw, folded(raw), *([str(raw.number)] if isinstance(raw, ClassName) else [])]
        if not self._ignored.isdisjoint(forms):
            return None
        if self._mapping is None:
            return str(raw)
        forms += [_YAML_TRUTH[form] for form in forms if form in _YAML_TRUTH]
        known = {form: name for form in forms if (name := self._mapping.get(form, self._folded.get(form))) is not None}
        if isinstance(raw, ClassName) and len(set(known.values())) > 1 and "0" in self._mapping:
            known = {"": self._by_number(raw, known)}  # names that are the numbers of other classes
        name = next(iter(known.values()), None)
        if name is None:
            self._unknown[str(raw)] += 1
        else:
            self._some_known = True
        return name

    def _by_number(self, raw: ClassName, known: Mapping[str, str]) -> str:
        if "0" in raw.names:
            raise DataError(
                f"dataset.labels: 0 may be a name or a number of a class ({', '.join(raw.names)}); "
                f"'{raw}' is number {raw.number}\nTry: a copy of the data in which they agree"
            )
        return known[str(raw.number)]

    def raise_unknown(self, where: str) -> None:
        """Report labels that are not in the map.

        Raises:
            DataError: with values, counts and the overrides that add them. Their classes are not guessed: a wrong guess
                would make a wrong training set.
        """
        if not self._unknown:
            return
        unknown = first_of([f"'{raw}' ({count} rows)" for raw, count in self._unknown.most_common()], MANY)
        known = ", ".join(self._mapping or {})
        raise DataError(
            f"{where}: dataset.labels does not say what these labels mean: {unknown}; "
            f"it knows: {known}\n"
            f"Try: {self._suggestions()}"
        )

    def _suggestions(self) -> str:
        unknown = [raw for raw, _ in self._unknown.most_common()]
        if len(unknown) > MANY and not self._some_known:
            own = "task=classify strategy=annotate (the labels found are the classes)"
            return f"task=qa (short answers), or {own if self._task.classes else 'points of all classes in train'}"
        pairs = {**dict.fromkeys(unknown, "CLASS"), **{name: name for name in self._unmapped}}
        options = [f"{map_overrides(pairs)}  (CLASS: {' or '.join(self._classes)})"] if self._classes else []
        if self._some_known or not options:  # if no label is known, no row would be left
            ignored = ignored_override([*self._config.ignored_labels, *unknown])
            options.append(ignored + " to leave their rows out" * bool(options))
        return ", or ".join(options)

    @property
    def _classes(self) -> tuple[str, ...]:
        """The classes that a label can be mapped to; empty where the labels of train are the classes."""
        return tuple(self._task.classes) or tuple(dict.fromkeys(self._config.labels.values()))

    @property
    def _unmapped(self) -> Sequence[str]:
        """Labels that are classes without a map: a map for others must have them too."""
        return self._task.classes if self._some_known and not self._config.labels else ()
