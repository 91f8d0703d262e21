"""The configuration that words like `dataset=table n_train=100` stand for, composed as `littlehuman run` does.

In: overrides. Out: a `RunConfig`, or a `ConfigError` in place of Hydra's own errors.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, Problem, did_you_mean


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
    from littlehuman.prompt_models.settings import refuse_api_keys

    refuse_api_keys(words)
    refuse_unknown_options(words)
    GlobalHydra.instance().clear()
    try:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
            return run_config.from_hydra(hydra.compose("config", overrides=list(words)))
    except (HydraException, OmegaConfBaseException) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ConfigError([Problem("settings", lines[0] if lines else type(error).__name__)], _near(words)) from None


def refuse_unknown_options(words: Sequence[str]) -> None:
    """Refuse a dataset, prompt model or model of which there is no file.

    Raises:
        ConfigError: with the name that was meant.
    """
    groups = {group: options_of(group) for group in ("dataset", "prompt_model", "model", "strategy")}
    typed = [word.lstrip("+").partition("=") for word in words]
    problems = [
        Problem(f"{key}={value}", f"is no {key.replace('_', ' ')}; {did_you_mean(value, groups[key])}")
        for key, _, value in typed
        if key in groups and value not in groups[key]
    ]
    if problems:
        raise ConfigError(problems)


def _near(words: Sequence[str]) -> str:
    """The keys of `conf/config.yaml` that are spelled like one of the words."""
    from omegaconf import OmegaConf

    from littlehuman.config import run_config

    known = [str(key) for key in OmegaConf.to_container(run_config.schema())]  # type: ignore[union-attr]
    heads = {word.lstrip("+~").partition("=")[0].split(".")[0] for word in words} - set(known)
    return "; ".join(f"{head}: {did_you_mean(head, known)}" for head in sorted(heads))
