"""Packed rows: the same numbers as padded rows, no attention between rows, and models that cannot pack are detected."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    FIXTURES,
    Shared,
    adapter,
    adapter_distance,
    claims,
    distance,
    forward_backward,
    job,
    leased_base,
    model_with_pad_as_end,
    multi_lora,
    no_base_held,
    one_thread,
    packed_batch,
    questions,
    release_base,
    settings,
    small_decoder,
    small_encoder,
    tiny_cache,
    train_rows_of,
)

from littlehuman.errors import ConfigError
from littlehuman.models.base_model import Base
from littlehuman.schema import Layout, LossOn
from littlehuman.store import cache_root
from littlehuman.training import forward, packing_check
from littlehuman.training.encoding import IGNORE_INDEX, EncodedRow
from littlehuman.training.packing import PackedBatch
from littlehuman.training.packing_check import should_pack

pytestmark = [FIXTURES, pytest.mark.filterwarnings("ignore:fan_in_fan_out is set")]  # PEFT says so of GPT-2

DECODERS = ("llama", "qwen2", "qwen3", "mistral", "gpt2")
# Of the products of task, model and precision those that differ in head, attention or rounding; the rest is slow.
EQUAL = [("qa", kind, "float32") for kind in DECODERS]
EQUAL += [("fv", kind, "float32") for kind in ("llama", "bert", "roberta", "modernbert")]
EQUAL += [("qa", "llama", "bfloat16"), ("fv", "bert", "bfloat16")]
ALL_EQUAL = [
    (task, kind, dtype)
    for dtype in ("float32", "bfloat16")
    for task, kind in [
        *((task, kind) for kind in DECODERS for task in ("qa", "fv")),
        *(("fv", kind) for kind in ("bert", "roberta", "modernbert")),
    ]
]
# The remaining dropout follows from keys, so it is the same in both layouts; padded attention draws its own.
CONFIG: dict[str, dict[str, Any]] = {
    "mistral": {"sliding_window": 7},  # every row is longer
    "qwen3": {"head_dim": 8},
    "gpt2": {"attn_pdrop": 0.0},
    "bert": {"attention_probs_dropout_prob": 0.0},
    "roberta": {"attention_probs_dropout_prob": 0.0, "pad_token_id": 1},  # positions are counted from 2
    "modernbert": {"local_attention": 8},
}
# Relative distances of logits and gradients. Measured: at most 3e-7 and 6e-7; 9e-3 and 2e-2.
TOLERANCE = {"float32": (1e-5, 1e-5), "bfloat16": (3e-2, 6e-2)}


def _weights(kind: str) -> str:
    if kind == "llama":
        return "random:llama"
    make, folder = (small_decoder, kind) if kind in DECODERS else (small_encoder, f"even-{kind}-bert")
    return make(cache_root() / folder, kind, **CONFIG.get(kind, {}))


@pytest.mark.parametrize(
    ("task", "kind", "dtype"),
    [case if case in EQUAL else pytest.param(*case, marks=pytest.mark.slow) for case in ALL_EQUAL],
)
def test_packed_equals_padded(task: str, kind: str, dtype: str) -> None:
    """Logits and gradients of two cells with dropout."""
    shared = settings(task, _weights(kind), dtype=dtype, lora_dropout=0.1)
    points = questions() if task == "qa" else claims()
    with leased_base(shared) as base, multi_lora(base, shared, shared) as lora:
        assert should_pack(base, Layout.packed)
        rows = train_rows_of(base, shared, points)
        assert len({len(row.input_ids) for row in rows}) > 2, "rows of one length need no padding"
        (logits, grads), (padded_logits, padded_grads) = (
            forward_backward(lora, packed_batch(base, [rows[:5], rows[5:]], packed=packed)) for packed in (True, False)
        )
    logit_tolerance, gradient_tolerance = TOLERANCE[dtype]
    assert distance(padded_logits, logits) < logit_tolerance
    assert distance(padded_grads, grads) < gradient_tolerance


@pytest.mark.parametrize(
    ("task", "weights"), [("qa", "random:llama"), pytest.param("fv", "random:llama", marks=pytest.mark.slow)]
)
def test_training_packed_equals_training_padded(task: str, weights: str, tmp_path: Path) -> None:
    points = questions() if task == "qa" else claims()
    for layout in ("packed", "padded"):
        outcome = job(
            tmp_path / layout, points, points, settings(task, weights, lora_dropout=0.1, launch={"layout": layout})
        )
        assert outcome.environment["layout"] == layout
    assert adapter_distance(adapter(tmp_path / "padded"), adapter(tmp_path / "packed")) < 1e-4


def _with_other_tokens(row: EncodedRow) -> EncodedRow:
    """A row of the same length with other tokens."""
    return replace(row, input_ids=tuple(30 + (7 * token + 11) % 500 for token in row.input_ids))


@pytest.mark.parametrize(
    ("kind", "packed"),
    [
        *(("llama", True), ("llama", False), ("bert", True), ("bert", False), ("mistral", True), ("modernbert", True)),
        *(pytest.param(kind, False, marks=pytest.mark.slow) for kind in ("mistral", "modernbert")),
    ],
)
def test_rows_never_see_each_other(kind: str, packed: bool) -> None:
    """Other tokens in one row change no bit of the other rows' logits, nor of another cell's gradient."""
    task = "qa" if kind in DECODERS else "fv"
    shared = settings(task, _weights(kind), lora_dropout=0.1, loss_on=LossOn.text)
    with leased_base(shared) as base, multi_lora(base, shared, shared) as lora:
        rows = train_rows_of(base, shared, questions() if task == "qa" else claims())
        owner = torch.tensor(
            [n for n, row in enumerate(rows) for _ in range(len(row.input_ids) - 1 if task == "qa" else 1)]
        )
        logits, grads = forward_backward(lora, packed_batch(base, [rows[:5], rows[5:]], packed=packed))
        for changed in (0, 4, 5, 7):
            now = [_with_other_tokens(row) if n == changed else row for n, row in enumerate(rows)]
            new_logits, new_grads = forward_backward(lora, packed_batch(base, [now[:5], now[5:]], packed=packed))
            assert torch.equal(logits[owner != changed], new_logits[owner != changed]), (
                f"row {changed} was seen by others"
            )
            assert not torch.equal(logits[owner == changed], new_logits[owner == changed])
            other_cell = int(changed < 5)
            assert torch.equal(grads[other_cell], new_grads[other_cell])
            assert not torch.equal(grads[1 - other_cell], new_grads[1 - other_cell])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("task", ["qa", "fv"])
def test_head_computes_only_the_positions_that_have_labels(task: str, packed: bool) -> None:
    """The head over the vocabulary is the largest product of a small model."""
    shared = settings(task)
    with leased_base(shared) as base, multi_lora(base, shared) as lora:
        rows = train_rows_of(base, shared, questions() if task == "qa" else claims())
        seen: list[int] = []
        head = base.model.lm_head if task == "qa" else base.model.get_submodule("score")
        with head.register_forward_hook(lambda module, args, out: seen.append(out.shape[:-1].numel())):
            forward_backward(lora, packed_batch(base, [rows], packed=packed))
    assert sum(seen) == (
        sum(label != IGNORE_INDEX for row in rows for label in row.labels) if task == "qa" else len(rows)
    )


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("pad_is_end", [False, True])
@pytest.mark.parametrize("loss_on", list(LossOn))
def test_each_label_is_predicted_from_the_token_before_it(
    loss_on: LossOn, pad_is_end: bool, packed: bool, tmp_path: Path
) -> None:
    """Padding is known by position, not by token: the end token is learned although it may be the pad token."""
    shared = settings(
        weights=model_with_pad_as_end(tmp_path / "model") if pad_is_end else "random:llama", loss_on=loss_on
    )
    with leased_base(shared) as base:
        rows = train_rows_of(base, shared, questions())
        batch, end_token = packed_batch(base, [rows[:3], rows[3:]], packed=packed), base.tokenizer.eos_token_id
        assert (base.tokenizer.pad_token_id == end_token) is pad_is_end
    offsets = batch.logit_positions.tolist()
    spans = [(number, start, end) for number, (start, end) in enumerate(pairwise(batch.row_starts))]
    found = {
        (number, offset - start): label
        for number, start, end in spans
        for offset, label in zip(offsets, batch.labels.tolist(), strict=True)
        if start <= offset < end
    }
    expected = {
        (n, t - 1): label
        for n, row in enumerate(rows)
        for t, label in enumerate(row.labels)
        if t and label != IGNORE_INDEX
    }
    assert found == expected and len(offsets) == len(expected)
    assert all(found[n, len(row.input_ids) - 2] == end_token for n, row in enumerate(rows))
    per_row = [sum(1 for n, _ in expected if n == number) for number in range(len(rows))]
    assert batch.logit_blocks.blocks.spans == ((0, 0, sum(per_row[:3])), (1, sum(per_row[:3]), sum(per_row)))


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_mask_covers_real_tokens_even_if_they_equal_the_pad_token(pad_is_end: bool, tmp_path: Path) -> None:
    shared = settings(weights=model_with_pad_as_end(tmp_path / "model") if pad_is_end else "random:llama")
    with leased_base(shared) as base:
        rows = train_rows_of(base, shared, questions())
        batch = packed_batch(base, [rows], packed=False)
    assert batch.attention_mask is not None and not batch.attention_mask.all()
    for row, ids, mask in zip(rows, batch.input_ids, batch.attention_mask, strict=True):
        assert mask.tolist() == [1] * len(row.input_ids) + [0] * (len(mask) - len(row.input_ids)) and ids[
            mask.bool()
        ].tolist() == list(row.input_ids)


def _mpnet() -> str:
    return small_encoder(cache_root() / "mpnet", "mpnet")


@pytest.mark.parametrize("dtype", ["float32", pytest.param("bfloat16", marks=pytest.mark.slow)])
def test_model_that_cannot_be_packed_is_padded_and_exact(
    dtype: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """MPNet computes its own attention: packed rows would see each other."""
    with caplog.at_level(logging.INFO, "littlehuman"):
        shared = settings("fv", _mpnet(), dtype=dtype, lora_dropout=0.1)
        outcome = job(tmp_path / "auto", claims(), claims(4), shared)
    assert outcome.environment["layout"] == "padded" and "they would see each other" in caplog.text
    alone = replace(shared, launch=replace(shared.launch, micro_batch=1))  # a row alone has no padding and no neighbour
    job(tmp_path / "alone", claims(), claims(4), alone)
    assert adapter_distance(adapter(tmp_path / "alone"), adapter(tmp_path / "auto")) < (
        1e-4 if dtype == "float32" else 0.05
    )


def test_packed_layout_is_refused_where_rows_would_mix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"launch.layout=packed +.*mpnet .*launch.layout=padded is exact"):
        job(tmp_path, claims(), [], settings("fv", _mpnet(), launch={"layout": "packed"}))


def _is_packed(shared: Shared) -> bool:
    with leased_base(shared) as base:
        return should_pack(base, Layout.auto)


def test_attention_that_leaks_between_rows_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _is_packed(settings())
    per_row = forward._attention_per_row

    def leaking(query: Any, key: Any, value: Any, batch: PackedBatch, options: Any, layer: int) -> torch.Tensor:
        return per_row(query, key, value, replace(batch, row_starts=(0, batch.row_starts[-1])), options, layer)

    monkeypatch.setattr(forward, "_attention_per_row", leaking)
    release_base()  # its result is cached
    for dtype in ("float32", "bfloat16"):
        assert not _is_packed(settings(dtype=dtype))


def test_wrong_positions_are_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = settings("fv", _weights("roberta"))
    monkeypatch.setattr(Base, "first_position", 7)
    assert not _is_packed(shared)


def test_model_with_unsupported_attention_is_padded(caplog: pytest.LogCaptureFixture) -> None:
    weights = small_decoder(cache_root() / "gemma2", "gemma2", head_dim=8)
    with caplog.at_level(logging.INFO, "littlehuman"):
        assert not _is_packed(settings(weights=weights))
    assert "packed attention does not support softcap" in caplog.text


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_gpu_pads_what_it_would_read_row_by_row(dropout: float, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kernel for packed rows knows neither attention dropout nor float32; the meta device stands for a GPU."""
    name = f"rowwise-{dropout}-bert"
    weights = small_encoder(cache_root() / name, attention_probs_dropout_prob=dropout, hidden_dropout_prob=0.0)
    with leased_base(settings("fv", weights, dtype=dtype)) as base:
        assert should_pack(base, Layout.auto), "a CPU packs them all"
        with monkeypatch.context() as patch:
            patch.setattr(base, "device", torch.device("meta"))
            assert should_pack(base, Layout.auto) is (dtype == "bfloat16" and not dropout)
            assert should_pack(base, Layout.packed)


def test_an_argument_that_the_gpus_kernel_lacks_is_an_error_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*_: Any) -> float:
        raise TypeError("varlen_attn() got an unexpected keyword argument 'enable_gqa'")

    monkeypatch.setattr(packing_check, "packing_error", refusing)
    with leased_base(settings(dtype="bfloat16")) as base, monkeypatch.context() as patch:
        assert not should_pack(base, Layout.auto), "a CPU takes it for an architecture that takes no packed rows"
        patch.setattr(base, "can_pack", None)
        patch.setattr(base, "device", torch.device("meta"))
        with pytest.raises(TypeError, match="enable_gqa"):
            should_pack(base, Layout.auto)


def test_a_wrong_gradient_of_packed_rows_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _is_packed(settings())
    per_row = forward._attention_per_row

    def without_gradient(query: Any, key: Any, value: Any, *rest: Any) -> torch.Tensor:
        return per_row(query, key.detach(), value, *rest)

    monkeypatch.setattr(forward, "_attention_per_row", without_gradient)
    release_base()  # its result is cached
    assert not _is_packed(settings())
