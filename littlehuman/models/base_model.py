"""One frozen base model, leased to a job and taken back clean.

In: weights, head, device, dtype. Out: a `Base` that the next job of this process gets again
without loading (`release` takes it out of memory). `PeftModel.unload()` would leave a trained head on it, and a forgotten flag
would change the next job silently: so what comes back is restored, and proven by a bitwise
checksum of every parameter.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from safetensors import SafetensorError

from littlehuman.errors import WeightsError
from littlehuman.models.devices import four_bits, silence_libraries
from littlehuman.models.weights import commit_of, resolve
from littlehuman.schema import Head, ModelConfig, Quantization

_HEADS = ("score", "classifier")
_POSITIONS = re.compile(r"(position_embeddings|embed_positions|wpe)$")
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
    commit: str | None = None  # of a hub model
    packs: bool | None = None  # whether its rows may stand end to end (`layout.py` finds out)

    @property
    def dtype(self) -> torch.dtype:
        """The precision of its weights."""
        kind: torch.dtype = self.model.dtype
        return kind

    @property
    def pad(self) -> int:
        """The token that fills padded rows."""
        return int(self.tokenizer.pad_token_id)

    @property
    def first_position(self) -> int:
        """What the position table calls a row's first token: RoBERTa counts from behind its padding index."""
        return max((t.padding_idx + 1 for t in self._position_tables if t.padding_idx is not None), default=0)

    @property
    def _position_tables(self) -> list[torch.nn.Embedding]:
        return [
            m for name, m in self.model.named_modules() if isinstance(m, torch.nn.Embedding) and _POSITIONS.search(name)
        ]

    @property
    def positions(self) -> int | None:
        """Tokens of the longest row that the model can read; None where positions are computed, not looked up."""
        return min((table.num_embeddings - _reserved(table) for table in self._position_tables), default=None)

    def remember(self) -> None:
        """Take down the state that every job must find."""
        self.modules = {name: self.model.get_submodule(name) for name in self.new_modules}
        self.checksums = _checksums(self.model)
        self.use_cache = bool(getattr(self.model.config, "use_cache", False))

    def take_back_modules(self) -> None:
        """Put the untrained head back where an adapter left its own."""
        for name, module in self.modules.items():
            self.model.set_submodule(name, module)

    def restore(self) -> None:
        """Bring that state back and prove it.

        Raises:
            RuntimeError: when a parameter differs from the one that was loaded (a bug of ours).
        """
        self.take_back_modules()
        self.model.requires_grad_(False)
        self.model.config.use_cache = self.use_cache
        self.model.gradient_checkpointing_disable()
        self.model.eval()
        if _checksums(self.model) != self.checksums:
            raise RuntimeError(f"{self.path}: the base model came back changed; it must not serve another job")


@contextmanager
def lease(model: ModelConfig, head: Head, classes: int, device: torch.device, dtype: torch.dtype) -> Iterator[Base]:
    """Lend the base to one job. A job that fails leaves no base behind: the next one loads afresh."""
    key = (model.weights, model.revision, model.quantization, head, classes, str(device), dtype)
    base = _held.pop(key, None)
    if base is None:
        release()  # one base at a time in memory
        base = _load(model, head, classes, device, dtype)
    yield base
    base.restore()
    _held[key] = base


def release(*, on_gpu_alone: bool = False) -> None:
    """Keep no base for the next job (of those on a GPU alone, if so asked): its memory is free then."""
    going = [key for key, base in _held.items() if base.device.type == "cuda" or not on_gpu_alone]
    for key in going:
        del _held[key]
    free(bool(going))


def free(collect: bool = True) -> None:
    """Hand memory that nothing refers to back, that of a GPU to its driver."""
    if collect:
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def _load(config: ModelConfig, head: Head, classes: int, device: torch.device, dtype: torch.dtype) -> Base:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    silence_libraries()
    weights = config.weights
    path, commit = resolve(weights), commit_of(weights, config.revision)
    more: dict[str, Any]
    kind, more = (
        (AutoModelForSequenceClassification, {"num_labels": classes})
        if head is Head.classification
        else (AutoModelForCausalLM, {})
    )
    if config.quantization is Quantization.nf4:
        more |= {"quantization_config": four_bits(device), "device_map": {"": device}}
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, revision=commit)
        with torch.random.fork_rng():
            torch.manual_seed(
                0
            )  # new modules are drawn: the same ones in each load, and not from the caller's generator
            model, info = kind.from_pretrained(path, revision=commit, dtype=dtype, output_loading_info=True, **more)
    except (
        OSError,
        ValueError,
        RuntimeError,
        SafetensorError,
    ) as error:  # RuntimeError: shapes; SafetensorError: a torn file
        raise WeightsError(
            f"model.weights={weights}: could not be loaded: {error}\nTry: a folder that save_pretrained wrote"
        ) from error
    if head is Head.generation and info["missing_keys"]:
        raise WeightsError(
            f"model.weights={weights}: cannot write answers: these weights lack {', '.join(sorted(info['missing_keys']))}"
        )
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    model.requires_grad_(False).eval()
    if config.quantization is None:
        model.to(device)
    new = _new_modules(model, info["missing_keys"]) if head is Head.classification else ()
    base = Base(model, tokenizer, path, device, new, commit=commit)
    base.remember()
    return base


def _new_modules(model: Any, missing: Iterable[str]) -> tuple[str, ...]:
    """The head and modules whose weights the checkpoint lacks; a module inside another one is not named again."""
    parameters = {name for name, _ in model.named_parameters()}
    lacking = {key.rpartition(".")[0] for key in missing if key in parameters}
    names = [name for name in _HEADS if hasattr(model, name)]
    for name in sorted(lacking):
        if not any(f"{name}.".startswith(f"{outer}.") for outer in names):
            names.append(name)
    return tuple(names)


def _reserved(table: torch.nn.Embedding) -> int:
    """Rows of a position table that no token gets (RoBERTa counts from its padding index on, OPT from an offset)."""
    return int(getattr(table, "offset", 0 if table.padding_idx is None else table.padding_idx + 1))


def _checksums(model: torch.nn.Module) -> dict[str, int]:
    """An exact integer per parameter: the sum of its bits read as integers."""
    width = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return {
        name: int(p.detach().contiguous().view(width[p.element_size()]).sum(dtype=torch.int64))
        for name, p in model.named_parameters()
    }
