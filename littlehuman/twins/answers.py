"""What could be read out of the answers of one round of requests.

In: requests for twins, and a purse. Out: per point its twin, or why there is none, the last answer
counting; and whom to ask again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace

from littlehuman import generation
from littlehuman.config import RunConfig
from littlehuman.errors import GenerationError
from littlehuman.generation.purse import Purse
from littlehuman.parsing import parse
from littlehuman.records import Completion, Example, Failure, Rejected, Synthetic
from littlehuman.twins.requests import TwinRequests

HOPELESS = 100  # answers without one usable twin among them: no more are asked for


@dataclass
class Reading:
    """What could be read out of the answers of one round, each point's last answer counting."""

    config: RunConfig
    useful: bool  # the prompt model wrote a usable twin before
    twins: dict[str, Synthetic] = field(default_factory=dict)
    rejected: dict[str, Rejected] = field(default_factory=dict)

    def answers_to(self, requests: TwinRequests, purse: Purse, before: Callable[[], None]) -> set[str]:
        """Read the answers as they come, and return whom to ask again: there was an answer, and it was no twin.

        `before` is called before the first request that must be paid for.
        """
        again = set[str]()
        config, limit = self.config, self.config.strategy.max_tokens
        asking = generation.complete(requests, config.prompt_model, limit, purse, before=before, progress=config.launch.progress)
        with closing(asking) as answers:
            for answer in answers:
                for example in requests.points(answer.key):
                    unread = self._read(answer, example, requests)
                    if unread and isinstance(answer, Completion):
                        again.add(example.id)
                if len(self.rejected) >= HOPELESS and not self.twins and not self.useful:
                    raise useless(0, list(self.rejected.values()), config)
        return again

    def twins_of(self, points: Sequence[Example]) -> list[Synthetic]:
        """The twins, in the order of `points`."""
        return [self.twins[e.id] for e in points if e.id in self.twins]

    def _read(self, answer: Completion | Failure, example: Example, requests: TwinRequests) -> bool:
        words = self.config.strategy.tasks[self.config.task.name]
        result = parse(answer, example, words, requests.dataset.classes)
        return self.note(example, replace(result, asked=requests.sample + 1) if isinstance(result, Rejected) else result)

    def note(self, example: Example, result: Synthetic | Rejected) -> bool:
        """Keep what was read for a point, in place of what was read before; whether it is no twin."""
        if isinstance(result, Rejected):
            self.rejected[example.id] = result
            return True
        self.rejected.pop(example.id, None)
        self.twins[example.id] = result
        return False


def useless(usable: int, rejected: Sequence[Rejected], config: RunConfig) -> GenerationError:
    """The error of a prompt model whose answers are no twins."""
    reason, count = Counter(r.reason for r in rejected).most_common(1)[0]
    by_filter = reason.startswith(tuple(f"{step.value.replace('_', ' ')}:" for step in config.filter.steps))
    group, name = ("filter", config.filter.name) if by_filter else ("prompt_model", config.prompt_model.name)
    mends = {
        "filter": "a milder filter, another filter.model, another prompt_model",
        "prompt_model": f"another prompt_model, strategy.max_tokens above {config.strategy.max_tokens} for answers that were cut",
    }
    return GenerationError(
        f"{group}={name}: {usable} of {usable + len(rejected)} answers are usable twins; {count} are not because of: {reason}\n"
        f"Try: {mends[group]}, or look at the raw answers in the cache"
    )
