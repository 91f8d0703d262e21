"""Where an answer stands in a text, as character positions."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence


def occurrences(answer: str, text: str) -> list[tuple[int, int]]:
    """(first character, one past the last) of each place where the answer stands, whatever its case and white space.

    Places that are whole words count alone where there are any: `art` stands in `the art of starting` once.
    """
    words = answer.split()
    if not words:
        return []
    pattern = r"\s+".join(map(re.escape, words))
    found = [match.span() for match in re.finditer(pattern, text, re.IGNORECASE)]
    return [span for span in found if _is_whole(text, *span)] or found


def find_answer(answers: Sequence[str], text: str) -> list[tuple[int, int]]:
    """The places of the first of these answers that stands in the text; none where no answer does."""
    return next((places for answer in answers if (places := occurrences(answer, text))), [])


def is_unspoken(text: str) -> bool:
    """Whether all characters are marks or invisible ones, which some tokenizers drop; true of none."""
    return all(unicodedata.category(character)[0] in "MC" for character in text)


def with_marks(text: str, end: int) -> int:
    """The place behind the combining marks that follow character `end - 1`."""
    return next((at for at in range(end, len(text)) if unicodedata.category(text[at])[0] != "M"), len(text))


def _is_whole(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start] + text[start], text[end - 1 : end + 1]
    return not (re.fullmatch(r"\w\w", before) or re.fullmatch(r"\w\w", after))
