"""Words of a text in any script, regardless of case, punctuation and character width.

Vowel signs and tone marks are part of their word. Characters of scripts without spaces (Chinese, Japanese, Thai, Lao,
Khmer, Burmese) are words of their own, each with its marks.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CHINESE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # and Japanese
THAI = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\ua9e0-\ua9ff\uaa60-\uaa7f"  # and Lao, Burmese, Khmer
_CODES = (*range(0x300, 0xFE00), *range(0xFE10, 0x1F000))  # between these: variation selectors of emoji
MARK = f"[{''.join(c for c in map(chr, _CODES) if unicodedata.category(c) in ('Mn', 'Mc'))}]"
_ALONE = rf"[{CHINESE}]{MARK}*|(?=[^\W\d])[{THAI}]{MARK}*"
NO_SPACES = re.compile(_ALONE)  # a character that is a word of its own
_WORD = re.compile(rf"{_ALONE}|(?:(?:\d|[^\W{CHINESE}{THAI}]){MARK}*)+")


@lru_cache(maxsize=4096)  # twins share evidence
def words(text: str) -> tuple[str, ...]:
    """The words of a text, case folded and in compatibility form (NFKC)."""
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold()))
