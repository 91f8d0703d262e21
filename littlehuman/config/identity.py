"""The run id: a hash of all configuration values that can change a result.

Two configurations with equal values are the same run. Where and how a run computes is left out. A path is replaced
by a hash of its content: a moved folder is the same run, an edited file is another one. The id is part of the name of
the run folder, so a change of these values' form would orphan every result on disk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from littlehuman.config import writers
from littlehuman.config.languages import scoring_version
from littlehuman.config.reading import reading_version
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, Problem
from littlehuman.formatting import without_password
from littlehuman.mixture.mixing import synthetic_count
from littlehuman.prompting.templates import describes_classes
from littlehuman.schema import DatasetConfig, FilterStep, Head, Method, Provider, Shots, Writes, adapter
from littlehuman.store import digest, file_digest, packaged, slug, stamp

_HEADS = ("classification", "generation", "full")
TWIN_GROUPS = ("prompt_model", "strategy", "filter", "generation", "writer")
_ANNOTATOR = ("method", "dataset", "task", "prompt_model", "strategy", "metrics", "n_test", "test_dataset", "test_path")
LABEL_READING = 2  # how machine labels are read: bare ones count too (runs before had none of it: with a marker only)
ID_CHARS = 8
_readings: dict[tuple[Any, ...], int | None] = {}


def identity_values(config: RunConfig, test_from: DatasetConfig | None = None) -> dict[str, Any]:
    """The values that can change a result, as JSON: training layers resolved, paths replaced by content hashes.

    Args:
        config: the cell.
        test_from: the dataset that `config.test_dataset` names; without it only the name is included.
    """
    tree: dict[str, Any] = _without_operational(config)
    if config.strategy.writes is Writes.target and config.prompt_model.provider is not Provider.provided:
        tree["strategy"]["label_reading"] = LABEL_READING
    tree = (_annotator_values if config.method is Method.annotator else _training_values)(config, tree)
    answers = config.task.head is not Head.classification
    tree["dataset"] = _dataset_values(config.dataset, answers)
    if "strategy" in tree and describes_classes(config.strategy.tasks[config.task.name]):
        tree["strategy"]["class_descriptions"] = _plain(config.dataset.class_descriptions)  # of prompts, not of points
    tree["test_path"] = None if test_from else _content(config.test_path)
    if test_from:
        tree["test_dataset"] = _dataset_values(test_from, answers)
    return tree


def _training_values(config: RunConfig, tree: dict[str, Any]) -> dict[str, Any]:
    """What the scores of a fine-tuned model depend on."""
    del tree["method"]  # runs keep the ids that they had before there was another one
    if not needs_twins(config):  # then the cell is the same one for every prompt model
        tree = {key: value for key, value in tree.items() if key not in TWIN_GROUPS}
    else:
        tree["filter"] = _filter_values(config, tree["filter"])
        tree |= _writer_values(config, tree)
        if config.prompt_model.provider is Provider.provided:  # the file stands for the prompt model
            tree["prompt_model"]["provided"] = [
                _content(config.prompt_model.path),
                _without_operational(config.prompt_model.columns),
            ]
    if synthetic_count(config.synth_frac, config.size) == 0:
        tree["synthetic"] = True  # has no effect: all points are human
    if config.size == 0:
        tree["synth_frac"] = 0.0  # has no effect: the model is not trained
    for group in ("protocol", "model"):  # their values are in `training`, resolved
        tree[group] = {key: value for key, value in tree[group].items() if key not in _HEADS}
    tree["training"] = _plain(asdict(config.fine_tuning))
    tree["n_train"] = config.size
    return tree


def needs_twins(config: RunConfig) -> bool:
    """Whether any training point is to be synthetic."""
    trains = config.method is Method.finetune
    return trains and config.synthetic and synthetic_count(config.synth_frac, config.size) > 0


def run_id(config: RunConfig, test_from: DatasetConfig | None = None) -> str:
    """Hash of `identity_values`: 8 hex digits."""
    return digest(identity_values(config, test_from))[:ID_CHARS]


def cell_name(config: RunConfig, test_from: DatasetConfig | None = None) -> str:
    """The name of the run folder: `<dataset>-f<fraction>-s<seed>-<id>`; of an annotator `<dataset>-annotator-<id>`."""
    if config.method is Method.annotator:
        return f"{slug(config.dataset.name)}-annotator-{run_id(config, test_from)}"
    return f"{slug(config.dataset.name)}-f{config.synth_frac:g}-s{config.seed}-{run_id(config, test_from)}"


def _annotator_values(config: RunConfig, tree: dict[str, Any]) -> dict[str, Any]:
    """What the prompt model's own labels depend on: nothing of a training set, but the points that prompts may show."""
    kept = {key: tree[key] for key in _ANNOTATOR}
    if config.strategy.shots and config.strategy.shots_from is Shots.human:
        kept["human_budget"] = tree["human_budget"]
        if config.human_budget != "all":
            kept["seed"] = config.seed  # decides who is in the budget
        if config.protocol.shots_with_replacement:
            kept["protocol"] = {key: value for key, value in tree["protocol"].items() if key not in _HEADS}
    return kept


