"""The prompt templates of a strategy: the fields that they name, and what makes one unusable.

In: a strategy's texts for one task. Out: the fields of its answer form, whether it requests a label, and an error
before the first request when a template would fail or leak the label.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from string import Formatter

from littlehuman.errors import ConfigError, Problem
from littlehuman.schema import PromptText, Shots, StrategyConfig, Writes

LABEL_FIELDS = ("label", "label_request")
CLASS_FIELDS = ("classes", "described_classes")
_DESCRIBED = re.compile(r"(?<!\{)\{described_classes\}(?!\})")
_FORM_FIELD = re.compile(r"(?P<marker>[^{}|\n:]+):\s*\{(?P<name>\w+)\}")


def asks_for_label(template: PromptText) -> bool:
    """Whether the request names the label that the twin shall have."""
    return any(name in LABEL_FIELDS for name in _fields(template.system) + _fields(template.user))


def describes_classes(template: PromptText) -> bool:
    """Whether a request says what each class means (`dataset.class_descriptions`)."""
    return any(_DESCRIBED.search(turn) for turn in (template.system, template.user))


def with_descriptions(template: PromptText, classes: Sequence[str], descriptions: Mapping[str, str]) -> PromptText:
    """The template with `{described_classes}` filled in: one line per class, `word: what it means`."""
    if not describes_classes(template):
        return template
    words = {name: template.label_words.get(name, name) for name in classes}
    lines = "\n".join(f"{word}: {descriptions[name]}" for name, word in words.items() if name in descriptions)
    filled = lines.replace("{", "{{").replace("}", "}}")
    system, user = (_DESCRIBED.sub(lambda _: filled, turn) for turn in (template.system, template.user))
    return replace(template, system=system, user=user)


def language_instruction(strategy: StrategyConfig, template: PromptText, classes: Sequence[str]) -> str:
    """The sentence after the system turn that asks for another language; empty where none is set.

    The words of the answer form, and labels, are not translated: the parser looks for them.
    """
    if not strategy.language.strip():
        return ""
    language = " ".join(strategy.language.split())
    kept = ", ".join(f"{marker}:" for marker in form_fields(template.assistant))
    labels = ", and labels in the words that are given here" if classes else ""
    return f"\nWrite in {language}, but leave the names of the form as they are ({kept}){labels}."


@lru_cache
def form_fields(form: str) -> dict[str, str]:
    """The fields of an answer form, in order: marker -> name.

    `Claim: {text} || Label: {target}` has `Claim` -> `text` and `Label` -> `target`.
    """
    return {match["marker"].strip(" |"): match["name"] for match in _FORM_FIELD.finditer(form)}


def check_templates(strategy: StrategyConfig, task: str) -> None:
    """Refuse templates that would fail at the first point, leak a label, or whose answers could not be parsed.

    Raises:
        ConfigError: naming every problem.
    """
    problems = [
        Problem(f"strategy={strategy.name}", f"tasks.{task}.{what}")
        for what in _problems(strategy, strategy.tasks[task])
    ]
    if problems:
        raise ConfigError(problems)


def unknown_fields(turn: str, template: str, names: tuple[str, ...]) -> Iterator[str]:
    """A problem for each field that a template names and that is none of `names`."""
    try:
        yield from (
            f"{turn} names {{{name}}}; it may name: {', '.join(names)}"
            for name in _fields(template)
            if name not in names
        )
    except ValueError as error:
        yield f"{turn}: {error} (a brace that is no field is written twice)"


def _problems(strategy: StrategyConfig, template: PromptText) -> Iterator[str]:
    annotates = strategy.writes is Writes.target
    label = () if annotates else LABEL_FIELDS  # an annotator that is told the label repeats it
    yield from unknown_fields("system", template.system, (*label, *CLASS_FIELDS))
    yield from unknown_fields(
        "user", template.user, (*label, *CLASS_FIELDS, "evidence", *(["text"] if annotates else []))
    )
    yield from unknown_fields("assistant", template.assistant, ("text", "target", "explanation"))
    for name in ("target",) if annotates else ("text", "target"):
        if name not in form_fields(template.assistant).values():
            yield (
                f"assistant needs a word and a colon before {{{name}}}, as in `Label: {{target}}`: "
                "so it is found in an answer"
            )
    if strategy.shots and strategy.shots_from is Shots.own and not template.demonstrations:
        yield "demonstrations is empty, and shots_from=own shows no others: add some, or shots=0"


def _fields(template: str) -> list[str]:
    return [name for _, name, _, _ in Formatter().parse(template) if name is not None]
