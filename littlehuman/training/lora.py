"""The adapter: PEFT's config, targets, initialisation and save format.

In: a base and the training values. Out: a `PeftModel` whose trainable parameters come from the
run's seed alone. A classification head is trained whole and saved with the adapter.
"""

from __future__ import annotations

from typing import Any

import torch

from littlehuman import seeding
from littlehuman.errors import ConfigError, Problem
from littlehuman.groups import ALL_LINEAR, Head, ModelConfig, TrainingConfig
from littlehuman.training.base import Base


def attach(base: Base, head: Head, tuning: TrainingConfig, model: ModelConfig, seed: int) -> Any:
    """Wrap the base in a LoRA adapter, initialised as PEFT does it, under the run's seed.

    Raises:
        ConfigError: when the model names no modules for `lora_targets`, or has none of that name.
    """
    from peft import LoraConfig, TaskType, get_peft_model

    config = LoraConfig(
        task_type=TaskType.SEQ_CLS if head is Head.classification else TaskType.CAUSAL_LM,
        r=tuning.lora_r,
        lora_alpha=tuning.lora_alpha,
        lora_dropout=tuning.lora_dropout,
        target_modules=_targets(model, str(tuning.lora_targets)),
        modules_to_save=list(base.new_modules) or None,
        bias="none",
    )
    with torch.random.fork_rng():
        torch.manual_seed(seeding.number(seed, "adapter initialisation"))
        try:
            peft_model = get_peft_model(base.model, config)
        except ValueError as error:  # names that this model's layers do not have
            raise ConfigError([Problem(f"training.lora_targets={tuning.lora_targets}", f"model={model.name}: {error}")]) from error
        _initialise_new_modules(peft_model, base)
    base.model.config.use_cache = False
    return peft_model


def detach(peft_model: Any) -> None:
    """Take the adapter's layers out of the base again (`Base.restore` does the head)."""
    peft_model.unload()


def _initialise_new_modules(peft_model: Any, base: Base) -> None:
    # Without this a head would keep whatever the first load of the process happened to draw.
    spread = float(getattr(base.model.config, "initializer_range", 0.02))
    for name, module in peft_model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if ".modules_to_save." not in name or not own:
            continue
        module.float().register_forward_pre_hook(_to_float)
        for kind, parameter in own.items():
            if kind == "bias":
                torch.nn.init.zeros_(parameter)
            elif parameter.dim() == 1:  # the scale of a norm
                torch.nn.init.ones_(parameter)
            else:  # drawn on the CPU: the same head on every device
                parameter.data.copy_(torch.empty(parameter.shape).normal_(0.0, spread))


def _to_float(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    # A head in bfloat16 would lose small updates; its input comes from a base that may be bfloat16.
    return tuple(value.float() for value in inputs)


def _targets(model: ModelConfig, role: str) -> str | list[str]:
    """Module names for a role: `all_linear`, or what the model's YAML says: names, or one pattern for whole paths."""
    if role == ALL_LINEAR:
        return "all-linear"
    said = model.lora_targets[role]  # checks.py has refused roles that are not there
    return said if "*" in said else said.split()
