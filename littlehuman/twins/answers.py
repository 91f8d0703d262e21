"""One round of generation: the requests for some points' twins, and what could be parsed out of the answers.

In: points, and a spending limit. Out: per point its twin, or why there is none, as its last answer says; and the
points to be asked for again.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from littlehuman import generation
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import GenerationError
from littlehuman.generation.spending import SpendingLimit
from littlehuman.languages.spans import find_answer
from littlehuman.prompting import build_prompts, repeat_indices
from littlehuman.prompting.parsing import parse
from littlehuman.records import Completion, Dataset, Example, Failure, Prompt, Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import Head, Method, Writes

log = logging.getLogger(__name__)
MAX_UNUSABLE = 100  # if that many answers come first and none is a usable twin, the round stops


@dataclass
class TwinRequests:
    """Prompts for the twins of `wanted`. Iterating builds them anew, so that they are not all held in memory.

    Once they were iterated over, `points` tells which points a request key belongs to.
    """

    wanted: Sequence[Example]
    owned: Sequence[Example]  # human points that prompts may show
    dataset: Dataset
    config: RunConfig
    sample: int = 0  # attempts before this one
    numbered: Sequence[Example] | None = None  # among whom equal requests are told apart; None: the training points
    shown_to: dict[str, tuple[str, ...]] = field(default_factory=dict)  # example id -> ids shown in its prompt
    _points: dict[str, dict[str, Example]] = field(default_factory=dict)  # request key -> points, by id
    _repeats: dict[str, int] | None = None  # see `repeat_indices`; computed once for all attempts

    def __iter__(self) -> Iterator[Prompt]:
        config = self.config
        arguments = (self.owned, config.strategy, config.task.name, config.prompt_model, self.dataset.classes)
        replacement = config.protocol.shots_with_replacement
        if self._repeats is None:
            among = self.dataset.train if self.numbered is None else self.numbered
            self._repeats = repeat_indices(among, *arguments, replacement=replacement)
        prompts = build_prompts(
            self.wanted,
            *arguments,
            replacement=replacement,
            sample=self.sample,
            repeats=self._repeats,
            descriptions=config.dataset.class_descriptions,
        )
        for prompt, example in zip(prompts, self.wanted, strict=True):
            self._points.setdefault(prompt.key, {})[example.id] = example
            self.shown_to[example.id] = prompt.shown
            yield prompt

    def points(self, key: str) -> Iterable[Example]:
        """The points whose twin the request of this key asks for."""
        return self._points[key].values()

    def parse(self, answer: Completion | Failure, example: Example) -> Synthetic | Rejected:
        """The twin in an answer, or why there is none."""
        strategy = self.config.strategy
        template, alone = strategy.tasks[self.config.task.name], strategy.writes is Writes.target
        result = parse(answer, example, template, self.dataset.classes, target_alone=alone)
        return replace(result, asked=self.sample + 1) if isinstance(result, Rejected) else result

    def retry(self, ids: set[str]) -> TwinRequests:
        """The next attempt, for the points of `ids` alone."""
        wanted = [example for example in self.wanted if example.id in ids]
        return replace(self, wanted=wanted, sample=self.sample + 1, shown_to={}, _points={})


@dataclass
class ParsedAnswers:
    """Twins and rejections of one round; of several answers to a point the last one counts."""

    config: RunConfig
    had_usable: bool  # the prompt model wrote a usable twin in an earlier round
    what: str = "twins"  # the name of the answers in messages
    twins: dict[str, Synthetic] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def collect(self, requests: TwinRequests, spending: SpendingLimit, before: Callable[[], None]) -> set[str]:
        """Parse the answers as they come, and return the ids to ask for again: those whose answer is no twin.

        A failed request is not among them. `before` is called before the first request that must be paid for.

        Raises:
            GenerationError: when the prompt model cannot be reached, would cost too much, or after `MAX_UNUSABLE`
                answers has written no usable twin.
        """
        retry = set[str]()
        config, limit = self.config, self.config.strategy.max_tokens
        completions = generation.complete(
            requests,
            config.prompt_model,
            limit,
            spending,
            what=self.what,
            before=before,
            progress=config.launch.progress,
        )
        with closing(completions) as answers:
            for answer in answers:
                for example in requests.points(answer.key):
                    usable = self.record(example, requests.parse(answer, example))
                    if not usable and isinstance(answer, Completion):
                        retry.add(example.id)
                if len(self.rejected) >= MAX_UNUSABLE and not self.twins and not self.had_usable:
                    raise unusable_error(0, list(self.rejected.values()), config, self.what)
        return retry

    def record(self, example: Example, result: Synthetic | Rejected) -> bool:
        """Keep the result of a point in place of an earlier one; whether it is a twin."""
        if isinstance(result, Synthetic) and self._trains_spans:
            result = _with_span(result)
        if isinstance(result, Rejected):
            self.rejected[example.id] = result
            return False
        self.rejected.pop(example.id, None)
        self.twins[example.id] = result
        return True

    @property
    def _trains_spans(self) -> bool:
        """Whether answers will be marked in their evidence; those of an annotator are only scored."""
        return self.config.task.head is Head.span and self.config.method is Method.finetune

    def twins_of(self, points: Sequence[Example]) -> list[Synthetic]:
        """The twins, in the order of `points`."""
        return [self.twins[e.id] for e in points if e.id in self.twins]


def attempts_of(config: RunConfig, what: str = "twin") -> int:
    """How often a twin is requested; at temperature 0 once, since the next answer would be the same."""
    attempts = config.strategy.attempts
    if attempts > 1 and config.prompt_model.temperature == 0:
        same = "is asked for once, for at temperature 0 the answer is the same"
        log.info("strategy.attempts=%d: each %s %s", attempts, what, same)
        return 1
    return attempts


def _with_span(twin: Synthetic) -> Synthetic | Rejected:
    """The twin, if its answer stands in its evidence."""
    if find_answer((twin.target,), twin.evidence):
        return twin
    return Rejected(twin.example_id, RejectionCause(RejectionKind.NO_SPAN), twin.target)


def unusable_error(
    usable: int, rejected: Sequence[Rejected], config: RunConfig, what: str = "twins"
) -> GenerationError:
    """The error of a prompt model, or a filter, that leaves too few usable twins."""
    (kind, reason), count = Counter((answer.kind, answer.reason) for answer in rejected).most_common(1)[0]
    group, name = ("filter", config.filter.name) if kind.by_filter else ("prompt_model", config.prompt_model.name)
    cut = f"strategy.max_tokens above {config.strategy.max_tokens} for answers that were cut"
    mends = {
        "filter": "a milder filter, another filter.model, another prompt_model",
        "prompt_model": f"another prompt_model, {cut}",
    }
    return GenerationError(
        f"{group}={name}: {usable} of {usable + len(rejected)} answers are usable {what}; "
        f"{count} are not because of: {reason}\nTry: {mends[group]}, or look at the raw answers in the cache"
    )
