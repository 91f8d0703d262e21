"""Dropout with named draws: fair, independent where it should be, and the same for a token in any company."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    CPU,
    FIXTURES,
    adapter,
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
    same,
    settings,
    small_decoder,
    small_encoder,
    stacked,
    texts,
    tiny_cache,
)

from littlehuman.store import cache_root
from littlehuman.training import forward
from littlehuman.training.dropout import Masked, kept, masked, name_rows, name_tokens, stream, thresholds

pytestmark = FIXTURES

ROWS, LENGTH, WIDTH = 40, 50, 64


def _names(seed: int = 0, step: int = 0) -> torch.Tensor:
    """Names of all tokens of a step: [rows * tokens]."""
    rows = name_rows(range(ROWS), [stream(seed, step)] * ROWS)
    return name_tokens(rows.repeat_interleave(LENGTH), torch.arange(LENGTH).repeat(ROWS))


def _stays(rate: float = 0.5, seed: int = 0, step: int = 0, place: int = 0) -> torch.Tensor:
    """Whether each feature stays: [rows, tokens, width], 0 or 1."""
    (cut,), _ = thresholds([rate])
    return -kept(_names(seed, step), place, WIDTH, torch.tensor(cut, dtype=torch.int16)).view(ROWS, LENGTH, WIDTH)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.3, 0.5, 0.9])
def test_the_share_that_is_asked_for_is_dropped_and_the_mean_stays(rate: float) -> None:
    stays = _stays(rate)
    assert set(stays.unique().tolist()) == {0, 1}
    assert stays.float().mean() == pytest.approx(1 - rate, abs=4 * (rate * (1 - rate) / stays.numel()) ** 0.5 + 2**-15)
    _, (stretch,) = thresholds([rate])
    assert stretch == pytest.approx(1 / (1 - rate), rel=1e-3)


@pytest.mark.parametrize(("rate", "left"), [(0.0, 1), (1.0, 0)])
def test_none_and_all(rate: float, left: int) -> None:
    assert (_stays(rate) == left).all() and thresholds([rate])[1] == [float(left)]


def test_cells_of_one_batch_have_rates_of_their_own() -> None:
    cuts = torch.tensor(thresholds([0.0, 0.25, 1.0])[0]).repeat_interleave(500)[:, None].to(torch.int16)
    shares = -kept(_names()[:1500], 3, WIDTH, cuts).view(3, -1).float().mean(1)
    assert shares[0] == 1 and shares[2] == 0 and shares[1] == pytest.approx(0.75, abs=0.02)


Pair = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@pytest.mark.parametrize(
    ("what", "pair"),
    [
        ("neighbouring features", lambda m: (m[..., ::2], m[..., 1::2])),
        ("features two apart", lambda m: (m[..., :-2], m[..., 2:])),
        ("neighbouring tokens", lambda m: (m[:, :-1], m[:, 1:])),
        ("neighbouring rows", lambda m: (m[:-1], m[1:])),
        ("the same row one step later", lambda m: (m, _stays(step=1))),
        ("the next row one step later", lambda m: (m[1:], _stays(step=1)[:-1])),
        ("another cell", lambda m: (m, _stays(seed=1))),
        ("another layer", lambda m: (m, _stays(place=1))),
    ],
)
def test_draws_do_not_follow_from_each_other(what: str, pair: Pair) -> None:
    left, right = (part.flatten().float() for part in pair(_stays()))
    correlation = float(torch.corrcoef(torch.stack([left, right]))[0, 1])
    assert abs(correlation) < 4 / len(left) ** 0.5, what


def test_each_feature_and_each_token_is_dropped_as_often_as_any() -> None:
    stays = _stays().float()
    for over in ((0, 1), (0, 2), (1, 2)):  # by feature, by position, by row
        shares = stays.mean(over)
        count = stays.numel() / shares.numel()
        spread = float((shares - 0.5).square().mean())
        assert 0.5 < spread / (0.25 / count) < 1.7, "a fair coin spreads just so"


def test_a_token_drops_the_same_features_in_any_company() -> None:
    names, cut = _names(), torch.tensor(thresholds([0.3])[0][0], dtype=torch.int16)
    whole = kept(names, 7, WIDTH, cut)
    order = torch.randperm(len(names), generator=torch.Generator().manual_seed(0))
    assert torch.equal(kept(names[order], 7, WIDTH, cut), whole[order])
    assert torch.equal(kept(names[123:124], 7, WIDTH, cut), whole[123:124])
    assert torch.equal(kept(names, 7, WIDTH - 7, cut), whole[:, : WIDTH - 7]), (
        "a wider layer draws on, it does not draw anew"
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_masking_is_multiplying_with_zeros_and_ones(dtype: torch.dtype) -> None:
    x = torch.randn(200, 9, generator=torch.Generator().manual_seed(1)).to(dtype).requires_grad_()
    stays = kept(_names()[:200], 0, 9, torch.tensor(thresholds([0.4])[0][0], dtype=torch.int16))
    assert torch.equal(masked(x.detach(), stays), x.detach() * -stays)
    out = Masked.apply(x, stays)
    out.backward(torch.ones_like(out))
    assert x.grad is not None and torch.equal(x.grad, (-stays).to(dtype))


def test_dropout_of_the_base_itself_is_drawn_anew_each_step_and_by_name() -> None:
    """BERT drops hidden states and attention weights while it learns; the same rows in another batch lose the same."""
    shared = settings("fv", "random:bert")
    with lent(shared) as base, stacked(base, shared, shared) as stack:
        rows = lessons_of(base, shared, claims())
        assert base.model.config.hidden_dropout_prob == base.model.config.attention_probs_dropout_prob == 0.1
        first, again, later = (learnt(stack, laid(base, [rows[:4], rows[4:]], step=step))[0] for step in (0, 0, 1))
        alone = torch.cat([learnt(stack, laid(base, [[row]]))[0] for row in rows[:4]])
        still = stack.logits(laid(base, [rows[:4]]), 0)
    assert torch.equal(first, again) and distance(first, later) > 1e-3
    assert distance(first[:4], alone) < 1e-5 and distance(first[:4], still) > 1e-3


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_attention_weights_are_dropped_by_name_and_otherwise_in_each_layer(
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
    places: list[int] = []
    monkeypatch.setattr(
        forward, "kept", lambda names, place, *more: [places.append(place), kept(names, place, *more)][1]
    )
    with lent(shared) as base, stacked(base, shared) as stack:
        rows = lessons_of(base, shared, claims())
        together = learnt(stack, laid(base, [rows]))[0]
        assert len(set(places)) == 2 and len(places) == 2 * len(rows)
        alone = torch.cat([learnt(stack, laid(base, [[row]]))[0] for row in rows])
        still = stack.logits(laid(base, [rows]), 0)
    assert distance(together, alone) < 1e-5 and distance(together, still) > 1e-3


def test_dropout_inside_a_head_is_drawn_too_and_for_each_cell_as_if_alone() -> None:
    """RoBERTa's head brings its own; as a module that is trained whole it stands apart from the layers."""
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "classifier_dropout": 0.5}
    shared = settings("fv", small_encoder(cache_root() / "head-roberta-bert", "roberta", pad_token_id=1, **rates))
    with lent(shared) as base, stacked(base, shared, shared) as stack:
        rows = lessons_of(base, shared, claims())
        both = learnt(stack, laid(base, [rows[:4], rows[4:]]))[0]
        first = learnt(stack, laid(base, [rows[:4]]))[0]
        still = stack.logits(laid(base, [rows[:4]]), 0)
        assert distance(both[:4], first) < 1e-5 and distance(first, still) > 0.05


def test_dropout_that_a_model_draws_elsewhere_follows_from_the_batch_alone(tmp_path: Path) -> None:
    """OPT calls the library's function in the middle of its layers: no module of ours, but no chance either."""
    shared = settings(
        weights=small_decoder(cache_root() / "opt", "opt", ffn_dim=64, word_embed_proj_dim=32, dropout=0.3)
    )
    for number in (1, 2):
        torch.manual_seed(number)
        before = torch.get_rng_state()
        job(tmp_path / str(number), questions(), [], shared)
        assert torch.equal(before, torch.get_rng_state())
    assert same(adapter(tmp_path / "1"), adapter(tmp_path / "2"))
