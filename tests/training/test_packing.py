"""Rows that stand end to end: the same numbers as padded rows, no row sees another, and a model that cannot is found out."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    FIXTURES,
    Shared,
    adapter,
    apart,
    claims,
    distance,
    forget,
    job,
    laid,
    learnt,
    lent,
    lessons_of,
    no_base_held,
    one_thread,
    questions,
    settings,
    small_decoder,
    small_encoder,
    stacked,
    tiny_cache,
    where_pad_is_end,
)

from littlehuman.errors import ConfigError
from littlehuman.models.base_model import Base
from littlehuman.schema import Layout, LossOn
from littlehuman.store import cache_root
from littlehuman.training import forward
from littlehuman.training.encoding import IGNORE, EncodedRow
from littlehuman.training.packing import PackedBatch
from littlehuman.training.packing_check import is_packed

pytestmark = [FIXTURES, pytest.mark.filterwarnings("ignore:fan_in_fan_out is set")]  # PEFT says so of GPT-2

DECODERS = ("llama", "qwen2", "qwen3", "mistral", "gpt2")
BOTH_TASKS = [(task, kind) for kind in DECODERS for task in ("qa", "fv")]
# What dropout is left on is drawn by name, so it is the same in both layouts; attention's own is the library's where rows are padded.
MORE: dict[str, dict[str, Any]] = {
    "mistral": {"sliding_window": 7},  # every row is longer
    "qwen3": {"head_dim": 8},
    "gpt2": {"attn_pdrop": 0.0},
    "bert": {"attention_probs_dropout_prob": 0.0},
    "roberta": {"attention_probs_dropout_prob": 0.0, "pad_token_id": 1},  # positions are counted from 2
    "modernbert": {"local_attention": 8},
}
# Shares of the size of logits and gradients. Measured: at most 3e-7 and 6e-7; 9e-3 and 2e-2.
TOLERANCE = {"float32": (1e-5, 1e-5), "bfloat16": (3e-2, 6e-2)}


def _weights(kind: str) -> str:
    if kind == "llama":
        return "random:llama"
    make, folder = (small_decoder, kind) if kind in DECODERS else (small_encoder, f"even-{kind}-bert")
    return make(cache_root() / folder, kind, **MORE.get(kind, {}))


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("task", "kind"), [*BOTH_TASKS, ("fv", "bert"), ("fv", "roberta"), ("fv", "modernbert")])
def test_packed_equals_padded(task: str, kind: str, dtype: str) -> None:
    """Logits and gradients of two cells with dropout, and the whole training of one in float32."""
    shared = settings(task, _weights(kind), dtype=dtype, lora_dropout=0.1)
    points = questions() if task == "qa" else claims()
    with lent(shared) as base, stacked(base, shared, shared) as stack:
        assert is_packed(base, Layout.packed)
        rows = lessons_of(base, shared, points)
        assert len({len(row.ids) for row in rows}) > 2, "rows of one length need no padding"
        (said, moved), (expected, along) = (
            learnt(stack, laid(base, [rows[:5], rows[5:]], packed=packed)) for packed in (True, False)
        )
    most_of_logits, most_of_gradients = TOLERANCE[dtype]
    assert distance(expected, said) < most_of_logits and distance(along, moved) < most_of_gradients


@pytest.mark.parametrize(("task", "weights"), [("qa", "random:llama"), ("fv", "random:llama")])
def test_training_packed_equals_training_padded(task: str, weights: str, tmp_path: Path) -> None:
    points = questions() if task == "qa" else claims()
    for layout in ("packed", "padded"):
        outcome = job(
            tmp_path / layout, points, points, settings(task, weights, lora_dropout=0.1, launch={"layout": layout})
        )
        assert outcome.environment["layout"] == layout
    assert apart(adapter(tmp_path / "padded"), adapter(tmp_path / "packed")) < 1e-4


def _other(row: EncodedRow) -> EncodedRow:
    """A row of the same length that says something else."""
    return replace(row, ids=tuple(30 + (7 * token + 11) % 500 for token in row.ids))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("kind", ["llama", "mistral", "bert", "modernbert"])
def test_rows_never_see_each_other(kind: str, packed: bool) -> None:
    """Another text in one row changes no bit of what is said of the others, nor of what another cell learns."""
    task = "qa" if kind in DECODERS else "fv"
    shared = settings(task, _weights(kind), lora_dropout=0.1, loss_on=LossOn.text)
    with lent(shared) as base, stacked(base, shared, shared) as stack:
        rows = lessons_of(base, shared, questions() if task == "qa" else claims())
        owner = torch.tensor([n for n, row in enumerate(rows) for _ in range(len(row.ids) - 1 if task == "qa" else 1)])
        said, moved = learnt(stack, laid(base, [rows[:5], rows[5:]], packed=packed))
        for changed in (0, 4, 5, 7):
            now = [_other(row) if n == changed else row for n, row in enumerate(rows)]
            heard, went = learnt(stack, laid(base, [now[:5], now[5:]], packed=packed))
            assert torch.equal(said[owner != changed], heard[owner != changed]), f"row {changed} was seen by others"
            assert not torch.equal(said[owner == changed], heard[owner == changed])
            other_cell = int(changed < 5)
            assert torch.equal(moved[other_cell], went[other_cell]) and not torch.equal(
                moved[1 - other_cell], went[1 - other_cell]
            )


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("task", ["qa", "fv"])
def test_head_reads_the_tokens_that_matter_alone(task: str, packed: bool) -> None:
    """A head over the whole vocabulary is the largest product of a small model: it sees no token that teaches nothing."""
    shared = settings(task)
    with lent(shared) as base, stacked(base, shared) as stack:
        rows = lessons_of(base, shared, questions() if task == "qa" else claims())
        seen: list[int] = []
        head = base.model.lm_head if task == "qa" else base.model.get_submodule("score")
        with head.register_forward_hook(lambda module, given, said: seen.append(said.shape[:-1].numel())):
            learnt(stack, laid(base, [rows], packed=packed))
    assert sum(seen) == (sum(label != IGNORE for row in rows for label in row.labels) if task == "qa" else len(rows))


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("pad_is_end", [False, True])
@pytest.mark.parametrize("loss_on", list(LossOn))
def test_each_taught_token_is_asked_of_the_one_before_it(
    loss_on: LossOn, pad_is_end: bool, packed: bool, tmp_path: Path
) -> None:
    """Padding is told by place, never by token: the end token is learnt although it may be the pad token too."""
    shared = settings(weights=where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama", loss_on=loss_on)
    with lent(shared) as base:
        rows = lessons_of(base, shared, questions())
        batch, end = laid(base, [rows[:3], rows[3:]], packed=packed), base.tokenizer.eos_token_id
        assert (base.tokenizer.pad_token_id == end) is pad_is_end
    picked = batch.picks.tolist()
    asked = {(number, place - start): label for number, start in enumerate(batch.starts[:-1]) for place, label in
             zip(picked, batch.labels.tolist(), strict=True) if start <= place < batch.starts[number + 1]}  # fmt: skip
    expected = {
        (n, t - 1): label for n, row in enumerate(rows) for t, label in enumerate(row.labels) if t and label != IGNORE
    }
    assert asked == expected and len(picked) == len(expected)
    assert all(asked[n, len(row.ids) - 2] == end for n, row in enumerate(rows))
    per_row = [sum(1 for n, _ in expected if n == number) for number in range(len(rows))]
    assert batch.picked.blocks.spans == ((0, 0, sum(per_row[:3])), (1, sum(per_row[:3]), sum(per_row)))


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_mask_covers_real_tokens_whatever_they_are(pad_is_end: bool, tmp_path: Path) -> None:
    shared = settings(weights=where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama")
    with lent(shared) as base:
        rows = lessons_of(base, shared, questions())
        batch = laid(base, [rows], packed=False)
    assert batch.mask is not None and not batch.mask.all()
    for row, ids, mask in zip(rows, batch.ids, batch.mask, strict=True):
        assert mask.tolist() == [1] * len(row.ids) + [0] * (len(mask) - len(row.ids)) and ids[
            mask.bool()
        ].tolist() == list(row.ids)


def _mpnet() -> str:
    return small_encoder(cache_root() / "mpnet", "mpnet")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_model_that_cannot_be_packed_is_padded_and_exact(
    dtype: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """MPNet computes its attention itself: rows that stand end to end would see each other, if little."""
    with caplog.at_level(logging.INFO, "littlehuman"):
        shared = settings("fv", _mpnet(), dtype=dtype, lora_dropout=0.1)
        outcome = job(tmp_path / "auto", claims(), claims(4), shared)
    assert outcome.environment["layout"] == "padded" and "they would see each other" in caplog.text
    alone = replace(shared, launch=replace(shared.launch, micro_batch=1))  # a row alone has no padding and no neighbour
    job(tmp_path / "alone", claims(), claims(4), alone)
    assert apart(adapter(tmp_path / "alone"), adapter(tmp_path / "auto")) < (1e-4 if dtype == "float32" else 0.05)


def test_packed_layout_is_refused_where_rows_would_mix(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"launch.layout=packed +.*mpnet .*launch.layout=padded is exact"):
        job(tmp_path, claims(), [], settings("fv", _mpnet(), launch={"layout": "packed"}))


def _is_packed(shared: Shared) -> bool:
    with lent(shared) as base:
        return is_packed(base, Layout.auto)


def test_attention_that_leaks_fails_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _is_packed(settings())
    inside = forward._row_by_row

    def leaking(query: Any, key: Any, value: Any, batch: PackedBatch, how: Any, layer: int) -> torch.Tensor:
        return inside(query, key, value, replace(batch, starts=(0, batch.starts[-1])), how, layer)

    monkeypatch.setattr(forward, "_row_by_row", leaking)
    forget()  # what is known of the base that is held
    for dtype in ("float32", "bfloat16"):
        assert not _is_packed(settings(dtype=dtype))


def test_positions_that_go_on_from_row_to_row_fail_the_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = settings("fv", _weights("roberta"))
    monkeypatch.setattr(Base, "first_position", 7)
    assert not _is_packed(shared)


def test_attention_with_more_than_we_know_is_padded(caplog: pytest.LogCaptureFixture) -> None:
    weights = small_decoder(cache_root() / "gemma2", "gemma2", head_dim=8)
    with caplog.at_level(logging.INFO, "littlehuman"):
        assert not _is_packed(settings(weights=weights))
    assert "packed attention knows no softcap" in caplog.text
