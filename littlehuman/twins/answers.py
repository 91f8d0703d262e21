"""What could be read out of the answers of one round of requests.

In: requests for twins, and a purse. Out: per point its twin, or why there is none, the last answer
counting; and whom to ask again.


[folded] The requests for some points' twins: written anew each time they are gone through, so that none is kept.

In: the points, and what prompting takes. Out: prompts; and, when they were gone through once, which
points a key belongs to, and what its prompt showed.

"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from littlehuman import generation
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import GenerationError
from littlehuman.generation.spending import SpendingLimit
from littlehuman.prompting import places_of, prompts
from littlehuman.prompting.parsing import parse
from littlehuman.records import Completion, Dataset, Example, Failure, Prompt, Rejected, Synthetic


@dataclass
class TwinRequests:
    """Requests for the twins of `wanted`; prompts show points of `owned`. `sample` counts the attempts from 0."""

    wanted: Sequence[Example]
    owned: Sequence[Example]
    dataset: Dataset
    config: RunConfig
    sample: int = 0
    shown_to: dict[str, tuple[str, ...]] = field(
        default_factory=dict
    )  # example id -> ids of the human points in its prompt
    _points: dict[str, dict[str, Example]] = field(default_factory=dict)  # key -> the points that ask so
    _places: dict[str, int] | None = None  # of the dataset's points; worked out once

    def __iter__(self) -> Iterator[Prompt]:
        """Write the prompts, in order."""
        config = self.config
        said = (self.owned, config.strategy, config.task.name, config.prompt_model, self.dataset.classes)
        replacement = config.protocol.shots_with_replacement
        if self._places is None:
            self._places = places_of(self.dataset.train, *said, replacement=replacement)
        written = prompts(self.wanted, *said, replacement=replacement, sample=self.sample, places=self._places)
        for prompt, example in zip(written, self.wanted, strict=True):
            self._points.setdefault(prompt.key, {})[example.id] = example
            self.shown_to[example.id] = prompt.shown
            yield prompt

    def points(self, key: str) -> Iterable[Example]:
        """The points whose twin the request of this key asks for."""
        return self._points[key].values()

    def again(self, ids: set[str]) -> TwinRequests:
        """The next attempt, for the points of `ids` alone."""
        wanted = [example for example in self.wanted if example.id in ids]
        return replace(self, wanted=wanted, sample=self.sample + 1, shown_to={}, _points={})


HOPELESS = 100  # answers without one usable twin among them: no more are asked for


@dataclass
class ParsedAnswers:
    """What could be read out of the answers of one round, each point's last answer counting."""

    config: RunConfig
    useful: bool  # the prompt model wrote a usable twin before
    twins: dict[str, Synthetic] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def answers_to(self, requests: TwinRequests, purse: SpendingLimit, before: Callable[[], None]) -> set[str]:
        """Read the answers as they come, and return whom to ask again: there was an answer, and it was no twin.

        `before` is called before the first request that must be paid for.
        """
        again = set[str]()
        config, limit = self.config, self.config.strategy.max_tokens
        asking = generation.complete(
            requests, config.prompt_model, limit, purse, before=before, progress=config.launch.progress
        )
        with closing(asking) as answers:
            for answer in answers:
                for example in requests.points(answer.key):
                    unread = self._read(answer, example, requests)
                    if unread and isinstance(answer, Completion):
                        again.add(example.id)
                if len(self.rejected) >= HOPELESS and not self.twins and not self.useful:
                    raise unusable_error(0, list(self.rejected.values()), config)
        return again

    def twins_of(self, points: Sequence[Example]) -> list[Synthetic]:
        """The twins, in the order of `points`."""
        return [self.twins[e.id] for e in points if e.id in self.twins]

    def _read(self, answer: Completion | Failure, example: Example, requests: TwinRequests) -> bool:
        words = self.config.strategy.tasks[self.config.task.name]
        result = parse(answer, example, words, requests.dataset.classes)
        return self.note(
            example, replace(result, asked=requests.sample + 1) if isinstance(result, Rejected) else result
        )

    def note(self, example: Example, result: Synthetic | Rejected) -> bool:
        """Keep what was read for a point, in place of what was read before; whether it is no twin."""
        if isinstance(result, Rejected):
            self.rejected[example.id] = result
            return True
        self.rejected.pop(example.id, None)
        self.twins[example.id] = result
        return False


def unusable_error(usable: int, rejected: Sequence[Rejected], config: RunConfig) -> GenerationError:
    """The error of a prompt model whose answers are no twins."""
    (kind, reason), count = Counter((answer.kind, answer.reason) for answer in rejected).most_common(1)[0]
    group, name = ("filter", config.filter.name) if kind.by_filter else ("prompt_model", config.prompt_model.name)
    mends = {
        "filter": "a milder filter, another filter.model, another prompt_model",
        "prompt_model": f"another prompt_model, strategy.max_tokens above {config.strategy.max_tokens} for answers that were cut",
    }
    return GenerationError(
        f"{group}={name}: {usable} of {usable + len(rejected)} answers are usable twins; {count} are not because of: {reason}\n"
        f"Try: {mends[group]}, or look at the raw answers in the cache"
    )
