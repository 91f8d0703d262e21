"""Encoding: only the evidence is shortened, and the labels are the answer and the end token."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    ANSWERS,
    CLAIM,
    CLASSES,
    CPU,
    FIXTURES,
    claims,
    encoder_for,
    job,
    leased_base,
    model_with_pad_as_end,
    no_base_held,
    one_thread,
    packed_batch,
    prompt_rows_of,
    questions,
    settings,
    small_encoder,
    texts,
    tiny_cache,
    train_rows_of,
)

from littlehuman.errors import DataError
from littlehuman.models.base_model import Base
from littlehuman.models.tiny import tiny_model
from littlehuman.records import Example
from littlehuman.schema import Architecture, Head, LossOn
from littlehuman.training.encoding import IGNORE_INDEX, Encoder, pad_left

pytestmark = FIXTURES

LONG = Example(
    "long",
    "Wörter, 12.5 kg «Kelp» 🦦🌊 und   drei\n\nnaïve façades at the quay; " * 9,
    "Does the otter, at 10:30, keep 3 shells?",
    ("a",),
)


def _tokenizer(kind: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model(kind))


def _decoder(max_tokens: int, **changes: Any) -> Encoder:
    return replace(
        Encoder(_tokenizer("llama"), Head.classification, Architecture.decoder, CLAIM, max_tokens, ("a",)), **changes
    )


def _text(encoder: Encoder, ids: tuple[int, ...]) -> str:
    return str(encoder.tokenizer.decode(ids))


@pytest.mark.parametrize("max_tokens", [40, 41, 57, 100, 163, 300])
def test_only_the_evidence_is_shortened(max_tokens: int) -> None:
    encoder = _decoder(max_tokens)
    row = encoder.encode_prompt(LONG)
    text = _text(encoder, row.input_ids)
    ending = CLAIM.format(evidence="", text=LONG.text).lstrip()
    assert text.endswith(ending) and row.shortened
    kept = text.removesuffix(ending).rstrip()
    assert LONG.evidence.startswith(kept) and "\ufffd" not in text, "no character is cut in two"
    assert max_tokens - 12 < len(row.input_ids) <= max_tokens, "no more than needed is cut off"


def test_evidence_of_any_length_fits_and_the_question_stays_whole() -> None:
    encoder = _decoder(60, head=Head.generation)
    for length in range(len(LONG.evidence)):
        example = replace(LONG, evidence=LONG.evidence[:length])
        row = encoder.encode_prompt(example)
        assert len(row.input_ids) <= 60 and _text(encoder, row.input_ids).endswith(
            f"Claim: {LONG.text}\n\nIs the claim supported?"
        )
        assert (
            row.shortened
            or _text(encoder, row.input_ids) == CLAIM.format(evidence=example.evidence, text=LONG.text).lstrip()
        )


def test_row_fits_even_if_a_cut_changes_the_tokens_after_it() -> None:
    """Here one token spans the end of the evidence and the start of the text; it splits once the evidence is cut."""
    glued = Example("glued", "Nobody saw where th", "e otter sleeps", ("a",))
    whole = len(_decoder(512, model_input="{evidence}{text}").encode_prompt(glued).input_ids)
    for max_tokens in range(8, whole):
        assert len(_decoder(max_tokens, model_input="{evidence}{text}").encode_prompt(glued).input_ids) <= max_tokens


def test_row_that_fits_exactly_is_not_shortened() -> None:
    whole = _decoder(10_000).encode_prompt(LONG)
    assert not whole.shortened and _decoder(len(whole.input_ids)).encode_prompt(LONG) == whole
    assert _decoder(len(whole.input_ids) - 1).encode_prompt(LONG).shortened


def test_text_longer_than_max_tokens_is_kept_whole() -> None:
    example = replace(LONG, text=LONG.evidence.strip(), evidence="Short evidence.")
    row = _decoder(20).encode_prompt(example)
    assert row.shortened and len(row.input_ids) > 20
    assert _text(_decoder(20), row.input_ids) == CLAIM.format(evidence="", text=example.text).lstrip()
    assert not _decoder(20).encode_prompt(replace(example, evidence="")).shortened, "there was no evidence to shorten"


@pytest.mark.parametrize("max_tokens", [30, 64, 111])
def test_encoder_pair_keeps_the_whole_claim(max_tokens: int) -> None:
    encoder = _decoder(
        max_tokens, tokenizer=_tokenizer("bert"), architecture=Architecture.encoder, use_token_types=True
    )
    row = encoder.encode_prompt(LONG)
    evidence, claim, rest = _text(encoder, row.input_ids).removeprefix("[CLS]").split("[SEP]")
    assert claim.strip() == LONG.text and not rest and LONG.evidence.startswith(evidence.strip()) and evidence.strip()
    assert row.shortened and max_tokens - 12 < len(row.input_ids) <= max_tokens
    claim_starts = row.token_type_ids.index(1)
    assert _text(encoder, row.input_ids[claim_starts:]).strip() == f"{LONG.text}[SEP]", (
        "token types mark the second text"
    )


def test_encoder_input_equals_the_pair_of_its_own_tokenizer() -> None:
    shared = settings("fv", "random:bert")
    with leased_base(shared) as base:
        batch = packed_batch(base, [prompt_rows_of(base, shared, claims())], packed=False)
        expected = base.tokenizer(
            [e.evidence for e in claims()], [e.text for e in claims()], padding=True, return_tensors="pt"
        )
    for name, tensor in (
        ("input_ids", batch.input_ids),
        ("attention_mask", batch.attention_mask),
        ("token_type_ids", batch.token_type_ids),
    ):
        assert tensor is not None and torch.equal(tensor, expected[name])


def test_encoder_with_one_token_type_gets_no_token_types(tmp_path: Path) -> None:
    weights = small_encoder(tmp_path / "bert", "roberta", type_vocab_size=1)
    job(tmp_path / "run", claims(), claims(2), settings("fv", weights))  # a second type would be an index error


def test_shortened_rows_are_counted_for_training_and_for_test(tmp_path: Path) -> None:
    short = [replace(example, evidence="Brief.") for example in claims(5)]
    outcome = job(tmp_path, [*short, LONG_CLAIM, LONG_CLAIM], [*short, LONG_CLAIM], settings("fv", max_tokens=64))
    assert outcome.shortened == {"train": 2, "test": 1}


LONG_CLAIM = replace(LONG, targets=(CLASSES[0],))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_rows_are_shortened_to_the_position_table_of_an_encoder(kind: str, tmp_path: Path) -> None:
    weights = small_encoder(tmp_path / kind, kind, positions=66, pad_token_id=1) if kind == "roberta" else None
    weights = weights or small_encoder(tmp_path / kind, kind, positions=64)
    shared = settings("fv", weights, max_tokens=512)
    with leased_base(shared) as base:
        assert base.max_positions == 64
        assert 52 < len(encoder_for(base, shared).encode_prompt(LONG).input_ids) <= 64
    outcome = job(tmp_path / "run", [LONG_CLAIM, *claims(3)], [LONG_CLAIM], shared)
    assert outcome.shortened == {"train": 1, "test": 1} and texts(outcome)[0] in CLASSES
    too_long = replace(LONG_CLAIM, text=LONG.text * 5)
    with pytest.raises(DataError, match="long: .* this model reads at most 64"):
        job(tmp_path / "run", [], [too_long], shared)


def test_position_limits_of_models() -> None:
    from transformers import GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, OPTConfig, OPTForCausalLM

    small: dict[str, Any] = {"vocab_size": 30, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    models: list[tuple[Any, int | None]] = [
        (GPT2LMHeadModel(GPT2Config(n_positions=40, n_embd=8, n_head=2, n_layer=1, vocab_size=30)), 40),
        (OPTForCausalLM(OPTConfig(max_position_embeddings=40, ffn_dim=16, word_embed_proj_dim=8, **small)), 40),
        (LlamaForCausalLM(LlamaConfig(max_position_embeddings=40, intermediate_size=16, **small)), None),
    ]
    for model, limit in models:
        assert Base(model, None, "", CPU, ()).max_positions == limit


def test_room_for_the_answer_is_reserved_in_the_position_table() -> None:
    encoder = _decoder(512, head=Head.generation, max_positions=80, answer_tokens=10)
    assert 58 < len(encoder.encode_prompt(LONG).input_ids) <= 70
    with pytest.raises(DataError, match="long: .* at most 80"):
        encoder.encode_train(replace(LONG, targets=("word " * 40,)))


@pytest.mark.parametrize("loss_on", list(LossOn))
def test_labels_are_the_answer_and_the_end_token(loss_on: LossOn) -> None:
    encoder = _decoder(200, head=Head.generation, loss_on=loss_on)
    for example in questions():
        prompt, row = encoder.encode_prompt(example), encoder.encode_train(example)
        answer = row.input_ids[len(prompt.input_ids) :]
        assert row.input_ids[: len(prompt.input_ids)] == prompt.input_ids
        assert _text(encoder, answer[:-1]) == f" {example.target}" and answer[-1] == encoder.tokenizer.eos_token_id
        read = prompt.input_ids[1:] if loss_on is LossOn.text else (IGNORE_INDEX,) * (len(prompt.input_ids) - 1)
        assert row.labels == (IGNORE_INDEX, *read, *answer), "the first token is never predicted"


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_left_padding_is_marked_by_the_mask_only(pad_is_end: bool, tmp_path: Path) -> None:
    shared = settings(weights=model_with_pad_as_end(tmp_path / "model") if pad_is_end else "random:llama")
    with leased_base(shared) as base:
        rows = train_rows_of(base, shared, questions())
        assert (base.tokenizer.pad_token_id == base.tokenizer.eos_token_id) is pad_is_end
        batch = pad_left([row.input_ids for row in rows], base.pad_token_id, CPU)
    for row, ids, mask in zip(rows, batch["input_ids"], batch["attention_mask"], strict=True):
        assert mask.tolist() == [0] * (len(mask) - len(row.input_ids)) + [1] * len(row.input_ids) and ids[
            mask.bool()
        ].tolist() == list(row.input_ids)


def test_example_answers_differ_in_length() -> None:
    lengths = {len(_tokenizer("llama")(answer)["input_ids"]) for answer in ANSWERS}
    assert len(lengths) > 3, "the tests of the loss need answers of different lengths"
