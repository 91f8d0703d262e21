"""How many tokens a local model's own tokenizer makes of a text; its weights stay unloaded.

In: a name of weights. Out: a function from a text to its number of tokens, or None where the
tokenizer is not on this machine: nothing is downloaded for it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from littlehuman.errors import LittlehumanError
from littlehuman.training.weights import resolve


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
