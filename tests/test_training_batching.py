"""Points as tokens: only the evidence is ever shortened, padding changes nothing, the head reads the right place."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    ANSWERS,
    BY_HEART,
    CLAIM,
    CLASSES,
    CPU,
    FIXTURES,
    claims,
    encoder_for,
    forget,
    job,
    no_base_held,
    one_thread,
    questions,
    settings,
    small_encoder,
    texts,
    tiny_cache,
    where_pad_is_end,
)

from littlehuman.errors import DataError
from littlehuman.groups import Architecture, Head, LossOn
from littlehuman.records import Example
from littlehuman.training import predict
from littlehuman.training.base import Base, lease
from littlehuman.training.batching import IGNORE, Encoder, padded
from littlehuman.training.tiny import tiny_model

pytestmark = FIXTURES

LONG = Example(
    "long", "Wörter, 12.5 kg «Kelp» 🦦🌊 und   drei\n\nnaïve façades at the quay; " * 9, "Does the otter, at 10:30, keep 3 shells?", ("a",)
)


def _tokenizer(kind: str) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model(kind))


def _decoder(max_tokens: int, **changes: Any) -> Encoder:
    return replace(Encoder(_tokenizer("llama"), Head.classification, Architecture.decoder, CLAIM, max_tokens, ("a",)), **changes)


def _text(encoder: Encoder, ids: tuple[int, ...]) -> str:
    return str(encoder.tokenizer.decode(ids))


@pytest.mark.parametrize("max_tokens", [40, 41, 57, 100, 163, 300])
def test_only_the_evidence_is_shortened(max_tokens: int) -> None:
    encoder = _decoder(max_tokens)
    row = encoder.prompt(LONG)
    text = _text(encoder, row.ids)
    behind = CLAIM.format(evidence="", text=LONG.text).lstrip()
    assert text.endswith(behind) and row.shortened
    kept = text.removesuffix(behind).rstrip()
    assert LONG.evidence.startswith(kept) and "\ufffd" not in text, "a character was cut in two"
    assert max_tokens - 12 < len(row.ids) <= max_tokens, "no more than needed is cut off"


def test_each_length_of_evidence_fits_and_ends_with_the_whole_question() -> None:
    encoder = _decoder(60, head=Head.generation)
    for length in range(len(LONG.evidence)):
        example = replace(LONG, evidence=LONG.evidence[:length])
        row = encoder.prompt(example)
        assert len(row.ids) <= 60 and _text(encoder, row.ids).endswith(f"Claim: {LONG.text}\n\nIs the claim supported?")
        assert row.shortened or _text(encoder, row.ids) == CLAIM.format(evidence=example.evidence, text=LONG.text).lstrip()


def test_row_fits_also_where_a_cut_changes_the_tokens_behind_it() -> None:
    """Here the evidence's last token and the text's first one are read as one token, and as two once the evidence is cut."""
    glued = Example("glued", "Nobody saw where th", "e otter sleeps", ("a",))
    whole = len(_decoder(512, model_input="{evidence}{text}").prompt(glued).ids)
    for max_tokens in range(8, whole):
        assert len(_decoder(max_tokens, model_input="{evidence}{text}").prompt(glued).ids) <= max_tokens


def test_row_that_fits_exactly_is_not_shortened() -> None:
    whole = _decoder(10_000).prompt(LONG)
    assert not whole.shortened and _decoder(len(whole.ids)).prompt(LONG) == whole
    assert _decoder(len(whole.ids) - 1).prompt(LONG).shortened


def test_text_longer_than_max_tokens_still_stands_whole() -> None:
    example = replace(LONG, text=LONG.evidence.strip(), evidence="Short evidence.")
    row = _decoder(20).prompt(example)
    assert row.shortened and len(row.ids) > 20
    assert _text(_decoder(20), row.ids) == CLAIM.format(evidence="", text=example.text).lstrip()
    assert not _decoder(20).prompt(replace(example, evidence="")).shortened, "there was no evidence to shorten"


@pytest.mark.parametrize("max_tokens", [30, 64, 111])
def test_encoder_pair_keeps_the_whole_claim(max_tokens: int) -> None:
    encoder = _decoder(max_tokens, tokenizer=_tokenizer("bert"), architecture=Architecture.encoder, typed_pairs=True)
    row = encoder.prompt(LONG)
    evidence, claim, rest = _text(encoder, row.ids).removeprefix("[CLS]").split("[SEP]")
    assert claim.strip() == LONG.text and not rest and LONG.evidence.startswith(evidence.strip()) and evidence.strip()
    assert row.shortened and max_tokens - 12 < len(row.ids) <= max_tokens
    claim_starts = row.types.index(1)
    assert _text(encoder, row.ids[claim_starts:]).strip() == f"{LONG.text}[SEP]", "token types tell the two texts apart"


def test_encoder_gets_a_pair_as_its_own_tokenizer_makes_it() -> None:
    with lease("random:bert", Head.classification, 2, CPU, torch.float32) as base:
        encoder = encoder_for(base, settings("fv", "random:bert"))
        batch = padded([encoder.prompt(example) for example in claims()], base.tokenizer.pad_token_id, CPU)
        expected = base.tokenizer([e.evidence for e in claims()], [e.text for e in claims()], padding=True, return_tensors="pt")
    assert batch.keys() == expected.keys() and "token_type_ids" in batch
    assert all(torch.equal(batch[name], expected[name]) for name in batch)


def test_encoder_that_knows_one_kind_of_token_is_not_told_two(tmp_path: Path) -> None:
    weights = small_encoder(tmp_path / "bert", "roberta", type_vocab_size=1)
    job(tmp_path / "run", claims(), claims(2), settings("fv", weights))  # a second kind would be an index error


def test_shortened_rows_are_counted_for_training_and_for_test(tmp_path: Path) -> None:
    short = [replace(example, evidence="Brief.") for example in claims(5)]
    outcome = job(tmp_path, [*short, LONG_CLAIM, LONG_CLAIM], [*short, LONG_CLAIM], settings("fv", max_tokens=64))
    assert outcome.shortened == {"train": 2, "test": 1}


LONG_CLAIM = replace(LONG, targets=(CLASSES[0],))


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_rows_longer_than_an_encoders_position_table_are_shortened_to_it(kind: str, tmp_path: Path) -> None:
    weights = small_encoder(tmp_path / kind, kind, positions=66, pad_token_id=1) if kind == "roberta" else None
    weights = weights or small_encoder(tmp_path / kind, kind, positions=64)
    shared = settings("fv", weights, max_tokens=512)
    with lease(weights, Head.classification, 2, CPU, torch.float32) as base:
        assert base.positions == 64
        assert 52 < len(encoder_for(base, shared).prompt(LONG).ids) <= 64
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
        assert Base(model, None, "", CPU, ()).positions == limit


def test_room_for_the_answer_is_kept_where_positions_end() -> None:
    encoder = _decoder(512, head=Head.generation, positions=80, answer_tokens=10)
    assert 58 < len(encoder.prompt(LONG).ids) <= 70
    with pytest.raises(DataError, match="long: .* at most 80"):
        encoder.lesson(replace(LONG, targets=("word " * 40,)))


@pytest.mark.parametrize("loss_on", list(LossOn))
def test_lesson_teaches_the_answer_and_the_end_token(loss_on: LossOn) -> None:
    encoder = _decoder(200, head=Head.generation, loss_on=loss_on)
    for example in questions():
        prompt, lesson = encoder.prompt(example), encoder.lesson(example)
        answer = lesson.ids[len(prompt.ids) :]
        assert lesson.ids[: len(prompt.ids)] == prompt.ids
        assert _text(encoder, answer[:-1]) == f" {example.target}" and answer[-1] == encoder.tokenizer.eos_token_id
        read = prompt.ids[1:] if loss_on is LossOn.text else (IGNORE,) * (len(prompt.ids) - 1)
        assert lesson.labels == (IGNORE, *read, *answer), "nothing stands before the first token"


@pytest.mark.parametrize("loss_on", list(LossOn))
def test_padding_is_masked_by_position_never_by_token(loss_on: LossOn, tmp_path: Path) -> None:
    with lease(where_pad_is_end(tmp_path / "model"), Head.generation, 0, CPU, torch.float32) as base:
        end = base.tokenizer.eos_token_id
        assert base.tokenizer.pad_token_id == end
        rows = [encoder_for(base, settings(loss_on=loss_on)).lesson(example) for example in questions()]
    for left in (False, True):
        batch = padded(rows, end, CPU, left=left)
        for row, ids, mask, labels in zip(rows, batch["input_ids"], batch["attention_mask"], batch["labels"], strict=True):
            fill, real = len(mask) - len(row.ids), mask.bool()
            assert mask.tolist() == ([0] * fill + [1] * len(row.ids) if left else [1] * len(row.ids) + [0] * fill)
            assert ids[real].tolist() == list(row.ids) and labels[real].tolist() == list(row.labels)
            assert labels[real][-1] == end, "the end token is learnt although it is the pad token"
            assert (labels[~real] == IGNORE).all()


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_batched_generation_equals_single(pad_is_end: bool, tmp_path: Path) -> None:
    weights = where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama"
    with lease(weights, Head.generation, 0, CPU, torch.float32) as base:
        encoder = encoder_for(base, settings())
        rows = [encoder.prompt(example, index) for index, example in enumerate(questions())]
        single = []
        for row in rows:  # by hand: no padding, no batch, no cache
            out = base.model.generate(torch.tensor([row.ids]), max_new_tokens=8, do_sample=False, use_cache=False)
            single.append(predict.first_line(base.tokenizer.decode(out[0, len(row.ids) :], skip_special_tokens=True)))
        assert len({len(row.ids) for row in rows}) > 2 and len(set(single)) > 2, "the rows must differ, or nothing is shown"
        for batch in (1, 2, 3, 8):
            assert predict.answer(base.model, base.tokenizer, rows, max_tokens=8, batch=batch, progress=False) == single


@pytest.mark.parametrize("weights", ["random:llama", "random:bert"])
def test_scores_do_not_depend_on_the_batch_size(weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[torch.Tensor] = []
    original = predict.classify

    def spy(model: Any, rows: Any, classes: Any, *, pad: int, batch: int, progress: bool) -> list[str]:
        logits: dict[int, torch.Tensor] = {}
        for group in predict._groups(rows, batch, False):
            with torch.inference_mode():
                out = model(**padded(group, pad, CPU)).logits
            logits |= {row.index: line for row, line in zip(group, out, strict=True)}
        seen.append(torch.stack([logits[row.index] for row in rows]))
        return original(model, rows, classes, pad=pad, batch=batch, progress=progress)

    monkeypatch.setattr(predict, "classify", spy)
    outcomes = [job(tmp_path, claims(), claims(12), settings("fv", weights, eval_batch=batch)) for batch in (1, 3, 12)]
    for logits, outcome in zip(seen, outcomes, strict=True):
        torch.testing.assert_close(logits, seen[0], atol=1e-5, rtol=1e-5)
        assert texts(outcome) == texts(outcomes[0]) == [CLASSES[i] for i in logits.argmax(-1).tolist()]


def test_answers_of_a_job_do_not_depend_on_the_batch_size(tmp_path: Path) -> None:
    shared = [settings(eval_batch=batch, **BY_HEART | {"epochs": 20}) for batch in (1, 3, 12)]
    answers = [texts(job(tmp_path, questions(), questions(12), each)) for each in shared]
    assert answers[0] == answers[1] == answers[2] and len(set(answers[0])) > 2


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_head_reads_the_last_real_token(pad_is_end: bool, tmp_path: Path) -> None:
    weights = where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama"
    with lease(weights, Head.classification, 2, CPU, torch.float32) as base, torch.inference_mode():
        rows = [encoder_for(base, settings("fv", weights)).prompt(example) for example in claims()]
        batch = padded(rows, base.tokenizer.pad_token_id, CPU)
        assert not batch["attention_mask"].all(), "some rows must be padded"
        single = torch.cat([base.model(**padded([row], base.tokenizer.pad_token_id, CPU)).logits for row in rows])
        torch.testing.assert_close(base.model(**batch).logits, single, atol=1e-6, rtol=1e-5)
        for row, logits in zip(rows, single, strict=True):
            last = base.model.model(torch.tensor([row.ids])).last_hidden_state[0, -1]
            torch.testing.assert_close(base.model.score(last), logits, atol=1e-6, rtol=1e-5)


def test_predictions_come_in_the_order_of_the_points(tmp_path: Path) -> None:
    shared, points = settings(epochs=6), questions(9)
    forward = job(tmp_path, questions(), points, shared).predictions
    forget()
    backward = job(tmp_path, questions(), points[::-1], shared).predictions
    assert [p.id for p in forward] == [e.id for e in points] and list(forward) == list(backward)[::-1]
    assert [(p.targets, p.evidence, p.question) for p in forward] == [(e.targets, e.evidence, e.text) for e in points]


def test_answers_of_the_parts_differ_in_length() -> None:
    lengths = {len(_tokenizer("llama")(answer)["input_ids"]) for answer in ANSWERS}
    assert len(lengths) > 3, "the tests of the loss need answers of unlike length"