def _dataset_values(config: DatasetConfig, answers: bool) -> dict[str, Any]:
    """The values that can change a dataset's points, or the scores of free answers."""
    values = {**_without_operational(config), "path": _content(config.path)}
    place = packaged(config.path) if config.path else None
    version = _reading(config, place, stamp(place)) if place else None
    values |= {} if version is None else {"reading": version}
    scoring = scoring_version(place) if answers and place and config.language is None else None
    return values | ({} if scoring is None else {"scoring_version": scoring})


def _filter_values(config: RunConfig, tree: dict[str, Any]) -> dict[str, Any]:
    """The filter steps in their order of use, and the filter's own model where a step uses it."""
    used = [step.value for step in FilterStep if step in config.filter.steps]
    asks = config.filter.has_own_model and used not in ([], [FilterStep.rules])
    return {key: tree[key] for key in ("name", *used, *(["model"] if asks else []))}


def _writer_values(config: RunConfig, tree: dict[str, Any]) -> dict[str, Any]:
    """What decides a writer: its digest where one is given, its hyperparameters where the cell tunes one."""
    named, number = config.prompt_model.adapter, config.generation.round
    if named and named != adapter.OWN:
        return {"prompt_model": tree["prompt_model"] | {"adapter": writers.recorded_digest(config)}}
    own = {"writer": _plain(asdict(config.writer))} if named or number else {}
    return own | ({} if number is None else {"generation": {"round": number} | _accumulates(config)})


def _accumulates(config: RunConfig) -> dict[str, bool]:
    """Whether rounds accumulate; round 0 has none before it, and is the same cell either way."""
    return {"accumulate": True} if config.generation.accumulate and config.generation.round else {}


def _without_operational(value: Any) -> Any:
    kept = {f.name: v for f in fields(value) if _counts(f.metadata, v := getattr(value, f.name))}
    return {name: _without_operational(v) if is_dataclass(v) else _plain(v) for name, v in kept.items()}


def _counts(metadata: Mapping[str, Any], value: Any) -> bool:
    """Whether a field's value is part of the identity (`schema.metadata`)."""
    if metadata.get("operational"):
        return False
    if "unless" in metadata:
        return bool(value != metadata["unless"])
    return _is_set(value) if metadata.get("if_set") else not _is_set(value) if metadata.get("if_null") else True


def _is_set(value: Any) -> bool:
    """Whether it is not null, false, an empty table, or a group whose values are all null."""
    is_group = is_dataclass(value) and not isinstance(value, type)
    return value is not None and value is not False and value != {} and not (is_group and value == type(value)())


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, str) and "://" in value:
        return without_password(value)  # it came from the environment, and no file may keep it
    return value


def _content(path: str | None) -> str | None:
    try:
        return _read(place := packaged(path), stamp(place)) if path else None
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")]) from error


@cache  # Hydra resolves a run's name several times; the stamp invalidates the entry of an edited file
def _read(path: Path, stamp: tuple[Any, ...]) -> str:
    return file_digest(path)


def _reading(config: DatasetConfig, path: Path, stamp: tuple[Any, ...]) -> int | None:
    key = (str(path), stamp, config.csv, bool(config.labels))
    if key not in _readings:
        _readings[key] = reading_version(config, path)
    return _readings[key]
