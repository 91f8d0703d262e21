"""Load a dataset as its YAML describes it: find the source, read its splits, map labels, complete the splits."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace

from littlehuman import cli
from littlehuman.data import dialect, label_checks, spans
from littlehuman.data.labels import LabelMapper, classes_of, is_classification, label_map
from littlehuman.data.readers import READERS
from littlehuman.data.source import SPLITS, Source, open_source
from littlehuman.data.splits import complete_splits
from littlehuman.data.table import ParsedSplit, check_columns, parse_rows, unique_ids
from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean
from littlehuman.records import NO_ANSWER, Dataset
from littlehuman.schema import DatasetConfig, Head, TaskConfig
from littlehuman.store import packaged, stamp

_kept: dict[Hashable, Dataset] = {}  # one entry


def load(config: DatasetConfig, task: TaskConfig, test_from: DatasetConfig | None = None) -> Dataset:
    """Read a dataset and complete its splits.

    Args:
        config: the dataset.
        task: the task, which decides whether targets are classes or free answers.
        test_from: another dataset of the same task, whose test split replaces the dataset's own (out-of-domain test).

    Raises:
        ConfigError: when the config contradicts itself.
        DataError: when the data is absent, or not as the config describes it.
    """
    dataset = _load(config, task)
    return dataset if test_from is None else _with_test_split_of(dataset, _load(test_from, task))


def load_once(config: DatasetConfig, task: TaskConfig, test_from: DatasetConfig | None = None) -> Dataset:
    """As `load`; the last dataset is kept, because successive cells of a sweep often share it. An edited file is read
    again.
    """
    key = data_key(config, task, test_from)
    if key not in _kept:
        dataset = load(config, task, test_from)
        _kept.clear()
        _kept[key] = dataset
    return _kept[key]


def data_key(config: DatasetConfig, task: TaskConfig, test_from: DatasetConfig | None = None) -> Hashable:
    """What the points of a dataset depend on: its configuration, and the stamps of its local files.

    Raises:
        OSError: when a file cannot be looked at.
    """
    places = [packaged(each.path) for each in (config, test_from) if each and each.path]
    return repr((config, task, test_from)), *map(stamp, places)


def _load(config: DatasetConfig, task: TaskConfig) -> Dataset:
    check_config(config, task)
    source = open_source(config)
    parsed, classes = _read_splits(source, config, task)
    found, taken = {}, set[str]()
    for split, part in parsed.items():
        found[split] = unique_ids(part.examples, taken)
        taken |= {example.id for example in found[split]}
    splits = complete_splits(found, config)
    train, valid, test = splits.train, splits.valid, splits.test
    single = len(parsed) == 1  # then its rows go to all splits
    dropped = {
        f"{'all' if single else split}: {reason}": n
        for split, part in parsed.items()
        for reason, n in part.dropped.items()
    }
    notes = [*splits.notes, *_kept_questions(parsed, config)]
    if task.head is Head.span:
        train, left_out, said = spans.training_points(train, "train", config.name)
        dropped |= left_out
        notes += [*said, *spans.test_note(test)]
    warnings = (*_remarks(source), *_label_remarks(parsed, classes, config, task))
    return Dataset(config.name, train, valid, test, classes, dropped, tuple(notes), warnings)


def _kept_questions(parsed: Mapping[str, ParsedSplit], config: DatasetConfig) -> Iterator[str]:
    for split, part in parsed.items() if config.unanswerable else ():
        count = sum(example.targets == (NO_ANSWER,) for example in part.examples)
        name = split if len(parsed) > 1 else "all"
        yield f"{name}: {count} of {len(part.examples)} questions have no answer; theirs is '{NO_ANSWER}'"


def _remarks(source: Source) -> Iterator[str]:
    """What is odd about the files, one line each."""
    yield from (f"{source.place}: {line}" for line in source.options.remarks.lines())
    for split, paths in source.files.items():
        if len({path.suffix.lower() for path in paths}) > 1:
            yield f"{split} is read from several kinds of files: {', '.join(path.name for path in paths)}"
    if source.unread:
        names = ", ".join(source.unread)
        yield f"{source.place}: not read: {names}\nTo read one: ++dataset.files.valid={source.unread[0]}"


def _label_remarks(
    parsed: Mapping[str, ParsedSplit], classes: tuple[str, ...], config: DatasetConfig, task: TaskConfig
) -> Iterator[str]:
    if not is_classification(task):
        return
    first = next(iter(parsed.values())).examples
    yield from label_checks.remarks(
        label_checks.class_counts(classes, first), from_data=not config.labels and not task.classes
    )
    if line := label_checks.contradictions(example for part in parsed.values() for example in part.examples):
        yield line


def _read_splits(
    source: Source, config: DatasetConfig, task: TaskConfig
) -> tuple[dict[str, ParsedSplit], tuple[str, ...]]:
    """The parsed splits and the classes, which are the labels of train (the first split) if the config has none."""
    mapping = label_map(config, task) if is_classification(task) else None
    parsed: dict[str, ParsedSplit] = {}
    classes: tuple[str, ...] = ()
    for split in source.splits:
        labels = LabelMapper(config, mapping, task) if is_classification(task) else None
        parsed[split] = parse_rows(READERS[config.reader](source, split), config, source.where(split), labels)
        if is_classification(task) and not classes:
            classes = classes_of((e.target for e in parsed[split].examples), mapping, task, source.where(split))
            mapping = mapping or {name: name for name in classes}
    return parsed, classes


def _with_test_split_of(dataset: Dataset, other: Dataset) -> Dataset:
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
        warnings=(*dataset.warnings, *(f"{other.name}: {warning}" for warning in other.warnings)),
    )


def check_config(config: DatasetConfig, task: TaskConfig | None = None) -> None:
    """Check the config without reading data; with its task, where it is known.

    Raises:
        ConfigError: lists all problems.
    """
    problems = [*_problems(config), *dialect.problems(config.csv), *check_columns(config)]
    if config.unanswerable and task is not None and is_classification(task):
        problems.append(
            Problem(f"dataset.unanswerable={config.unanswerable}", f"is for answers; task={task.name} has classes")
        )
    if problems:
        listing = cli.command("run", ["--help"])
        raise ConfigError(problems, f"{listing}; it lists the datasets, and conf/dataset/table.yaml explains the keys")


def _problems(config: DatasetConfig) -> Iterator[Problem]:
    if config.reader not in READERS:
        yield Problem(f"dataset.reader={config.reader}", f"is no reader; {did_you_mean(config.reader, READERS)}")
    for key in ("splits", "files"):
        for split in sorted(set(getattr(config, key)) - set(SPLITS)):
            yield Problem(f"dataset.{key}.{split}", f"is no split; {did_you_mean(split, SPLITS)}")
    if config.unanswerable not in (None, "keep"):
        what = f"must be drop or keep; {did_you_mean(str(config.unanswerable), ('drop', 'keep'))}"
        yield Problem(f"dataset.unanswerable={config.unanswerable}", what)
    shares = {"valid_share": config.valid_share, "test_share": config.test_share}
    outside = [name for name, share in shares.items() if not 0 <= share < 1]
    for name in outside:
        yield Problem(f"dataset.{name}={shares[name]:g}", "must be 0 or more, and below 1")
    if not outside and sum(shares.values()) >= 1:
        where = " ".join(f"dataset.{name}={share:g}" for name, share in shares.items())
        yield Problem(where, "leave nothing to train on")
