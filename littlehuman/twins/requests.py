"""The requests for some points' twins: written anew each time they are gone through, so that none is kept.

In: the points, and what prompting takes. Out: prompts; and, when they were gone through once, which
points a key belongs to, and what its prompt showed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from littlehuman.config import RunConfig
from littlehuman.prompting import places_of, prompts
from littlehuman.records import Dataset, Example, Prompt


@dataclass
class TwinRequests:
    """Requests for the twins of `wanted`; prompts show points of `owned`. `sample` counts the attempts from 0."""

    wanted: Sequence[Example]
    owned: Sequence[Example]
    dataset: Dataset
    config: RunConfig
    sample: int = 0
    shown_to: dict[str, tuple[str, ...]] = field(default_factory=dict)  # example id -> ids of the human points in its prompt
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
