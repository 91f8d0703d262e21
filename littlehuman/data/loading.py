"""A dataset by its YAML, whole: this file is the stage in the order in which it happens.

In: `DatasetConfig`, `TaskConfig`, and maybe a second dataset to test on. Out: `records.Dataset`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from littlehuman import cli
from littlehuman.data.labels import Labels, classes_of, is_classification, label_map
from littlehuman.data.readers import READERS
from littlehuman.data.source import SPLITS, Source, open_source
from littlehuman.data.splits import complete
from littlehuman.data.table import Table, check_columns, read_table, unique_ids
from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean
from littlehuman.records import Dataset
from littlehuman.schema import DatasetConfig, TaskConfig


def load(config: DatasetConfig, task: TaskConfig, test_from: DatasetConfig | None = None) -> Dataset:
    """Read a dataset and complete its splits.

    Args:
        config: The dataset.
        task: Says whether targets are classes or free answers.
        test_from: Another dataset of the same task, whose test split takes the place of
            the dataset's own (out-of-domain test). Train and valid stay what they are.

    Raises:
        ConfigError: when the config contradicts itself.
        DataError: when the data is absent or is not what the config says.
    """
    dataset = _load(config, task)
    return dataset if test_from is None else _tested_on(dataset, _load(test_from, task))


def _load(config: DatasetConfig, task: TaskConfig) -> Dataset:
    check_config(config)
    source = open_source(config)
    tables, classes = _read_splits(source, config, task)
    found, taken = {}, set[str]()
    for split, table in tables.items():
        found[split] = unique_ids(table.examples, taken)
        taken |= {example.id for example in found[split]}
    splits = complete(found, config)
    lone = len(tables) == 1  # then its rows end up on all sides
    dropped = {
        f"{'all' if lone else split}: {reason}": n
        for split, table in tables.items()
        for reason, n in table.dropped.items()
    }
    return Dataset(config.name, splits.train, splits.valid, splits.test, classes, dropped, splits.notes)


def _read_splits(source: Source, config: DatasetConfig, task: TaskConfig) -> tuple[dict[str, Table], tuple[str, ...]]:
    """Train comes first: where the config names no classes, its labels are the classes."""
    mapping = label_map(config, task) if is_classification(task) else None
    tables: dict[str, Table] = {}
    classes: tuple[str, ...] = ()
    for split in source.splits:
        labels = Labels(config, mapping, task) if is_classification(task) else None
        tables[split] = read_table(READERS[config.reader](source, split), config, source.where(split), labels)
        if is_classification(task) and not classes:
            classes = classes_of((e.target for e in tables[split].examples), mapping, task, source.where(split))
            mapping = mapping or {name: name for name in classes}
    return tables, classes


def _tested_on(dataset: Dataset, other: Dataset) -> Dataset:
    if dataset.classes != other.classes:
        raise DataError(
            f"test_dataset={other.name} has the classes {', '.join(other.classes)}, "
            f"but {dataset.name} has {', '.join(dataset.classes)}: a test needs the same ones"
        )
    taken = {example.id for example in dataset.train + dataset.valid}
    dropped = {f"{other.name} {reason}": count for reason, count in other.dropped.items()}
    notes = (
        f"test: the {len(other.test)} test points of {other.name}",
        *(f"{other.name}: {note}" for note in other.notes),
    )
    return replace(
        dataset,
        test=unique_ids(other.test, taken),
        dropped={**dataset.dropped, **dropped},
        notes=dataset.notes + notes,
    )


def check_config(config: DatasetConfig) -> None:
    """Check what can be seen without data.

    Raises:
        ConfigError: naming every problem, not the first one.
    """
    problems = [*_problems(config), *check_columns(config)]
    if problems:
        listing = cli.command("run", ["--help"])
        raise ConfigError(problems, f"{listing} lists the datasets; conf/dataset/table.yaml explains the keys")


def _problems(config: DatasetConfig) -> Iterator[Problem]:
    if config.reader not in READERS:
        yield Problem(f"dataset.reader={config.reader}", f"is no reader; {did_you_mean(config.reader, READERS)}")
    for key in ("splits", "files"):
        for split in sorted(set(getattr(config, key)) - set(SPLITS)):
            yield Problem(f"dataset.{key}.{split}", f"is no split; {did_you_mean(split, SPLITS)}")
    shares = {"valid_share": config.valid_share, "test_share": config.test_share}
    outside = [name for name, share in shares.items() if not 0 <= share < 1]
    for name in outside:
        yield Problem(f"dataset.{name}={shares[name]:g}", "must be 0 or more, and below 1")
    if not outside and sum(shares.values()) >= 1:
        yield Problem(
            " ".join(f"dataset.{name}={share:g}" for name, share in shares.items()), "leave nothing to train on"
        )
