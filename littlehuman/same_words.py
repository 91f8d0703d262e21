"""What two texts have in common when case, punctuation and width do not count.

In: a text. Out: its words. Characters of scripts without spaces (Chinese, Japanese) are words of
their own, so that lengths and "stands in the evidence" mean something there too.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_NO_SPACES = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\W{_NO_SPACES}]+")
_ARTICLES = frozenset(("a", "an", "the"))


@lru_cache(maxsize=4096)  # several twins share an evidence
def words(text: str) -> tuple[str, ...]:
    """The words of a text, case folded and in compatibility form (NFKC)."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def normal(text: str) -> str:
    """The words with single spaces: equal for texts that differ in case, punctuation and spaces alone."""
    return " ".join(words(text))


def stands_in(part: str, whole: str, *, articles: bool = True) -> bool:
    """Whether the words of `part` stand in `whole` one after the other; without `articles`, a, an and the do not count."""
    sides = [[w for w in words(text) if articles or w not in _ARTICLES] for text in (part, whole)]
    inner, outer = (f" {' '.join(side)} " for side in sides)
    return bool(sides[0]) and inner in outer
