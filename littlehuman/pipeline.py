"""The story of one cell, top to bottom: the method of arXiv 2410.13098.

Load the human data; decide which points stay human; let the prompt model write the twins of the
others; mix; fine-tune; test on human points; score. Each step takes records and its own slice of
the config, and no arrow points back.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from littlehuman import data, generation, metrics, mixing, quality, results, texts
from littlehuman.config import RunConfig
from littlehuman.errors import DataError, GenerationError
from littlehuman.groups import DatasetConfig, Head, Writes
from littlehuman.identity import run_id, scientific
from littlehuman.journal import Journal
from littlehuman.parsing import parse
from littlehuman.prompting import prompts
from littlehuman.records import Dataset, Example, Mixture, Origin, Rejected, Synthetic
from littlehuman.seeding import ordering

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Twins:
    """The synthetic side of a mixture: what was had, what failed, what it cost."""

    by_id: dict[str, Synthetic]
    rejected: tuple[Rejected, ...]
    shown: frozenset[str]
    bill: generation.Bill


def run(config: RunConfig, folder: Path, journal: Journal, test_from: DatasetConfig | None = None) -> dict[str, Any]:
    """Compute one cell into `folder` and return its result.

    Args:
        config: the cell.
        folder: the run folder; `result.json` is written last.
        journal: told of each stage.
        test_from: another dataset whose test split is used.

    Raises:
        LittlehumanError: for whatever the user can mend.
    """
    metrics.check(config.task.metrics, expected_classes(config), config.metrics)
    with journal.stage("data"):
        dataset = data.load(config.dataset, config.task, test_from)
        test = tested(dataset, config.n_test)
    with journal.stage("plan"):
        plan = mixing.plan(dataset.train, mixture_spec(config), dataset.name)
    with journal.stage("generation"):
        twins = write_twins(plan, dataset, config)
    with journal.stage("mixing"):
        mixture = mixing.mix(plan, twins.by_id, twins.shown)
        audit = quality.audit(mixture, {e.id: e for e in dataset.train}, test, written_anew=config.strategy.writes is Writes.pair)
        results.write_mixture(folder, mixture, twins.rejected)
        results.write_texts(folder, texts.profile(beside_their_originals(mixture, dataset), has_classes=bool(dataset.classes)))
        report_mixture(mixture, twins, audit)
    with journal.stage("training"):
        outcome = fine_tune(mixture, test, dataset, config, test_from or config.dataset, folder)
    with journal.stage("scoring"):
        scored = metrics.score(outcome.predictions, config.task.metrics, dataset.classes, config.metrics)
        results.write_predictions(folder, outcome.predictions, scored.items)
    result = {
        "id": run_id(config),
        "scores": results.scores_as_json(scored.scores),
        "headline": config.task.headline,
        "knobs": scientific(config),
        "counts": mixture.counts,
        "human_labels": mixture.human_labels,
        "rejected_twins": len(twins.rejected),
        "audit": asdict(audit),
        "cost": asdict(twins.bill),
        "dropped_rows": dict(dataset.dropped),
        "notes": list(dataset.notes),
        "training": {"steps": outcome.steps, "final_loss": outcome.final_loss, "shortened_rows": outcome.shortened},
        "seconds": {**journal.seconds, "training": round(outcome.seconds["train"], 3), "evaluation": round(outcome.seconds["predict"], 3)}
        | {"loading_model": round(outcome.seconds["load"], 3)},
        "fingerprints": {"dataset": dataset.fingerprint, "mixture": mixture.fingerprint},
        "environment": outcome.environment,
        "versions": results.versions(),
    }
    results.write_result(folder, result)
    return result


def expected_classes(config: RunConfig) -> list[str]:
    """The classes as far as the config tells; a task without a list takes those that the data has."""
    unnamed = config.task.head is Head.classification and not config.task.classes
    return ["?"] if unnamed else config.task.classes


def tested(dataset: Dataset, n_test: int | None) -> tuple[Example, ...]:
    """The test points: all, or `n_test` of them, the same ones for every seed and fraction.

    Raises:
        DataError: when there are none.
    """
    if not dataset.test:
        raise DataError(f"{dataset.name}: there are no test points\nTry: dataset.test_share=0.2, or test_dataset=NAME")
    if n_test is None or n_test >= len(dataset.test):
        return dataset.test
    by_id = {example.id: example for example in dataset.test}
    return tuple(by_id[i] for i in ordering(by_id, 0, "who is tested")[:n_test])


def mixture_spec(config: RunConfig) -> mixing.MixtureSpec:
    """The slice of the config that decides a mixture."""
    return mixing.MixtureSpec(
        n_train=config.size,
        synth_frac=config.synth_frac,
        seed=config.seed,
        extra_human=config.extra_human,
        synthetic=config.synthetic,
        human_budget=config.human_budget,
    )


def write_twins(plan: mixing.Plan, dataset: Dataset, config: RunConfig) -> Twins:
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


def report_mixture(mixture: Mixture, twins: Twins, audit: quality.Audit) -> None:
    """Log what the training set is made of, and say aloud what is missing."""
    counts = mixture.counts
    log.info("training set: %d human + %d synthetic points", counts["human"], counts["synthetic"])
    if twins.rejected:
        log.info("%d answers were no usable twins (first: %s)", len(twins.rejected), twins.rejected[0].reason)
    if audit.distinct_twins < counts["synthetic"]:
        log.warning("%d of %d twins repeat another one", counts["synthetic"] - audit.distinct_twins, counts["synthetic"])
    if counts["shortfall"]:
        log.warning("the training set is %d points short: no spare points are left to replace failed twins", counts["shortfall"])


def fine_tune(
    mixture: Mixture, test: Sequence[Example], dataset: Dataset, config: RunConfig, tested_on: DatasetConfig, folder: Path
) -> Any:
    """Train on the mixture and predict the test points (torch begins here); `tested_on` sets their length limits."""
    from littlehuman.training.fit import Cell, Settings, fit

    settings = Settings(
        model=config.model,
        task=config.task,
        tuning=config.fine_tuning,
        launch=config.launch,
        classes=dataset.classes,
        max_tokens=config.dataset.max_tokens,
        test_max_tokens=tested_on.max_tokens,
        answer_tokens=config.answer_tokens_for(tested_on),
    )
    return fit([Cell(mixture, tuple(test), config.seed, folder)], settings)[0]
