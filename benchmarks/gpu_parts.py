"""Parts of `make bench-gpu`: what must agree, and what is timed, on random weights of given shapes.

No Hydra, no data sets and no downloads: torch, transformers, peft and accelerate are enough.
"""

from __future__ import annotations

import copy
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch

from benchmarks import flops
from benchmarks.kernel_ways import LLAMA_1B, adapter_shapes
from benchmarks.kernels import RANK
from benchmarks.shapes import LLAMA_8B, SMALL
from littlehuman.models.base_model import Base
from littlehuman.schema import TrainingConfig
from littlehuman.training import loop
from littlehuman.training.dropout import step_key
from littlehuman.training.encoding import EncodedRow, pad_left
from littlehuman.training.multi_lora import CellAdapter, MultiLora
from littlehuman.training.packing import PackedBatch, pack
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.state import TrainState
from littlehuman.training.trained_weights import Adapter

SHAPES = {"tiny": SMALL, "1b": LLAMA_1B, "8b": LLAMA_8B}
BATCH, ANSWER, PAD = 8, 8, 0  # rows of a cell in a step; tokens of an answer
TUNING = TrainingConfig(
    learning_rate=1e-4, epochs=1, batch_size=BATCH, warmup_ratio=0.0, weight_decay=0.0, max_grad_norm=1.0,
    lora_r=RANK, lora_alpha=RANK, lora_dropout=0.1, lora_targets="all_linear",
)  # fmt: skip


@dataclass(frozen=True)
class Setup:
    """A causal model with random weights on a device."""

    shape: str
    device: torch.device
    steps: int = 6

    @cached_property
    def base(self) -> Base:
        """The frozen model, in bfloat16."""
        from transformers import AutoConfig, AutoModelForCausalLM

        torch.manual_seed(0)
        config = AutoConfig.for_model("llama", pad_token_id=PAD, bos_token_id=1, eos_token_id=2, **SHAPES[self.shape])
        with self.device:
            model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        model.requires_grad_(False).eval()
        base = Base(model, SimpleNamespace(pad_token_id=PAD), self.shape, self.device, ())
        base.use_cache = True
        return base

    def rows(self, count: int, seed: int = 0) -> list[EncodedRow]:
        """Rows of 48 to 192 tokens whose last ones are the answer."""
        draw, made = random.Random(seed), []
        for index in range(count):
            size = draw.randint(48, 192)
            ids = tuple(draw.randrange(3, self.base.model.config.vocab_size) for _ in range(size))
            labels = (-100,) * (size - ANSWER) + ids[-ANSWER:]
            made.append(EncodedRow(ids, labels, index))
        return made

    def adapter(self, seed: int) -> Adapter:
        """An adapter with an effect: neither factor is 0."""
        draw = torch.Generator().manual_seed(seed)
        shapes = adapter_shapes(self.base.model)
        return Adapter(None, {name: 0.02 * torch.randn(t.shape, generator=draw) for name, t in shapes.items()})

    @contextmanager
    def cells(self, count: int, dropout: float = 0.1) -> Iterator[MultiLora]:
        """Adapters of so many cells on the base."""
        from dataclasses import replace

        tuning = replace(TUNING, lora_dropout=dropout)
        made = [CellAdapter(self.adapter(seed), tuning) for seed in range(count)]
        with closing(MultiLora(self.base, made)) as lora:
            yield lora

    def batch(self, cell_rows: Sequence[tuple[int, Sequence[EncodedRow]]], *, packed: bool) -> PackedBatch:
        """Rows of cells as one batch."""
        keys = [step_key(cell, 0) for cell, _ in cell_rows]
        return pack(cell_rows, self.device, pad_token_id=PAD, packed=packed, first_position=0, step_keys=keys)


