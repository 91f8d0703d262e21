"""Filtering of synthetic points before mixing: rules, a round trip, an LLM judge, removal of duplicates.

In: the twins of one cell, in the cell's order, and the config group `filter`. Out: those that are kept, and a
`Rejected` with its cause for each of the others. Cheap steps come first, so that no request is spent on what the
rules drop; duplicates come last, so that a twin is never dropped because of one that is not kept. Requests to a model
go through the completion cache and the spending limit of the run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from littlehuman.filters.judge import rejected_by_judge
from littlehuman.filters.model_client import GenerationSettings, ModelFilterClient
from littlehuman.filters.round_trip import rejected_by_round_trip
from littlehuman.filters.rules import DuplicateIndex, broken_rule
from littlehuman.generation.spending import SpendingLimit
from littlehuman.records import Rejected, Synthetic
from littlehuman.rejections import RejectionCause
from littlehuman.schema import FilterConfig, FilterStep, Writes

__all__ = ["FilterPipeline", "GenerationSettings"]

Drops = Mapping[str, tuple[RejectionCause, str]]  # example id -> (cause, raw answer of the model that was asked)


class FilterPipeline:
    """Filters the twins of one cell, batch after batch; duplicates are looked for in earlier batches too."""

    def __init__(self, config: FilterConfig, settings: GenerationSettings, spending: SpendingLimit) -> None:
        self.config, self.settings = config, settings
        self._new_texts = settings.strategy.writes is Writes.pair
        self._client = ModelFilterClient(config, settings, spending)
        # An annotator's texts are human ones: no rule on texts holds for them.
        has_duplicates = FilterStep.rules in config.steps and self._new_texts
        self._duplicates = DuplicateIndex(config.rules) if has_duplicates else None

    def check(self) -> None:
        """Check that the model of the filter can be asked (see `ModelFilterClient.check`)."""
        self._client.check()

    def apply(self, twins: Sequence[Synthetic], requested: Mapping[str, str]) -> tuple[list[Synthetic], list[Rejected]]:
        """Split a batch into twins that are kept and twins that are dropped, with the cause.

        The result depends on the order of `twins` alone, whatever order answers come in.

        Args:
            twins: one batch, in the order of the cell: of two duplicates the first is kept.
            requested: example id -> the label or answer of the human point.

        Raises:
            GenerationError: when the model that is asked cannot be reached, gives no readable answer, or would cost
                more than the spending limit leaves.
        """
        kept, dropped = list(twins), dict[str, tuple[RejectionCause, str]]()
        for step in self._steps():
            dropped |= step(kept) if kept else {}
            kept = [twin for twin in kept if twin.example_id not in dropped]
        return kept, [
            self._rejected(t, requested[t.example_id], *dropped[t.example_id]) for t in twins if t.example_id in dropped
        ]

    def _rejected(self, twin: Synthetic, requested: str, cause: RejectionCause, answer: str) -> Rejected:
        raw = f"{twin.text} || {twin.target}" + (f"\n{answer}" if answer else "")
        return Rejected(twin.example_id, cause, raw, (requested, twin.target) if self.settings.classes else ())

    def _steps(self) -> Iterator[Callable[[Sequence[Synthetic]], Drops]]:
        config, client = self.config, self._client
        if FilterStep.rules in config.steps:
            yield self._by_rules
        if FilterStep.round_trip in config.steps:
            yield lambda twins: rejected_by_round_trip(twins, config.round_trip, client)
        if FilterStep.judge in config.steps:
            yield lambda twins: rejected_by_judge(twins, config.judge, client)
        if duplicates := self._duplicates:
            yield lambda twins: _without_model(twins, duplicates.add)

    def _by_rules(self, twins: Sequence[Synthetic]) -> Drops:
        cause_of = partial(
            broken_rule,
            rules=self.config.rules,
            new_text=self._new_texts,
            has_classes=bool(self.settings.classes),
            language=self.settings.language,
        )
        return _without_model(twins, cause_of)


def _without_model(twins: Sequence[Synthetic], cause_of: Callable[[Synthetic], RejectionCause | None]) -> Drops:
    causes = ((twin.example_id, cause_of(twin)) for twin in twins)
    return {example_id: (cause, "") for example_id, cause in causes if cause}
