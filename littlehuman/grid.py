"""An experiment is a grid: without `-m` Hydra would compute one cell, at values that are no part of it.

In: Hydra's config of the job at work. Out: nothing, or the error with the command that was meant.
"""

from __future__ import annotations

import re
from typing import Any

from hydra.conf import HydraConf
from hydra.types import RunMode
from omegaconf import OmegaConf

from littlehuman import commands
from littlehuman.errors import ConfigError, Problem

_KEY = re.compile(r"[~+]*([^=@]+)")


def check(hydra: HydraConf) -> None:
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
    command = commands.run([*own, *typed(hydra.overrides.task)], commands.config_dir(hydra.runtime.config_sources), interpreter="python")
    raise ConfigError([Problem(f"experiment={name}", what)], command)


def typed(overrides: Any) -> list[str]:
    """Overrides as the user typed them: Hydra's node would look for `${...}` in itself."""
    words: Any = OmegaConf.to_container(overrides, resolve=False)
    return [str(word) for word in words]
