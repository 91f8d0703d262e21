"""Generation of a cell's twins, in rounds: each twin that fails, or is filtered out, is replaced by a spare point's.

In: a `MixturePlan`, the dataset, the config. Out: `Twins`: the twins, the rejections, the cost.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from littlehuman import filters
from littlehuman.config.run_config import RunConfig
from littlehuman.generation.costs import Bill
from littlehuman.generation.spending import SpendingLimit
from littlehuman.languages import language_of_points
from littlehuman.mixture import mixing, origin_counts
from littlehuman.prompt_models.provided import Provided
from littlehuman.records import Dataset, Example, Mixture, Origin, Rejected, Synthetic
from littlehuman.schema import Provider, Shots, Writes
from littlehuman.schema.audit import is_pattern
from littlehuman.twins.answers import ParsedAnswers, TwinRequests, attempts_of, unusable_error
from littlehuman.twins.enough import check_enough
from littlehuman.twins.limit import open_limit

log = logging.getLogger(__name__)

MIN_ANSWERS = 20  # fewer say little about the rest: a cell that wants one twin must not end with the first bad answer
SHOTS_UNKNOWN = (
    "the twins were made elsewhere: how many human points their prompts showed is not known, "
    "and in human_labels they count as none"
)


@dataclass(frozen=True, slots=True)
class Twins:
    """The synthetic points of a cell."""

    by_id: dict[str, Synthetic]
    rejected: tuple[Rejected, ...]
    shown: frozenset[str]  # ids of human points that prompts showed
    bill: Bill
    copies: frozenset[str] = frozenset()  # ids of twins that copy an example of their own prompt
    notes: tuple[str, ...] = ()


def write(plan: mixing.MixturePlan, dataset: Dataset, config: RunConfig, folder: Path | None = None) -> Twins:
    """Generate the twins; where one fails or is filtered out, the next spare point stands in.

    Args:
        plan: the points whose twins are wanted.
        dataset: its classes, and the training split that the points are from.
        config: the cell.
        folder: the run folder, where costs are recorded even when the run does not finish.

    Raises:
        ConfigError: when the points cannot give that many different twins, and duplicates are dropped.
        GenerationError: when the prompt model cannot be reached, gives too few usable twins, or could cost more than
            the command's limit.
    """
    wanted, spares = list(plan.to_replace), list(plan.spares)
    writer = _TwinWriter(config, dataset, open_limit(config, folder))
    provided = _provided(config, dataset) if wanted else None
    if not provided:
        check_enough(plan, dataset, config)
    if provided:
        spares = [example for example in spares if provided.has(example)]
    try:
        while wanted:
            if provided:
                writer.take_round(wanted, provided)
            else:
                writer.generate_round(TwinRequests(wanted, plan.owned, dataset, config))
                writer.check_usable()
            failed = [example for example in wanted if example.id not in writer.twins]
            # An annotator's stand-ins are chosen without the human labels, which it is to replace.
            same_target = bool(dataset.classes) and config.strategy.writes is Writes.pair
            group_of = _group_of(config.stand_ins_by)
            wanted, spares = mixing.stand_ins(failed, spares, same_target=same_target, group_of=group_of)
    finally:
        writer.log_costs()
    if writer.rejected and not writer.twins:
        raise (
            provided.unusable_error(writer.rejected, dataset.name)
            if provided
            else unusable_error(0, writer.rejected, config)
        )
    return writer.result(plan.owned)


def pair_with_originals(mixture: Mixture, dataset: Dataset) -> list[tuple[Example, Example]]:
    """Each twin of the training set with its human original."""
    human = {example.id: example for example in dataset.train}
    return [(p.example, human[p.example.id]) for p in mixture.points if p.origin is Origin.SYNTHETIC]


class _TwinWriter:
    """The twins and rejections of all rounds, in the order of the requests, whatever order answers come in."""

    def __init__(self, config: RunConfig, dataset: Dataset, spending: SpendingLimit) -> None:
        self.config, self.spending = config, spending
        self.twins: dict[str, Synthetic] = {}
        self.rejected: list[Rejected] = []
        self.shown_to: dict[str, tuple[str, ...]] = {}
        settings = filters.GenerationSettings(
            config.task.name,
            dataset.classes,
            config.strategy,
            replace(config.prompt_model, adapter=None),  # a filter asks the model as it is, not the tuned writer
            config.launch.progress,
            language_of_points(config.dataset.language, dataset.train)[0],
        )
        self._filters = filters.FilterPipeline(config.filter, settings, spending)
        self._attempts = attempts_of(config)

    def generate_round(self, requests: TwinRequests) -> None:
        """Request twins, request again what could not be parsed, and keep what passes the filters."""
        wanted, parsed = requests.wanted, ParsedAnswers(self.config, had_usable=bool(self.twins))
        for _ in range(self._attempts):
            retry = parsed.collect(requests, self.spending, self._filters.check)
            self.shown_to |= requests.shown_to
            if not retry:
                break
            requests = requests.retry(retry)
        self._filter(wanted, parsed)

    def take_round(self, wanted: Sequence[Example], provided: Provided) -> None:
        """Take twins that were made elsewhere, and keep what passes the filters."""
        parsed = ParsedAnswers(self.config, had_usable=True)
        for example in wanted:
            parsed.record(example, provided.twin_of(example))
        self.shown_to |= dict.fromkeys((e.id for e in wanted), ())
        self._filter(wanted, parsed)

    def check_usable(self) -> None:
        """Stop before a prompt model that cannot follow the form is asked, and paid, for the whole dataset.

        Raises:
            GenerationError: when fewer than one in ten of at least `MIN_ANSWERS` answers are usable.
        """
        answers = len(self.twins) + len(self.rejected)
        if answers >= MIN_ANSWERS and len(self.twins) < answers / 10:
            raise unusable_error(len(self.twins), self.rejected, self.config)

    def result(self, owned: Sequence[Example]) -> Twins:
        """The twins of all rounds; `owned` are the points that prompts may have shown."""
        strategy = self.config.strategy
        template, own_shots = strategy.tasks.get(self.config.task.name), strategy.shots_from is Shots.own
        demonstrations = template.demonstrations if template and own_shots else ()
        copies = origin_counts.copies_of_shots(
            self.twins.values(), self.shown_to, {e.id: e for e in owned}, demonstrations
        )
        shown = frozenset(i for ids in self.shown_to.values() for i in ids)
        made_elsewhere = self.twins and self.config.prompt_model.provider is Provider.provided
        notes = (SHOTS_UNKNOWN,) if made_elsewhere else ()
        return Twins(self.twins, tuple(self.rejected), shown, self.spending.final_bill(), copies, notes)

    def log_costs(self) -> None:
        """Log what all this cost, even where the run ends early, and what is not known of it."""
        bill, uncounted = self.spending.final_bill(), self.spending.uncounted
        if bill.requests:
            log.info("twins by %s: paid %s", self.config.prompt_model.name, bill)
        if uncounted:
            log.warning("%d answers came without their number of tokens: what they cost is not on the bill", uncounted)

    def _filter(self, wanted: Sequence[Example], parsed: ParsedAnswers) -> None:
        kept, dropped = self._filters.apply(parsed.twins_of(wanted), {e.id: e.target for e in wanted})
        self.twins |= {twin.example_id: twin for twin in kept}
        rejected = parsed.rejected | {r.example_id: r for r in dropped}
        self.rejected += [rejected[e.id] for e in wanted if e.id in rejected]


def _group_of(chosen: str | None) -> Callable[[Example], str]:
    """The group in which the stand-in of a point is looked for (`stand_ins_by`)."""
    if chosen is None:
        return lambda example: ""
    if is_pattern(chosen):
        pattern = re.compile(chosen[1:-1], re.IGNORECASE)
        return lambda example: str(bool(pattern.search(example.text)))
    return lambda example: example.traits[-1]  # `RunConfig.audited_dataset` has this column as the last one


def _provided(config: RunConfig, dataset: Dataset) -> Provided | None:
    """The twins that were made elsewhere, where the config names such."""
    if config.prompt_model.provider is not Provider.provided:
        return None
    return Provided(config.prompt_model, dataset, config.strategy, config.task.name, config.dataset.labels)
