"""The request to an encoder: which of these classes is nearest to this text?

In: a point, the classes and what they mean. Out: the turns of one `Prompt`: one of role `class` per class, with its
description (its name where the strategy describes none) and the answer that names it in the strategy's form; and one
of role `text`. They are part of the request's key, so other classes or descriptions are other requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from littlehuman.prompting.few_shot import clean_evidence
from littlehuman.records import Example
from littlehuman.schema import PromptText, StrategyConfig

CLASS, TEXT = "class", "text"  # roles
ANSWER = "answer"


def class_turns(
    template: PromptText, classes: Sequence[str], descriptions: Mapping[str, str]
) -> tuple[dict[str, str], ...]:
    """One turn per class; a class without a description is read by its name."""
    turns = []
    for name in classes:
        answer = template.assistant.format(text="", target=template.label_words.get(name, name), explanation="")
        turns.append({"role": CLASS, "content": descriptions.get(name, name), ANSWER: answer.strip()})
    return tuple(turns)


def text_turn(example: Example, strategy: StrategyConfig) -> dict[str, str]:
    """The text of a point, after its evidence where it has one."""
    evidence = clean_evidence(example.evidence, strategy.max_evidence_words)
    return {"role": TEXT, "content": f"{evidence}\n{example.text}".strip()}
