"""The language of a dataset where it is not said: by the script of its answers, never among languages of one script.

Texts in Latin letters count as English, whose rules they were always scored by; where they look like another
language, the note says how to name it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

from littlehuman.languages.rules import Language, rules_of
from littlehuman.languages.words import words
from littlehuman.records import Example

POINTS = 1000  # of a dataset, that are looked at
FEW_LETTERS = 20  # answers with fewer (numbers) say nothing: then the other texts are asked
CHARACTERS = 200_000
DENSE = 3  # letters of an alphabet that say as much as one character of Chinese
_LATIN = "latin"
_SCRIPTS = {  # name -> letters, language whose rules the script is scored by
    _LATIN: ("A-Za-z\u00aa-\u024f\u1e00-\u1eff", "en"),
    "Greek": ("\u0370-\u03ff\u1f00-\u1fff", "el"),
    "Cyrillic": ("\u0400-\u052f", "ru"),
    "Armenian": ("\u0530-\u058f", "hy"),
    "Hebrew": ("\u0590-\u05ff", "he"),
    "Arabic": ("\u0600-\u06ff\u0750-\u077f\u08a0-\u08ff\ufb50-\ufdff\ufe70-\ufefc", "ar"),
    "Devanagari": ("\u0900-\u097f", "hi"),
    "Bengali": ("\u0980-\u09ff", "bn"),
    "Gurmukhi": ("\u0a00-\u0a7f", "pa"),
    "Gujarati": ("\u0a80-\u0aff", "gu"),
    "Tamil": ("\u0b80-\u0bff", "ta"),
    "Telugu": ("\u0c00-\u0c7f", "te"),
    "Kannada": ("\u0c80-\u0cff", "kn"),
    "Malayalam": ("\u0d00-\u0d7f", "ml"),
    "Sinhala": ("\u0d80-\u0dff", "si"),
    "Thai": ("\u0e00-\u0e7f", "th"),
    "Lao": ("\u0e80-\u0eff", "lo"),
    "Tibetan": ("\u0f00-\u0fff", "bo"),
    "Burmese": ("\u1000-\u109f", "my"),
    "Georgian": ("\u10a0-\u10ff", "ka"),
    "Ethiopic": ("\u1200-\u137f", "am"),
    "Khmer": ("\u1780-\u17ff", "km"),
    "Korean": ("\u1100-\u11ff\uac00-\ud7af", "ko"),
    "Japanese": ("\u3040-\u30ff", "ja"),
    "Chinese": ("\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af", "zh"),
}
_LETTERS = {name: re.compile(f"[{letters}]") for name, (letters, _) in _SCRIPTS.items()}
_WEIGHTS = {"Japanese": DENSE, "Chinese": DENSE}
_COMMON = {  # frequent words that the others do not have, or rarely
    "English": ("en", "the of and is was that for with this what which are by from"),
    "German": ("de", "der die das und ist nicht von ein eine zu den mit wurde auf welche"),
    "French": ("fr", "le les des est une dans du et qui pour pas au sur quel quelle"),
    "Spanish": ("es", "el los las del y una por con qué es que se cuál fue"),
    "Italian": ("it", "il di che della è gli una per sono nel del non quale"),
    "Portuguese": ("pt", "o os da do uma não em é com para das dos qual foi"),
    "Dutch": ("nl", "het een van en de dat niet zijn voor met wordt welke"),
    "Vietnamese": ("vi", "của và là các những trong được có cho người không"),
}
_COMMON_WORDS = {name: frozenset(listed.split()) for name, (_, listed) in _COMMON.items()}
MANY_WORDS = 0.05  # share of a text's words that are frequent ones of its language, at least


def language_of_points(asked: str | None, points: Sequence[Example]) -> tuple[Language, str]:
    """The rules for answers to these points, and a sentence that says why; empty for English texts.

    Args:
        asked: `dataset.language`; null: by the script of the answers, or of the other texts where these have few
            letters.
        points: of one dataset.
    """
    if asked is not None:
        return rules_of(asked), "" if rules_of(asked).is_english else _rules_sentence(rules_of(asked), "")
    some = points[:POINTS]
    answers = _sample(target for point in some for target in point.targets)
    texts = _sample(part for point in some for part in (point.text, point.evidence))
    script = _script(answers) or _script(texts)
    if script not in (None, _LATIN):
        rules = rules_of(_SCRIPTS[script][1])
        return rules, _rules_sentence(rules, f"as they are written in {script} script; ")
    return rules_of(None), _other_latin(texts)


def other_latin_language(points: Sequence[Example]) -> str | None:
    """The code of the language that texts in Latin letters look written in, where it is not English; else None."""
    texts = _sample(part for point in points[:POINTS] for part in (point.text, point.evidence))
    return _other_latin_code(texts) if _script(texts) == _LATIN else None


def scoring_of(
    test: Sequence[Example], asked: str | None, bleu_tokenizer: str | None
) -> tuple[dict[str, dict[str, str]], str]:
    """What `result.json` says about the rules of free answers (nothing for English), and a sentence that says why."""
    language, why = language_of_points(asked, test)
    language = replace(language, bleu=bleu_tokenizer or language.bleu)
    said = {"scoring": {"language": language.code, "bleu_tokenizer": language.bleu}}
    return {} if language.is_default else said, why


def foreign_share(text: str) -> float:
    """The share of letters that are not Latin, 0..1."""
    counts = _counts(text)
    return 1 - counts[_LATIN] / total if (total := counts.total()) else 0.0


def _sample(texts: Iterable[str]) -> str:
    joined: list[str] = []
    for text in islice(texts, 4 * POINTS):
        joined.append(text)
        if sum(map(len, joined[-1:])) > CHARACTERS:
            break
    return "\n".join(joined)[:CHARACTERS]


def _counts(text: str) -> Counter[str]:
    return Counter({name: len(letters.findall(text)) for name, letters in _LETTERS.items()})


def _script(text: str) -> str | None:
    """The script of most letters; None where there are few. Kana make a text Japanese."""
    counts = _counts(text)
    if counts.total() < FEW_LETTERS:
        return None
    weighted = {name: count * _WEIGHTS.get(name, 1) for name, count in counts.items()}
    most = max(weighted, key=lambda name: weighted[name])
    return "Japanese" if most == "Chinese" and 10 * counts["Japanese"] > counts["Chinese"] else most


def _rules_sentence(rules: Language, why: str) -> str:
    say = "set dataset.language for another" if why else "dataset.language"
    return f"answers are compared by the rules of language {rules.code} ({why}{say})"


def _other_latin(text: str) -> str:
    """A sentence where the texts look like another language in Latin letters; else nothing."""
    if (code := _other_latin_code(text)) is None:
        return ""
    name = next(name for name, (own, _) in _COMMON.items() if own == code)
    return f"the texts look {name}, and answers are compared by the rules of English; try dataset.language={code}"


def _other_latin_code(text: str) -> str | None:
    found = Counter(words(text[:CHARACTERS]))
    shares = {name: sum(found[word] for word in listed) for name, listed in _COMMON_WORDS.items()}
    most = max(shares, key=lambda name: shares[name])
    if most == "English" or shares[most] < max(MANY_WORDS * found.total(), 2 * shares["English"], FEW_LETTERS):
        return None
    return _COMMON[most][0]
