"""Chat generation: an answer depends on its own conversation only, whatever else is in the batch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import FIXTURES, PLACES, model_with_pad_as_end, no_base_held, one_thread, tiny_cache  # noqa: F401

from littlehuman.errors import ConfigError, GenerationError, WeightsError
from littlehuman.models import chat as chat_module
from littlehuman.models.chat import Decoded, SkippedPrompt, chat, load_chat, release
from littlehuman.models.chat_template import render
from littlehuman.models.sampling import GumbelSampler
from littlehuman.models.tiny import CHAT_TEMPLATE, tiny_model

pytestmark = FIXTURES

CONVERSATIONS = [
    [{"role": "system", "content": "Be brief."}, {"role": "user", "content": place * (1 + i % 3)}]
    for i, place in enumerate(PLACES)
]


@pytest.fixture(autouse=True)
def _no_prompt_model_held() -> Iterator[None]:
    yield
    release()


def _answers(
    conversations: list[Any] = CONVERSATIONS,
    weights: str = "random:llama",
    max_tokens: int = 10,
    batch_size: int = 8,
    **more: Any,
) -> list[Decoded]:
    found = list(chat(weights, "float32", conversations, max_tokens=max_tokens, batch_size=batch_size, **more))
    return sorted((answer for answer in found if isinstance(answer, Decoded)), key=lambda answer: answer.index)


def _copy_of_tiny(folder: Path, template: str = CHAT_TEMPLATE) -> str:
    shutil.copytree(tiny_model("llama"), folder)
    (folder / "chat_template.jinja").write_text(template)
    return str(folder)


@pytest.mark.parametrize("pad_is_end", [pytest.param(False, marks=pytest.mark.slow), True])
def test_greedy_answers_do_not_depend_on_the_batch(pad_is_end: bool, tmp_path: Path) -> None:
    weights = model_with_pad_as_end(tmp_path / "model") if pad_is_end else "random:llama"
    tokenizer, model = load_chat(weights, "float32")
    expected = []
    for messages in CONVERSATIONS:  # no padding, no batch, no cache
        ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")["input_ids"]
        out = model.generate(ids, max_new_tokens=10, do_sample=False, use_cache=False)[0, ids.shape[1] :]
        expected.append((tokenizer.decode(out), ids.shape[1]))
    assert len({text for text, _ in expected}) > 2
    for batch_size in (1, 3, 8):
        assert [(a.text, a.prompt_tokens) for a in _answers(weights=weights, batch_size=batch_size)] == expected


def test_answer_cut_at_max_tokens_has_finish_length() -> None:
    for answer in _answers(max_tokens=4):
        assert (answer.finish, answer.completion_tokens) == ("length", 4)


def test_answer_with_an_end_token_has_finish_stop_and_counts_it(tmp_path: Path) -> None:
    """Models may have several end tokens: here a second one, which one answer contains."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    tokenizer, model = load_chat("random:llama", "float32")
    ids = tokenizer.apply_chat_template(CONVERSATIONS[0], add_generation_prompt=True, return_tensors="pt")["input_ids"]
    tokens = model.generate(ids, max_new_tokens=10, do_sample=False)[0, ids.shape[1] :].tolist()
    place = next(i for i in range(2, 10) if tokens[i] not in tokens[:i])
    values = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(values | {"eos_token_id": [2, tokens[place]]}))
    whole, short = _answers(), _answers(weights=str(folder))
    assert short[0].finish == "stop" and short[0].completion_tokens == place + 1
    assert short[0].text == tokenizer.decode(tokens[:place]) and whole[0].text.startswith(short[0].text)
    assert any(answer.finish == "length" for answer in short), "other rows of the batch continue"


def test_sampled_answer_depends_on_its_own_seed_only() -> None:
    seeds = list(range(100, 108))
    sampled = _answers(temperature=1.0, seeds=seeds)
    assert [a.text for a in _answers(temperature=1.0, seeds=seeds, batch_size=2)] == [a.text for a in sampled]
    backwards = _answers(CONVERSATIONS[::-1], temperature=1.0, seeds=seeds[::-1])
    assert [a.text for a in backwards] == [a.text for a in sampled][::-1]
    assert _answers(CONVERSATIONS[3:4], temperature=1.0, seeds=seeds[3:4])[0].text == sampled[3].text
    other = _answers(temperature=1.0, seeds=[seed + (seed == 103) for seed in seeds])
    assert [a.text == b.text for a, b in zip(other, sampled, strict=True)] == [i != 3 for i in range(8)]


