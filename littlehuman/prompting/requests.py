"""From human points to requests for their twins.

In: the points that turn synthetic, the human points that the cell may own, a strategy's words.
Out: one `Prompt` each: a system turn, worked examples as user/assistant turns, and the question.
The label is requested (paper, Section 2), so that the twins have the human label distribution.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from littlehuman.prompting.answer_schema import answer_schema
from littlehuman.prompting.few_shot import ExampleSampler, clean, fields_for, user_turn
from littlehuman.prompting.templates import check_templates, in_language
from littlehuman.records import Example, Prompt
from littlehuman.schema import Demonstration, PromptModelConfig, Shots, StrategyConfig, Writes
from littlehuman.store import digest

log = logging.getLogger(__name__)


def prompts(
    examples: Sequence[Example],
    pool: Sequence[Example],
    strategy: StrategyConfig,
    task: str,
    model: PromptModelConfig,
    classes: Sequence[str] = (),
    *,
    replacement: bool = False,
    sample: int = 0,
    places: Mapping[str, int] | None = None,
) -> Iterator[Prompt]:
    """Yield the request for the twin of each example, in order.

    Args:
        examples: the points whose twins are wanted.
        pool: the human points that prompts may show (the cell's human budget).
        strategy: how many are shown, and the words.
        task: which of the strategy's texts to use.
        model: who is asked; part of each request's key.
        classes: the dataset's classes, for requests that name them.
        replacement: draw the shown points with replacement (protocol `paper`).
        sample: which answer to the same words is wanted: 0, then 1, 2, ... where earlier ones could not be read.
        places: example id -> its place among the points with the same request (see `places_of`); 0 where it has none.

    Raises:
        ConfigError: when the strategy shows human points and the pool is empty, or its words name
            what they may not name.
    """
    writing = _Writing(pool, strategy, task, replacement, classes)
    schema = answer_schema(writing.words, classes) if model.json_schema else None
    short = 0
    for example in examples:
        ids, messages = writing.request(example)
        short += len(messages) < 2 * strategy.shots + 2
        place = (places or {}).get(example.id, 0)
        key = request_key(model, messages, strategy.max_tokens, sample, schema, place)
        yield Prompt(example.id, messages, key, ids, sample, schema)
    if short and not sample and strategy.shots_from is Shots.human:
        log.warning(
            "%d of %d requests show fewer than %d human points: too few are owned%s on other evidence (human_budget)",
            *(short, len(examples), strategy.shots, " with that label" if writing.shown.labelled else ""),
        )


def request_key(
    model: PromptModelConfig,
    messages: Sequence[Mapping[str, str]],
    max_tokens: int,
    sample: int = 0,
    schema: Mapping[str, Any] | None = None,
    place: int = 0,
) -> str:
    """Hash of what can change an answer: weights, sampling, words and schema; not timeouts or batch sizes.

    `sample` and `place` tell apart the answers that are wanted to the same words: further attempts
    for one point, and other points.
    """
    identity: dict[str, Any] = {
        "model": model.weights or model.name,
        "dtype": model.dtype if model.weights else None,
        "temperature": float(model.temperature),  # 1 and 1.0 are one request
        "top_p": float(model.top_p),
        "max_tokens": max_tokens,
    } | ({"sample": sample} if sample else {})
    if schema:  # only then: requests without one keep the keys that they had before there were any
        identity["schema"] = schema
    if place:
        identity["place"] = place
    if model.weights and model.revision:  # of weights alone: an endpoint has none
        identity["revision"] = model.revision
    return digest([identity, list(messages)])


def places_of(
    points: Sequence[Example],
    pool: Sequence[Example],
    strategy: StrategyConfig,
    task: str,
    model: PromptModelConfig,
    classes: Sequence[str] = (),
    *,
    replacement: bool = False,
) -> dict[str, int]:
    """Which of several points with one and the same request a point is, by id: 1, 2, ...; the first is left out.

    A model that samples gives each of them an answer of its own. A greedy one would repeat itself:
    then no point has a place, and they share one request. `points` are all that could be asked for
    (the dataset's training points), not those that are: so a smaller set is part of a larger one.
    """
    if not model.temperature:
        return {}
    writing = _Writing(pool, strategy, task, replacement, classes)
    alike: dict[tuple[str, ...], list[Example]] = defaultdict(list)
    for point in points:
        alike[writing.asked_about(point)].append(point)
    found: dict[str, int] = {}
    for group in alike.values():
        before: Counter[str] = Counter()
        for point in sorted(group, key=lambda e: e.id) if len(group) > 1 else ():
            request = digest(list(writing.request(point)[1]))
            if before[request]:
                found[point.id] = before[request]
            before[request] += 1
    return found


class _Writing:
    """Writes the messages of each point's request."""

    def __init__(
        self, pool: Sequence[Example], strategy: StrategyConfig, task: str, replacement: bool, classes: Sequence[str]
    ) -> None:
        check_templates(strategy, task)
        self.strategy, self.words = strategy, strategy.tasks[task]
        self.classes, self.names = classes, ", ".join(self.words.label_words.get(name, name) for name in classes)
        self.shown = ExampleSampler(pool, strategy, self.words, replacement, self.names)

    def request(self, example: Example) -> tuple[tuple[str, ...], tuple[dict[str, str], ...]]:
        """Ids of the human points that are shown, and the messages."""
        words, strategy = self.words, self.strategy
        ids, turns = self.shown.turns_for(example)
        system = words.system.format_map(fields_for(words, example.target, self.names)).strip() + in_language(
            strategy, words, self.classes
        )
        question = user_turn(
            words,
            strategy,
            Demonstration(evidence=example.evidence, text=example.text, target=example.target),
            self.names,
        )
        return ids, ({"role": "system", "content": system}, *turns, {"role": "user", "content": question})

    def asked_about(self, example: Example) -> tuple[str, ...]:
        """All that a request says of its own point: requests that are the same are the same in this."""
        evidence = clean(example.evidence, self.strategy.max_evidence_words)
        return (
            evidence,
            example.target if self.shown.labelled else "",
            example.text if self.strategy.writes is Writes.target else "",
        )
