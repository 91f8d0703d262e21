"""The synthetic side of a mixture: who is asked for twins, until there are enough or no spare point is left.

In: a `Plan`, the dataset, the config. Out: `Twins`: what was had, what failed, what it cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from littlehuman import generation, mixing
from littlehuman.config import RunConfig
from littlehuman.errors import GenerationError
from littlehuman.parsing import parse
from littlehuman.prompting import prompts
from littlehuman.records import Dataset, Example, Mixture, Origin, Rejected, Synthetic


@dataclass(frozen=True, slots=True)
class Twins:
    """The synthetic side of a mixture: what was had, what failed, what it cost."""

    by_id: dict[str, Synthetic]
    rejected: tuple[Rejected, ...]
    shown: frozenset[str]
    bill: generation.Bill


def write(plan: mixing.Plan, dataset: Dataset, config: RunConfig) -> Twins:
    """Have the twins written; where one fails, the next spare point stands in."""
    wanted, spares = list(plan.to_replace), list(plan.spares)
    twins = Twins({}, (), frozenset(), generation.Bill())
    while wanted:
        twins = _ask(wanted, twins, plan.owned, dataset.classes, config)
        _refuse_useless(twins, config)
        failed = [example for example in wanted if example.id not in twins.by_id]
        wanted, spares = mixing.stand_ins(failed, spares, same_target=bool(dataset.classes))
    return twins


def _refuse_useless(twins: Twins, config: RunConfig) -> None:
    """Stop before a prompt model that cannot follow the form is asked, and paid, for the whole dataset.

    Raises:
        GenerationError: when no twin is usable, or fewer than one in ten of at least twenty.
    """
    asked = len(twins.by_id) + len(twins.rejected)
    if twins.by_id and (asked < 20 or len(twins.by_id) >= asked / 10):
        return
    reason, count = Counter(r.reason for r in twins.rejected).most_common(1)[0]
    raise GenerationError(
        f"prompt_model={config.prompt_model.name}: {len(twins.by_id)} of {asked} answers are usable twins; "
        f"{count} are not because of: {reason}\n"
        f"Try: another prompt_model, strategy.max_tokens above {config.strategy.max_tokens} for answers that were cut, "
        "or look at the raw answers in the cache"
    )


def _ask(wanted: Sequence[Example], so_far: Twins, owned: Sequence[Example], classes: Sequence[str], config: RunConfig) -> Twins:
    """One round: prompts, completions, and what could be read out of them."""
    strategy, words = config.strategy, config.strategy.tasks[config.task.name]
    replacement = config.protocol.shots_with_replacement
    requests = list(prompts(wanted, owned, strategy, config.task.name, config.prompt_model, classes, replacement=replacement))
    answers, bill = generation.complete(requests, config.prompt_model, strategy.max_tokens, progress=config.launch.progress)
    read = [parse(answers[request.key], example, words, classes) for request, example in zip(requests, wanted, strict=True)]
    return Twins(
        by_id=so_far.by_id | {twin.example_id: twin for twin in read if isinstance(twin, Synthetic)},
        rejected=so_far.rejected + tuple(r for r in read if isinstance(r, Rejected)),
        shown=so_far.shown.union(*(request.shown for request in requests)),
        bill=so_far.bill + bill,
    )


def beside_their_originals(mixture: Mixture, dataset: Dataset) -> list[tuple[Example, Example]]:
    """Each twin of the training set with the human point that it stands for."""
    human = {example.id: example for example in dataset.train}
    return [(p.example, human[p.example.id]) for p in mixture.points if p.origin is Origin.SYNTHETIC]
