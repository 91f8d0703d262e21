"""Text features of twins and of their human originals: those of the paper's Appendix D.

In: pairs (twin, its human original), while their texts are at hand. Out: columns of numbers and words per id, without
any text, which the run folder keeps as `texts.json`; `study.text_comparison` reads them. A word is a run of letters
and digits; a character of a script without spaces is one too (`languages/words.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from littlehuman.languages.words import MARK, NO_SPACES
from littlehuman.languages.words import words as any_words
from littlehuman.records import Example
from littlehuman.seeding import ordering

OTHER, YES_NO = "other", "yes/no"
QUESTION_WORDS = ("who", "what", "when", "where", "which", "why", "how", "whose")
_FORMS = {word: word for word in QUESTION_WORDS} | {"whom": "who"}
_PREPOSITION = re.compile(
    "about|across|after|against|among|around|as|at|because|before|behind|below|between|by|during|for|from|in|inside"
    "|into|near|of|on|over|since|through|to|towards?|under|until|upon|with|within|without"
)
_INTRODUCING = re.compile(f"according|based|given|{_PREPOSITION.pattern}")
_AUXILIARY = re.compile(
    "(?:am|are|can|could|did|do|does|had|has|have|is|may|might|must|shall|should|was|were|will|would)(?:n't)?"
    "|can't|won't|shan't"
)
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_SENTENCE_END = re.compile(r"(?<=[.!?।؟۔])\s+|(?<=[.!?][\"”’')])\s+|(?<=[。！？])(?![」』”])|\n+")
_CLOSING_MARKS = " .!?\"”’')।؟۔。！？」』"
_OTHER_WORDS = re.compile(f"{NO_SPACES.pattern}|{MARK}")


def profile(pairs: Sequence[tuple[Example, Example]], *, has_classes: bool, limit: int = 1000) -> dict[str, Any]:
    """Features of twins and of their human originals, one list per feature, ready for JSON.

    Args:
        pairs: (twin, human original) with the same id.
        has_classes: the targets are classes and the texts are claims, not questions.
        limit: at most so many pairs, sampled by id: other cells of a study sample the same ones.

    Returns:
        `ids`, and under `human` and `synthetic` one list per feature, in the order of `ids`: `words` and `answer_words`
        (None for classes), `bleu` and `position` (see `extractiveness`), `opening` (see there; None for classes) and,
        for classes, `target`.

    Raises:
        ValueError: when a pair has two ids.
    """
    by_id = {twin.id: (twin, human) for twin, human in pairs}
    if wrong := [(twin.id, human.id) for twin, human in pairs if twin.id != human.id]:
        raise ValueError(f"a twin was paired with another point's human original: {wrong[0]}")
    ids = ordering(by_id, 0, "whose text is described")[: max(limit, 0)]
    twins, humans = [by_id[i][0] for i in ids], [by_id[i][1] for i in ids]
    return {"ids": ids, "human": _columns(humans, has_classes), "synthetic": _columns(twins, has_classes)}


def words(text: str) -> int:
    """Number of words: `don't` is one, `well-known` two."""
    return len(any_words(text) if _OTHER_WORDS.search(text) else _WORD.findall(text))


@lru_cache(maxsize=1024)
def sentences(text: str) -> tuple[str, ...]:
    """Sentences of a text, split after . ! ? and at line ends.

    Abbreviations are split too (`Dr. Smith`), on both sides of a pair alike.
    """
    return tuple(part.strip() for part in _SENTENCE_END.split(text) if _WORD.search(part))


def extractiveness(text: str, evidence: str) -> tuple[float | None, float | None]:
    """Similarity of a text to the most similar sentence of its evidence, and that sentence's position.

    The similarity is the highest sentence BLEU, 0..1, of the text against each sentence (sacreBLEU: 13a tokens, or
    characters of a script without spaces; case-sensitive, effective order, exponential smoothing; Post 2018), both
    without their closing marks, which would match where no word does. BLEU's brevity penalty makes a short text out of
    a long sentence score low: the value serves to compare twins and originals and is no share of copied words. The
    position is 0 (first sentence) .. 1 (last); of equally similar sentences the first counts.

    Returns:
        (BLEU, position); (None, None) without evidence; no position when nothing is shared or there is one sentence.
    """
    parts = sentences(evidence)
    if not parts:
        return None, None
    score = _bleu("char" if NO_SPACES.search(text) else "13a")
    scores = [score(text.rstrip(_CLOSING_MARKS), sentence.rstrip(_CLOSING_MARKS)) for sentence in parts]
    best = max(scores)
    position = scores.index(best) / (len(parts) - 1) if best > 0 and len(parts) > 1 else None
    return round(best, 6), None if position is None else round(position, 6)


def opening(question: str) -> str:
    """The type of a question by its opening: its question word, `yes/no` for an auxiliary verb, else `other`.

    Prepositions before the question word are skipped ("In what year": what; `whom` counts as who), and so is an
    introduction that ends in a comma ("According to the text, who": who).
    """
    found = [word.lower().replace("’", "'") for word in _WORD.findall(question)]
    if not found:
        return OTHER
    if _AUXILIARY.fullmatch(found[0]):
        return YES_NO
    first = next((word for word in found if not _PREPOSITION.fullmatch(word)), "")
    word = _FORMS.get(first.split("'")[0])  # who's, what're
    if word is None and _INTRODUCING.fullmatch(found[0]) and "," in question:
        return opening(question.partition(",")[2])
    return word or OTHER


def _columns(examples: Sequence[Example], has_classes: bool) -> dict[str, list[Any]]:
    similarity = [extractiveness(e.text, e.evidence) for e in examples]
    columns: dict[str, list[Any]] = {
        "words": [words(e.text) for e in examples],
        "answer_words": [None if has_classes else words(e.target) for e in examples],
        "bleu": [bleu for bleu, _ in similarity],
        "position": [position for _, position in similarity],
        "opening": [None if has_classes else opening(e.text) for e in examples],
    }
    return columns | ({"target": [e.target for e in examples]} if has_classes else {})


@lru_cache(maxsize=2)
def _bleu(tokenizer: str) -> Callable[[str, str], float]:
    from sacrebleu.metrics.bleu import BLEU

    scorer = BLEU(effective_order=True, tokenize=tokenizer)
    return lambda text, sentence: min(float(scorer.sentence_score(text, [sentence]).score) / 100, 1.0)
