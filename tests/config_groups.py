"""Options of the groups of `conf/` as typed dataclasses, with changed values, without Hydra."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from omegaconf import DictConfig, OmegaConf

from littlehuman.config.run_config import _thaw
from littlehuman.schema import PromptModelConfig, StrategyConfig

CONF = Path(__file__).parents[1] / "conf"
T = TypeVar("T")


def strategy(name: str, /, **values: Any) -> StrategyConfig:
    """`conf/strategy/<name>.yaml`, with these values changed."""
    return replace(group(StrategyConfig, "strategy", name), **values)


def prompt_model(name: str, /, **values: Any) -> PromptModelConfig:
    """`conf/prompt_model/<name>.yaml`, with these values changed."""
    return replace(group(PromptModelConfig, "prompt_model", name), **values)


@cache
def group(schema: type[T], folder: str, name: str) -> T:
    """A YAML of a group, merged over those of its defaults list, typed by `schema`."""
    node: Any = OmegaConf.merge(_thaw(OmegaConf.structured(schema)), _composed(folder, name))
    value = OmegaConf.to_object(node)
    assert isinstance(value, schema)
    return value


def _composed(folder: str, name: str) -> Any:
    own = OmegaConf.load(CONF / folder / f"{name}.yaml")
    assert isinstance(own, DictConfig)
    defaults = own.pop("defaults", ["_self_"])
    parts = [own if entry == "_self_" else _composed(folder, entry) for entry in defaults]
    return OmegaConf.merge(*parts)
