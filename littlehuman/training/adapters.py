"""One cell's adapter: PEFT's configuration and initialisation, and the folder that is saved.

The weights are drawn from the run's seed only. A classification head is trained whole and saved with the adapter.
The saved folder can be loaded with plain PEFT and transformers: PEFT's two files, the tokenizer, generation
settings, and `littlehuman.json`, which names the base weights, the form of the input and the meaning of the output.
It contains no data and no path of this machine.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from littlehuman import seeding
from littlehuman.errors import ConfigError, Problem
from littlehuman.models.base_model import Base
from littlehuman.models.devices import forked_rng
from littlehuman.schema import ALL_LINEAR, Architecture, Head, ModelConfig, TrainingConfig
from littlehuman.training import full_weights, parent
from littlehuman.training.trained_weights import Adapter, draw_module
from littlehuman.training.types import Settings

FOLDER = "adapter"
INFO = "littlehuman.json"
INPUT = {
    Architecture.decoder: (
        "tokenizer(model_input.format(evidence=EVIDENCE, text=TEXT).lstrip()): plain text, no chat template"
    ),
    Architecture.encoder: (
        "tokenizer(EVIDENCE, TEXT): a pair; without evidence tokenizer(TEXT). model_input is not used"
    ),
}
WINDOWS = "tokenizer(TEXT, EVIDENCE): a pair, in overlapping windows of max_tokens tokens. model_input is not used"
CHAT = "tokenizer.apply_chat_template of the messages of a request (system, examples, user), with a generation prompt"
TURN = "the answer form of the strategy, then the end token"
TRUNCATION = "a longer row than max_tokens loses the end of its evidence"
OUTPUT = {
    Head.classification: "classes[i], i the largest logit",
    Head.span: "the span of evidence of at most answer_tokens tokens with the largest start logit + end logit",
    Head.generation: (
        "greedy up to answer_tokens tokens or the end token, without repetition penalty; stripped, the first line"
    ),
}


def initial_adapter(base: Base, head: Head, tuning: TrainingConfig, model: ModelConfig, seed: int) -> Adapter:
    """A new adapter with PEFT's initialisation, drawn from the run's seed; the base is left unchanged.

    Raises:
        ConfigError: when the model has no modules with the names of `lora_targets`.
    """
    if model.is_full:
        return full_weights.initial(base, seed)
    from peft import get_peft_model_state_dict

    config = _lora_config(base, head, tuning, model)
    with forked_rng(base.device):
        torch.manual_seed(seeding.number(seed, "adapter initialisation"))
        peft_model = _peft_model(base, config, tuning, model)
        _initialise_new_modules(peft_model, base)
    weights = get_peft_model_state_dict(peft_model, save_embedding_layers=False)
    config = peft_model.peft_config["default"]
    config.inference_mode = True  # as PEFT saves it
    config.base_model_name_or_path, config.revision = model.weights, base.commit  # PEFT would name the cache's folder
    adapter = Adapter(config, {name: value.detach().float().cpu().clone() for name, value in weights.items()})
    peft_model.unload()
    base.restore_modules()
    return adapter


def check_targets(base: Base, head: Head, tuning: TrainingConfig, model: ModelConfig) -> None:
    """Check that the base has the modules of `lora_targets`, without drawing an adapter; the base may lack its weights.

    Raises:
        ConfigError: as `initial_adapter`.
    """
    if model.is_full:
        return
    _peft_model(base, _lora_config(base, head, tuning, model), tuning, model).unload()
    base.restore_modules()


def _peft_model(base: Base, config: Any, tuning: TrainingConfig, model: ModelConfig) -> Any:
    from peft import get_peft_model

    try:
        return get_peft_model(base.model, config)
    except ValueError as error:
        problem = Problem(f"training.lora_targets={tuning.lora_targets}", f"model={model.name}: {error}")
        raise ConfigError([problem]) from error


def _lora_config(base: Base, head: Head, tuning: TrainingConfig, model: ModelConfig) -> Any:
    from peft import LoraConfig, TaskType

    return LoraConfig(
        task_type={
            Head.classification: TaskType.SEQ_CLS,
            Head.generation: TaskType.CAUSAL_LM,
            Head.span: TaskType.QUESTION_ANS,
        }[head],
        r=tuning.lora_r,
        lora_alpha=tuning.lora_alpha,
        lora_dropout=tuning.lora_dropout,
        target_modules=_target_modules(model, str(tuning.lora_targets)),
        modules_to_save=list(base.new_modules) or None,
        bias="none",
    )


def _target_modules(model: ModelConfig, role: str) -> str | list[str]:
    """PEFT's `target_modules` for `all_linear` or a role of the model's YAML: names, or a pattern of full paths."""
    if role == ALL_LINEAR:
        return "all-linear"
    value = model.lora_targets[role]  # validation has refused unknown roles
    return value if "*" in value else value.split()


def _initialise_new_modules(peft_model: Any, base: Base) -> None:
    """Draw the modules that are trained whole: they would keep what the process's first load of the base drew."""
    for name, module in peft_model.named_modules():
        if ".modules_to_save." in name:
            draw_module(module.float(), base.model.config)


def save_adapter(adapter: Adapter, settings: Settings, base: Base, folder: Path) -> None:
    """Write the adapter folder of a trained cell; file modes follow the umask."""
    parent.require()
    adapter.save(folder)
    base.tokenizer.save_pretrained(folder)
    if settings.task.head is Head.generation:
        _generation_config(settings, base).save_pretrained(folder)
    (folder / INFO).write_text(
        json.dumps(adapter_info(settings, base), indent=2, ensure_ascii=False) + "\n", encoding="utf-8"
    )


def adapter_info(settings: Settings, base: Base) -> dict[str, Any]:
    """Content of `littlehuman.json`; null where a value does not apply."""
    model, task, classifies = settings.model, settings.task, settings.task.head is Head.classification
    reads = WINDOWS if task.head is Head.span else f"{INPUT[model.architecture]}; {TRUNCATION}"
    return {
        "weights": model.weights,
        "commit": base.commit,
        "dtype": str(base.dtype).removeprefix("torch."),
        "quantization": model.quantization,
        "adaptation": model.adaptation,
        "architecture": model.architecture,
        "task": task.name,
        "head": task.head,
        "classes": list(settings.classes) if classifies else None,
        "model_input": None if settings.chat else task.model_input,
        "max_tokens": settings.max_tokens,
        "test_max_tokens": settings.test_max_tokens,
        "answer_tokens": None if classifies else settings.answer_tokens,
        "reads": CHAT if settings.chat else reads,
        "says": TURN if settings.chat else OUTPUT[task.head],
    }


def _generation_config(settings: Settings, base: Base) -> Any:
    """Greedy decoding, without the base's own defaults (penalties, temperature)."""
    from transformers import GenerationConfig

    ends = {"eos_token_id": base.tokenizer.eos_token_id, "pad_token_id": base.tokenizer.pad_token_id}
    return GenerationConfig(do_sample=False, repetition_penalty=1.0, max_new_tokens=settings.answer_tokens, **ends)
