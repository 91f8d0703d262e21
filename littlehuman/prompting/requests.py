"""From human points to the requests for their twins.

In: the points that turn synthetic, the human points that prompts may show, a strategy's prompt templates. Out: one
`Prompt` each: a system turn, few-shot examples as user and assistant turns, and the user turn. The label is requested
(paper, Section 2), so that the twins have the human label distribution.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from littlehuman.prompting.answer_schema import answer_schema
from littlehuman.prompting.class_comparison import class_turns, text_turn
from littlehuman.prompting.class_descriptions import check_descriptions
from littlehuman.prompting.few_shot import ExampleSampler, clean_evidence, label_values, user_turn
from littlehuman.prompting.templates import check_templates, describes_classes, language_instruction, with_descriptions
from littlehuman.records import Example, Prompt
from littlehuman.schema import Demonstration, PromptModelConfig, Provider, Shots, StrategyConfig, Writes, adapter
from littlehuman.store import digest

log = logging.getLogger(__name__)


def build_prompts(
    examples: Sequence[Example],
    pool: Sequence[Example],
    strategy: StrategyConfig,
    task: str,
    model: PromptModelConfig,
    classes: Sequence[str] = (),
    *,
    replacement: bool = False,
    sample: int = 0,
    repeats: Mapping[str, int] | None = None,
    descriptions: Mapping[str, str] | None = None,
) -> Iterator[Prompt]:
    """Yield the request for the twin of each example, in order.

    Args:
        examples: the points whose twins are wanted.
        pool: the human points that prompts may show (the cell's human budget).
        strategy: how many are shown, and the templates.
        task: which of the strategy's templates to use.
        model: the prompt model; part of each request's key.
        classes: the dataset's classes, for templates that name them.
        replacement: draw the shown points with replacement (protocol `paper`).
        sample: attempts before this one, whose answers could not be parsed.
        repeats: example id -> index among the points with the same request (see `repeat_indices`); 0 where it has none.
        descriptions: class -> what it means in one line, for templates that describe the classes.

    Raises:
        ConfigError: when the strategy shows human points and the pool is empty, a template names a field that it may
            not name, or the descriptions do not fit the classes.
    """
    if describes_classes(strategy.tasks[task]):
        check_descriptions(descriptions or {}, classes, task)
    kind = _ComparisonBuilder if model.provider is Provider.embeddings else _PromptBuilder
    builder = kind(pool, strategy, task, replacement, classes, descriptions)
    schema = answer_schema(builder.template, classes) if model.json_schema else None
    short = 0
    for example in examples:
        ids, messages = builder.build(example)
        short += len(messages) < 2 * strategy.shots + 2
        repeat = (repeats or {}).get(example.id, 0)
        key = request_key(model, messages, strategy.max_tokens, sample, schema, repeat)
        yield Prompt(example.id, messages, key, ids, sample, schema)
    if short and not sample and strategy.shots_from is Shots.human:
        label = " with that label" if builder.sampler.label_is_requested else ""
        log.warning(
            "%d of %d requests show fewer than %d human points: too few are owned%s on other evidence (human_budget)",
            *(short, len(examples), strategy.shots, label),
        )


def request_key(
    model: PromptModelConfig,
    messages: Sequence[Mapping[str, str]],
    max_tokens: int,
    sample: int = 0,
    schema: Mapping[str, Any] | None = None,
    repeat: int = 0,
) -> str:
    """The cache key of a request: a hash of what can change an answer, so not of timeouts or batch sizes.

    `sample` and `repeat` tell apart several answers to the same messages: further attempts for one point, and other
    points.
    """
    # A later setting is hashed only where it is used, so that the keys of earlier versions stay.
    identity: dict[str, Any] = {
        "model": model.weights or model.name,
        "dtype": model.dtype if model.weights else None,
        "temperature": None if model.temperature is None else float(model.temperature),  # 1 and 1.0 are one request
        "top_p": None if model.top_p is None else float(model.top_p),
        "max_tokens": max_tokens,
    } | ({"sample": sample} if sample else {})
    if schema:
        identity["schema"] = schema
    if repeat:
        identity["place"] = repeat
    if model.weights and model.revision:  # an endpoint has no revision
        identity["revision"] = model.revision
    if model.adapter:
        identity["adapter"] = adapter.parts(model.adapter)[1]
    if model.token_limit_name is None:  # null: no limit is sent
        identity["token_limit"] = None
    if model.reasoning_effort is not None:
        identity["reasoning_effort"] = model.reasoning_effort
    if model.extra_body:
        identity["extra_body"] = model.extra_body
    return digest([identity, list(messages)])


def repeat_indices(
    points: Sequence[Example],
    pool: Sequence[Example],
    strategy: StrategyConfig,
    task: str,
    model: PromptModelConfig,
    classes: Sequence[str] = (),
    *,
    replacement: bool = False,
) -> dict[str, int]:
    """Number the points whose requests are identical, by id: 1, 2, ...; the first of each group is left out.

    A model that samples gives each of them an answer of its own. At temperature 0 the answers would be equal: then
    nothing is numbered, and the points share one request. `points` are all that could be asked for (the dataset's
    training points), not those that are: so a smaller set is part of a larger one.
    """
    if model.temperature == 0:  # null: the model's own, which samples
        return {}
    builder = _PromptBuilder(pool, strategy, task, replacement, classes)
    groups: dict[tuple[str, ...], list[Example]] = defaultdict(list)
    for point in points:
        groups[builder.point_values(point)].append(point)
    indices: dict[str, int] = {}
    for group in groups.values():
        seen: Counter[str] = Counter()
        for point in sorted(group, key=lambda e: e.id) if len(group) > 1 else ():
            request = digest(list(builder.build(point)[1]))
            if seen[request]:
                indices[point.id] = seen[request]
            seen[request] += 1
    return indices


def distinct_requests(
    points: Sequence[Example],
    pool: Sequence[Example],
    strategy: StrategyConfig,
    task: str,
    classes: Sequence[str] = (),
    *,
    replacement: bool = False,
    enough: int,
) -> int:
    """How many of the points' requests differ, counted up to `enough` (arguments as in `build_prompts`)."""
    builder = _PromptBuilder(pool, strategy, task, replacement, classes)
    groups: dict[tuple[str, ...], list[Example]] = defaultdict(list)
    for point in points:
        groups[builder.point_values(point)].append(point)
    found = len(groups)  # each has one at least; which more there are depends on the shown points
    for group in groups.values():
        if found >= enough:
            break
        if len(group) > 1:
            found += len({digest(list(builder.build(point)[1])) for point in group}) - 1
    return min(found, enough)


class _PromptBuilder:
    """Renders the messages of each point's request."""

    def __init__(
        self,
        pool: Sequence[Example],
        strategy: StrategyConfig,
        task: str,
        replacement: bool,
        classes: Sequence[str],
        descriptions: Mapping[str, str] | None = None,
    ) -> None:
        check_templates(strategy, task)
        self.strategy, self.classes, self.descriptions = strategy, classes, descriptions or {}
        self.describes = describes_classes(strategy.tasks[task])
        self.template = with_descriptions(strategy.tasks[task], classes, self.descriptions)
        self.class_list = ", ".join(self.template.label_words.get(name, name) for name in classes)
        self.sampler = ExampleSampler(pool, strategy, self.template, replacement, self.class_list)

    def build(self, example: Example) -> tuple[tuple[str, ...], tuple[dict[str, str], ...]]:
        """Ids of the human points that are shown, and the messages."""
        template, strategy = self.template, self.strategy
        ids, turns = self.sampler.turns_for(example)
        system = template.system.format_map(label_values(template, example.target, self.class_list)).strip()
        system += language_instruction(strategy, template, self.classes)
        point = Demonstration(evidence=example.evidence, text=example.text, target=example.target)
        user = user_turn(template, strategy, point, self.class_list)
        return ids, ({"role": "system", "content": system}, *turns, {"role": "user", "content": user})

    def point_values(self, example: Example) -> tuple[str, ...]:
        """All that a request says of its own point: equal for points with equal requests."""
        return (
            clean_evidence(example.evidence, self.strategy.max_evidence_words),
            example.target if self.sampler.label_is_requested else "",
            example.text if self.strategy.writes is Writes.target else "",
        )


class _ComparisonBuilder(_PromptBuilder):
    """Requests to an encoder: the classes, described where the strategy describes them, and the point's text."""

    @cached_property
    def class_turns(self) -> tuple[dict[str, str], ...]:
        """The classes, which all requests share."""
        described = self.descriptions if self.describes else {}
        if self.descriptions and not described:
            _note_bare_names()
        return class_turns(self.template, self.classes, described)

    def build(self, example: Example) -> tuple[tuple[str, ...], tuple[dict[str, str], ...]]:
        """No human point is shown."""
        return (), (*self.class_turns, text_turn(example, self.strategy))


@cache
def _note_bare_names() -> None:
    """Say it once: requests are built several times."""
    log.info("texts are compared with the names of the classes; strategy=annotate_described has descriptions")
