"""Points with random texts for the audit's tests: no two resemble each other unless a fault is planted."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace

from littlehuman.records import Example

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "an", "er", "il")]


def points(count: int, name: str = "p", *, words: int = 9, seed: int = 0, evidence: int = 40) -> list[Example]:
    """Claims of random words on evidence of random words; evidence=0: without evidence."""
    rng = random.Random(f"{name} {seed}")
    labels = ("supported", "unsupported")
    return [
        Example(f"{name}{i}", _text(rng, evidence), _text(rng, words), (labels[i % 2],), f"document {i}")
        for i in range(count)
    ]


def twins_of(originals: Sequence[Example], text_of: Callable[[int, Example], str]) -> list[Example]:
    """A twin of each point: the same id, evidence and label, with another text."""
    return [replace(example, text=text_of(i, example)) for i, example in enumerate(originals)]


def fresh(name: str = "fresh", words: int = 9) -> Callable[[int, Example], str]:
    """Texts of random words for `twins_of`."""
    rng = random.Random(name)
    return lambda i, example: _text(rng, words)


def _text(rng: random.Random, words: int) -> str:
    text = " ".join("".join(rng.choices(_SYLLABLES, k=rng.randint(1, 3))) for _ in range(words))
    return text.capitalize() + "." if words else ""
