"""Counter-based dropout: the right rate, independent masks, and the same mask for a token in any batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    FIXTURES,
    adapter,
    claims,
    distance,
    forward_backward,
    job,
    leased_base,
    multi_lora,
    no_base_held,
    one_thread,
    packed_batch,
    questions,
    same_weights,
    settings,
    small_decoder,
    small_encoder,
    tiny_cache,
    train_rows_of,
)

from littlehuman.store import cache_root
from littlehuman.training import forward
from littlehuman.training.dropout import (
    ApplyMask,
    apply_mask,
    cutoffs_and_scales,
    keep_mask,
    row_keys,
    step_key,
    token_keys,
)

pytestmark = FIXTURES

ROWS, LENGTH, WIDTH = 40, 50, 64


def _keys(seed: int = 0, step: int = 0) -> torch.Tensor:
    """Keys of all tokens of a step: [rows * tokens]."""
    rows = row_keys(range(ROWS), [step_key(seed, step)] * ROWS)
    return token_keys(rows.repeat_interleave(LENGTH), torch.arange(LENGTH).repeat(ROWS))


def _mask(rate: float = 0.5, seed: int = 0, step: int = 0, layer_id: int = 0) -> torch.Tensor:
    """Which features are kept: [rows, tokens, width], 0 or 1."""
    (cutoff,), _ = cutoffs_and_scales([rate])
    return -keep_mask(_keys(seed, step), layer_id, WIDTH, torch.tensor(cutoff, dtype=torch.int16)).view(
        ROWS, LENGTH, WIDTH
    )


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.5, 0.9])
def test_the_share_that_is_asked_for_is_dropped_and_the_mean_is_kept(rate: float) -> None:
    mask = _mask(rate)
    assert set(mask.unique().tolist()) == {0, 1}
    assert mask.float().mean() == pytest.approx(1 - rate, abs=4 * (rate * (1 - rate) / mask.numel()) ** 0.5 + 2**-15)
    _, (scale,) = cutoffs_and_scales([rate])
    assert scale == pytest.approx(1 / (1 - rate), rel=1e-3)


@pytest.mark.parametrize(("rate", "kept"), [(0.0, 1), (1.0, 0)])
def test_rates_of_zero_and_one(rate: float, kept: int) -> None:
    assert (_mask(rate) == kept).all() and cutoffs_and_scales([rate])[1] == [float(kept)]


def test_cells_of_one_batch_have_their_own_rates() -> None:
    cutoffs = torch.tensor(cutoffs_and_scales([0.0, 0.25, 1.0])[0]).repeat_interleave(500)[:, None].to(torch.int16)
    shares = -keep_mask(_keys()[:1500], 3, WIDTH, cutoffs).view(3, -1).float().mean(1)
    assert shares[0] == 1 and shares[2] == 0 and shares[1] == pytest.approx(0.75, abs=0.02)


Pair = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@pytest.mark.parametrize(
    ("what", "pair"),
    [
        ("neighbouring features", lambda m: (m[..., ::2], m[..., 1::2])),
        ("features two apart", lambda m: (m[..., :-2], m[..., 2:])),
        ("neighbouring tokens", lambda m: (m[:, :-1], m[:, 1:])),
        ("neighbouring rows", lambda m: (m[:-1], m[1:])),
        ("the same row one step later", lambda m: (m, _mask(step=1))),
        ("the next row one step later", lambda m: (m[1:], _mask(step=1)[:-1])),
        ("another cell", lambda m: (m, _mask(seed=1))),
        ("another layer", lambda m: (m, _mask(layer_id=1))),
    ],
)
def test_masks_are_uncorrelated(what: str, pair: Pair) -> None:
    left, right = (part.flatten().float() for part in pair(_mask()))
    correlation = float(torch.corrcoef(torch.stack([left, right]))[0, 1])
    assert abs(correlation) < 4 / len(left) ** 0.5, what


def test_each_feature_and_each_token_is_dropped_as_often_as_any() -> None:
    mask = _mask().float()
    for over in ((0, 1), (0, 2), (1, 2)):  # by feature, by position, by row
        shares = mask.mean(over)
        count = mask.numel() / shares.numel()
        spread = float((shares - 0.5).square().mean())
        assert 0.5 < spread / (0.25 / count) < 1.7, "the variance of a fair coin"


def test_a_token_drops_the_same_features_in_any_batch() -> None:
    keys, cutoff = _keys(), torch.tensor(cutoffs_and_scales([0.3])[0][0], dtype=torch.int16)
    whole = keep_mask(keys, 7, WIDTH, cutoff)
    order = torch.randperm(len(keys), generator=torch.Generator().manual_seed(0))
    assert torch.equal(keep_mask(keys[order], 7, WIDTH, cutoff), whole[order])
    assert torch.equal(keep_mask(keys[123:124], 7, WIDTH, cutoff), whole[123:124])
    assert torch.equal(keep_mask(keys, 7, WIDTH - 7, cutoff), whole[:, : WIDTH - 7]), (
        "a wider layer draws more features, the first ones stay the same"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_masking_equals_multiplying_with_zeros_and_ones(dtype: torch.dtype) -> None:
    x = torch.randn(200, 9, generator=torch.Generator().manual_seed(1)).to(dtype).requires_grad_()
    mask = keep_mask(_keys()[:200], 0, 9, torch.tensor(cutoffs_and_scales([0.4])[0][0], dtype=torch.int16))
    assert torch.equal(apply_mask(x.detach(), mask), x.detach() * -mask)
    out = ApplyMask.apply(x, mask)
    out.backward(torch.ones_like(out))
    assert x.grad is not None and torch.equal(x.grad, (-mask).to(dtype))


def test_dropout_of_the_base_changes_each_step_and_follows_from_the_keys() -> None:
    """BERT drops hidden states and attention weights in training; the same rows in another batch drop the same."""
    shared = settings("fv", "random:bert")
    with leased_base(shared) as base, multi_lora(base, shared, shared) as lora:
        rows = train_rows_of(base, shared, claims())
        assert base.model.config.hidden_dropout_prob == base.model.config.attention_probs_dropout_prob == 0.1
        first, again, later = (
            forward_backward(lora, packed_batch(base, [rows[:4], rows[4:]], step=step))[0] for step in (0, 0, 1)
        )
        alone = torch.cat([forward_backward(lora, packed_batch(base, [[row]]))[0] for row in rows[:4]])
        without_dropout = lora.logits(packed_batch(base, [rows[:4]]), 0)
    assert torch.equal(first, again) and distance(first, later) > 1e-3
    assert distance(first[:4], alone) < 1e-5 and distance(first[:4], without_dropout) > 1e-3


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_attention_dropout_follows_from_the_keys_and_differs_between_layers(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, dict[str, Any]] = {
        "bert": {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.5},
        "distilbert": {
            "dim": 32,
            "n_heads": 4,
            "hidden_dim": 64,
            "n_layers": 2,
            "dropout": 0.0,
            "attention_dropout": 0.5,
        }
        | {"seq_classif_dropout": 0.0},
    }
    shared = settings("fv", small_encoder(cache_root() / f"attentive-{kind}", kind, **values[kind]))
    layer_ids: list[int] = []
    monkeypatch.setattr(
        forward,
        "keep_mask",
        lambda keys, layer_id, *more: [layer_ids.append(layer_id), keep_mask(keys, layer_id, *more)][1],
    )
    with leased_base(shared) as base, multi_lora(base, shared) as lora:
        rows = train_rows_of(base, shared, claims())
        together = forward_backward(lora, packed_batch(base, [rows]))[0]
        assert len(set(layer_ids)) == 2 and len(layer_ids) == 2 * len(rows)
        alone = torch.cat([forward_backward(lora, packed_batch(base, [[row]]))[0] for row in rows])
        without_dropout = lora.logits(packed_batch(base, [rows]), 0)
    assert distance(together, alone) < 1e-5 and distance(together, without_dropout) > 1e-3


def test_dropout_inside_a_head_is_the_same_for_a_cell_alone_and_among_others() -> None:
    """RoBERTa's head has its own dropout, inside a module that is trained whole."""
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.5}
    shared = settings("fv", small_encoder(cache_root() / "head-roberta-bert", "roberta", pad_token_id=1, **rates))
    with leased_base(shared) as base, multi_lora(base, shared, shared) as lora:
        rows = train_rows_of(base, shared, claims())
        both = forward_backward(lora, packed_batch(base, [rows[:4], rows[4:]]))[0]
        first = forward_backward(lora, packed_batch(base, [rows[:4]]))[0]
        without_dropout = lora.logits(packed_batch(base, [rows[:4]]), 0)
        assert distance(both[:4], first) < 1e-5 and distance(first, without_dropout) > 0.05


def test_dropout_from_the_global_generator_follows_from_the_batch(tmp_path: Path) -> None:
    """OPT calls the dropout function inside its layers, where no module can be replaced; it is seeded instead."""
    shared = settings(
        weights=small_decoder(cache_root() / "opt", "opt", ffn_dim=64, word_embed_proj_dim=32, dropout=0.3)
    )
    for number in (1, 2):
        torch.manual_seed(number)
        before = torch.get_rng_state()
        job(tmp_path / str(number), questions(), [], shared)
        assert torch.equal(before, torch.get_rng_state())
    assert same_weights(adapter(tmp_path / "1"), adapter(tmp_path / "2"))
