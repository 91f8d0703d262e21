"""The synthetic side of a mixture: who is asked for twins, until there are enough or no spare point is left.

In: a `Plan`, the dataset, the config. Out: `Twins`: what was had, what failed, what it cost.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from littlehuman import filters
from littlehuman.config.run_config import RunConfig
from littlehuman.generation.costs import Bill
from littlehuman.generation.spending import SpendingLimit, SpendRecord
from littlehuman.mixture import audit, mixing
from littlehuman.prompt_models.provided import Provided
from littlehuman.records import Dataset, Example, Mixture, Origin, Rejected, Synthetic
from littlehuman.schema import Provider, Shots
from littlehuman.twins.answers import ParsedAnswers, TwinRequests, unusable_error

log = logging.getLogger(__name__)

UNSEEN = "the twins were made elsewhere: how many human points their prompts showed is not known, and in human_labels they count as none"
TELLING = 20  # answers, rounds of stand-ins included, from which on fewer than one usable in ten says that the rest is no better


@dataclass(frozen=True, slots=True)
class Twins:
    """The synthetic side of a mixture: what was had, what failed, what it cost."""

    by_id: dict[str, Synthetic]
    rejected: tuple[Rejected, ...]
    shown: frozenset[str]
    bill: Bill
    copies: frozenset[str] = frozenset()  # ids of twins that copy an example of their own prompt
    notes: tuple[str, ...] = ()


def write(plan: mixing.MixturePlan, dataset: Dataset, config: RunConfig, folder: Path | None = None) -> Twins:
    """Have the twins written; where one fails or is filtered out, the next spare point stands in.

    Args:
        plan: whose twins are wanted.
        dataset: for its classes.
        config: the cell.
        folder: the run folder, where what was paid is noted even when the run does not finish.

    Raises:
        GenerationError: when the prompt model cannot be reached, is useless, or could cost more than
            `prompt_model.max_usd`.
    """
    wanted, spares = list(plan.to_replace), list(plan.spares)
    writer = _Writer(
        config, dataset, SpendingLimit(config.prompt_model.max_usd, SpendRecord(folder) if folder else None)
    )
    given = _given(config, dataset) if wanted else None
    if given:
        spares = [example for example in spares if given.has(example)]
    try:
        while wanted:
            if given:
                writer.take(wanted, given)
            else:
                writer.ask(TwinRequests(wanted, plan.owned, dataset, config))
                writer.refuse_useless()
            failed = [example for example in wanted if example.id not in writer.twins]
            wanted, spares = mixing.stand_ins(failed, spares, same_target=bool(dataset.classes))
    finally:
        writer.account()
    if writer.rejected and not writer.twins:
        raise (
            given.unusable_error(writer.rejected, dataset.name) if given else unusable_error(0, writer.rejected, config)
        )
    return writer.finished(plan.owned)


def beside_their_originals(mixture: Mixture, dataset: Dataset) -> list[tuple[Example, Example]]:
    """Each twin of the training set with the human point that it stands for."""
    human = {example.id: example for example in dataset.train}
    return [(p.example, human[p.example.id]) for p in mixture.points if p.origin is Origin.SYNTHETIC]


class _Writer:
    """What was had so far, in the order in which it was asked for, whatever order answers came in."""

    def __init__(self, config: RunConfig, dataset: Dataset, purse: SpendingLimit) -> None:
        self.config, self.purse = config, purse
        self.twins: dict[str, Synthetic] = {}
        self.rejected: list[Rejected] = []
        self.shown_to: dict[str, tuple[str, ...]] = {}
        how = (config.task.name, dataset.classes, config.strategy, config.prompt_model, config.launch.progress)
        self._sieve = filters.FilterPipeline(config.filter, filters.Writing(*how), self.purse)
        self._attempts = _attempts(config)

    def ask(self, requests: TwinRequests) -> None:
        """One round: ask, ask again for what could not be read, and keep what the filter keeps."""
        wanted, read = requests.wanted, ParsedAnswers(self.config, useful=bool(self.twins))
        for _ in range(self._attempts):
            again = read.answers_to(requests, self.purse, self._sieve.check)
            self.shown_to |= requests.shown_to
            if not again:
                break
            requests = requests.again(again)
        self._keep(wanted, read)

    def take(self, wanted: Sequence[Example], given: Provided) -> None:
        """One round of twins that were made elsewhere."""
        read = ParsedAnswers(self.config, useful=True)
        for example in wanted:
            read.note(example, given.twin_of(example))
        self.shown_to |= dict.fromkeys((e.id for e in wanted), ())  # no prompt of ours showed anything
        self._keep(wanted, read)

    def _keep(self, wanted: Sequence[Example], read: ParsedAnswers) -> None:
        kept, dropped = self._sieve.sift(read.twins_of(wanted), {e.id: e.target for e in wanted})
        self.twins |= {twin.example_id: twin for twin in kept}
        out = read.rejected | {r.example_id: r for r in dropped}
        self.rejected += [out[e.id] for e in wanted if e.id in out]

    def finished(self, owned: Sequence[Example]) -> Twins:
        """All that was had; `owned` are the points that prompts may have shown."""
        words, own = self.config.strategy.tasks.get(self.config.task.name), self.config.strategy.shots_from is Shots.own
        brought = words.demonstrations if words and own else ()
        copies = audit.copying(self.twins.values(), self.shown_to, {e.id: e for e in owned}, brought)
        shown = frozenset(i for ids in self.shown_to.values() for i in ids)
        unseen = self.twins and self.config.prompt_model.provider is Provider.provided
        return Twins(
            self.twins, tuple(self.rejected), shown, self.purse.final_bill(), copies, (UNSEEN,) if unseen else ()
        )

    def refuse_useless(self) -> None:
        """Stop before a prompt model that cannot follow the form is asked, and paid, for the whole dataset.

        Raises:
            GenerationError: when fewer than one in ten of at least twenty are usable. Few bad answers say little:
                a cell that wants one twin must not end with the first of them.
        """
        asked = len(self.twins) + len(self.rejected)
        if asked >= TELLING and len(self.twins) < asked / 10:
            raise unusable_error(len(self.twins), self.rejected, self.config)

    def account(self) -> None:
        """Log what all this cost, even where the run ends early, and what is not known of it."""
        bill = self.purse.final_bill()
        if bill.requests:
            log.info("twins by %s: paid %s", self.config.prompt_model.name, bill)
        if self.purse.uncounted:
            log.warning(
                "%d answers came without their number of tokens: what they cost is not on the bill",
                self.purse.uncounted,
            )


def _attempts(config: RunConfig) -> int:
    """How often a twin is asked for; a greedy answer would be the same one again."""
    if config.strategy.attempts > 1 and config.prompt_model.temperature == 0:
        log.info(
            "strategy.attempts=%d: each twin is asked for once, for at temperature 0 the answer is the same",
            config.strategy.attempts,
        )
        return 1
    return config.strategy.attempts


def _given(config: RunConfig, dataset: Dataset) -> Provided | None:
    """The twins that were made elsewhere, where the config names such."""
    if config.prompt_model.provider is not Provider.provided:
        return None
    return Provided(config.prompt_model, dataset, config.strategy, config.task.name, config.dataset.labels)
