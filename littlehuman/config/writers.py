"""What the config says of a writer: validation of `prompt_model.adapter`, `writer` and `generation`, and its digest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING

from littlehuman import cli
from littlehuman.errors import ConfigError, Problem
from littlehuman.schema import ALL_LINEAR, Method, Provider, adapter
from littlehuman.schema.adapter import OWN

if TYPE_CHECKING:
    from littlehuman.config.run_config import RunConfig


def problems(config: RunConfig) -> Iterator[Problem]:
    """All problems that the config alone shows."""
    if config.filter.model.adapter:
        what = "filters ask a model as it is: a writer is tuned to write, not to judge; try filter.model.adapter=null"
        yield Problem(f"filter.model.adapter={config.filter.model.adapter}", what)
    number, model = config.generation.round, config.prompt_model
    if config.generation.accumulate and number is None:
        yield Problem("generation.accumulate=true", "is about rounds; say which one, generation.round=0, 1, ...")
    if config.method is Method.annotator and (model.adapter or number is not None):
        where = f"prompt_model.adapter={model.adapter}" if model.adapter else f"generation.round={number}"
        yield Problem(where, "is about who writes twins, and method=annotator has none; leave it out")
    if not (config.synthetic and config.synth_frac != 0):
        return
    if number and model.provider is not Provider.hf:
        what = f"tunes a local prompt model, and prompt_model={model.name} is none; try prompt_model=smollm2"
        yield Problem(f"generation.round={number}", what)
    if number and model.adapter:
        what = "and rounds tune writers of their own; try prompt_model.adapter=null"
        yield Problem(f"prompt_model.adapter={model.adapter}", f"is one writer for all twins, {what}")
    if number or model.adapter == OWN:
        yield from tuning_problems(config)


def tuning_problems(config: RunConfig) -> Iterator[Problem]:
    """Problems of the hyperparameters that a writer is tuned with."""
    tuning = config.writer
    for name in (f.name for f in fields(tuning) if getattr(tuning, f.name) is None):
        yield Problem(f"writer.{name}=null", "must be a value: a writer has no protocol to take it from")
    if tuning.learning_rate is not None and not 0 < tuning.learning_rate < math.inf:
        yield Problem(f"writer.learning_rate={tuning.learning_rate:g}", "must be above 0")
    if tuning.lora_targets not in (None, ALL_LINEAR):
        yield Problem(f"writer.lora_targets={tuning.lora_targets}", f"must be {ALL_LINEAR}: it has no other names")


def recorded_digest(config: RunConfig) -> str:
    """The digest that the writer which `prompt_model.adapter` names was given when it was tuned.

    Raises:
        ConfigError: when there is no such writer.
    """
    folder = adapter.find(str(config.prompt_model.adapter), config.study)
    digest = adapter.info(folder).get("digest") if folder else None
    if not isinstance(digest, str):
        raise missing(config)
    return digest


def missing(config: RunConfig) -> ConfigError:
    """The error of a writer that is not there, with the command that makes it."""
    what = "names no writer: neither a folder with writer.json, nor a cell that has one"
    return ConfigError([Problem(f"prompt_model.adapter={config.prompt_model.adapter}", what)], tune_command(config))


def tune_command(config: RunConfig) -> str:
    """The command that makes the writer which `config` names and lacks."""
    known: dict[str, object] = {"dataset": config.dataset.name, "prompt_model": config.prompt_model.name}
    known |= {"strategy": config.strategy.name, "n_train": config.size, "seed": config.seed}
    known |= {"extra_human": config.extra_human} if config.extra_human else {}
    share = config.synth_frac if config.synth_frac < 1 or config.extra_human else 0.9
    words = [*(f"{key}={value}" for key, value in known.items()), f"synth_frac={share:g}"]
    place = adapter.place_of(str(config.prompt_model.adapter), config.study)
    return cli.command("tune-writer", ["--out", str(place), *words])
