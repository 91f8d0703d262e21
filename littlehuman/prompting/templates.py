"""What the words of a strategy may name, and what an answer in its form must hold.

In: a strategy's texts for one task. Out: the fields of its answer form, whether it asks for a
label, and an error before the first request when the words cannot work.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from string import Formatter

from littlehuman.errors import ConfigError, Problem
from littlehuman.schema import PromptText, Shots, StrategyConfig, Writes

LABEL_FIELDS = ("label", "label_request")
_FIELD = re.compile(r"(?P<marker>[^{}|\n:]+):\s*\{(?P<name>\w+)\}")


def asks_for_label(words: PromptText) -> bool:
    """Whether the request names the label that the twin shall have."""
    return any(name in LABEL_FIELDS for name in _named(words.system) + _named(words.user))


def in_language(strategy: StrategyConfig, words: PromptText, classes: Sequence[str]) -> str:
    """The sentence that asks for another language, to follow the system turn; empty where none is set.

    The form's own words and labels stay as they are: by these an answer is read.
    """
    if not strategy.language.strip():
        return ""
    kept = ", ".join(f"{marker}:" for marker in fields_of(words.assistant))
    labels = ", and labels in the words that are given here" if classes else ""
    return f"\nWrite in {' '.join(strategy.language.split())}, but leave the names of the form as they are ({kept}){labels}."


@lru_cache
def fields_of(form: str) -> dict[str, str]:
    """The fields of an answer form, in order.

    `Claim: {text} || Label: {target}` has `Claim` -> `text` and `Label` -> `target`.
    """
    return {match["marker"].strip(" |"): match["name"] for match in _FIELD.finditer(form)}


def check_templates(strategy: StrategyConfig, task: str) -> None:
    """Refuse words that would fail at the first point, leak a label, or could not be read back.

    Raises:
        ConfigError: naming every problem.
    """
    problems = [
        Problem(f"strategy={strategy.name}", f"tasks.{task}.{what}")
        for what in _problems(strategy, strategy.tasks[task])
    ]
    if problems:
        raise ConfigError(problems)


def _problems(strategy: StrategyConfig, words: PromptText) -> Iterator[str]:
    annotates = strategy.writes is Writes.target
    label = () if annotates else LABEL_FIELDS  # an annotator that is told the label repeats it
    yield from unknown_fields("system", words.system, (*label, "classes"))
    yield from unknown_fields("user", words.user, (*label, "classes", "evidence", *(["text"] if annotates else [])))
    yield from unknown_fields("assistant", words.assistant, ("text", "target", "explanation"))
    for name in ("target",) if annotates else ("text", "target"):
        if name not in fields_of(words.assistant).values():
            yield f"assistant needs a word and a colon before {{{name}}}, as in `Label: {{target}}`: so it is found in an answer"
    if strategy.shots and strategy.shots_from is Shots.own and not words.demonstrations:
        yield "demonstrations is empty, and shots_from=own shows no others: add some, or shots=0"


def unknown_fields(turn: str, template: str, names: tuple[str, ...]) -> Iterator[str]:
    """What is wrong with the fields that a template names, where it may name these."""
    try:
        yield from (
            f"{turn} names {{{name}}}; it may name: {', '.join(names)}"
            for name in _named(template)
            if name not in names
        )
    except ValueError as error:
        yield f"{turn}: {error} (a brace that is no field is written twice)"


def _named(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]
