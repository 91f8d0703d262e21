"""Chat templates: messages -> the tokens that a model reads, and what ends its answer.

A chat model gets its own template. A base model, which has none, gets the turns as plain text with a blank line
between them; a blank line then ends its answer. `token_counter` counts tokens without loading any weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman.errors import LittlehumanError, WeightsError
from littlehuman.models.weights import resolve

Messages = Sequence[Mapping[str, str]]
TURN_END = "\n\n"  # between the turns of a base model


def render(tokenizer: Any, messages: Messages) -> list[int]:
    """Token ids of a conversation, up to where the answer begins.

    Models with a thinking mode (Qwen3 and others) are asked not to use it; templates without that switch ignore it.

    Raises:
        jinja2.TemplateError: when the model's template refuses these turns.
    """
    if not tokenizer.chat_template:
        return list(tokenizer("".join(message["content"] + TURN_END for message in messages))["input_ids"])
    return list(tokenizer(_apply_template(tokenizer, messages), add_special_tokens=False)["input_ids"])


def stop_texts(tokenizer: Any) -> list[str]:
    """Texts that end an answer besides the end tokens: a base model would continue with the next example."""
    return [] if tokenizer.chat_template else [TURN_END]


def end_tokens(tokenizer: Any, generation_config: Any) -> list[int]:
    """Ids of the tokens that end an answer: a model may have several."""
    return sorted({*_as_list(generation_config.eos_token_id), *_as_list(tokenizer.eos_token_id)})


def longest_prompt(config: Any, max_tokens: int) -> float:
    """Tokens of the longest prompt that leaves room for an answer; infinite where the config names no limit."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    return math.inf if positions is None else int(positions) - max_tokens


def too_long(prompt_tokens: int, longest: float, max_tokens: int) -> str:
    """Reason why a prompt is not answered."""
    return (
        f"the prompt has {prompt_tokens} tokens, and this model reads {longest + max_tokens:g} with the answer's "
        f"{max_tokens}: fewer strategy.shots or a smaller strategy.max_evidence_words"
    )


def load_without_weights(path: str, revision: str | None = None) -> tuple[Any, Any, list[int]]:
    """Tokenizer, config and end tokens of a model, for an engine that loads the weights itself.

    Args:
        path: as returned by `weights.resolve`.
        revision: of a hub model: a branch, tag or commit.

    Raises:
        WeightsError: when they cannot be loaded.
    """
    from transformers import AutoConfig, AutoTokenizer, GenerationConfig

    try:
        tokenizer, config = (
            kind.from_pretrained(path, revision=revision, trust_remote_code=False)
            for kind in (AutoTokenizer, AutoConfig)
        )
    except (OSError, ValueError) as error:
        raise WeightsError(f"prompt_model.weights={path}: could not be loaded: {error}") from error
    try:
        generation_config = GenerationConfig.from_pretrained(path, revision=revision)
    except OSError:  # a model need not have one
        generation_config = GenerationConfig()
    return tokenizer, config, end_tokens(tokenizer, generation_config)


def token_counter(weights: str, revision: str | None = None) -> Callable[[str], int] | None:
    """A function that counts a text's tokens, without special tokens, with the tokenizer of `weights`.

    None where that tokenizer is not on this machine: nothing is downloaded for it.
    """
    tokenizer = local_tokenizer(weights, revision)
    return tokenizer and (lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids))


def local_tokenizer(weights: str, revision: str | None = None) -> Any:
    """The `tokenizers.Tokenizer` of `weights`, without truncation and padding; None where it is not on this machine."""
    from tokenizers import Tokenizer

    file = _tokenizer_file(weights, revision)
    if file is None:
        return None
    tokenizer = Tokenizer.from_file(file)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _tokenizer_file(weights: str, revision: str | None) -> str | None:
    try:
        path = resolve(weights)
    except LittlehumanError:
        return None  # reported when the model is loaded
    file = Path(path) / "tokenizer.json"
    return str(file) if file.is_file() else _downloaded_tokenizer(path, revision)


def _downloaded_tokenizer(name: str, revision: str | None) -> str | None:
    """The tokenizer of a hub model, if it was downloaded before."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        found = try_to_load_from_cache(name, "tokenizer.json", revision=revision)
    except HFValidationError:  # a folder
        return None
    return found if isinstance(found, str) else None


def _apply_template(tokenizer: Any, messages: Messages) -> str:
    from jinja2 import TemplateError

    options = {"tokenize": False, "add_generation_prompt": True, "enable_thinking": False}
    try:
        return str(tokenizer.apply_chat_template([dict(m) for m in messages], **options))
    except TemplateError:  # Gemma's and some other templates refuse a system turn
        return str(tokenizer.apply_chat_template(_without_system(messages), **options))


def _without_system(messages: Messages) -> list[dict[str, str]]:
    """The same turns, with the system's text before that of the first user turn."""
    system = [m["content"] for m in messages if m["role"] == "system" and m["content"]]
    turns = [dict(m) for m in messages if m["role"] != "system"]
    if turns:
        turns[0]["content"] = TURN_END.join([*system, turns[0]["content"]])
    return turns


def _as_list(value: int | list[int] | None) -> list[int]:
    return [] if value is None else [value] if isinstance(value, int) else list(value)
