"""The judge of an audit (`audit.judge`): a filter's model, asked within the spending limit of the command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from littlehuman.audit.factuality import NOT_MEASURED, factuality
from littlehuman.audit.sets import AuditSets
from littlehuman.config.run_config import RunConfig
from littlehuman.filters.judge import rejected_by_judge
from littlehuman.filters.model_client import GenerationSettings, ModelFilterClient
from littlehuman.filters.round_trip import rejected_by_round_trip
from littlehuman.languages import language_of_points
from littlehuman.records import Dataset, Synthetic
from littlehuman.rejections import RejectionKind
from littlehuman.schema import FilterStep
from littlehuman.twins.limit import open_limit


def judged(sets: AuditSets, dataset: Dataset, config: RunConfig, folder: Path | None) -> dict[str, Any]:
    """The entry `factuality` of an audit, with what the judge cost.

    Raises:
        GenerationError: when the judge cannot be reached, gives no readable answer, or would cost more than the limit.
    """
    steps = config.audit.judges
    if not steps:
        return {NOT_MEASURED: "there is no judge; filter@audit.judge=judge names one"}
    if not sets.synthetic:
        return {NOT_MEASURED: "there are no twins"}
    spending = open_limit(config, folder)
    client = ModelFilterClient(config.audit.judge, _settings(dataset, config), spending)
    client.check()

    def ask(points: Sequence[Synthetic]) -> Mapping[str, RejectionKind]:
        if steps[0] is FilterStep.judge:
            found = rejected_by_judge(points, config.audit.judge.judge, client)
        else:
            found = rejected_by_round_trip(points, config.audit.judge.round_trip, client)
        return {name: cause.kind for name, (cause, _) in found.items()}

    try:
        result = factuality(sets, ask, config.audit.judge_sample)
    finally:
        bill = spending.final_bill()
    return {"judge": client.model.name, "by": steps[0].value, **result, "cost": asdict(bill)}


def _settings(dataset: Dataset, config: RunConfig) -> GenerationSettings:
    model = replace(config.with_launch_device().prompt_model, adapter=None)  # a judge is the model as it is
    language = language_of_points(config.dataset.language, dataset.train)[0]
    return GenerationSettings(
        config.task.name, dataset.classes, config.strategy, model, config.launch.progress, language
    )
