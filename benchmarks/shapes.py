"""Random weights in the shapes of Llama-3.1-8B: as fast and as large as the real ones, which are gated."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from benchmarks.sizes import Sizes
from littlehuman.models.devices import silence_libraries
from littlehuman.models.weights import resolve

# From the config.json of meta-llama/Llama-3.1-8B; with fewer positions, as many as the rows need.
LLAMA_8B: dict[str, Any] = {
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "vocab_size": 128256,
    "max_position_embeddings": 8192,
    "rope_parameters": {"rope_type": "default", "rope_theta": 500000.0},
}
SMALL = LLAMA_8B | {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 1024,
}
GPU_GB, DISK_GB = 70, 20


@contextmanager
def llama(sizes: Sizes, device: str) -> Iterator[tuple[str, str]]:
    """A temporary folder for `from_pretrained`, or an empty name and the reason. Tests get small ones on any device."""
    reason = "" if sizes.tiny else _missing(device)
    if reason:
        yield "", reason
        return
    with tempfile.TemporaryDirectory() as folder:
        shapes = SMALL if sizes.tiny else LLAMA_8B
        tokenizer = "random:llama" if sizes.tiny else "package:smollm2-135m-instruct"
        write(Path(folder), device, shapes, tokenizer)
        yield folder, ""


def write(folder: Path, device: str, sizes: dict[str, Any], tokenizer_of: str) -> None:
    """Draw weights in bfloat16 on the device and save them, with the tokenizer of a smaller model."""
    from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig

    silence_libraries()
    tokenizer = AutoTokenizer.from_pretrained(resolve(tokenizer_of))
    tokenizer.save_pretrained(folder)
    ends = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(LlamaConfig(**sizes, **ends), dtype=torch.bfloat16)
    model.save_pretrained(folder)
    del model
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _missing(device: str) -> str:
    if device != "cuda":
        return "these need a GPU"
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    if memory < GPU_GB:
        return f"these need a GPU of {GPU_GB} GB or more; this one has {memory:.0f}"
    free = shutil.disk_usage(tempfile.gettempdir()).free / 2**30
    return (
        "" if free >= DISK_GB else f"these need {DISK_GB} GB in {tempfile.gettempdir()} (TMPDIR); {free:.0f} are free"
    )
