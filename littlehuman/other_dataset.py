"""The config of a dataset that is only tested on: `test_dataset=squad` beside `dataset=ropes`.

In: the name of another option of group `dataset`, and the folders of `conf/` that Hydra searches.
Out: its typed `DatasetConfig`, read as Hydra would read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, OmegaConf

from littlehuman import config as configs
from littlehuman.errors import ConfigError, Problem, did_you_mean
from littlehuman.groups import DatasetConfig


def other_dataset(name: str, path: str | None, task: str, conf: Sequence[Path]) -> DatasetConfig:
    """The config of dataset `name`.

    Args:
        name: the option of group `dataset`.
        path: a local copy of its data, in place of its own `path`.
        task: the task of the run, which must be the dataset's too.
        conf: folders in the order in which they are searched.

    Raises:
        ConfigError: when there is no such dataset, or it is one for another task.
    """
    folders = [folder / "dataset" for folder in conf]
    known = {file.stem for folder in folders for file in folder.glob("*.yaml")}
    if name not in known:
        raise ConfigError([Problem(f"test_dataset={name}", f"no such dataset; {did_you_mean(name, known)}")])
    own = _task_of(name, folders)
    if name != "table" and own not in (None, task):
        raise ConfigError([Problem(f"test_dataset={name}", f"is a dataset for task={own}; this run has task={task}")])
    merged = OmegaConf.merge(configs.schema(), {"dataset": _inherited(name, folders)}, {"dataset": {"path": path}} if path else {})
    typed = OmegaConf.to_object(merged.dataset)
    assert isinstance(typed, DatasetConfig)
    return typed


def _yaml(name: str, folders: Sequence[Path]) -> DictConfig:
    own = OmegaConf.load(next(file for folder in folders if (file := folder / f"{name}.yaml").is_file()))
    assert isinstance(own, DictConfig)
    return own


def _task_of(name: str, folders: Sequence[Path]) -> str | None:
    """The task that a dataset's YAML, or one that it builds on, chooses in its defaults list; None where it is left open."""
    entries = list(_yaml(name, folders).get("defaults", []))
    own = (str(entry[key]) for entry in entries if not isinstance(entry, str) for key in entry if "/task" in str(key))
    theirs = (_task_of(entry, folders) for entry in entries if isinstance(entry, str) and entry != "_self_")
    return next((task for task in (*own, *theirs) if task), None)


def _inherited(name: str, folders: Sequence[Path]) -> DictConfig:
    """A YAML on top of those of its group that its defaults list names; overrides of other groups do not count here."""
    own = _yaml(name, folders)
    parents = [entry for entry in own.pop("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    merged = OmegaConf.merge(*(_inherited(parent, folders) for parent in parents), own)
    assert isinstance(merged, DictConfig)
    return merged
