"""The audit of a cell: computed where its texts are at hand, limited by `audit.fail_if`, written once it is scored."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman import cli
from littlehuman.audit.compute import Audit, audit
from littlehuman.audit.groups import of_scores
from littlehuman.audit.judging import judged
from littlehuman.audit.sets import AuditSets, of_mixture
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import DataError
from littlehuman.formatting import percent
from littlehuman.records import Dataset, Example, Mixture
from littlehuman.runs.artifacts import AUDIT
from littlehuman.schema import Writes
from littlehuman.schema.audit import LIMITED
from littlehuman.stats import of_items
from littlehuman.store import write_json

log = logging.getLogger(__name__)


def sets_of_cell(config: RunConfig, mixture: Mixture, dataset: Dataset, test: Sequence[Example]) -> AuditSets:
    """The points of a cell."""
    columns = config.dataset.columns.evidence
    return of_mixture(
        mixture,
        dataset.train,
        test,
        has_classes=bool(dataset.classes),
        new_texts=config.strategy.writes is Writes.pair,
        columns=tuple(map(str, columns)) if isinstance(columns, list | tuple) else (),
    )


def of_cell(
    config: RunConfig,
    mixture: Mixture,
    dataset: Dataset,
    test: Sequence[Example],
    profile: Mapping[str, Any],
    folder: Path | None = None,
) -> Audit:
    """Audit a training set and log its alarms.

    Args:
        config: the cell.
        mixture: its training set.
        dataset: its human data.
        test: its test points.
        profile: features of the texts of its twins.
        folder: its run folder, where the judge's costs are recorded.

    Raises:
        GenerationError: as `judging.judged`.
        DataError: when a share is larger than `audit.fail_if` lets pass.
    """
    sets = sets_of_cell(config, mixture, dataset, test)
    made = audit(sets, config.audit, profile)
    made.findings["factuality"] = judged(sets, dataset, config, folder)
    _log(made)
    shares = made.shares()
    for name, limit in config.audit.fail_if.items():
        if (share := shares.get(name, 0.0)) > limit:
            found = made.findings[name]
            look = cli.command("run", [f"dataset={dataset.name}", "audit.fail_if={}"])
            raise DataError(
                f"audit.fail_if.{name}={limit:g}: {name} is {percent(share, digits=2)} % "
                f"({found['count']} of {found['rows']}); nothing was trained\n"
                f"Try: other data, or {look}, then {cli.command('audit')} and the cell's folder: it names the pairs"
            )
    return made


def _log(made: Audit) -> None:
    """Warn of what makes a score wrong or a set of twins worthless; name the other alarms on one line."""
    for alarm in made.alarms:
        if alarm.measure in LIMITED:
            log.warning("audit: %s", alarm.what)
    if rest := [alarm.measure for alarm in made.alarms if alarm.measure not in LIMITED]:
        log.info("audit: twins differ from human texts in %s", ", ".join(rest))


def write(
    folder: Path, made: Audit, ids: Sequence[str], items: Sequence[Mapping[str, float]], metrics: Sequence[str]
) -> None:
    """Write `audit.json` into a run folder, with the scores of the test points that training touches, and the others'.

    Args:
        folder: the run folder.
        made: the audit.
        ids: test points, in the order of their scores.
        items: scores of each test point, by metric.
        metrics: metrics of the task, the headline first; the first one with scores of points is taken.
    """
    if not made.findings:  # nothing was trained on
        return
    metric = next((name for name in metrics if any(name in scores for scores in items)), None)
    found = {name: _scores(touched, ids, items, metric) for name, touched in made.touched.items() if metric}
    errors = _errors(made, ids, items, metric) if metric else {}
    write_json(folder / AUDIT, made.findings | {"scores": {"metric": metric, **found}, "errors": errors})


def _errors(
    made: Audit, ids: Sequence[str], items: Sequence[Mapping[str, float]], metric: str
) -> dict[str, dict[str, Any]]:
    """Errors of the model by group, of each grouping."""
    scores = {i: found[metric] for i, found in zip(ids, items, strict=True) if metric in found}
    return {
        name: of_scores({group: [scores[i] for i in members if i in scores] for group, members in groups.items()})
        for name, groups in made.members.items()
    }


def _scores(touched: set[str], ids: Sequence[str], items: Sequence[Mapping[str, float]], metric: str) -> dict[str, Any]:
    """Mean score with interval of all test points, of the touched ones, and of the others."""
    values = [(i in touched, scores[metric]) for i, scores in zip(ids, items, strict=True) if metric in scores]
    parts = {
        "all": [score for _, score in values],
        "touched": [score for inside, score in values if inside],
        "others": [score for inside, score in values if not inside],
    }
    return {name: {"n": len(part), **(of_items(part).as_json() if part else {})} for name, part in parts.items()}