def test_largest_seed_of_a_request_is_accepted() -> None:
    assert _answers(CONVERSATIONS[:1], temperature=0.5, seeds=[2**64 - 1])[0].text


def test_global_random_state_is_untouched_while_answers_arrive() -> None:
    load_chat("random:llama", "float32")
    before = torch.get_rng_state()
    for _ in chat(
        "random:llama", "float32", CONVERSATIONS[:3], max_tokens=3, batch_size=1, temperature=1.0, seeds=[1, 2, 3]
    ):
        assert torch.equal(before, torch.get_rng_state())


def test_very_small_top_p_is_greedy() -> None:
    assert [a.text for a in _answers(temperature=1.0, top_p=1e-6, seeds=range(8))] == [a.text for a in _answers()]


def test_sampling_defaults_of_a_checkpoint_are_ignored(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    values = json.loads((folder / "generation_config.json").read_text())
    defaults = {"do_sample": True, "temperature": 0.3, "top_k": 1, "top_p": 0.1, "repetition_penalty": 1.8}
    (folder / "generation_config.json").write_text(json.dumps(values | defaults))
    assert [a.text for a in _answers(weights=str(folder))] == [a.text for a in _answers()]
    sampled: dict[str, Any] = {"temperature": 1.0, "seeds": range(8)}
    assert [a.text for a in _answers(weights=str(folder), **sampled)] == [a.text for a in _answers(**sampled)]


def test_model_without_a_chat_template_gets_plain_turns(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    (folder / "chat_template.jinja").unlink()
    tokenizer, _ = load_chat(str(folder), "float32")
    assert tokenizer.chat_template is None
    expected = len(tokenizer(f"Be brief.\n\n{PLACES[0]}\n\n")["input_ids"])
    assert _answers(CONVERSATIONS[:1], weights=str(folder))[0].prompt_tokens == expected


def test_longest_conversations_come_first_and_all_are_answered() -> None:
    lengths = [a.prompt_tokens for a in chat("random:llama", "float32", CONVERSATIONS, max_tokens=1, batch_size=1)]
    assert lengths == sorted(lengths, reverse=True) and len(lengths) == len(CONVERSATIONS)


def test_unavailable_prompt_model_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prompt_model.dtype=float23 +did you mean 'float32'"):
        list(chat("random:llama", "float23", CONVERSATIONS, max_tokens=1, batch_size=1))
    with pytest.raises(WeightsError, match="prompt_model.weights=nobody/has-this: could not be loaded"):
        list(chat("nobody/has-this", "float32", CONVERSATIONS, max_tokens=1, batch_size=1))


def test_conversations_are_consumed_lazily() -> None:
    taken: list[int] = []

    def endless() -> Iterator[Any]:
        for i in range(10**9):
            taken.append(i)
            yield CONVERSATIONS[i % 8]

    answers = chat("random:llama", "float32", endless(), max_tokens=1, batch_size=2)
    next(answers)
    assert len(taken) == 2 * chat_module.WINDOW
    assert len({next(answers).index for _ in range(200)}) == 200 and len(taken) == 4 * chat_module.WINDOW


def _memory_for(rows: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Make the tiny model run out of memory above `rows` rows; returns the rows of each try."""
    _, model = load_chat("random:llama", "float32")
    original = model.generate
    tried: list[int] = []

    def generate(*, input_ids: torch.Tensor, **values: Any) -> Any:
        tried.append(len(input_ids))
        if len(input_ids) > rows:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(input_ids=input_ids, **values)

    monkeypatch.setattr(model, "generate", generate)
    return tried


def test_batch_that_does_not_fit_is_halved(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    whole = _answers()
    tried = _memory_for(3, monkeypatch)
    assert _answers() == whole
    assert tried[:3] == [8, 4, 2] and set(tried[2:]) == {2, 3}, "half the tokens: of shorter rows more fit"
    assert [record.message[:32] for record in caplog.records] == [
        "out of memory with 8 rows at onc",
        "out of memory with 4 rows at onc",
    ]


def test_prompt_that_does_not_fit_alone_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _memory_for(0, monkeypatch)
    with pytest.raises(
        GenerationError,
        match=r"random:llama: out of memory with one prompt of \d+ tokens at a time\nTry: prompt_model.dtype",
    ):
        _answers(batch_size=2)


def test_too_long_prompt_is_skipped_and_the_others_are_answered() -> None:
    long = [{"role": "user", "content": "salt and kelp " * 900}]
    found = list(
        chat("random:llama", "float32", [CONVERSATIONS[0], long, CONVERSATIONS[1]], max_tokens=10, batch_size=8)
    )
    (skipped,) = (answer for answer in found if isinstance(answer, SkippedPrompt))
    assert skipped.index == 1 and "this model reads 2048 with the answer's 10" in skipped.reason
    assert sorted(answer.index for answer in found) == [0, 1, 2]


@pytest.mark.parametrize("top_p", [1.0, 0.7])
def test_gumbel_sampler_draws_from_the_models_distribution(top_p: float) -> None:
    from scipy.stats import chisquare

    logits = torch.tensor([2.0, 1.0, 0.5, 0.0, -1.0])
    count, temperature = 8000, 1.3
    drawn = GumbelSampler(range(count), temperature, top_p, torch.device("cpu"))(
        torch.zeros(count, 1), logits.expand(count, -1)
    ).argmax(-1)
    expected = torch.softmax(logits.double() / temperature, 0)
    if top_p < 1:  # the fewest tokens with a mass of 0.7
        expected = expected * (torch.arange(5) < 1 + int((expected.cumsum(0) < top_p).sum()))
        expected /= expected.sum()
    kept = expected > 0
    counts = torch.bincount(drawn, minlength=5)
    assert counts[~kept].sum() == 0
    assert chisquare(counts[kept].numpy(), (expected[kept] * count).numpy()).pvalue > 0.001


def test_each_conversation_needs_a_seed() -> None:
    with pytest.raises(ValueError, match="zip"):
        _answers(CONVERSATIONS, temperature=1.0, seeds=[1, 2])


def test_template_that_refuses_a_system_turn_gets_its_text_in_the_first_user_turn(tmp_path: Path) -> None:
    """As Gemma's templates do."""
    refusing = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        + CHAT_TEMPLATE
    )
    tokenizer, _ = load_chat(_copy_of_tiny(tmp_path / "model", refusing), "float32")
    assert tokenizer.decode(render(tokenizer, CONVERSATIONS[0])) == f"user: Be brief.\n\n{PLACES[0]}</s>\nassistant: "


def test_template_that_refuses_the_turns_is_a_clear_error(tmp_path: Path) -> None:
    weights = _copy_of_tiny(tmp_path / "model", "{{ raise_exception('Only tools may speak') }}")
    with pytest.raises(
        GenerationError, match="its chat template refuses the turns of this strategy: Only tools may speak"
    ):
        _answers(weights=weights)


def test_thinking_mode_is_switched_off(tmp_path: Path) -> None:
    thinking = CHAT_TEMPLATE + "{% if enable_thinking is not defined or enable_thinking %}<think>{% endif %}"
    tokenizer, _ = load_chat(_copy_of_tiny(tmp_path / "model", thinking), "float32")
    assert "<think>" not in tokenizer.decode(render(tokenizer, CONVERSATIONS[0]))


def test_base_model_stops_at_its_stop_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that this model does generate replaces the blank line."""
    weights = _copy_of_tiny(tmp_path / "model")
    (tmp_path / "model" / "chat_template.jinja").unlink()
    whole = _answers(weights=weights)
    text = whole[0].text
    stop = next(text[i : i + 2] for i in range(4, len(text)) if text[i : i + 2].isascii())
    monkeypatch.setattr(chat_module, "stop_texts", lambda tokenizer: [stop])
    stopped = _answers(weights=weights)
    assert [a.text for a in stopped] == [a.text.split(stop)[0] for a in whole]
    assert [a.finish for a in stopped] == ["stop" if stop in a.text else "length" for a in whole]
    assert stopped[0].finish == "stop" and {a.finish for a in stopped} == {"stop", "length"}
    assert all(
        a.completion_tokens < b.completion_tokens for a, b in zip(stopped, whole, strict=True) if stop in b.text[:-3]
    )
