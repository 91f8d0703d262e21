"""Tuning of a writer: supervised fine-tuning of the prompt model with LoRA, by the trainer of the cells.

In: conversations. Out: a folder with the adapter. A folder that holds the writer of the same conversations, base and
hyperparameters is used as it is; an interrupted tuning goes on from its checkpoint. Processes that want the same writer
wait for the first one.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.config.run_config import RunConfig
from littlehuman.formatting import markdown_text
from littlehuman.records import Origin, Point
from littlehuman.schema import Architecture, Head, ModelConfig, adapter
from littlehuman.store import cache_root, digest, locked, write_json
from littlehuman.writer.folder import Writer
from littlehuman.writer.rows import TuningRow, as_mixture

if TYPE_CHECKING:
    from littlehuman.training.types import Cell

log = logging.getLogger(__name__)

VERSION = 1  # of what a writer learns from a row; counts in its key


@dataclass(frozen=True)
class TuningSet:
    """What a writer is tuned on: the points, their conversations, and the human points that they stand for."""

    points: Sequence[Point]
    rows: Sequence[TuningRow]
    human: Mapping[str, str]  # id -> `folder.words_digest` of every human point that is seen
    train: str  # `folder.train_fingerprint` of the dataset


def tune(data: TuningSet, config: RunConfig, folder: Path | None = None) -> Writer:
    """The writer that is tuned on `data`.

    Args:
        data: the conversations.
        config: the cell: prompt model, hyperparameters (`writer`), seed and launch.
        folder: where it is kept; by default in the cache, under its key.

    Raises:
        WeightsError: when the base cannot be loaded.
        ConfigError: when it does not fit into memory.
    """
    from littlehuman.models.weight_marks import mark
    from littlehuman.training import model_card

    model = config.prompt_model
    base = mark(str(model.weights), model.revision, "prompt_model.weights")
    conversations = [[row.id, row.messages, row.answer] for row in data.rows]
    key = digest([VERSION, base, asdict(config.writer), config.seed, conversations])
    place = folder or cache_root() / "writers" / key
    place.mkdir(parents=True, exist_ok=True)
    with locked(place / ".lock"):
        known = adapter.info(place)
        if known.get("key") == key and adapter.digest_of_files(place) == known.get("digest"):
            log.info("the writer is tuned already: %s", place)
        else:
            (place / adapter.INFO).unlink(missing_ok=True)
            known = _trained(data, config, place)
        info = {**known, **_described(data, config), "base": base, "key": key}  # equal conversations of other data
        if info != known:
            model_card.write(place / adapter.PEFT, _card(info))
            write_json(place / adapter.INFO, info)
    return Writer(place.absolute(), info)


def _trained(data: TuningSet, config: RunConfig, place: Path) -> dict[str, Any]:
    from littlehuman.training.fit import fit

    log.info("tuning a writer on %d points: %s", len(data.rows), place)
    started = time.perf_counter()
    (outcome,) = fit([_cell(data, config, place)], replace(config.launch, keep_adapter=True, cells=1))
    if isinstance(outcome, Exception):
        raise outcome
    found = {"digest": adapter.digest_of_files(place), "steps": outcome.steps, "final_loss": outcome.final_loss}
    return found | {"seconds": round(time.perf_counter() - started, 1)}


def _cell(data: TuningSet, config: RunConfig, place: Path) -> Cell:
    """The tuning as the trainer takes it: no test points, so nothing is predicted."""
    from littlehuman.training.types import Cell, Settings

    model = config.prompt_model
    base = ModelConfig(
        name=model.name, weights=str(model.weights), revision=model.revision, architecture=Architecture.decoder
    )
    settings = Settings(
        model=base,
        task=replace(config.task, head=Head.generation, classes=[]),
        tuning=config.writer,
        classes=(),
        max_tokens=config.dataset.max_tokens,
        test_max_tokens=config.dataset.max_tokens,
        answer_tokens=config.strategy.max_tokens,
        chat=True,
    )
    return Cell(as_mixture(data.rows), (), config.seed, place, settings)


def _described(data: TuningSet, config: RunConfig) -> dict[str, Any]:
    """What `writer.json` says beside the training."""
    return {
        "weights": config.prompt_model.weights,
        "dataset": config.dataset.name,
        "task": config.task.name,
        "strategy": config.strategy.name,
        "tuning": {key: value for key, value in asdict(config.writer).items() if value is not None},
        "seed": config.seed,
        "points": len(data.rows),
        "synthetic": sum(point.origin is Origin.SYNTHETIC for point in data.points),
        "train": data.train,
        "human": dict(data.human),
    }


def _card(info: Mapping[str, Any]) -> dict[str, str]:
    """What the model card says of a writer."""
    return {
        "What it does": f"writes synthetic points (strategy {markdown_text(info['strategy'])}, task {info['task']})",
        "Data": markdown_text(info["dataset"]),
        "Training set": f"human {info['points'] - info['synthetic']:,}, synthetic {info['synthetic']:,}",
        "Training": f"seed {info['seed']}, {info['steps']} steps",
    }
