"""What a Hydra job computes: a cell, and another dataset to test on where `test_dataset` names one.

Hydra composes one option per group. `test_dataset=squad` beside `dataset=ropes` needs a second option of the group
`dataset`, which is read here as Hydra would read it. A single run of an experiment that is a grid is refused: Hydra
would compute one cell, with values that are not in the grid.
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

_OVERRIDE_KEY = re.compile(r"[~+]*([^=@]+)")


def require_multirun(hydra: HydraConf) -> None:
    """Refuse a single run (without `-m`) of a grid, unless the command line sets each key of the grid.

    Raises:
        ConfigError: with the command of the sweep.
    """
    grid = hydra.sweeper.get("params") or {}
    given = {match[1] for override in override_words(hydra.overrides.task) if (match := _OVERRIDE_KEY.match(override))}
    if hydra.mode is not RunMode.RUN or not (left := [str(key) for key in grid if key not in given]):
        return
    name = hydra.runtime.choices.get("experiment") or "this configuration"
    what = f"is a grid over {', '.join(left)}, which a single run would not follow; add -m, or say a value for each"
    words = [word for word in override_words(hydra.overrides.hydra) if not word.startswith("hydra.mode=")]
    words += override_words(hydra.overrides.task)
    command = cli.sweep_command(words, cli.config_dir(hydra.runtime.config_sources), portable=True)
    raise ConfigError([Problem(f"experiment={name}", what)], command)


def override_words(overrides: Any) -> list[str]:
    """Overrides as the user typed them, with interpolations (`${...}`) not resolved."""
    words: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(word) for word in words]


def cell_configs(config: DictConfig, hydra: HydraConf) -> tuple[RunConfig, DatasetConfig | None]:
    """The typed config of a cell, and of the other dataset that it is tested on, if any.

    Args:
        config: the composed config.
        hydra: Hydra's node, which has the config search path.

    Raises:
        ConfigError: when either is invalid.
    """
    run = configs.from_hydra(config)
    if run.test_dataset is None:
        return run, None
    conf = [Path(source.path) for source in hydra.runtime.config_sources if source.schema == "file"]
    return run, load_test_dataset(run.test_dataset, run.test_path, run.task.name, conf)


def load_test_dataset(name: str, path: str | None, task: str, conf: Sequence[Path]) -> DatasetConfig:
    """The config of dataset `name`.

    Args:
        name: an option of the group `dataset`.
        path: a local copy of its data, in place of its own `path`.
        task: the task of the run, which must be the dataset's too.
        conf: the config search path.

    Raises:
        ConfigError: when there is no such dataset, its YAML is invalid, or it has another task.
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
        dataset = OmegaConf.to_object(merged.dataset)
    except (OmegaConfBaseException, YAMLError) as error:
        reason = str(error).split("\n", 1)[0]
        raise ConfigError([Problem(f"test_dataset={name}", f"its YAML is no dataset's: {reason}")]) from error
    assert isinstance(dataset, DatasetConfig)
    return dataset


def _yaml(name: str, folders: Sequence[Path]) -> DictConfig:
    found = [file for folder in folders if (file := folder / f"{name}.yaml").is_file()]
    if not found:
        known = {file.stem for folder in folders for file in folder.glob("*.yaml")}
        raise ConfigError([Problem(f"test_dataset={name}", f"no such dataset; {did_you_mean(name, known)}")])
    own = OmegaConf.load(found[0])
    assert isinstance(own, DictConfig)
    return own


def _task_of(name: str, folders: Sequence[Path]) -> str | None:
    """The task in the defaults list of a dataset's YAML, or of one that it inherits from; None where there is none."""
    entries = list(_yaml(name, folders).get("defaults", []))
    own = (str(entry[key]) for entry in entries if not isinstance(entry, str) for key in entry if "/task" in str(key))
    theirs = (_task_of(entry, folders) for entry in entries if isinstance(entry, str) and entry != "_self_")
    return next((task for task in (*own, *theirs) if task), None)


def _inherited(name: str, folders: Sequence[Path]) -> DictConfig:
    """A YAML merged over those of its group in its defaults list; overrides of other groups are ignored."""
    own = _yaml(name, folders)
    parents = [entry for entry in own.pop("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    merged = OmegaConf.merge(*(_inherited(parent, folders) for parent in parents), own)
    assert isinstance(merged, DictConfig)
    return merged
