"""Rules on one twin's own words: no model is asked and nothing is paid.

In: a twin and the settings. Out: the first rule that it breaks, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from littlehuman.groups import RulesConfig
from littlehuman.records import Synthetic
from littlehuman.same_words import stands_in, words


def broken_rule(twin: Synthetic, rules: RulesConfig, *, written_anew: bool = True, has_classes: bool = False) -> str:
    """Name the first rule that the twin breaks; empty when it breaks none.

    Args:
        twin: the twin.
        rules: which rules are in force.
        written_anew: the prompt model wrote the text; a human text is not judged.
        has_classes: the target is a class, so no rule on answers holds.
    """
    text = _text(twin, rules) if written_anew else iter(())
    answer = iter(()) if has_classes else _answer(twin, rules)
    return next(text, "") or next(answer, "")


def _text(twin: Synthetic, rules: RulesConfig) -> Iterator[str]:
    length = len(words(twin.text))
    if not length:
        yield "no word in the text"
    if rules.min_words is not None and length < rules.min_words:
        yield f"text of fewer than {rules.min_words} words"
    if rules.max_words is not None and length > rules.max_words:
        yield f"text of more than {rules.max_words} words"
    if rules.no_copies and stands_in(twin.text, twin.evidence):
        yield "text copied from the evidence"


def _answer(twin: Synthetic, rules: RulesConfig) -> Iterator[str]:
    length = len(words(twin.target))
    if not length:
        yield "no word in the answer"
    if rules.max_answer_words is not None and length > rules.max_answer_words:
        yield f"answer of more than {rules.max_answer_words} words"
    if rules.answer_in_evidence and twin.evidence.strip() and not stands_in(twin.target, twin.evidence, articles=False):
        yield "answer not in the evidence"
