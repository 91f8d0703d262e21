"""The story of one cell, top to bottom: the method of arXiv 2410.13098.

Load the human data; decide which points stay human; let the prompt model write the twins of the
others; mix; fine-tune; test on human points; score. Each step takes records and its own slice of
the config, and no arrow points back. The steps before and after the training can be called apart, so that
the cells of a sweep can be trained together (`fused.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman import data, metrics, twins
from littlehuman.config.identity import identity_values, run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import DataError
from littlehuman.mixture import mixing, text_features
from littlehuman.mixture.audit import Audit, audit_mixture, count_labels, count_reasons
from littlehuman.records import Dataset, Example, Mixture
from littlehuman.runs import tracking
from littlehuman.runs.artifacts import (
    scores_as_json,
    versions,
    write_mixture,
    write_predictions,
    write_result,
    write_texts,
)
from littlehuman.runs.status import RunStatus
from littlehuman.schema import DatasetConfig, Head, LaunchConfig, Writes
from littlehuman.seeding import ordering
from littlehuman.store import digest
from littlehuman.training import preflight
from littlehuman.twins import Twins

if TYPE_CHECKING:
    from littlehuman.training.types import Cell, Outcome

log = logging.getLogger(__name__)

_latest: dict[str, Dataset] = {}


@dataclass(frozen=True)
class Prepared:
    """A cell that can be trained now, and what its result says of all that came before."""

    config: RunConfig
    cell: Cell
    account: dict[str, Any]


def run(config: RunConfig, folder: Path, journal: RunStatus, test_from: DatasetConfig | None = None) -> dict[str, Any]:
    """Compute one cell into `folder` and return its result.

    Args:
        config: the cell.
        folder: the run folder; `result.json` is written last.
        journal: told of each stage.
        test_from: another dataset whose test split is used.

    Raises:
        LittlehumanError: for whatever the user can mend.
    """
    prepared = prepare(config, folder, journal, test_from)
    with journal.stage("training"):
        outcome = fine_tune(prepared.cell, config.launch)
    return finish(prepared, outcome, journal)


def prepare(config: RunConfig, folder: Path, journal: RunStatus, test_from: DatasetConfig | None = None) -> Prepared:
    """From the human data to the mixture: all that a cell needs before it is trained (arguments as in `run`)."""
    metrics.check(config.task.metrics, expected_classes(config), config.metrics)
    preflight.check_training(config.model, config.launch)
    with journal.stage("data"):
        dataset = loaded(config, test_from)
        test = tested(dataset, config.n_test)
    with journal.stage("plan"):
        plan = mixing.plan_mixture(dataset.train, mixture_spec(config), dataset.name)
    with journal.stage("generation"):
        synthetic = twins.write(plan, dataset, config.placed(), folder)
    with journal.stage("mixing"):
        mixture = mixing.mix(plan, synthetic.by_id, synthetic.shown)
        human, anew = {e.id: e for e in dataset.train}, config.strategy.writes is Writes.pair
        audit = audit_mixture(mixture, human, test, new_texts=anew, copies=synthetic.copies)
        write_mixture(folder, mixture, synthetic.rejected)
        write_texts(
            folder,
            text_features.profile(twins.pair_with_originals(mixture, dataset), has_classes=bool(dataset.classes)),
        )
        report_mixture(mixture, synthetic, audit)
    account = _account(config, test_from, dataset, mixture, synthetic, audit)
    return Prepared(config, training_cell(mixture, test, dataset, config, test_from or config.dataset, folder), account)


def _account(
    config: RunConfig,
    test_from: DatasetConfig | None,
    dataset: Dataset,
    mixture: Mixture,
    synthetic: Twins,
    audit: Audit,
) -> dict[str, Any]:
    """What is known of a cell before it is trained."""
    human = {example.id: example for example in dataset.train}
    return {
        "id": run_id(config, test_from),
        "headline": config.task.headline,
        "knobs": identity_values(config, test_from),
        "counts": mixture.counts,
        "human_labels": mixture.human_labels,
        "rejected_twins": len(synthetic.rejected),
        "rejected_because": count_reasons(synthetic.rejected),
        "labels": count_labels(synthetic.by_id.values(), synthetic.rejected, human) if dataset.classes else {},
        "audit": asdict(audit),
        "cost": asdict(synthetic.bill),
        "dropped_rows": dict(dataset.dropped),
        "notes": [*dataset.notes, *synthetic.notes],
        "fingerprints": {"dataset": dataset.fingerprint, "mixture": mixture.fingerprint},
    }


def finish(prepared: Prepared, outcome: Outcome, journal: RunStatus) -> dict[str, Any]:
    """Score what the fine-tuned model said; write and return the cell's result."""
    config, folder = prepared.config, prepared.cell.folder
    with journal.stage("scoring"):
        scored = metrics.score(outcome.predictions, config.task.metrics, prepared.cell.settings.classes, config.metrics)
        write_predictions(folder, outcome.predictions, scored.items)
    result = {
        "id": prepared.account["id"],
        "scores": scores_as_json(scored.scores),
        **prepared.account,
        "training": {"steps": outcome.steps, "final_loss": outcome.final_loss, "shortened_rows": outcome.shortened},
        "seconds": {
            **journal.seconds,
            "training": round(outcome.seconds["train"], 3),
            "evaluation": round(outcome.seconds["predict"], 3),
        }
        | {"loading_model": round(outcome.seconds["load"], 3)},
        "environment": outcome.environment,
        "versions": versions(),
    }
    write_result(folder, result)
    tracking.track(config.tracker, result, folder)
    return result


