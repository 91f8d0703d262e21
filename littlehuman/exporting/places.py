"""Where the files of a finished cell are that its command named relative to the folder in which it was typed.

Hydra notes that folder, and the run folder, in `.hydra/hydra.yaml`. The way from the one to the other is followed from
where the run folder is now, so that a folder with data and results can be moved as a whole; then the folder that was
noted, then the current one. Nothing is written, and run ids know the content of these files alone.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from littlehuman.schema.adapter import OWN
from littlehuman.store import packaged

HYDRA = Path(".hydra") / "hydra.yaml"
_MODELS = ("prompt_model", "filter.model", "audit.judge.model")
PATHS = ("dataset.path", "test_path", *(f"{model}.{key}" for model in _MODELS for key in ("path", "adapter")))


def with_files_found(config: DictConfig, cell: Path) -> DictConfig:
    """The config of a cell with its relative paths as absolute ones; one that leads nowhere stays as it is."""
    bases = list(_bases(cell))
    for key in PATHS:
        given = OmegaConf.select(config, key)
        if isinstance(given, str) and given != OWN and not packaged(given).is_absolute():
            there = [base / given for base in bases if (base / given).exists()]
            if there:
                OmegaConf.update(config, key, os.path.abspath(there[0]))
    return config


def _bases(cell: Path) -> Iterator[Path]:
    """The folders that a path may be relative to."""
    try:
        runtime = OmegaConf.load(cell / HYDRA).hydra.runtime
        typed_in, folder = str(runtime.cwd), str(runtime.output_dir)
    except (OSError, AttributeError, ValueError, YAMLError, OmegaConfBaseException):  # copied without it, or edited
        return
    yield cell.absolute() / os.path.relpath(typed_in, folder)
    yield Path(typed_in)
