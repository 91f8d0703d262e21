"""What stays of a trained cell: a folder that plain PEFT and transformers can use, without this package.

In: a trained adapter, the cell's settings, its base. Out: `adapter/`: PEFT's two files, the tokenizer, how
answers are generated, and `littlehuman.json`: which weights it belongs to, how a point is shown to the
model, and what its logits mean. It holds no data and no path of the cache.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from littlehuman.groups import Architecture, Head
from littlehuman.training.adapters import Adapter
from littlehuman.training.base import Base
from littlehuman.training.cells import Settings

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


def keep(adapter: Adapter, settings: Settings, base: Base, folder: Path) -> None:
    """Write the folder; its files get the mode that the umask gives any file."""
    adapter.save(folder)
    base.tokenizer.save_pretrained(folder)
    if settings.task.head is Head.generation:
        _generation(settings, base).save_pretrained(folder)
    (folder / TOLD).write_text(json.dumps(told(settings, base), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def told(settings: Settings, base: Base) -> dict[str, Any]:
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
