"""Adapters as PEFT knows them: its targets, its initialisation, its files.

In: a base and the training values. Out: an `Adapter`: PEFT's config and its named weights, drawn
from the run's seed alone; and the folder that `PeftModel.from_pretrained` reads. A classification
head is trained whole and saved with the adapter.


[folded] What stays of a trained cell: a folder that plain PEFT and transformers can use, without this package.

In: a trained adapter, the cell's settings, its base. Out: `adapter/`: PEFT's two files, the tokenizer, how
answers are generated, and `littlehuman.json`: which weights it belongs to, how a point is shown to the
model, and what its logits mean. It holds no data and no path of the cache.

"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from littlehuman import seeding
from littlehuman.errors import ConfigError, Problem
from littlehuman.models.base_model import Base
from littlehuman.schema import ALL_LINEAR, Architecture, Head, ModelConfig, TrainingConfig
from littlehuman.training.types import Settings

PREFIX = "base_model.model."


@dataclass(frozen=True)
class Adapter:
    """PEFT's `LoraConfig`, and weights by PEFT's names (float32)."""

    config: Any
    weights: dict[str, torch.Tensor]

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return sum(tensor.numel() for tensor in self.weights.values())

    def save(self, folder: Path) -> None:
        """Write the folder that `PeftModel.from_pretrained` reads."""
        from safetensors.torch import save

        folder.mkdir(parents=True, exist_ok=True)
        # As bytes: `save_file` makes a file that its owner alone may read, whatever the umask says.
        (folder / "adapter_model.safetensors").write_bytes(save(self.weights, metadata={"format": "pt"}))
        self.config.save_pretrained(folder)


def initial(base: Base, head: Head, tuning: TrainingConfig, model: ModelConfig, seed: int) -> Adapter:
    """A new adapter, initialised as PEFT does it, under the run's seed; the base stays as it is.

    Raises:
        ConfigError: when the model names no modules for `lora_targets`, or has none of that name.
    """
    from peft import LoraConfig, TaskType, get_peft_model, get_peft_model_state_dict

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
            raise ConfigError(
                [Problem(f"training.lora_targets={tuning.lora_targets}", f"model={model.name}: {error}")]
            ) from error
        _initialise_new_modules(peft_model, base)
    weights = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    made = Adapter(
        peft_model.peft_config["default"],
        {name: value.detach().float().cpu().clone() for name, value in weights.items()},
    )
    made.config.inference_mode = True  # as PEFT saves it
    made.config.base_model_name_or_path, made.config.revision = (
        model.weights,
        base.commit,
    )  # no place of this machine's cache
    peft_model.unload()
    base.take_back_modules()
    return made


def _initialise_new_modules(peft_model: Any, base: Base) -> None:
    # Without this a head would keep whatever the first load of the process happened to draw.
    spread = float(getattr(base.model.config, "initializer_range", 0.02))
    for name, module in peft_model.named_modules():
        if ".modules_to_save." not in name:
            continue
        for kind, parameter in module.float().named_parameters(recurse=False):
            if kind == "bias":
                torch.nn.init.zeros_(parameter)
            elif parameter.dim() == 1:  # the scale of a norm
                torch.nn.init.ones_(parameter)
            else:  # drawn on the CPU, in float32: the same head on every device
                parameter.data.copy_(torch.empty(parameter.shape).normal_(0.0, spread))


def _targets(model: ModelConfig, role: str) -> str | list[str]:
    """Module names for a role: `all_linear`, or what the model's YAML says: names, or one pattern for whole paths."""
    if role == ALL_LINEAR:
        return "all-linear"
    said = model.lora_targets[role]  # checks.py has refused roles that are not there
    return said if "*" in said else said.split()


FOLDER = "adapter"
TOLD = "littlehuman.json"
READS = {
    Architecture.decoder: "tokenizer(model_input.format(evidence=EVIDENCE, text=TEXT).lstrip()): plain text, no chat template",
    Architecture.encoder: "tokenizer(EVIDENCE, TEXT): a pair; without evidence tokenizer(TEXT). model_input is not used",
}
CUT = "a longer row than max_tokens loses the end of its evidence"
SAYS = {
    Head.classification: "classes[i], i the largest logit",
    Head.generation: "greedy up to answer_tokens tokens or the end token, without repetition penalty; stripped, the first line",
}


def save_adapter(adapter: Adapter, settings: Settings, base: Base, folder: Path) -> None:
    """Write the folder; its files get the mode that the umask gives any file."""
    adapter.save(folder)
    base.tokenizer.save_pretrained(folder)
    if settings.task.head is Head.generation:
        _generation(settings, base).save_pretrained(folder)
    (folder / TOLD).write_text(
        json.dumps(adapter_info(settings, base), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def adapter_info(settings: Settings, base: Base) -> dict[str, Any]:
    """What `littlehuman.json` says; null where a value does not apply."""
    model, task, writes = settings.model, settings.task, settings.task.head is Head.generation
    return {
        "weights": model.weights,
        "commit": base.commit,
        "dtype": str(base.dtype).removeprefix("torch."),
        "quantization": model.quantization,
        "architecture": model.architecture,
        "task": task.name,
        "head": task.head,
        "classes": None if writes else list(settings.classes),
        "model_input": task.model_input,
        "max_tokens": settings.max_tokens,
        "test_max_tokens": settings.test_max_tokens,
        "answer_tokens": settings.answer_tokens if writes else None,
        "reads": f"{READS[model.architecture]}; {CUT}",
        "says": SAYS[task.head],
    }


def _generation(settings: Settings, base: Base) -> Any:
    """How answers are written: the base's own defaults (penalties, temperature) have no part in it."""
    from transformers import GenerationConfig

    ends = {"eos_token_id": base.tokenizer.eos_token_id, "pad_token_id": base.tokenizer.pad_token_id}
    return GenerationConfig(do_sample=False, repetition_penalty=1.0, max_new_tokens=settings.answer_tokens, **ends)
