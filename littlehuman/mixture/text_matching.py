"""Comparison of texts by their words, regardless of case, punctuation and character width.

Vowel signs and tone marks are part of their word. Characters of scripts without spaces (Chinese, Japanese, Thai, Lao,
Khmer, Burmese) are words of their own, each with its marks, so that lengths and "stands in the evidence" mean
something there too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Set as AbstractSet
from functools import lru_cache

_CHINESE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"  # and Japanese
_THAI = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"  # and Lao, Burmese, Khmer
_NO_SPACES = re.compile(f"[{_CHINESE}{_THAI}]")
_CODES = (*range(0x300, 0xFE00), *range(0xFE10, 0x1F000))  # between these: variation selectors of emoji
_MARK = f"[{''.join(c for c in map(chr, _CODES) if unicodedata.category(c) in ('Mn', 'Mc'))}]"
_WORD = re.compile(rf"[{_CHINESE}]{_MARK}*|(?=[^\W\d])[{_THAI}]{_MARK}*|(?:(?:\d|[^\W{_CHINESE}{_THAI}]){_MARK}*)+")
# Latin, Greek and Cyrillic, and digits of any script: a part of a word of these is another word.
_WHOLE = re.compile(
    r"[\d_a-z\u00aa-\u052f\u1c80-\u1c8f\u1d00-\u1fff\u2c60-\u2c7f\ua640-\ua69f\ua720-\ua7ff\uab30-\uab6f]"
)
_ARTICLES = frozenset(("a", "an", "the"))


@lru_cache(maxsize=4096)  # twins share evidence
def words(text: str) -> tuple[str, ...]:
    """The words of a text, case folded and in compatibility form (NFKC)."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))


def normal(text: str) -> str:
    """The words with single spaces: equal for texts that differ in case, punctuation and spaces alone."""
    return " ".join(words(text))


def contains_words(part: str, whole: str, *, articles: bool = True) -> bool:
    """Whether the words of `part` are a contiguous sequence in `whole`; `articles=False` ignores a, an and the.

    Many scripts attach particles and endings to a word (Korean, Arabic, Bengali, ...): there `part` may begin or end
    within a word of `whole`.
    """
    inner, outer = (
        " ".join(word for word in words(text) if articles or word not in _ARTICLES) for text in (part, whole)
    )
    if not inner or inner not in outer:
        return False
    if f" {inner} " in f" {outer} ":
        return True
    before = f"(?<!{_WHOLE.pattern})" if _WHOLE.match(inner) else ""
    return bool(re.search(before + re.escape(inner) + _word_end(inner), outer))


def jaccard(left: AbstractSet[str], right: AbstractSet[str]) -> float:
    """Jaccard similarity of two sets of words or shingles, 0..1; 1 for two empty ones."""
    return len(left & right) / len(left | right) if left | right else 1.0


def _word_end(text: str) -> str:
    """A lookahead that refuses characters by which the last word of `text` would become another one."""
    if _WHOLE.match(text[-1]):
        return f"(?!{_WHOLE.pattern})"
    return f"(?!{_MARK})" if _NO_SPACES.match(text.rpartition(" ")[2]) else ""
