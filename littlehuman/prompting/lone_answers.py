"""An annotator's answer without the marker of the answer form: `True` where `Label: True` was asked for.

In: the lines of an answer outside of its thoughts, cleaned of quotes and markdown. Out: the label or the short answer,
or why there is none. It is read where the prompt model writes the target alone (`strategy.writes=target`), so that
nothing else can be meant:

* a class: a line that is its label word or its name (any case, a stop behind it), alone, before a stop and words that
  name no other class (`False. The context says noon.`), or after the opening of a short sentence (`The answer is
  True.`, `Class: INFOCOM`). Any other sentence is no label, whatever class it names ("it is not true that ..."), and an
  answer that names two classes is none.
* a free answer: one line of at most `MOST_WORDS` words that is no refusal; `The answer is` before it is left out.

Openings and refusals are known in English alone; in other languages such answers are rejected, or kept as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from littlehuman.prompting.class_matching import match_class, mentioned, unknown_label
from littlehuman.rejections import RejectionCause, RejectionKind

MOST_WORDS = 15  # of a short answer: 99 % of the answers in SQuAD's dev split have at most as many
Read = tuple[str, RejectionCause | None]

_OPENING = (
    r"(?:(?:so|thus|hence|therefore|then),? )?(?:(?:the|my|this|its) )?"
    r"(?:(?:correct|right|final|best|short(?:est)?|most (?:likely|fitting|appropriate|suitable)) )?"
    r"(?:answer|label|class|category|result|verdict|prediction|output{nouns})"
    r"(?: (?:of|for|to) (?:the|this) \w+)?"
    r"(?: ?[:：=]| (?:is|belongs to|falls (?:under|into)|(?:would|should) be)"
    r"(?: (?:the|a) (?:class|category|label))?:?)"
    r" ?(?P<rest>\S.*)"
)
_SENTENCE_NOUNS = "|claim|statement|text|title"  # of the point, not of its answer: for classes alone
_REFUSAL = re.compile(
    r"(?:i['’]?m |i am )?(?:so |very )?(?:sorry(?:[,.!]| but| that| i\b)|unable to|not able to|not sure)"
    r"|i apologi[sz]e\b"
    r"|i (?:can(?:not|['’]?t| not)|could(?: not|n['’]t)|do(?: not|n['’]t) (?:know|have)|will not|won['’]t)\b"
    r"|as an? (?:ai|language model)\b|unfortunately\b|there is (?:no|not enough)\b"
    r"|(?:it|this|that|the answer|the \w+ (?:question|context))? ?(?:is|was)? ?"
    r"(?:not|n['’]t|cannot be) (?:mentioned|stated|specified|given|provided|answered|determined)"
    r"|(?:the|this) (?:context|text|passage|question|information) "
    r"(?:do(?:es)?(?: not|n['’]t)|is(?: not|n['’]t)|can(?:not|['’]t)|provides? no|gives? no)",
    re.IGNORECASE,
)


def lone_label(lines: Sequence[str], by_word: Mapping[str, str], names: Sequence[str], markers: Sequence[str]) -> Read:
    """The class that an answer without a marker is, or the cause of its rejection.

    Args:
        lines: of the answer, without empty ones.
        by_word: words of labels, as the prompt gives them -> classes.
        names: the classes; they are read too, where no word of a label is equal to one.
        markers: of the answer form.
    """
    known = {name: name for name in names} | dict(by_word)
    text = "\n".join(lines)
    found = {name for line in lines if (name := match_class(_rest(line, markers, _SENTENCE_NOUNS), known))}
    said = mentioned(text, by_word)
    if len(found | {by_word[word] for word in said}) > 1:
        return "", RejectionCause(RejectionKind.SEVERAL_LABELS, {"labels": ", ".join(said or sorted(found))})
    return (found.pop(), None) if found else ("", unknown_label(" ".join(text.split())))


def lone_answer(lines: Sequence[str], markers: Sequence[str]) -> Read:
    """The short answer that an answer without a marker is, or the cause of its rejection."""
    text = _rest(" ".join(lines), markers)
    if _REFUSAL.match(text):
        return "", RejectionCause(RejectionKind.REFUSAL, {"quoted": text[:60]})
    if len(lines) > 1 or len(text.split()) > MOST_WORDS:
        return "", RejectionCause(RejectionKind.NOT_SHORT, {"lines": len(lines), "words": len(text.split())})
    return text, None


def _rest(line: str, markers: Sequence[str], nouns: str = "") -> str:
    """A line without the opening of a short sentence (`The answer is`), where it has one."""
    own = "".join(f"|{re.escape(marker)}" for marker in markers)
    opening = _OPENING.replace("{nouns}", nouns + own)
    found = re.fullmatch(opening, line, re.IGNORECASE)
    return found["rest"].strip("*_`\"'“” ") or line if found else line
