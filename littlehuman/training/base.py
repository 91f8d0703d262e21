"""One frozen base model, leased to a job and taken back clean.

In: weights, head, device, dtype. Out: a `Base` that the next job of this process gets again
without loading. `PeftModel.unload()` would leave a trained head on it, and a forgotten flag
would change the next job silently: so what comes back is restored, and proven by a bitwise
checksum of every parameter.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from littlehuman.config import Head
from littlehuman.errors import WeightsError
from littlehuman.training.quiet import quiet
from littlehuman.training.weights import resolve

_HEADS = ("score", "classifier")
_held: dict[tuple[Any, ...], Base] = {}


@dataclass
class Base:
    """A frozen model with its tokenizer, and what it looked like when it was loaded."""

    model: Any
    tokenizer: Any
    path: str
    device: torch.device
    new_modules: tuple[str, ...]  # modules that the checkpoint did not hold: they must be trained
    modules: dict[str, torch.nn.Module] = field(default_factory=dict)
    checksums: dict[str, int] = field(default_factory=dict)
    use_cache: bool = True

    def remember(self) -> None:
        """Take down the state that every job must find."""
        self.modules = {name: self.model.get_submodule(name) for name in self.new_modules}
        self.checksums = _checksums(self.model)
        self.use_cache = bool(getattr(self.model.config, "use_cache", False))

    def restore(self) -> None:
        """Bring that state back and prove it.

        Raises:
            RuntimeError: when a parameter differs from the one that was loaded (a bug of ours).
        """
        for name, module in self.modules.items():
            self.model.set_submodule(name, module)
        self.model.requires_grad_(False)
        self.model.config.use_cache = self.use_cache
        self.model.eval()
        if _checksums(self.model) != self.checksums:
            raise RuntimeError(f"{self.path}: the base model came back changed; it must not serve another job")


@contextmanager
def lease(weights: str, head: Head, classes: int, device: torch.device, dtype: torch.dtype) -> Iterator[Base]:
    """Lend the base to one job. A job that fails leaves no base behind: the next one loads afresh."""
    key = (weights, head, classes, str(device), dtype)
    base = _held.pop(key, None)
    if base is None:
        _held.clear()  # one base at a time in memory
        gc.collect()
        base = _load(weights, head, classes, device, dtype)
    yield base
    base.restore()
    _held[key] = base


def _load(weights: str, head: Head, classes: int, device: torch.device, dtype: torch.dtype) -> Base:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    quiet()
    path = resolve(weights)
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        if head is Head.classification:
            model, info = AutoModelForSequenceClassification.from_pretrained(
                path, dtype=dtype, num_labels=classes, output_loading_info=True
            )
        else:
            model, info = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, output_loading_info=True)
    except (OSError, ValueError) as error:
        raise WeightsError(f"model.weights={weights}: could not be loaded: {error}\nTry: a folder that save_pretrained wrote") from error
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    model.requires_grad_(False).to(device).eval()
    base = Base(model, tokenizer, path, device, _new_modules(model, info["missing_keys"]))
    base.remember()
    return base


def _new_modules(model: Any, missing: list[str]) -> tuple[str, ...]:
    """Modules whose weights the checkpoint lacks, without the tied ones; the head comes first."""
    names = {key.rpartition(".")[0] for key in missing}
    heads = [name for name in _HEADS if hasattr(model, name)]
    tied = {"lm_head"}
    return tuple(heads + sorted(names - set(heads) - tied))


def _checksums(model: torch.nn.Module) -> dict[str, int]:
    """An exact integer per parameter: the sum of its bits read as integers."""
    width = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return {name: int(p.detach().contiguous().view(width[p.element_size()]).sum(dtype=torch.int64)) for name, p in model.named_parameters()}