def loaded(config: RunConfig, test_from: DatasetConfig | None) -> Dataset:
    """The human data; cells that follow each other on equal data, as in a sweep, share it: it is read once and held once."""
    content = identity_values(config, test_from)  # a path counts by what lies there: an edited file is read again
    key = digest([content["dataset"], content["task"], content["test_dataset"]])
    if key not in _latest:
        _latest.clear()
        _latest[key] = data.load(config.dataset, config.task, test_from)
    return _latest[key]


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


def report_mixture(mixture: Mixture, synthetic: Twins, audit: Audit) -> None:
    """Log what the training set is made of, and say aloud what is missing."""
    counts = mixture.counts
    log.info("training set: %d human + %d synthetic points", counts["human"], counts["synthetic"])
    if synthetic.rejected:
        log.info("%d answers were no usable twins (first: %s)", len(synthetic.rejected), synthetic.rejected[0].reason)
    if audit.distinct_twins < counts["synthetic"]:
        log.warning(
            "%d of %d twins repeat another one", counts["synthetic"] - audit.distinct_twins, counts["synthetic"]
        )
    if counts["shortfall"]:
        log.warning(
            "the training set is %d points short: no spare points are left to replace failed twins", counts["shortfall"]
        )


def training_cell(
    mixture: Mixture,
    test: Sequence[Example],
    dataset: Dataset,
    config: RunConfig,
    tested_on: DatasetConfig,
    folder: Path,
) -> Cell:
    """The cell as training takes it; `tested_on` sets the length limits of the test points."""
    from littlehuman.training.types import Cell, Settings

    settings = Settings(
        model=config.model,
        task=config.task,
        tuning=config.fine_tuning,
        classes=dataset.classes,
        max_tokens=config.dataset.max_tokens,
        test_max_tokens=tested_on.max_tokens,
        answer_tokens=config.answer_tokens_for(tested_on),
    )
    return Cell(mixture=mixture, test=tuple(test), seed=config.seed, folder=folder, settings=settings)


def fine_tune(cell: Cell, launch: LaunchConfig) -> Outcome:
    """Train on the mixture and predict the test points (torch begins here)."""
    from littlehuman.training.fit import fit

    (outcome,) = fit([cell], launch)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
