"""Comparison of texts by their words, regardless of case, punctuation and character width.

What a word is in each script: `languages/words.py`. Characters of scripts without spaces are words of their own, so
that lengths and "stands in the evidence" mean something there too.
"""

from __future__ import annotations

import re
from collections.abc import Set as AbstractSet

from littlehuman.languages import ENGLISH, Language
from littlehuman.languages.words import MARK, NO_SPACES, words

__all__ = ["contains_words", "jaccard", "normal", "words"]

# Latin, Greek and Cyrillic, and digits of any script: a part of a word of these is another word.
_WHOLE = re.compile(
    r"[\d_a-z\u00aa-\u052f\u1c80-\u1c8f\u1d00-\u1fff\u2c60-\u2c7f\ua640-\ua69f\ua720-\ua7ff\uab30-\uab6f]"
)


def normal(text: str) -> str:
    """The words with single spaces: equal for texts that differ in case, punctuation and spaces alone."""
    return " ".join(words(text))


def contains_words(part: str, whole: str, *, articles: bool = True, language: Language = ENGLISH) -> bool:
    """Whether the words of `part` are a contiguous sequence in `whole`; `articles=False` ignores those of `language`.

    Many scripts attach particles and endings to a word (Korean, Arabic, Bengali, ...): there `part` may begin or end
    within a word of `whole`.
    """
    inner, outer = (
        " ".join(words(text) if articles else language.without_articles(words(text))) for text in (part, whole)
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
    return f"(?!{MARK})" if NO_SPACES.match(text.rpartition(" ")[2]) else ""
