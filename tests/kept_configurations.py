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
    from hydra._internal.core_plugins.file_config_source import FileConfigSource

    parse, compose = FileConfigSource.load_config, ConfigLoaderImpl._compose_config_from_defaults_list
    parsed: dict[str, Any] = {}
    composed: dict[str, Any] = {}

    def parsed_once(source: Any, config_path: str) -> Any:
        if Path(source.path) != conf:
            return parse(source, config_path)
        if config_path not in parsed:
            parsed[config_path] = parse(source, config_path)
        return copy.deepcopy(parsed[config_path])

    def composed_once(loader: Any, defaults: Any, repo: Any) -> Any:
        if {Path(source.path) for source in repo.get_sources() if source.scheme() == "file"} != {conf}:
            return compose(loader, defaults, repo)
        if (key := repr(defaults)) not in composed:
            composed[key] = compose(loader, defaults, repo)
        return copy.deepcopy(composed[key])

    patch.setattr(FileConfigSource, "load_config", parsed_once)
    patch.setattr(ConfigLoaderImpl, "_compose_config_from_defaults_list", composed_once)