def agreements(setup: Setup) -> dict[str, tuple[float, float]]:
    """Relative distances of what must be equal up to bfloat16's rounding, and what is allowed."""
    rows = [setup.rows(3, seed) for seed in range(3)]
    own = [(cell, each) for cell, each in enumerate(rows)]
    found: dict[str, tuple[float, float]] = {"row kernels and torch's operators": (_row_kernels(setup.device), 0.0)}
    with setup.cells(3) as lora:
        packed, packed_grads = _pass(lora, setup.batch(own, packed=True))
        padded, padded_grads = _pass(lora, setup.batch(own, packed=False))
        found["logits, packed and padded"] = (_distance(packed, padded), 0.03)
        found["gradients, packed and padded"] = (_distance(packed_grads, padded_grads), 0.06)
        ends, alone, alone_grads = [0], [], []
        for cell, each in own:
            logits, grads = _pass(lora, setup.batch([(cell, each)], packed=True))
            alone.append(logits)
            alone_grads.append(grads[cell])
            ends.append(ends[-1] + len(logits))
        found["logits, cells together and alone"] = (_distance(packed, torch.cat(alone)), 0.03)
        found["gradients, cells together and alone"] = (_distance(packed_grads, torch.stack(alone_grads)), 0.06)
    with setup.cells(1, dropout=0.0) as lora:
        ours, batch = (
            lora.logits(setup.batch([(0, rows[0])], packed=True), 0),
            setup.batch([(0, rows[0])], packed=False),
        )
    with torch.inference_mode():
        model = _peft_model(setup, dropout=0.0).eval()
        states = model(input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False).logits
    theirs = states.flatten(0, 1)[batch.logit_positions]
    found["logits, littlehuman and PEFT"] = (_distance(ours.float(), theirs.float()), 0.03)
    return found


def training_rate(setup: Setup, cells: int) -> float:
    """Real tokens a second of steps of so many cells at once."""
    options = loop.StepOptions(BATCH, packed=True, pad_token_id=PAD, progress=False)
    rows = [setup.rows(BATCH * (setup.steps + 2), seed) for seed in range(cells)]
    with tempfile.TemporaryDirectory() as folder, setup.cells(cells) as lora:
        states = [TrainState(own, TUNING, seed, Path(folder), "") for seed, own in enumerate(rows)]
        for state, params, grads in zip(states, lora.params, lora.grads, strict=True):
            state.attach(params, grads, write_log=False)
        tokens = started = 0.0
        for step in range(setup.steps + 2):
            if step == 2:
                started = _now(setup.device)
            batches = {cell: state.next_batch() for cell, state in enumerate(states)}
            losses, norms = loop._step(lora, states, batches, options, ProcessGroup())
            for cell, state in enumerate(states):
                state.log_step(losses[cell], norms[cell])
            if step >= 2:
                tokens += sum(len(row.input_ids) for own in batches.values() for row in own)
        return tokens / (_now(setup.device) - started)


def trainer_rate(setup: Setup) -> float:
    """Real tokens a second of transformers.Trainer on a PEFT model: the same batch, dynamic padding, autocast."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    rows, marks = setup.rows(BATCH * (setup.steps + 2)), []

    class Clock(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, *_: Any, **__: Any) -> None:
            marks.append(_now(setup.device))

    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            folder, per_device_train_batch_size=BATCH, max_steps=setup.steps + 2, learning_rate=1e-4, report_to=[],
            save_strategy="no", logging_strategy="no", bf16=setup.device.type == "cuda", disable_tqdm=True,
            use_cpu=setup.device.type == "cpu", remove_unused_columns=False,
        )  # fmt: skip
        trainer = Trainer(
            _peft_model(setup, dropout=0.1).train(), arguments, data_collator=_collated, train_dataset=rows,
            callbacks=[Clock()],
        )  # fmt: skip
        trainer.train()
    tokens = sum(len(row.input_ids) for row in rows) * setup.steps / (setup.steps + 2)
    return tokens / (marks[-1] - marks[1])


def evaluation_rate(setup: Setup, rows: int) -> float:
    """Rows a second of logits with one cell's adapter."""
    given = setup.rows(rows)
    with setup.cells(1) as lora:
        return _rate(setup, rows, lambda: lora.logits(setup.batch([(0, given)], packed=True), 0))


