"""The part of a cell's configuration that decides its mixture."""

from __future__ import annotations

from littlehuman.config.run_config import RunConfig
from littlehuman.mixture import mixing


def mixture_spec(config: RunConfig) -> mixing.MixtureSpec:
    """The part of the config that decides which points stay human."""
    return mixing.MixtureSpec(
        n_train=config.size,
        synth_frac=config.synth_frac,
        seed=config.seed,
        extra_human=config.extra_human,
        synthetic=config.synthetic,
        human_budget=config.human_budget,
    )
