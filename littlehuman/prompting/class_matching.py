"""Which class a label names: a label word or class name, in any case, with or without quotes, markdown and a stop.

In: the value of a label, and a map of words to classes. Out: the class, or None; or the cause of a rejection.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from littlehuman.prompting.templates import asks_for_label
from littlehuman.records import Example
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import PromptText

EMOJI = r"\u2190-\u2bff\ufe0f\U0001f300-\U0001faff"
_AROUND_LABEL = re.compile(rf"^[\s{EMOJI}]+|[\s{EMOJI}]+$")
_QUOTED_CHARS = 40


def parse_label(
    raw: str, example: Example, template: PromptText, by_word: Mapping[str, str]
) -> tuple[str, RejectionCause | None]:
    """The class that a label names (empty for none), and why it is rejected; `by_word` maps words to classes."""
    label = match_class(raw, by_word)
    if label is None:
        return "", unknown_label(raw)
    if asks_for_label(template) and label != example.target:
        return label, RejectionCause(RejectionKind.WRONG_LABEL, {"returned": label, "requested": example.target})
    return label, None


def unknown_label(raw: str) -> RejectionCause:
    """The cause of an answer that names no class, with its beginning."""
    return RejectionCause(RejectionKind.UNKNOWN_LABEL, {"quoted": raw[:_QUOTED_CHARS]})


def match_class(raw: str, by_word: Mapping[str, str]) -> str | None:
    """The class that a label names, alone or before a stop and chatter that names no other class; None for no class.

    `by_word` maps the words of labels to classes. Spaces, hyphens, underscores and a final mark count as equal where no
    two words are equal without them (`card_arrival`, "Card arrival").
    """
    raw = _AROUND_LABEL.sub("", raw)
    raw = next((raw[1:-1].strip() for pair in ("[]", "()") if raw[:1] + raw[-1:] == pair), raw)
    by_bare_word = {_bare(word): name for word, name in by_word.items()}
    if _bare(raw) in by_bare_word:
        return by_bare_word[_bare(raw)]
    for word, name in by_word.items():
        chatter = re.match(re.escape(word) + r"(?: ?[.,;:!(|。，]| [-–—])(.*)", raw, re.IGNORECASE | re.DOTALL)
        others = "|".join(re.escape(other) for other in by_word if other != word)
        if chatter and not (others and re.search(rf"(?<!\w)(?:{others})(?!\w)", chatter[1], re.IGNORECASE)):
            return name
    return _spelled_apart(by_word).get(_folded(raw))


def mentioned(text: str, by_word: Mapping[str, str]) -> list[str]:
    """The words of labels in a text, each once, in order; of two that overlap the longer one."""
    words = "|".join(re.escape(word) for word in sorted(by_word, key=len, reverse=True))
    written = {word.casefold(): word for word in by_word}
    found = re.findall(rf"(?<!\w)(?:{words})(?!\w)", text, re.IGNORECASE) if words else []
    return list(dict.fromkeys(written.get(word.casefold(), word) for word in found))


def _spelled_apart(by_word: Mapping[str, str]) -> dict[str, str]:
    """Words without marks -> classes, as far as they stay different words."""
    times = Counter(map(_folded, by_word))
    return {folded: name for word, name in by_word.items() if (folded := _folded(word)) and times[folded] == 1}


def _folded(word: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", word)).casefold()


def _bare(word: str) -> str:
    return word.strip(" .!*\"'`。").casefold() or word
