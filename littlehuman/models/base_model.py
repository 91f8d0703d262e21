"""The frozen base model: loaded once per process, and leased to one job after another.

After each lease the base is restored and verified by a bitwise checksum of every parameter. Otherwise a head that
`PeftModel.unload()` left in place, or a forgotten flag, would silently change the next job.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import torch

from littlehuman.errors import WeightsError
from littlehuman.models.devices import nf4_config, silence_libraries
from littlehuman.models.hub import is_downloaded
from littlehuman.models.weights import commit_of, loading_error, resolve
from littlehuman.schema import Head, ModelConfig, Quantization

_HEADS = ("score", "classifier", "qa_outputs")
_POSITIONS = re.compile(r"(position_embeddings|embed_positions|wpe)$")
_held: dict[tuple[Any, ...], Base] = {}  # the base that the next lease may use again


@dataclass
class Base:
    """A frozen model with its tokenizer, and a snapshot of its state when it was loaded.

    Attributes:
        new_modules: names of modules whose weights the checkpoint lacks (a new head); they are trained whole.
        original_modules, checksums, use_cache: the snapshot that `restore` goes back to.
        commit: of a hub model.
        can_pack: whether it can read packed rows; None until `training.packing_check` has tested it.
    """

    model: Any
    tokenizer: Any
    path: str
    device: torch.device
    new_modules: tuple[str, ...]
    original_modules: dict[str, torch.nn.Module] = field(default_factory=dict)
    checksums: dict[str, int] = field(default_factory=dict)
    use_cache: bool = True
    commit: str | None = None
    can_pack: bool | None = None

    @property
    def dtype(self) -> torch.dtype:
        """Precision of the weights."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def pad_token_id(self) -> int:
        """The token that fills padded rows."""
        return int(self.tokenizer.pad_token_id)

    @property
    def first_position(self) -> int:
        """Position id of a row's first token: 0, or for RoBERTa the one after its padding index."""
        return max((t.padding_idx + 1 for t in self._position_tables if t.padding_idx is not None), default=0)

    @property
    def max_positions(self) -> int | None:
        """Tokens of the longest row that the position table allows; None where positions are computed."""
        return min((table.num_embeddings - _reserved(table) for table in self._position_tables), default=None)

    @property
    def _position_tables(self) -> list[torch.nn.Embedding]:
        embeddings = ((n, m) for n, m in self.model.named_modules() if isinstance(m, torch.nn.Embedding))
        return [module for name, module in embeddings if _POSITIONS.search(name)]

    def snapshot(self) -> None:
        """Record the state that every job must find."""
        self.original_modules = {name: self.model.get_submodule(name) for name in self.new_modules}
        self.checksums = _checksums(self.model)
        self.use_cache = bool(getattr(self.model.config, "use_cache", False))

    def restore_modules(self) -> None:
        """Put the original head back in place of a trained one."""
        for name, module in self.original_modules.items():
            self.model.set_submodule(name, module)

    def restore(self) -> None:
        """Restore the recorded state and verify it.

        Raises:
            RuntimeError: when a parameter differs from what was loaded (a bug of ours).
        """
        self.restore_modules()
        self.model.requires_grad_(False)
        self.model.config.use_cache = self.use_cache
        self.model.gradient_checkpointing_disable()
        self.model.eval()
        if _checksums(self.model) != self.checksums:
            raise RuntimeError(f"{self.path}: the base model came back changed; it must not serve another job")


@contextmanager
def lease(model: ModelConfig, head: Head, classes: int, device: torch.device, dtype: torch.dtype) -> Iterator[Base]:
    """Lend the base to one job; it is loaded unless the last lease was of the same one.

    When the job fails the base is discarded, and the next lease loads it again.

    Raises:
        WeightsError: when the weights cannot be loaded.
    """
    key = (model.weights, model.revision, model.quantization, head, classes, str(device), dtype)
    base = _held.pop(key, None)
    if base is None:
        release()  # only one base is in memory at a time
        base = _load(model, head, classes, device, dtype)
    yield base
    base.restore()
    _held[key] = base


def release(*, on_gpu_only: bool = False) -> None:
    """Free the memory of the held base; `on_gpu_only`: unless it is on the CPU."""
    keys = [key for key, base in _held.items() if base.device.type == "cuda" or not on_gpu_only]
    for key in keys:
        del _held[key]
    if keys:
        free_memory()


