"""Rules by which answers of a language are compared: articles, segmentation, BLEU's tokenizer.

English (`ENGLISH`) is scored by the official SQuAD script and the packages' own tokenizers. Every other language is
scored as in the official script of MLQA (Lewis et al. 2020): lower case, no Unicode punctuation, no articles, and
the characters of scripts without spaces are words of their own. Beyond it, texts are in compatibility form (NFKC) and
without invisible marks of the writing direction. The articles of languages that MLQA does not have are MKQA's
(Longpre et al. 2021), as whole words, and elided articles (French l', Italian dell') are removed too.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from littlehuman.errors import did_you_mean
from littlehuman.languages.words import NO_SPACES

_ISO_639_1 = (
    "aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el"
    " en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it"
    " iu ja jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt"
    " my na nb nd ne ng nl nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl"
    " sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo"
    " za zh zu"
)
CODES = frozenset(_ISO_639_1.split())
_NAMES = {
    "arabic": "ar",
    "chinese": "zh",
    "czech": "cs",
    "dutch": "nl",
    "english": "en",
    "french": "fr",
    "german": "de",
    "greek": "el",
    "hindi": "hi",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "polish": "pl",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
    "thai": "th",
    "turkish": "tr",
    "vietnamese": "vi",
}
_ARTICLES = {
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "ar": r"\sال^|ال",  # as in MLQA's script: anywhere, not at the beginning of a word alone
    "nl": r"\b(de|het|een|des|der|den)\b",
    "sv": r"\b(en|ett)\b",
    "da": r"\b(en|et)\b",
    "no": r"\b(en|et|ei)\b",
    "fr": r"\b(le|la|les|du|de|des|un|une)\b",
    "pt": r"\b(o|a|os|as|um|uma|uns|umas)\b",
    "it": r"\b(il|lo|la|i|gli|le|del|dello|della|dei|degli|delle|uno|una|un)\b",
    "hu": r"\b(a|az|egy)\b",
}
_ARTICLES |= {"nb": _ARTICLES["no"], "nn": _ARTICLES["no"]}
_ELIDED = {"fr": r"\b(l|d)['’]", "it": r"\b(l|un|dell|degl|all|nell|sull)['’]"}
# sacreBLEU's tokenizers; the other languages in Latin letters have 13a, WMT's standard
_BLEU = {"zh": "zh", "ja": "char", "th": "char", "lo": "char", "km": "char", "my": "char"}
_LATIN_BLEU, _OTHER_BLEU = "13a", "intl"
_OTHER_SCRIPTS = (
    "ab am ar as av ba be bg bh bn bo ce cu cv dv dz el fa gu he hi hy ii iu ka kk kn ko ks kv ky mk ml mn mr ne or"
    " os pa pi ps ru sa sd si sr ta te tg ti tt ug uk ur yi"
)
_NOT_LATIN = frozenset(_OTHER_SCRIPTS.split())
_DIRECTION_MARKS = re.compile("[\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069\u200b\ufeff]")


@dataclass(frozen=True, slots=True)
class Language:
    """A language by its ISO 639-1 code, with the rules of its answers.

    `articles` are removed from words, `elided` ones before punctuation is; `bleu` is sacreBLEU's tokenizer.
    """

    code: str
    articles: str = ""
    elided: str = ""
    bleu: str = _OTHER_BLEU

    @property
    def is_default(self) -> bool:
        """Whether nothing differs from `ENGLISH`."""
        return self == ENGLISH

    @property
    def is_english(self) -> bool:
        """Whether answers are scored by SQuAD's own script."""
        return self.code == "en"

    def normal(self, text: str) -> str:
        """Lower-cased text for comparison; for other languages than English in one Unicode form."""
        return text.lower().strip() if self.is_english else _one_form(text).lower().strip()

    def answer_words(self, text: str) -> list[str]:
        """The words of an answer without punctuation and articles (MLQA's script; not for English)."""
        lowered = self.normal(text)
        if self.elided:
            lowered = re.sub(self.elided, " ", lowered)
        bare = "".join(character for character in lowered if not _is_punctuation(character))
        if self.articles:
            bare = re.sub(self.articles, " ", bare)
        return NO_SPACES.sub(r" \g<0> ", bare).split()

    def without_articles(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The words that are no articles; Arabic's is part of a word and stays."""
        pattern = r"\b(a|an|the)\b" if self.is_english else self.articles
        if not pattern or self.code == "ar":
            return words
        return tuple(word for word in words if not re.fullmatch(pattern, word))


ENGLISH = Language("en", bleu=_LATIN_BLEU)


@cache
def rules_of(code: str | None) -> Language:
    """The rules of an ISO 639-1 code, with or without region (`pt-BR`); None is English."""
    base = _base(code or "en")
    if base == "en":
        return ENGLISH
    bleu = _BLEU.get(base, _OTHER_BLEU if base in _NOT_LATIN else _LATIN_BLEU)
    return Language(base, _ARTICLES.get(base, ""), _ELIDED.get(base, ""), bleu)


def rules_of_result(result: Mapping[str, Any]) -> Language:
    """The rules by which a run's answers were scored; `scoring` of `result.json`, which English ones lack."""
    said = result.get("scoring") or {}
    rules = rules_of(said.get("language"))
    return replace(rules, bleu=said.get("bleu_tokenizer", rules.bleu))


def code_problem(code: str) -> str:
    """What is wrong with a language code; empty where nothing is."""
    if _base(code) in CODES and re.fullmatch(r"[A-Za-z]{2}([-_][A-Za-z0-9]+)*", code):
        return ""
    if named := _NAMES.get(code.strip().casefold()):
        return f"must be a code of ISO 639-1, such as {named}; try dataset.language={named}"
    if code == "False":
        return "is what YAML makes of no; try dataset.language=nb"
    return f"is no code of ISO 639-1; {did_you_mean(_base(code)[:2], sorted({*_NAMES.values()}))}"


def _base(code: str) -> str:
    return re.split("[-_]", code.strip().lower())[0]


def _one_form(text: str) -> str:
    return _DIRECTION_MARKS.sub("", unicodedata.normalize("NFKC", text))


@cache
def _is_punctuation(character: str) -> bool:
    return unicodedata.category(character).startswith("P") or character in "$+<=>^`|~"
