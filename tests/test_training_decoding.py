"""Prompt models of this process: an answer belongs to its own conversation, whatever runs beside it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import FIXTURES, PLACES, no_base_held, one_thread, tiny_cache, where_pad_is_end  # noqa: F401

from littlehuman.errors import ConfigError, WeightsError
from littlehuman.training.decoding import Decoded, chat, load_chat
from littlehuman.training.tiny import tiny_model

pytestmark = FIXTURES

TALKS = [[{"role": "system", "content": "Be brief."}, {"role": "user", "content": place * (1 + i % 3)}] for i, place in enumerate(PLACES)]


@pytest.fixture(autouse=True)
def _no_prompt_model_held() -> Iterator[None]:
    yield
    load_chat.cache_clear()


def _answers(
    talks: list[Any] = TALKS, weights: str = "random:llama", max_tokens: int = 10, batch_size: int = 8, **more: Any
) -> list[Decoded]:
    found = chat(weights, "float32", talks, max_tokens=max_tokens, batch_size=batch_size, **more)
    return sorted(found, key=lambda answer: answer.index)


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_greedy_answers_do_not_depend_on_the_batch(pad_is_end: bool, tmp_path: Path) -> None:
    weights = where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama"
    tokenizer, model = load_chat(weights, "float32")
    expected = []
    for talk in TALKS:  # by hand: no padding, no batch, no cache
        ids = tokenizer.apply_chat_template(talk, add_generation_prompt=True, return_tensors="pt")["input_ids"]
        out = model.generate(ids, max_new_tokens=10, do_sample=False, use_cache=False)[0, ids.shape[1] :]
        expected.append((tokenizer.decode(out), ids.shape[1]))
    assert len({text for text, _ in expected}) > 2
    for batch_size in (1, 3, 8):
        assert [(a.text, a.prompt_tokens) for a in _answers(weights=weights, batch_size=batch_size)] == expected


def test_cut_answer_says_length_and_counts_its_tokens() -> None:
    for answer in _answers(max_tokens=4):
        assert (answer.finish, answer.completion_tokens) == ("length", 4)


def test_answer_that_ends_says_stop_and_counts_its_end_token(tmp_path: Path) -> None:
    """Models may have several end tokens: here a second one, which one answer writes third."""
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    tokenizer, model = load_chat("random:llama", "float32")
    ids = tokenizer.apply_chat_template(TALKS[0], add_generation_prompt=True, return_tensors="pt")["input_ids"]
    tokens = model.generate(ids, max_new_tokens=10, do_sample=False)[0, ids.shape[1] :].tolist()
    place = next(i for i in range(2, 10) if tokens[i] not in tokens[:i])
    values = json.loads((folder / "generation_config.json").read_text())
    (folder / "generation_config.json").write_text(json.dumps(values | {"eos_token_id": [2, tokens[place]]}))
    whole, short = _answers(), _answers(weights=str(folder))
    assert short[0].finish == "stop" and short[0].completion_tokens == place + 1
    assert short[0].text == tokenizer.decode(tokens[:place]) and whole[0].text.startswith(short[0].text)
    assert any(answer.finish == "length" for answer in short), "neighbours go on"


def test_sampled_answer_depends_on_its_own_seed_alone() -> None:
    seeds = list(range(100, 108))
    sampled = _answers(temperature=1.0, seeds=seeds)
    assert [a.text for a in _answers(temperature=1.0, seeds=seeds, batch_size=2)] == [a.text for a in sampled]
    backwards = _answers(TALKS[::-1], temperature=1.0, seeds=seeds[::-1])
    assert [a.text for a in backwards] == [a.text for a in sampled][::-1]
    assert _answers(TALKS[3:4], temperature=1.0, seeds=seeds[3:4])[0].text == sampled[3].text
    other = _answers(temperature=1.0, seeds=[seed + (seed == 103) for seed in seeds])
    assert [a.text == b.text for a, b in zip(other, sampled, strict=True)] == [i != 3 for i in range(8)]


def test_largest_seed_that_a_request_can_have_is_taken() -> None:
    assert _answers(TALKS[:1], temperature=0.5, seeds=[2**64 - 1])[0].text


def test_global_random_state_is_untouched_while_answers_arrive() -> None:
    load_chat("random:llama", "float32")
    before = torch.get_rng_state()
    for _ in chat("random:llama", "float32", TALKS[:3], max_tokens=3, batch_size=1, temperature=1.0, seeds=[1, 2, 3]):
        assert torch.equal(before, torch.get_rng_state())


def test_tiny_top_p_is_greedy() -> None:
    assert [a.text for a in _answers(temperature=1.0, top_p=1e-6, seeds=range(8))] == [a.text for a in _answers()]


def test_checkpoints_own_sampling_defaults_do_not_join_in(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    values = json.loads((folder / "generation_config.json").read_text())
    own = {"do_sample": True, "temperature": 0.3, "top_k": 1, "top_p": 0.1, "repetition_penalty": 1.8}
    (folder / "generation_config.json").write_text(json.dumps(values | own))
    assert [a.text for a in _answers(weights=str(folder))] == [a.text for a in _answers()]
    sampled: dict[str, Any] = {"temperature": 1.0, "seeds": range(8)}
    assert [a.text for a in _answers(weights=str(folder), **sampled)] == [a.text for a in _answers(**sampled)]


def test_model_without_a_chat_template_reads_plain_turns(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    (folder / "chat_template.jinja").unlink()
    tokenizer, _ = load_chat(str(folder), "float32")
    assert tokenizer.chat_template is None
    expected = len(tokenizer(f"Be brief.\n\n{PLACES[0]}\n")["input_ids"])
    assert _answers(TALKS[:1], weights=str(folder))[0].prompt_tokens == expected


def test_longest_conversations_come_first_and_all_are_answered() -> None:
    lengths = [a.prompt_tokens for a in chat("random:llama", "float32", TALKS, max_tokens=1, batch_size=1)]
    assert lengths == sorted(lengths, reverse=True) and len(lengths) == len(TALKS)


def test_prompt_model_that_cannot_be_had_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="prompt_model.dtype=float23 +did you mean 'float32'"):
        list(chat("random:llama", "float23", TALKS, max_tokens=1, batch_size=1))
    with pytest.raises(WeightsError, match="prompt_model.weights=nobody/has-this: could not be loaded"):
        list(chat("nobody/has-this", "float32", TALKS, max_tokens=1, batch_size=1))
