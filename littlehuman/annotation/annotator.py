"""The prompt model as a method of its own: it labels the test points, and nothing is trained (arXiv 2312.14423).

In: test points, and the human points that prompts may show. Out: a prediction for each test point, which is empty where
no label could be read, so that it counts as wrong and as failed. Requests go through the same cache, spending limit and
circuit breaker as those for twins.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.config.identity import identity_values, run_id
from littlehuman.config.mixture_spec import mixture_spec
from littlehuman.config.run_config import RunConfig
from littlehuman.generation.costs import Bill
from littlehuman.mixture import mixing
from littlehuman.mixture.origin_counts import count_reasons
from littlehuman.records import Dataset, Example, Mixture, Prediction, Rejected
from littlehuman.schema import DatasetConfig
from littlehuman.twins.answers import ParsedAnswers, TwinRequests, attempts_of, unusable_error
from littlehuman.twins.limit import open_limit

if TYPE_CHECKING:
    from littlehuman.training.types import Outcome

log = logging.getLogger(__name__)
WHAT = "labels"


@dataclass(frozen=True, slots=True)
class TestLabels:
    """What the prompt model says of the test points.

    `predictions` are in the order of the test points, with an empty text where the answer was rejected; `shown` are ids
    of the training points that prompts showed.
    """

    __test__ = False  # no test class

    predictions: tuple[Prediction, ...]
    rejected: tuple[Rejected, ...]
    shown: frozenset[str]
    bill: Bill


def label(test: Sequence[Example], dataset: Dataset, config: RunConfig, folder: Path | None = None) -> TestLabels:
    """Ask the prompt model for the label, or the answer, of each test point.

    Args:
        test: the test points.
        dataset: its classes, and the training split that prompts may show points of.
        config: the cell.
        folder: the run folder, where costs are recorded even when the run does not finish.

    Raises:
        GenerationError: when the prompt model cannot be reached, gives no usable label, or could cost more than the
            command's limit.
    """
    spending, parsed = open_limit(config, folder), ParsedAnswers(config, had_usable=False, what=WHAT)
    requests = TwinRequests(test, shot_pool(dataset, config), dataset, config, numbered=dataset.test)
    shown_to: dict[str, tuple[str, ...]] = {}
    try:
        for _ in range(attempts_of(config, "label")):
            retry = parsed.collect(requests, spending, lambda: None)
            shown_to |= requests.shown_to
            if not retry:
                break
            requests = requests.retry(retry)
    finally:
        if (bill := spending.final_bill()).requests:
            log.info("labels by %s: paid %s", config.prompt_model.name, bill)
    rejected = tuple(parsed.rejected[e.id] for e in test if e.id in parsed.rejected)
    if not parsed.twins:
        raise unusable_error(0, rejected, config, WHAT)
    shown = frozenset(i for ids in shown_to.values() for i in ids)
    return TestLabels(tuple(_prediction(e, parsed) for e in test), rejected, shown, spending.final_bill())


def shot_pool(dataset: Dataset, config: RunConfig) -> tuple[Example, ...]:
    """The training points within the human budget."""
    spec = mixture_spec(config)
    return mixing.plan_mixture(dataset.train, mixing.MixtureSpec(0, 0.0, spec.seed, 0, True, spec.human_budget)).owned


def _prediction(example: Example, parsed: ParsedAnswers) -> Prediction:
    found = parsed.twins.get(example.id)
    return Prediction(example.id, example.targets, found.target if found else "", example.evidence, example.text)


def result_of(
    labels: TestLabels, dataset: Dataset, config: RunConfig, test_from: DatasetConfig | None
) -> dict[str, Any]:
    """The entries of an annotator's result that are known before its predictions are scored."""
    nothing = Mixture((), 0, labels.shown)
    return {
        "id": run_id(config, test_from),
        "headline": config.task.headline,
        "knobs": identity_values(config, test_from),
        "counts": nothing.counts,
        "human_labels": nothing.human_labels,
        "rejected_twins": 0,
        "rejected_labels": len(labels.rejected),
        "rejected_because": count_reasons(labels.rejected),
        "labels": {},
        "cost": asdict(labels.bill),
        "dropped_rows": dict(dataset.dropped),
        "notes": [*dataset.notes, *dataset.warnings],
        "fingerprints": {"dataset": dataset.fingerprint, "mixture": nothing.fingerprint},
        "test_items_in_training": [],
    }


def outcome_of(labels: TestLabels) -> Outcome:
    """The labels in the form that a training hands over its predictions."""
    from littlehuman.training.types import Outcome

    seconds = dict.fromkeys(("train", "predict", "load"), 0.0)
    return Outcome(labels.predictions, steps=0, final_loss=None, shortened={}, seconds=seconds, environment={})
