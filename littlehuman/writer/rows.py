"""What a writer is tuned on: the requests that the strategy would send, each answered by its point.

In: training points of a cell, human or (in rounds) twins. Out: one `TuningRow` each: the messages of the request,
few-shot examples included, and the point in the strategy's answer form.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, Problem
from littlehuman.prompting import build_prompts
from littlehuman.prompting.few_shot import answer_turn
from littlehuman.records import Dataset, Example, Mixture, Origin, Point
from littlehuman.schema import Demonstration, PromptText


@dataclass(frozen=True, slots=True)
class TuningRow:
    """A conversation: the messages as JSON, the answer, and the ids of the human points that the messages show."""

    id: str
    messages: str
    answer: str
    shown: tuple[str, ...]


def tuning_rows(
    points: Sequence[Example], owned: Sequence[Example], dataset: Dataset, config: RunConfig
) -> tuple[TuningRow, ...]:
    """The conversations of `points`, in their order.

    Args:
        points: what is learned from.
        owned: the human points that prompts may show.
        dataset: its classes.
        config: the cell: strategy, task and protocol.

    Raises:
        ConfigError: when the answer form has an explanation, which these points do not have.
    """
    template, model = config.strategy.tasks[config.task.name], config.prompt_model
    if "{explanation}" in template.assistant:
        problem = Problem(f"strategy={config.strategy.name}", "asks for an explanation, and human points have none")
        raise ConfigError([problem], "strategy=few_shot or strategy=zero_shot, or a prompt model without a writer")
    prompts = build_prompts(
        points,
        owned,
        config.strategy,
        config.task.name,
        model,
        dataset.classes,
        replacement=config.protocol.shots_with_replacement,
        descriptions=config.dataset.class_descriptions,
    )
    return tuple(
        TuningRow(point.id, json.dumps(prompt.messages, ensure_ascii=False), _answer(point, template), prompt.shown)
        for point, prompt in zip(points, prompts, strict=True)
    )


def as_mixture(rows: Sequence[TuningRow]) -> Mixture:
    """The conversations in the form that training takes (`training/chat_encoding.py`)."""
    points = (Point(Example(row.id, "", row.messages, (row.answer,)), Origin.HUMAN) for row in rows)
    return Mixture(tuple(points), len(rows))


def _answer(point: Example, template: PromptText) -> str:
    shot = Demonstration(evidence=point.evidence, text=point.text, target=point.target)
    return answer_turn(template, shot)
