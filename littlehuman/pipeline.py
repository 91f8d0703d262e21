"""One experiment from top to bottom: the method of arXiv 2410.13098.

An experiment (a cell of a study) takes these steps:

1. load the human data, and choose the points to test on;
2. decide which training points stay human and which are replaced;
3. have the prompt model write a synthetic twin of each replaced point;
4. mix human and synthetic points, and audit the training set (`audit`);
5. fine-tune a model on it, and predict the test points;
6. score the predictions, and write the result.

With `method=annotator` the prompt model labels the test points itself, in place of steps 2 to 5.

`prepare` is steps 1 to 4, `fine_tune` is step 5, `finish` is step 6; `run` calls the three. They can also be called
apart, so that the cells of a sweep are trained together (`execution/fused.py`). Data flows one way: each step takes
records (`records.py`) and its part of the configuration.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman import annotation, data, metrics, twins
from littlehuman.audit import cell as audits
from littlehuman.audit.compute import Audit
from littlehuman.config.identity import identity_values, needs_twins, run_id
from littlehuman.config.mixture_spec import mixture_spec
from littlehuman.config.run_config import RunConfig
from littlehuman.data.test_points import select_test_points
from littlehuman.languages import rules_of_result, scoring_of
from littlehuman.metrics.no_answer import with_no_answer
from littlehuman.mixture import mixing, text_features
from littlehuman.mixture.origin_counts import (
    OriginCounts,
    count_labels,
    count_reasons,
    items_in_training,
)
from littlehuman.records import Dataset, Example, Mixture, Prediction
from littlehuman.runs import artifacts, digests, tracking
from littlehuman.runs.status import RunStatus
from littlehuman.schema import DatasetConfig, Head, LaunchConfig, Method, Writes
from littlehuman.training import length_check, model_card, preflight
from littlehuman.twins import Twins
from littlehuman.writer import writer_of

if TYPE_CHECKING:
    from littlehuman.training.types import Cell, Outcome, Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PreparedCell:
    """A cell that is ready for training: steps 1 to 4 are done; with `labelled` it needs none, for its test points have
    the prompt model's labels.

    `result` holds the entries of `result.json` that are known before training. `keeps_unanswerable`: no answer may be
    the right one (`dataset.unanswerable`).
    """

    config: RunConfig
    cell: Cell
    result: dict[str, Any]
    keeps_unanswerable: bool = False
    labelled: Outcome | None = None
    audit: Audit = field(default_factory=Audit)


def run(config: RunConfig, folder: Path, status: RunStatus, test_from: DatasetConfig | None = None) -> dict[str, Any]:
    """Run one experiment and return its result, which is also written to `folder`.

    Args:
        config: the cell.
        folder: the run folder; `result.json` is written last.
        status: records each stage in `status.json`.
        test_from: another dataset whose test split is used (out-of-domain test).

    Raises:
        LittlehumanError: for whatever the user can correct.
    """
    prepared = prepare(config, folder, status, test_from)
    with status.stage("training"):
        outcome = prepared.labelled or fine_tune(prepared.cell, config.launch)
    return finish(prepared, outcome, status)


def prepare(config: RunConfig, folder: Path, status: RunStatus, test_from: DatasetConfig | None = None) -> PreparedCell:
    """Steps 1 to 4, from the human data to the training set (arguments and errors as in `run`)."""
    metrics.check_metrics(config.task.metrics, expected_classes(config), config.metrics)
    if config.method is Method.annotator:
        return label_test_points(config, folder, status, test_from)
    preflight.check_training(config.model, config.launch)
    if needs_twins(config):
        twins.log_limit(config, folder)
    dataset, test = _load(config, status, test_from)
    tested_on = test_from or config.dataset
    settings = cell_settings(dataset, config, tested_on)
    with status.stage("plan"):
        plan = mixing.plan_mixture(dataset.train, mixture_spec(config), dataset.name)
        limits = _limits(plan, test, dataset, config, settings)
    if needs_twins(config):
        preflight.check_cell(settings, (*plan.human, *plan.extra), (*plan.to_replace, *plan.spares), test)
    writer = writer_of(plan, dataset, config.with_launch_device(), test, status.stage)
    with status.stage("generation"):
        synthetic = twins.write(plan, dataset, writer.on(config.with_launch_device()), folder)
    with status.stage("mixing"):
        mixture = mixing.mix(plan, synthetic.by_id, synthetic.shown, writer.human_ids)
        counts = twins.count_mixture(mixture, synthetic, dataset, test, config)
        profile = _write_mixture_files(folder, mixture, synthetic, dataset)
        twins.log_mixture(mixture, synthetic, counts)
        audit = audits.of_cell(config, mixture, dataset, test, profile, folder)
    result = _result_before_training(config, test_from, dataset, mixture, synthetic, counts)
    result["test_items_in_training"] = items_in_training(mixture, test)
    result |= _scoring(test, config, tested_on)
    result |= writer.result_entry() | twins.diversity(mixture, config)
    result["agreement"] = annotation.of_twins(synthetic, mixture, dataset, config)
    result["notes"] += [*limits, *annotation.notes(result, config)]
    cell = _training_cell(mixture, test, settings, config.seed, folder)
    return PreparedCell(config, cell, result, tested_on.unanswerable == "keep", audit=audit)


def label_test_points(
    config: RunConfig, folder: Path, status: RunStatus, test_from: DatasetConfig | None = None
) -> PreparedCell:
    """Method `annotator`: the prompt model labels the test points (arguments and errors as in `run`)."""
    twins.log_limit(config, folder)
    dataset, test = _load(config, status, test_from)
    tested_on = test_from or config.dataset
    with status.stage("generation"):
        labels = annotation.label(test, dataset, config.with_launch_device(), folder)
    artifacts.write_mixture(folder, Mixture((), 0, labels.shown), labels.rejected)
    result = annotation.result_of(labels, dataset, config, test_from) | _scoring(test, config, tested_on)
    result["agreement"] = annotation.of_test_labels(labels, test, dataset, config)
    result["notes"] += annotation.notes(result, config)
    cell = _training_cell(Mixture((), 0), test, cell_settings(dataset, config, tested_on), config.seed, folder)
    return PreparedCell(config, cell, result, tested_on.unanswerable == "keep", annotation.outcome_of(labels))


def fine_tune(cell: Cell, launch: LaunchConfig) -> Outcome:
    """Step 5: train on the mixture and predict the test points (torch is imported here, not earlier)."""
    from littlehuman.training.fit import fit

    (outcome,) = fit([cell], launch)
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def finish(prepared: PreparedCell, outcome: Outcome, status: RunStatus) -> dict[str, Any]:
    """Step 6: score the predictions of the fine-tuned model; write and return the result."""
    config, folder = prepared.config, prepared.cell.folder
    with status.stage("scoring"):
        predictions: Sequence[Prediction] = outcome.predictions
        if prepared.keeps_unanswerable:
            predictions = with_no_answer(predictions, empty_is_none=prepared.labelled is None)
        classes, language = prepared.cell.settings.classes, rules_of_result(prepared.result)
        scored = metrics.score(predictions, config.task.metrics, classes, config.metrics, language)
        clusters = {example.id: example.clusters for example in prepared.cell.test}
        artifacts.write_predictions(folder, outcome.predictions, scored.items, clusters)
        names = (config.task.headline, *config.task.metrics)
        audits.write(folder, prepared.audit, [p.id for p in outcome.predictions], scored.items, names)
    result = {
        "id": prepared.result["id"],
        "scores": artifacts.scores_as_json(scored.scores),
        **prepared.result,
        "training": {"steps": outcome.steps, "final_loss": outcome.final_loss, "shortened_rows": outcome.shortened},
        "seconds": {
            **status.seconds,
            "training": round(outcome.seconds["train"], 3),
            "evaluation": round(outcome.seconds["predict"], 3),
            "loading_model": round(outcome.seconds["load"], 3),
        },
        "environment": outcome.environment,
        "versions": artifacts.versions(),
    }
    model_card.write_of_cell(folder / digests.ADAPTER, result)
    result[digests.KEY] = digests.of_files(folder, (artifacts.MIXTURE, artifacts.TEXTS, artifacts.PREDICTIONS))
    status.require_claim()
    artifacts.write_result(folder, result)
    tracking.track(config.tracker, result, folder)
    return result


def _load(config: RunConfig, status: RunStatus, test_from: DatasetConfig | None) -> tuple[Dataset, tuple[Example, ...]]:
    """The human data and the points to test on."""
    with status.stage("data"):
        dataset = load_dataset(config, test_from)
        data.log_dataset(dataset)
        return dataset, select_test_points(dataset, config.n_test)


def load_dataset(config: RunConfig, test_from: DatasetConfig | None) -> Dataset:
    """The human data, with the columns that the audit reads."""
    return data.load_once(config.audited_dataset, config.task, test_from)


def expected_classes(config: RunConfig) -> list[str]:
    """The classes as far as the config names them; `["?"]` where they are those that the data will have."""
    unnamed = config.task.head is Head.classification and not config.task.classes
    return ["?"] if unnamed else config.task.classes


def _training_cell(mixture: Mixture, test: Sequence[Example], settings: Settings, seed: int, folder: Path) -> Cell:
    """The cell in the form that training takes."""
    from littlehuman.training.types import Cell

    return Cell(mixture=mixture, test=tuple(test), seed=seed, folder=folder, settings=settings)


def cell_settings(dataset: Dataset, config: RunConfig, tested_on: DatasetConfig) -> Settings:
    """What decides how a cell is trained; `tested_on` sets the length limits of the test points, in tokens."""
    from littlehuman.training.types import Settings

    return Settings(
        model=config.model,
        task=config.task,
        tuning=config.fine_tuning,
        classes=dataset.classes,
        max_tokens=config.dataset.max_tokens,
        test_max_tokens=tested_on.max_tokens,
        answer_tokens=config.answer_tokens_for(tested_on),
    )


def _limits(
    plan: mixing.MixturePlan, test: Sequence[Example], dataset: Dataset, config: RunConfig, settings: Settings
) -> list[str]:
    """Log what the limits of the configuration leave out, one sentence each, and return the sentences."""
    said = [*filter(None, [data.test_shortage(dataset, config.n_test)])]
    points = plan.human + plan.to_replace + plan.extra
    said += length_check.sentences(points, test, settings)
    has_text = config.strategy.writes is Writes.pair
    said += length_check.of_twins(plan.to_replace, settings, config.strategy.max_tokens, with_text=has_text)
    for sentence in said:
        log.warning(sentence)
    return said


def _scoring(test: Sequence[Example], config: RunConfig, tested_on: DatasetConfig) -> dict[str, Any]:
    """The entry of the result that says by which rules free answers are scored; logs why."""
    if config.task.head is Head.classification:
        return {}
    entry, why = scoring_of(test, tested_on.language, config.metrics.bleu_tokenizer)
    if why:
        log.info("%s: %s", tested_on.name, why)
    return entry


def _write_mixture_files(folder: Path, mixture: Mixture, synthetic: Twins, dataset: Dataset) -> dict[str, Any]:
    artifacts.write_mixture(folder, mixture, synthetic.rejected)
    pairs = twins.pair_with_originals(mixture, dataset)
    profile = text_features.profile(pairs, has_classes=bool(dataset.classes))
    artifacts.write_texts(folder, profile)
    return profile


def _result_before_training(
    config: RunConfig,
    test_from: DatasetConfig | None,
    dataset: Dataset,
    mixture: Mixture,
    synthetic: Twins,
    counts: OriginCounts,
) -> dict[str, Any]:
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
        "audit": asdict(counts),
        "cost": asdict(synthetic.bill),
        "dropped_rows": dict(dataset.dropped),
        "notes": [*dataset.notes, *dataset.warnings, *synthetic.notes],
        "fingerprints": {"dataset": dataset.fingerprint, "mixture": mixture.fingerprint},
    }
