"""The config of a dataset that is only tested on: `test_dataset=squad` beside `dataset=ropes`.

In: a composed config, or the name of another option of group `dataset`; the folders of `conf/` that
Hydra searches. Out: its typed `DatasetConfig`, read as Hydra would read it.


[folded] An experiment is a grid: without `-m` Hydra would compute one cell, at values that are no part of it.

In: Hydra's config of the job at work. Out: nothing, or the error with the command that was meant.

"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from littlehuman import cli
from littlehuman.config import run_config as configs
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, Problem, did_you_mean
from littlehuman.schema import DatasetConfig

_KEY = re.compile(r"[~+]*([^=@]+)")


def require_multirun(hydra: HydraConf) -> None:
    """A single run of a grid must say a value for each of its keys.

    Raises:
        ConfigError: when it leaves some to the grid.
    """
    swept = hydra.sweeper.get("params") or {}
    said = {match[1] for override in typed(hydra.overrides.task) if (match := _KEY.match(override))}
    if hydra.mode is not RunMode.RUN or not (left := [str(key) for key in swept if key not in said]):
        return
    name = hydra.runtime.choices.get("experiment") or "this configuration"
    what = f"is a grid over {', '.join(left)}, which a single run would not follow; add -m, or say a value for each"
    own = [word for word in typed(hydra.overrides.hydra) if not word.startswith("hydra.mode=")]
    command = cli.sweep_command(
        [*own, *typed(hydra.overrides.task)], cli.config_dir(hydra.runtime.config_sources), portable=True
    )
    raise ConfigError([Problem(f"experiment={name}", what)], command)


def typed(overrides: Any) -> list[str]:
    """Overrides as the user typed them: Hydra's node would look for `${...}` in itself."""
    words: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(word) for word in words]


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
            raise ConfigError(
                [Problem(f"test_dataset={name}", f"is a dataset for task={own}; this run has task={task}")]
            )
        merged = OmegaConf.merge(
            configs.schema(), {"dataset": _inherited(name, folders)}, {"dataset": {"path": path}} if path else {}
        )
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