def generation_rate(setup: Setup, rows: int, tokens: int) -> float:
    """Tokens a second of greedy answers of fixed length with one cell's adapter."""
    given = pad_left([row.input_ids for row in setup.rows(rows)], PAD, setup.device)
    options = {"max_new_tokens": tokens, "min_new_tokens": tokens, "do_sample": False, "pad_token_id": PAD}

    def answer() -> None:
        with torch.inference_mode():
            setup.base.model.generate(**given, **options)

    with setup.cells(1) as lora, lora.generating(0):
        return _rate(setup, rows * tokens, answer)


def work_of_a_token(setup: Setup) -> float:
    """Useful operations of training on one token (`flops`)."""
    rows = setup.rows(BATCH)
    count = sum(len(row.input_ids) for row in rows)
    lora = 6.0 * setup.adapter(0).num_parameters
    return flops.training_flops(setup.base.model, rows, causal=True) / count + lora


def _peft_model(setup: Setup, dropout: float) -> Any:
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    config = LoraConfig(
        r=RANK, lora_alpha=RANK, lora_dropout=dropout, target_modules="all-linear", task_type="CAUSAL_LM"
    )
    model = get_peft_model(copy.deepcopy(setup.base.model), config)
    set_peft_model_state_dict(model, setup.adapter(0).weights)
    return model


def _collated(rows: Sequence[EncodedRow]) -> dict[str, torch.Tensor]:
    longest = max(len(row.input_ids) for row in rows)
    fills = [longest - len(row.input_ids) for row in rows]
    pairs = list(zip(rows, fills, strict=True))
    return {
        "input_ids": torch.tensor([[*row.input_ids, *[PAD] * fill] for row, fill in pairs]),
        "attention_mask": torch.tensor([[1] * len(row.input_ids) + [0] * fill for row, fill in pairs]),
        "labels": torch.tensor([[*row.labels, *[-100] * fill] for row, fill in pairs]),
    }


def _pass(lora: MultiLora, batch: PackedBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and gradients of a training pass."""
    lora.grads.zero_()
    with lora.train_forward(batch) as logits:
        torch.nn.functional.cross_entropy(logits.float(), batch.labels, reduction="sum").backward()
    return logits.detach().float(), lora.grads.clone()


def _row_kernels(device: torch.device) -> float:
    """Largest difference between the device's row operators and the CPU's: they are the same bits."""
    from littlehuman.training.row_ops import Draws, add, take

    keys = torch.arange(64, dtype=torch.int32) * 7919
    draws = Draws(keys, torch.full((64, 1), -9000, dtype=torch.int16)).of_layer(3, 1000)
    given = [torch.randn(40, 1000), torch.randint(40, (64,), dtype=torch.int32), torch.rand(64), torch.randn(64, 1000)]
    largest = 0.0
    for dtype in (torch.float32, torch.bfloat16):
        x, out = given[0].to(dtype), given[3].to(dtype)
        there = [tensor.to(device) for tensor in (x, given[1], given[2], out, *draws)]
        taken = take(x, given[1], given[2], 1.25, *draws)
        largest = max(largest, float((take(*there[:3], 1.25, *there[4:]).cpu() - taken).abs().max()))
        add(there[3], *there[:3], 1.25, *there[4:])
        add(out, x, given[1], given[2], 1.25, *draws)
        largest = max(largest, float((there[3].cpu() - out).abs().max()))
    return largest


def _rate(setup: Setup, amount: float, run: Callable[[], Any]) -> float:
    run()
    started = _now(setup.device)
    for _ in range(3):
        run()
    return 3 * amount / (_now(setup.device) - started)


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _distance(left: torch.Tensor, right: torch.Tensor) -> float:
    return float((left.double() - right.double()).norm() / right.double().norm())
