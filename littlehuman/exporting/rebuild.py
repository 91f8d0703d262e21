"""The training set of a finished cell, once more: its texts are in the cache, not in its folder.

In: a cell's folder. Out: its config, its result and its mixture, whose fingerprint is that of the run.
Nobody is asked anything: an answer that the cache does not have any more is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from littlehuman import data
from littlehuman.config import run_config as configs
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import DataError
from littlehuman.mixture import mixing
from littlehuman.pipeline import mixture_spec
from littlehuman.prompt_models.cache import cache_path, lookup, recording_path
from littlehuman.prompt_models.provided import Provided
from littlehuman.prompting.parsing import parse
from littlehuman.records import Dataset, Example, Mixture, Origin, Synthetic
from littlehuman.runs.artifacts import RESULT
from littlehuman.schema import PromptModelConfig, Provider
from littlehuman.store import read_json
from littlehuman.twins.answers import TwinRequests

CONFIG = Path(".hydra") / "config.yaml"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """A cell with its texts; `keys` has for each synthetic id the key of its request."""

    config: RunConfig
    result: dict[str, Any]
    mixture: Mixture
    keys: dict[str, str]


def rebuild(cell: Path) -> Rebuilt:
    """Rebuild the training set of a cell.

    Raises:
        DataError: when the folder is no complete cell, or has no synthetic points; when an answer is
            not in the cache; when data, code or cache changed so that the set is another one.
        LittlehumanError: for whatever else is wrong with config or data.
    """
    result, said = read_json(cell / RESULT), read_json(cell / "mixture.json")
    if not result or not said:
        raise DataError(
            f"{cell}: is no complete cell ({RESULT} or mixture.json is absent)\nTry: a folder multirun/STUDY/CELL"
        )
    config = _config(cell / CONFIG)
    dataset = data.load(config.dataset, config.task)
    plan = mixing.plan_mixture(dataset.train, mixture_spec(config), dataset.name)
    ids = {point["id"] for point in said["points"] if point["origin"] == Origin.SYNTHETIC}
    if not ids:
        raise DataError(f"{cell}: has no synthetic points, so there is nothing to export")
    wanted = [example for example in (*plan.to_replace, *plan.spares) if example.id in ids]
    twins = _twins(wanted, plan.owned, dataset, config, cell)
    mixture = mixing.mix(plan, twins)
    if mixture.fingerprint != result["fingerprints"]["mixture"]:
        raise DataError(
            f"{cell}: the training set cannot be rebuilt as it was: its fingerprint was {result['fingerprints']['mixture']} and is "
            f"{mixture.fingerprint}; the dataset's was {result['fingerprints']['dataset']} and is {dataset.fingerprint}. Data, cache or "
            f"littlehuman ({result['versions']['littlehuman']} then) changed since\nTry: run the cell again in a new study, and export that"
        )
    return Rebuilt(config, result, mixture, {name: twin.key for name, twin in twins.items()})


def _config(file: Path) -> RunConfig:
    try:
        merged = OmegaConf.merge(configs.schema(), OmegaConf.load(file))
    except (OSError, OmegaConfBaseException) as error:
        reason = str(error).split("\n", 1)[0]
        raise DataError(
            f"{file}: is not the configuration of a run by this version: {reason}\nTry: run the cell again"
        ) from error
    return configs.from_hydra(merged)  # type: ignore[arg-type]


def _twins(
    wanted: Sequence[Example], owned: Sequence[Example], dataset: Dataset, config: RunConfig, cell: Path
) -> dict[str, Synthetic]:
    """The twins that went into the mixture, by id."""
    if config.prompt_model.provider is Provider.provided:
        given = Provided(config.prompt_model, dataset, config.strategy, config.task.name, config.dataset.labels)
        had = [twin for example in wanted if isinstance(twin := given.twin_of(example), Synthetic)]
        return {twin.example_id: twin for twin in had}
    shelf = _shelf(config.prompt_model)
    twins = _answered(TwinRequests(wanted, owned, dataset, config), shelf)
    absent = [example.id for example in wanted if example.id not in twins]
    if absent:
        raise DataError(
            f"{cell}: {len(absent)} of {len(wanted)} twins have no answer in {shelf} (first: {absent[0]}); nobody is asked anew\n"
            "Try: export LITTLEHUMAN_CACHE=FOLDER, the cache that the run wrote; or run the cell again in a new study, and export that"
        )
    return twins


def _answered(requests: TwinRequests, shelf: Path) -> dict[str, Synthetic]:
    """As in the run: of several attempts the first that can be read."""
    config, twins = requests.config, dict[str, Synthetic]()
    words = config.strategy.tasks[config.task.name]
    for _ in range(config.strategy.attempts):
        for key, answer in lookup(shelf, {prompt.key for prompt in requests}).items():
            read = [parse(answer, example, words, requests.dataset.classes) for example in requests.points(key)]
            twins |= {twin.example_id: twin for twin in read if isinstance(twin, Synthetic)}
        requests = requests.retry({example.id for example in requests.wanted} - twins.keys())
        if not requests.wanted:
            break
    return twins


def _shelf(model: PromptModelConfig) -> Path:
    return recording_path(model.path) if model.provider is Provider.recorded else cache_path(model)
