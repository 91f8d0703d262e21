"""The configuration that words like `dataset=table n_train=100` stand for, composed as `littlehuman run` does.

In: overrides. Out: a `RunConfig`, or a `ConfigError` in place of Hydra's own errors.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

from littlehuman.config.run_config import RunConfig
from littlehuman.deciding.asked import Asked
from littlehuman.errors import ConfigError, Problem, did_you_mean

_GROUPS = ("dataset", "prompt_model", "model", "strategy", "task", "protocol", "filter")


def options_of(group: str) -> list[str]:
    """The names that a group of `conf/` has, such as those of `prompt_model`."""
    from littlehuman.run import conf_folder

    return sorted(file.stem for file in Path(conf_folder() / group).glob("*.yaml"))


def composed(words: Sequence[str]) -> RunConfig:
    """The configuration of one cell; the same words are composed once.

    Raises:
        ConfigError: for words that cannot be composed, and for values that no cell can have.
    """
    return _composed(tuple(words))


@cache
def _composed(words: tuple[str, ...]) -> RunConfig:
    import hydra
    from hydra.core.global_hydra import GlobalHydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from littlehuman import run
    from littlehuman.config import run_config
    from littlehuman.execution.composing import error_of
    from littlehuman.prompt_models.settings import refuse_api_keys

    refuse_api_keys(words)
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
            return run_config.from_hydra(hydra.compose("config", overrides=list(words)))
    except (HydraException, OmegaConfBaseException) as error:
        raise error_of(error, words, "decide") from None


def refuse_unknown(asked: Asked) -> None:
    """Refuse a dataset, a model, ... of which there is no file, and keys that no run has.

    Raises:
        ConfigError: with the command that was probably meant.
    """
    groups, keys = {group: options_of(group) for group in _GROUPS}, _keys()
    problems, words = [], list(asked.words)
    for at, word in enumerate(asked.words):
        key, _, value = word.lstrip("+~").partition("=")
        head, *inside = key.split(".")
        if key in groups and value not in groups[key]:
            meant, kind = did_you_mean(value, groups[key]), f"no {key.replace('_', ' ')}"
            words[at] = f"{key}={_near(meant) or value}"
        elif head not in keys and not re.search("[@/]", key) and head != "hydra":
            meant, kind = did_you_mean(head, keys), "no setting"
            words[at] = f"{'.'.join([_near(meant) or head, *inside])}={value}"
        else:
            continue
        problems.append(Problem(word, f"is {kind}; {meant}"))
    if problems:
        tried = replace(asked, words=tuple(words)).again()
        if words == list(asked.words):
            raise ConfigError(problems)
        raise ConfigError(problems, tried)


def _near(meant: str) -> str:
    """The name in `did you mean 'x'?`; empty where nothing is spelled alike."""
    return meant.split("'")[1] if meant.startswith("did you mean") else ""


def _keys() -> set[str]:
    """The keys at the top of a run's configuration."""
    return {field.name for field in fields(RunConfig)}