def free_memory() -> None:
    """Free what nothing refers to, and return cached GPU memory to the driver."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def skeleton(config: ModelConfig, head: Head, classes: int) -> Base:
    """The base without its weights (PyTorch's meta device), to be asked what loading and training would find.

    Reads what loading reads, but of the files of weights their headers alone. Where hub weights are not downloaded
    yet, only their config and tokenizer are looked at.

    Raises:
        WeightsError: when the weights could not be loaded.
    """
    return _skeleton(config.weights, config.revision, head, classes)


@lru_cache(maxsize=1)
def _skeleton(weights: str, revision: str | None, head: Head, classes: int) -> Base:
    read = _read(weights, revision, head, classes, device_map="meta")
    base = Base(read.model, read.tokenizer, read.path, torch.device("meta"), read.new_modules, commit=read.commit)
    base.original_modules = {name: read.model.get_submodule(name) for name in read.new_modules}
    return base


def _load(config: ModelConfig, head: Head, classes: int, device: torch.device, dtype: torch.dtype) -> Base:
    options: dict[str, Any] = {"dtype": dtype}
    if config.quantization is Quantization.nf4:
        options |= {"quantization_config": nf4_config(device), "device_map": {"": device}}
    read = _read(config.weights, config.revision, head, classes, **options)
    if config.quantization is None:
        read.model.to(device)
    base = Base(read.model, read.tokenizer, read.path, device, read.new_modules, commit=read.commit)
    base.snapshot()
    return base


@dataclass(frozen=True, slots=True)
class _Read:
    """What transformers made of the files."""

    model: Any
    tokenizer: Any
    path: str
    commit: str | None
    new_modules: tuple[str, ...]


def _read(weights: str, revision: str | None, head: Head, classes: int, **options: Any) -> _Read:
    from transformers import AutoConfig, AutoTokenizer

    silence_libraries()
    path, commit = resolve(weights), commit_of(weights, revision)
    model_class, writes = _model_class(head), head is Head.generation
    labels: dict[str, Any] = {} if writes else {"num_labels": 2 if head is Head.span else classes}
    version: dict[str, Any] = {"revision": commit}
    missing: Iterable[str] = ()
    try:
        tokenizer = AutoTokenizer.from_pretrained(path, trust_remote_code=False, **version)
        with torch.random.fork_rng(range(torch.cuda.device_count())):
            torch.manual_seed(0)  # new modules are drawn: the same in each load, and not from the caller's generator
            if options.get("device_map") == "meta" and commit and not is_downloaded(weights, commit):
                with torch.device("meta"):
                    model = model_class.from_config(
                        AutoConfig.from_pretrained(path, trust_remote_code=False, **version, **labels),
                        trust_remote_code=False,
                    )
            else:
                model, info = model_class.from_pretrained(
                    path, output_loading_info=True, trust_remote_code=False, **version, **labels, **options
                )
                missing = info["missing_keys"]
    except Exception as error:  # whatever the libraries raise about a file: there are too many kinds to name them
        raise loading_error(error, weights, path) from error
    if writes and missing:
        lacking = ", ".join(sorted(missing))
        raise WeightsError(f"model.weights={weights}: cannot write answers: these weights lack {lacking}")
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    if tokenizer.pad_token is None or (writes and tokenizer.eos_token is None):
        raise WeightsError(f"model.weights={weights}: its tokenizer has no end token, so no answer could end")
    model.config.pad_token_id = tokenizer.pad_token_id
    model.requires_grad_(False).eval()
    return _Read(model, tokenizer, path, commit, () if writes else _new_modules(model, missing))


def _model_class(head: Head) -> Any:
    import transformers

    return {
        Head.classification: transformers.AutoModelForSequenceClassification,
        Head.generation: transformers.AutoModelForCausalLM,
        Head.span: transformers.AutoModelForQuestionAnswering,
    }[head]


def _new_modules(model: Any, missing: Iterable[str]) -> tuple[str, ...]:
    """The head, and modules whose weights the checkpoint lacks; no module inside another one of them."""
    parameters = {name for name, _ in model.named_parameters()}
    lacking = {key.rpartition(".")[0] for key in missing if key in parameters}
    names = [name for name in _HEADS if hasattr(model, name)]
    for name in sorted(lacking):
        if not any(f"{name}.".startswith(f"{outer}.") for outer in names):
            names.append(name)
    return tuple(names)


def _reserved(table: torch.nn.Embedding) -> int:
    """Rows of a position table that no token uses: RoBERTa counts after its padding index, OPT from an offset."""
    return int(getattr(table, "offset", 0 if table.padding_idx is None else table.padding_idx + 1))


def _checksums(model: torch.nn.Module) -> dict[str, int]:
    """Per parameter the sum of its bits read as integers: exact, unlike a sum of floats."""
    width = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    return {
        name: int(p.detach().contiguous().view(width[p.element_size()]).sum(dtype=torch.int64))
        for name, p in model.named_parameters()
    }
