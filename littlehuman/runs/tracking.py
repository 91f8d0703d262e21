"""A finished cell, told to an experiment tracker: `tracker=tensorboard`, `wandb`, `mlflow` or `trackio`.

In: a result, its folder, the group `tracker`. Out: one run at the tracker: knobs, loss curve, scores
with their intervals, counts, cost, seconds. It is told after the cell's own files are written, so a
tracker in trouble costs no result; and it is told what stands in those files alone, so no key and no
address of an endpoint can reach it.
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

CURVE = ("loss", "lr", "grad_norm")  # columns of train.jsonl
PARTS = ("counts", "human_labels", "cost", "seconds", "audit")  # of a result


@dataclass(frozen=True)
class TrackedRun:
    """What there is to tell of a cell."""

    project: str
    folder: Path
    knobs: dict[str, Any]
    curve: list[tuple[int, dict[str, float]]]  # (step, values)
    end: dict[str, float]

    @property
    def study(self) -> str:
        """The study's name."""
        return self.folder.parent.name

    @property
    def steps(self) -> list[tuple[int, dict[str, float]]]:
        """The curve, and the end at its last step."""
        return [*self.curve, (self.curve[-1][0] if self.curve else 0, self.end)]


def track(config: TrackerConfig, result: Mapping[str, Any], folder: Path) -> None:
    """Tell the tracker of a finished cell; what goes wrong is a warning."""
    if config.name is Tracker.none:
        return
    try:
        _TRACKERS[config.name](_story(config.project, result, folder))
    except Exception as error:
        log.warning("tracker=%s: %s: %s; the cell itself is complete", config.name.value, type(error).__name__, error)


def _story(project: str, result: Mapping[str, Any], folder: Path) -> TrackedRun:
    from littlehuman.training.state import LOG

    told = {"study": folder.parent.name, "id": result["id"], **knobs(result["knobs"])}
    rows = read_jsonl(folder / LOG) if (folder / LOG).is_file() else ()
    curve = [(int(row["step"]), {f"train/{name}": row[name] for name in CURVE if name in row}) for row in rows]
    return TrackedRun(
        project,
        folder,
        {key: value for key, value in told.items() if value is not None},
        curve,
        dict(_numbers(result)),
    )


def _numbers(result: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, score in result["scores"].items():
        yield from ((f"score/{name}{'_' * bool(end)}{end}", score[end or "value"]) for end in ("", "low", "high"))
    for part in PARTS:
        yield from ((f"{part}/{name}", value) for name, value in result[part].items() if isinstance(value, int | float))


def _tensorboard(story: TrackedRun) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(story.folder / "tensorboard")) as writer:
        for step, values in story.steps:
            for name, value in values.items():
                writer.add_scalar(name, value, step)
        scores = {name: value for name, value in story.end.items() if name.startswith("score/")}
        writer.add_hparams(story.knobs, scores, run_name=".")


def _wandb(story: TrackedRun) -> None:
    import wandb

    # Neither the screen, nor the command line, nor the repository is its business.
    settings = wandb.Settings(
        silent=True, console="off", disable_git=True, disable_code=True, x_disable_meta=True, x_disable_stats=True
    )
    place = {"project": story.project, "group": story.study, "name": story.folder.name, "dir": str(story.folder)}
    run = wandb.init(**place, config=story.knobs, settings=settings)
    for step, values in story.steps:
        run.log(values, step=step)
    run.finish()


def _mlflow(story: TrackedRun) -> None:
    import mlflow

    mlflow.set_experiment(f"{story.project}/{story.study}")
    with mlflow.start_run(run_name=story.folder.name):
        mlflow.log_params(story.knobs)
        for step, values in story.steps:
            mlflow.log_metrics(values, step=step)


def _trackio(story: TrackedRun) -> None:
    import trackio

    run = trackio.init(
        story.project, name=story.folder.name, group=story.study, config=story.knobs, embed=False, auto_log_cpu=False
    )
    for step, values in story.steps:
        run.log(values, step=step)
    run.finish()


_TRACKERS: dict[Tracker, Callable[[TrackedRun], None]] = {
    Tracker.tensorboard: _tensorboard,
    Tracker.wandb: _wandb,
    Tracker.mlflow: _mlflow,
    Tracker.trackio: _trackio,
}
