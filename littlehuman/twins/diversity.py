"""How different the texts of a cell's twins are from each other.

In: a mixture. Out: counts for `result.json`, without texts: different texts, and distinct-n, the share of n-grams of
words that are different (Li et al. 2016, arXiv 1510.03055), over all twins of the cell. Both fall with the number of
texts, so only cells with as many twins are compared.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from littlehuman.config.run_config import RunConfig
from littlehuman.mixture.text_matching import normal
from littlehuman.records import Mixture, Origin
from littlehuman.schema import Writes


def diversity(mixture: Mixture, config: RunConfig) -> dict[str, Any]:
    """The entry of the result; empty where no twin has a text of its own."""
    texts = [normal(point.example.text) for point in mixture.points if point.origin is Origin.SYNTHETIC]
    if not texts or config.strategy.writes is not Writes.pair:
        return {}
    found = {n: distinct([text.split() for text in texts], n) for n in (1, 2, 3)}
    grams = {f"distinct_{n}": None if share is None else round(share, 6) for n, share in found.items()}
    return {"diversity": {"texts": len(texts), "unique_texts": len(set(texts)), **grams}}


def distinct(texts: Sequence[Sequence[Hashable]], n: int) -> float | None:
    """Distinct-n of texts, each a list of words: different n-grams per n-gram; None where no text has n words."""
    found = [tuple(words[i : i + n]) for words in texts for i in range(len(words) - n + 1)]
    return len(set(found)) / len(found) if found else None
