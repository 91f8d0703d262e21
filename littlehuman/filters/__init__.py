"""Which twins are thrown away before mixing, by which means, and why.

In: the twins of one cell, in the cell's order, and the group `filter`. Out: those that are kept,
and a `Rejected` with its reason for each of the others. Cheap means come first, so that no request
is spent on what the rules drop; duplicates come last, so that a twin is never dropped because of
one that is not kept. A model that is asked is asked through the same shelf, and paid out of
the same purse, as the writer of the twins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from littlehuman.filters.judge import misjudged
from littlehuman.filters.model_client import ModelFilterClient, Writing
from littlehuman.filters.round_trip import disagreeing
from littlehuman.filters.rules import Duplicates, broken_rule
from littlehuman.generation.spending import SpendingLimit
from littlehuman.records import Rejected, Synthetic
from littlehuman.rejections import RejectionCause
from littlehuman.schema import FilterConfig, FilterStep, Writes

__all__ = ["Sieve", "Writing"]

Drops = Mapping[str, tuple[RejectionCause, str]]  # example id -> (cause, raw answer of the model that was asked)


class FilterPipeline:
    """Filters the twins of one cell, batch after batch; earlier ones count as kept when duplicates are looked for."""

    def __init__(self, config: FilterConfig, writing: Writing, purse: SpendingLimit) -> None:
        self.config, self.writing = config, writing
        anew = writing.strategy.writes is Writes.pair
        self._asker = ModelFilterClient(config, writing, purse)
        # An annotator's texts are the human ones: only what it wrote itself is filtered.
        self._duplicates = Duplicates(config.rules) if FilterStep.rules in config.steps and anew else None

    def check(self) -> None:
        """Look whether the model that is asked could be asked (see `Asker.check`)."""
        self._asker.check()

    def sift(self, twins: Sequence[Synthetic], requested: Mapping[str, str]) -> tuple[list[Synthetic], list[Rejected]]:
        """Keep some twins, and say of each of the others why it is dropped.

        The result depends on the order of `twins` alone, whatever order answers come in.

        Args:
            twins: one batch, in the order of the cell: of two duplicates the first is kept.
            requested: example id -> the label or answer of the human point.

        Raises:
            GenerationError: when the model that is asked cannot be reached, answers nothing, or would
                cost more than the purse has.
        """
        kept, dropped = list(twins), dict[str, tuple[RejectionCause, str]]()
        for step in self._steps():
            dropped |= step(kept) if kept else {}
            kept = [twin for twin in kept if twin.example_id not in dropped]
        return kept, [
            self._rejected(t, requested[t.example_id], *dropped[t.example_id]) for t in twins if t.example_id in dropped
        ]

    def _rejected(self, twin: Synthetic, requested: str, cause: RejectionCause, said: str) -> Rejected:
        raw = f"{twin.text} || {twin.target}" + (f"\n{said}" if said else "")
        return Rejected(twin.example_id, cause, raw, (requested, twin.target) if self.writing.classes else ())

    def _steps(self) -> Iterator[Callable[[Sequence[Synthetic]], Drops]]:
        config, asker = self.config, self._asker
        if FilterStep.rules in config.steps:
            yield self._by_rules
        if FilterStep.round_trip in config.steps:
            yield lambda twins: disagreeing(twins, config.round_trip, asker)
        if FilterStep.judge in config.steps:
            yield lambda twins: misjudged(twins, config.judge, asker)
        if duplicates := self._duplicates:
            yield lambda twins: _named(twins, duplicates.add)

    def _by_rules(self, twins: Sequence[Synthetic]) -> Drops:
        anew, labelled = self.writing.strategy.writes is Writes.pair, bool(self.writing.classes)
        return _named(twins, lambda twin: broken_rule(twin, self.config.rules, written_anew=anew, has_classes=labelled))


def _named(twins: Sequence[Synthetic], cause_of: Callable[[Synthetic], RejectionCause | None]) -> Drops:
    causes = ((twin.example_id, cause_of(twin)) for twin in twins)
    return {example_id: (cause, "") for example_id, cause in causes if cause}
