"""Prefix caching: how prompts are grouped, and that a cached prefix changes no answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from training_parts import FIXTURES, PLACES, no_base_held, one_thread, tiny_cache  # noqa: F401

from littlehuman.models.chat import Decoded, chat, load_chat, release
from littlehuman.models.chat_template import render
from littlehuman.models.prefix_cache import PrefixRow, can_share, prefix_groups

pytestmark = FIXTURES

EXAMPLES = [
    {"role": "system", "content": "Write one question on the context, with its answer, in one line. " * 3},
    {"role": "user", "content": "Context: The tide mill ground barley until a storm broke the sea wall."},
    {"role": "assistant", "content": "Question: What broke the wall? || Answer: a storm"},
]
CONVERSATIONS = [
    [*EXAMPLES, {"role": "user", "content": f"Context: {place * (1 + i % 3)}"}] for i, place in enumerate(PLACES)
]


@pytest.fixture(autouse=True)
def _no_prompt_model_held() -> Iterator[None]:
    yield
    release()


@pytest.fixture
def tokens_read() -> Iterator[list[int]]:
    """Tokens (with padding) of each pass of the tiny model over prompts, without decoding steps."""
    read: list[int] = []
    _, model = load_chat("random:llama", "float32")

    def record(_: Any, args: Any, values: Any) -> None:
        if values["input_ids"].shape[1] > 1:
            read.append(values["input_ids"].numel())

    handle = model.base_model.register_forward_pre_hook(record, with_kwargs=True)
    yield read
    handle.remove()


def _answers(conversations: Any = CONVERSATIONS, **more: Any) -> list[Decoded]:
    found = list(chat("random:llama", "float32", conversations, max_tokens=10, **({"batch_size": 8} | more)))
    return sorted((answer for answer in found if isinstance(answer, Decoded)), key=lambda answer: answer.index)


@pytest.mark.parametrize(
    "sampling", [{}, {"temperature": 1.0, "top_p": 0.9, "seeds": range(8)}], ids=["greedy", "sampled"]
)
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_shared_prefix_is_read_once_and_changes_no_answer(
    batch_size: int, sampling: dict[str, Any], tokens_read: list[int]
) -> None:
    plain = _answers(batch_size=batch_size, share_prefixes=False, **sampling)
    without = sum(tokens_read)
    tokens_read.clear()
    assert _answers(batch_size=batch_size, **sampling) == plain
    assert len({answer.text for answer in plain}) > 1
    tokenizer, _ = load_chat("random:llama", "float32")
    (group,) = prefix_groups(
        [PrefixRow(i, tuple(render(tokenizer, messages))) for i, messages in enumerate(CONVERSATIONS)], 10
    )
    assert group.prefix_length > 100
    assert sum(tokens_read) == without - group.saved, "all prompts but one are read without the prefix"


def test_prompts_without_a_common_prefix_are_read_whole(tokens_read: list[int]) -> None:
    conversations = [[{"role": role, "content": PLACES[0]}] for role in ("user", "system", "tool")]
    assert _answers(conversations) == _answers(conversations, share_prefixes=False)
    assert len(tokens_read) == 2 and tokens_read[0] == tokens_read[1]


def _rows(*prompts: list[int]) -> list[PrefixRow]:
    return [PrefixRow(index, tuple(tokens)) for index, tokens in enumerate(prompts)]


def test_prompts_are_grouped_where_that_saves_time() -> None:
    """Two labels, each with its own long examples after a short common prefix."""
    true, false = [1, 2, 3, *range(100, 400)], [1, 2, 4, *range(500, 800)]
    rows = _rows(*([*(true, false)[i % 2], 900 + i, *range(i)] for i in range(40)))
    found = prefix_groups(rows, max_tokens=20)
    assert [(group.prefix_length, len(group.rows)) for group in found] == [(303, 20), (303, 20)]
    assert {row.index % 2 for row in found[0].rows} == {1}, "the group of the longest prompt comes first"
    few = prefix_groups(rows[:4], max_tokens=20)
    assert [(group.prefix_length, len(group.rows)) for group in few] == [(2, 4)], (
        "one more batch would cost more than it saves"
    )


def test_prefix_leaves_each_prompt_at_least_one_token() -> None:
    short, longer = list(range(50)), list(range(60))
    assert prefix_groups(_rows(short, short, longer), 1)[0].prefix_length == 49
    assert prefix_groups(_rows(short), 1)[0].prefix_length == 49 and prefix_groups([], 1) == []
    nested = prefix_groups(_rows(*(list(range(n)) for n in range(1, 1500))), 1)
    assert sum(len(group.rows) for group in nested) == 1499, "each prompt is a prefix of the next"


def test_one_different_prompt_does_not_cost_the_others_their_prefix() -> None:
    shared = list(range(400))
    found = prefix_groups(_rows(*([*shared, 1000 + i] for i in range(30)), [7, 7, 7]), max_tokens=100)
    assert [(group.prefix_length, len(group.rows)) for group in found] == [(400, 30), (2, 1)]


def _small(kind: str, **values: Any) -> Any:
    import transformers

    sizes = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config = getattr(transformers, f"{kind}Config")(**(sizes | values))
    with torch.random.fork_rng():
        return getattr(transformers, f"{kind}ForCausalLM")(config)


def test_prefix_is_shared_only_if_the_model_allows_it() -> None:
    heads = {"num_key_value_heads": 2}
    assert can_share(_small("Llama", **heads), 2000)
    window = _small("Mistral", sliding_window=64, **heads)
    assert can_share(window, 63) and not can_share(window, 64), "padding would count in the window"
    assert not can_share(_small("Mamba"), 50), "a recurrent state includes the padding"
    assert not can_share(_small("Bloom", n_layer=1, n_head=2), 50), "it counts positions itself"
