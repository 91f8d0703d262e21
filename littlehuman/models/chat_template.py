"""Chat messages -> the tokens that a model reads, and what ends its answer.

In: messages and the model's own tokenizer. Out: token ids up to where the answer begins. A chat
model gets its own template. A base model, which has none, gets the same turns as plain text with
a blank line between them; a blank line then ends its answer.


[folded] How many tokens a local model's own tokenizer makes of a text; its weights stay unloaded.

In: a name of weights. Out: a function from a text to its number of tokens, or None where the
tokenizer is not on this machine: nothing is downloaded for it.

"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman.errors import LittlehumanError, WeightsError
from littlehuman.models.weights import resolve


def own_counter(weights: str, revision: str | None = None) -> Callable[[str], int] | None:
    """The count of tokens by the tokenizer of `weights`, without special tokens."""
    from tokenizers import Tokenizer

    file = _file_of(weights, revision)
    if file is None:
        return None
    tokenizer = Tokenizer.from_file(file)
    tokenizer.no_truncation()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def _file_of(weights: str, revision: str | None) -> str | None:
    try:
        place = resolve(weights)
    except LittlehumanError:
        return None  # loading the model will say so
    file = Path(place) / "tokenizer.json"
    return str(file) if file.is_file() else _of_the_hub(place, revision)


def _of_the_hub(name: str, revision: str | None) -> str | None:
    """A hub model's tokenizer, if it was downloaded before."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "tokenizer.json", revision=revision)
    except HFValidationError:  # a folder
        return None
    return found if isinstance(found, str) else None


Messages = Sequence[Mapping[str, str]]
TURN_END = "\n\n"  # between the turns of a base model


def render(tokenizer: Any, messages: Messages) -> list[int]:
    """Token ids of a conversation, with the beginning of the answer.

    Models that can think first (Qwen3 and others) are asked not to: templates without that switch ignore it.

    Raises:
        jinja2.TemplateError: when the model's template refuses these turns.
    """
    if not tokenizer.chat_template:
        return list(tokenizer("".join(message["content"] + TURN_END for message in messages))["input_ids"])
    return list(tokenizer(_templated(tokenizer, messages), add_special_tokens=False)["input_ids"])


def stop_texts(tokenizer: Any) -> list[str]:
    """Texts that end an answer beside the end tokens: a base model would go on with the next example."""
    return [] if tokenizer.chat_template else [TURN_END]


def end_tokens(tokenizer: Any, generation_config: Any) -> list[int]:
    """Ids of the tokens that end an answer: a model may have several."""
    return sorted({*_as_list(generation_config.eos_token_id), *_as_list(tokenizer.eos_token_id)})


def parts_without_weights(path: str, revision: str | None = None) -> tuple[Any, Any, list[int]]:
    """Tokenizer, config and end tokens of a model, for an engine that loads the weights itself.

    Args:
        path: as `weights.resolve` returns it.
        revision: of a hub model: a branch, tag or commit.

    Raises:
        WeightsError: when they cannot be had.
    """
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    try:
        tokenizer, config = (kind.from_pretrained(path, revision=revision) for kind in (AutoTokenizer, AutoConfig))
    except (OSError, ValueError) as error:
        raise WeightsError(f"prompt_model.weights={path}: could not be loaded: {error}") from error
    try:
        own = GenerationConfig.from_pretrained(path, revision=revision)
    except OSError:  # a model need not bring one
        own = GenerationConfig()
    return tokenizer, config, end_tokens(tokenizer, own)


def longest_prompt(config: Any, max_tokens: int) -> float:
    """Tokens of the longest prompt that leaves room for an answer; infinite where the model's config names no limit."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    return math.inf if positions is None else int(positions) - max_tokens


def too_long(prompt_tokens: int, longest: float, max_tokens: int) -> str:
    """Why a prompt is not answered."""
    return (
        f"the prompt has {prompt_tokens} tokens, and this model reads {longest + max_tokens:g} with the answer's {max_tokens}: "
        "fewer strategy.shots or a smaller strategy.max_evidence_words"
    )


def _templated(tokenizer: Any, messages: Messages) -> str:
    from jinja2 import TemplateError

    how = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return str(tokenizer.apply_chat_template([dict(m) for m in messages], **how))
    except TemplateError:  # Gemma's and others' templates know no system turn
        return str(tokenizer.apply_chat_template(_without_system(messages), **how))


def _without_system(messages: Messages) -> list[dict[str, str]]:
    """The same turns, the system's words at the head of the first user turn."""
    system = [m["content"] for m in messages if m["role"] == "system" and m["content"]]
    turns = [dict(m) for m in messages if m["role"] != "system"]
    if turns:
        turns[0]["content"] = TURN_END.join([*system, turns[0]["content"]])
    return turns


def _as_list(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)
