"""Logging of finished cells to an experiment tracker: `tracker=tensorboard`, `wandb`, `mlflow` or `trackio`.

One run per cell: configuration values, loss curve, scores with intervals, counts, cost, seconds. A cell is logged
after its own files are written, so an error of the tracker loses no result. Only the content of those files is logged,
so no API key and no endpoint address can reach the tracker.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from littlehuman.runs.artifacts import knobs
from littlehuman.schema import Tracker, TrackerConfig
from littlehuman.store import read_jsonl

log = logging.getLogger(__name__)

CURVE_COLUMNS = ("loss", "lr", "grad_norm")  # of train.jsonl
RESULT_PARTS = ("counts", "human_labels", "cost", "seconds", "audit")  # keys of result.json


@dataclass(frozen=True)
class TrackedRun:
    """What is logged of a cell: configuration values, loss curve as (step, values), and final values."""

    project: str
    folder: Path
    knobs: dict[str, Any]
    curve: list[tuple[int, dict[str, float]]]
    final: dict[str, float]

    @property
    def study(self) -> str:
        """The study's name."""
        return self.folder.parent.name

    @property
    def steps(self) -> list[tuple[int, dict[str, float]]]:
        """The curve, then the final values at its last step."""
        return [*self.curve, (self.curve[-1][0] if self.curve else 0, self.final)]


def track(config: TrackerConfig, result: Mapping[str, Any], folder: Path) -> None:
    """Log a finished cell to the tracker; errors are logged as warnings."""
    if config.name is Tracker.none:
        return
    try:
        _TRACKERS[config.name](_tracked_run(config.project, result, folder))
    except Exception as error:
        log.warning("tracker=%s: %s: %s; the cell itself is complete", config.name.value, type(error).__name__, error)


def _tracked_run(project: str, result: Mapping[str, Any], folder: Path) -> TrackedRun:
    from littlehuman.training.state import LOG

    values = {"study": folder.parent.name, "id": result["id"], **knobs(result["knobs"])}
    rows = read_jsonl(folder / LOG) if (folder / LOG).is_file() else ()
    curve = [(int(row["step"]), {f"train/{name}": row[name] for name in CURVE_COLUMNS if name in row}) for row in rows]
    set_values = {key: value for key, value in values.items() if value is not None}
    return TrackedRun(project, folder, set_values, curve, dict(_final_values(result)))


def _final_values(result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, score in result["scores"].items():
        yield from ((f"score/{name}{'_' * bool(end)}{end}", score[end or "value"]) for end in ("", "low", "high"))
    for part in RESULT_PARTS:
        yield from ((f"{part}/{name}", value) for name, value in result[part].items() if isinstance(value, int | float))


def _tensorboard(tracked: TrackedRun) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(tracked.folder / "tensorboard")) as writer:
        for step, values in tracked.steps:
            for name, value in values.items():
                writer.add_scalar(name, value, step)
        scores = {name: value for name, value in tracked.final.items() if name.startswith("score/")}
        writer.add_hparams(tracked.knobs, scores, run_name=".")


def _wandb(tracked: TrackedRun) -> None:
    import wandb

    # Without these it would also upload the console output, the command line and the state of the repository.
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True, x_disable_meta=True, x_disable_stats=True
    )
    place = {
        "project": tracked.project,
        "group": tracked.study,
        "name": tracked.folder.name,
        "dir": str(tracked.folder),
    }
    run = wandb.init(**place, config=tracked.knobs, settings=settings)
    for step, values in tracked.steps:
        run.log(values, step=step)
    run.finish()


def _mlflow(tracked: TrackedRun) -> None:
    import mlflow

    mlflow.set_experiment(f"{tracked.project}/{tracked.study}")
    with mlflow.start_run(run_name=tracked.folder.name):
        mlflow.log_params(tracked.knobs)
        for step, values in tracked.steps:
            mlflow.log_metrics(values, step=step)


def _trackio(tracked: TrackedRun) -> None:
    import trackio

    run = trackio.init(
        tracked.project,
        name=tracked.folder.name,
        group=tracked.study,
        config=tracked.knobs,
        embed=False,
        auto_log_cpu=False,
    )
    for step, values in tracked.steps:
        run.log(values, step=step)
    run.finish()


_TRACKERS: dict[Tracker, Callable[[TrackedRun], None]] = {
    Tracker.tensorboard: _tensorboard,
    Tracker.wandb: _wandb,
    Tracker.mlflow: _mlflow,
    Tracker.trackio: _trackio,
}
