"""Hydra in the tests: each file of `conf/` is parsed once a process, and each choice of groups is composed once.

Hydra takes some tenths of a second for it, and a command composes a configuration for each of its cells. What comes of
a list of defaults depends on the files alone. With configurations of a test's own beside `conf/` nothing is kept.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest


def keep_configurations(patch: pytest.MonkeyPatch, conf: Path) -> None:
    """Have Hydra return copies of what it made of the same files before."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra._internal.config_repository import ConfigRepository

    load, compose = ConfigRepository.load_config, ConfigLoaderImpl._compose_config_from_defaults_list
    loaded: dict[str, Any] = {}
    composed: dict[str, Any] = {}

    def has_conf_alone(repo: Any) -> bool:
        return {Path(source.path) for source in repo.get_sources() if source.scheme() == "file"} == {conf}

    def loaded_once(repo: Any, config_path: str) -> Any:
        if not has_conf_alone(repo):
            return load(repo, config_path)
        if config_path not in loaded:
            loaded[config_path] = load(repo, config_path)
        return loaded[config_path]

    def composed_once(loader: Any, defaults: Any, repo: Any) -> Any:
        if not has_conf_alone(repo):
            return compose(loader, defaults, repo)
        if (key := repr(defaults)) not in composed:
            composed[key] = compose(loader, defaults, _Copies(repo))
        return copy.deepcopy(composed[key])

    patch.setattr(ConfigRepository, "load_config", loaded_once)
    # Hydra copies it deep, with all nodes of its store, before it gives the copy another list of sources.
    patch.setattr(ConfigRepository, "__deepcopy__", lambda repo, memo: copy.copy(repo), raising=False)
    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", composed_once)


class _Copies:
    """A repository whose results may be changed: what is composed is made of their own nodes."""

    def __init__(self, repo: Any) -> None:
        self._repo = repo

    def load_config(self, config_path: str) -> Any:
        return copy.deepcopy(self._repo.load_config(config_path))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._repo, name)
