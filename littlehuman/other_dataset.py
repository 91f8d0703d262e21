"""The config of a dataset that is only tested on: `test_dataset=squad` beside `dataset=ropes`.

In: a composed config, or the name of another option of group `dataset`; the folders of `conf/` that
Hydra searches. Out: its typed `DatasetConfig`, read as Hydra would read it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hydra.conf import HydraConf
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from littlehuman import config as configs
from littlehuman.config import RunConfig
from littlehuman.errors import ConfigError, Problem, did_you_mean
from littlehuman.groups import DatasetConfig


def cell(config: DictConfig, hydra: HydraConf) -> tuple[RunConfig, DatasetConfig | None]:
    """A cell's typed config, and that of the dataset that it is tested on where that is another one.

    Args:
        config: what Hydra composed.
        hydra: Hydra's node, which knows the folders that were searched.

    Raises:
        ConfigError: when either is impossible.
    """
    run = configs.from_hydra(config)
    if run.test_dataset is None:
        return run, None
    conf = [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]
    return run, other_dataset(run.test_dataset, run.test_path, run.task.name, conf)


def other_dataset(name: str, path: str | None, task: str, conf: Sequence[Path]) -> DatasetConfig:
    """The config of dataset `name`.

    Args:
        name: the option of group `dataset`.
        path: a local copy of its data, in place of its own `path`.
        task: the task of the run, which must be the dataset's too.
        conf: folders in the order in which they are searched.

    Raises:
        ConfigError: when there is no such dataset, its YAML is wrong, or it is one for another task.
    """
    folders = [folder / "dataset" for folder in conf]
    try:
        own = _task_of(name, folders)
        if name != "table" and own not in (None, task):
            raise ConfigError([Problem(f"test_dataset={name}", f"is a dataset for task={own}; this run has task={task}")])
        merged = OmegaConf.merge(configs.schema(), {"dataset": _inherited(name, folders)}, {"dataset": {"path": path}} if path else {})
        typed = OmegaConf.to_object(merged.dataset)
    except (OmegaConfBaseException, YAMLError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ConfigError([Problem(f"test_dataset={name}", f"its YAML is no dataset's: {reason}")]) from error
    assert isinstance(typed, DatasetConfig)
    return typed


def _yaml(name: str, folders: Sequence[Path]) -> DictConfig:
    found = [file for folder in folders if (file := folder / f"{name}.yaml").is_file()]
    if not found:
        known = {file.stem for folder in folders for file in folder.glob("*.yaml")}
        raise ConfigError([Problem(f"test_dataset={name}", f"no such dataset; {did_you_mean(name, known)}")])
    own = OmegaConf.load(found[0])
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
