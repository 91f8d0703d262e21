"""What makes two runs the same run.

In: a `RunConfig`, and the config of the dataset that is tested on where that is another one. Out: the
scientific part of both, its hash, and the name of the run's folder.
Where and how a run computes is left out; a path counts by its content, so a moved folder is the
same run and an edited file is another one.
"""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any

from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, Problem
from littlehuman.mixture.mixing import synthetic_count
from littlehuman.schema import DatasetConfig, FilterStep, Provider
from littlehuman.store import digest, file_digest, packaged, slug, visible_files

_BY_HEAD = ("classification", "generation")
OF_TWINS = ("prompt_model", "strategy", "filter")
ID_CHARS = 8


def identity_values(config: RunConfig, test_from: DatasetConfig | None = None) -> dict[str, Any]:
    """The values that can change a result, with layers resolved and paths replaced by their content.

    Args:
        config: the cell.
        test_from: what `config.test_dataset` names, with its path; without it the name alone counts.
    """
    tree: dict[str, Any] = _without_operational(config)
    if not asks_for_twins(config):  # nobody is asked: the cell is the same one for every prompt model
        tree = {key: value for key, value in tree.items() if key not in OF_TWINS}
    else:
        tree["filter"] = _in_force(config, tree["filter"])
        if config.prompt_model.provider is Provider.provided:  # the file is who wrote the twins
            tree["prompt_model"]["provided"] = [_content(config.prompt_model.path), _plain(config.prompt_model.columns)]
    if synthetic_count(config.synth_frac, config.size) == 0:
        tree["synthetic"] = True  # all points are human either way
    if config.size == 0:
        tree["synth_frac"] = 0.0  # the untrained model has no points to replace
    for group in ("protocol", "model"):  # their layers are in force through `training`
        tree[group] = {key: value for key, value in tree[group].items() if key not in _BY_HEAD}
    tree["training"] = _plain(asdict(config.fine_tuning))
    tree["n_train"] = config.size
    tree["dataset"] = of_dataset(config.dataset)
    tree["test_path"] = None if test_from else _content(config.test_path)
    if test_from:
        tree["test_dataset"] = of_dataset(test_from)
    return tree


def of_dataset(config: DatasetConfig) -> dict[str, Any]:
    """The values of a dataset that can change its points, its path replaced by its content."""
    return {**_without_operational(config), "path": _content(config.path)}


def asks_for_twins(config: RunConfig) -> bool:
    """Whether any point of the cell is to be synthetic."""
    return config.synthetic and synthetic_count(config.synth_frac, config.size) > 0


def run_id(config: RunConfig, test_from: DatasetConfig | None = None) -> str:
    """Hash of the scientific part (arguments as there)."""
    return digest(identity_values(config, test_from))[:ID_CHARS]


def cell_name(config: RunConfig, test_from: DatasetConfig | None = None) -> str:
    """The run's folder: `<dataset>-f<fraction>-s<seed>-<id>`."""
    return f"{slug(config.dataset.name)}-f{config.synth_frac:g}-s{config.seed}-{run_id(config, test_from)}"


def _in_force(config: RunConfig, tree: dict[str, Any]) -> dict[str, Any]:
    """The filter's steps, in the order in which they are used; its own model counts where it is asked."""
    used = [step.value for step in FilterStep if step in config.filter.steps]
    asks = config.filter.has_own_model and used not in ([], [FilterStep.rules])
    return {key: tree[key] for key in ("name", *used, *(["model"] if asks else []))}


def _without_operational(value: Any) -> Any:
    counting = [f for f in fields(value) if not f.metadata.get("operational")]
    kept = {f.name: v for f in counting if (v := getattr(value, f.name)) is not None or not f.metadata.get("if_set")}
    return {name: _without_operational(v) if is_dataclass(v) else _plain(v) for name, v in kept.items()}


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _content(path: str | None) -> str | None:
    try:
        return _read(place := packaged(path), _stamp(place)) if path else None
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")]) from error


@cache  # Hydra asks for a run's name several times; the stamp makes an edited file another one
def _read(path: Path, stamp: tuple[Any, ...]) -> str:
    return file_digest(path)


def _stamp(path: Path) -> tuple[Any, ...]:
    """Sizes and times of the files that `file_digest` reads."""
    stats = [(str(file), file.stat()) for file in visible_files(path)]
    return tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)
