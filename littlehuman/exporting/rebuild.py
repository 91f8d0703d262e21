"""Rebuild the training set of a complete cell, whose texts are in the completion cache and not in its folder.

The fingerprint of the rebuilt mixture must be that of the run. No request is sent: an answer that is no longer in the
cache is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from littlehuman import data
from littlehuman.config import run_config as configs
from littlehuman.config.mixture_spec import mixture_spec
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import DataError
from littlehuman.exporting import places
from littlehuman.mixture import mixing
from littlehuman.prompt_models.cache import cache_path, lookup
from littlehuman.prompt_models.provided import Provided
from littlehuman.prompt_models.recorded import recording_path
from littlehuman.records import Dataset, Example, Mixture, Origin, Synthetic
from littlehuman.runs.artifacts import MIXTURE, RESULT
from littlehuman.schema import PromptModelConfig, Provider, RoundConfig, adapter
from littlehuman.store import read_json
from littlehuman.twins.answers import TwinRequests

CONFIG = Path(".hydra") / "config.yaml"


@dataclass(frozen=True, slots=True)
class RebuiltCell:
    """A cell with its texts; `keys` maps the id of each synthetic point to the cache key of its request."""

    config: RunConfig
    result: dict[str, Any]
    mixture: Mixture
    keys: dict[str, str]


def rebuild(cell: Path) -> RebuiltCell:
    """Rebuild the training set of the cell in a run folder.

    Raises:
        DataError: when the folder is no complete cell, or has no synthetic points; when an answer is not in the cache;
            when data, code or cache changed, so that the fingerprint differs.
        LittlehumanError: for other problems of config or data.
    """
    result, written = read_json(cell / RESULT), read_json(cell / MIXTURE)
    if not result or not written:
        raise DataError(
            f"{cell}: is no complete cell ({RESULT} or {MIXTURE} is absent)\nTry: a folder multirun/STUDY/CELL"
        )
    config = config_of(cell / CONFIG)
    dataset = data.load(config.dataset, config.task)
    plan = mixing.plan_mixture(dataset.train, mixture_spec(config), dataset.name)
    ids = {point["id"] for point in written["points"] if point["origin"] == Origin.SYNTHETIC}
    if not ids:
        raise DataError(f"{cell}: has no synthetic points, so there is nothing to export")
    wanted = [example for example in (*plan.to_replace, *plan.spares) if example.id in ids]
    twins = _twins(wanted, plan.owned, dataset, _asked_by_digest(config, result), cell)
    mixture = mixing.mix(plan, twins)
    if mixture.fingerprint != result["fingerprints"]["mixture"]:
        before, version = result["fingerprints"], result["versions"]["littlehuman"]
        raise DataError(
            f"{cell}: the training set cannot be rebuilt as it was: its fingerprint was {before['mixture']} and is "
            f"{mixture.fingerprint}; the dataset's was {before['dataset']} and is {dataset.fingerprint}. "
            f"Data, cache or littlehuman ({version} then) changed since\n"
            "Try: run the cell again in a new study, and export that"
        )
    return RebuiltCell(config, result, mixture, {name: twin.key for name, twin in twins.items()})


def config_of(file: Path) -> RunConfig:
    """The configuration of a run, as Hydra wrote it.

    Raises:
        DataError: when there is none, or one that this version cannot read.
    """
    try:
        merged = OmegaConf.merge(configs.schema(), OmegaConf.load(file))
    except (OSError, ValueError, YAMLError, OmegaConfBaseException) as error:
        reason = str(error).split("\n", 1)[0]
        raise DataError(
            f"{file}: is not the configuration of a run by this version: {reason}\nTry: run the cell again"
        ) from error
    assert isinstance(merged, DictConfig)
    return configs.from_hydra(places.with_files_found(merged, file.parent.parent))


def _twins(
    wanted: Sequence[Example], owned: Sequence[Example], dataset: Dataset, config: RunConfig, cell: Path
) -> dict[str, Synthetic]:
    """The twins of the mixture, by id."""
    if config.prompt_model.provider is Provider.provided:
        given = Provided(config.prompt_model, dataset, config.strategy, config.task.name, config.dataset.labels)
        found = [twin for example in wanted if isinstance(twin := given.twin_of(example), Synthetic)]
        return {twin.example_id: twin for twin in found}
    cache = _cache_of(config.prompt_model)
    twins = _cached_twins(TwinRequests(wanted, owned, dataset, config), cache)
    absent = [example.id for example in wanted if example.id not in twins]
    if absent:
        raise DataError(
            f"{cell}: {len(absent)} of {len(wanted)} twins have no answer in {cache} (first: {absent[0]}); "
            "nobody is asked anew\nTry: export LITTLEHUMAN_CACHE=FOLDER, the cache that the run wrote; "
            "or run the cell again in a new study, and export that"
        )
    return twins


def _asked_by_digest(config: RunConfig, result: Mapping[str, Any]) -> RunConfig:
    """The config with the writer that the run's requests named, if its twins are by one."""
    digest = result.get("writer", {}).get("digest")
    named = adapter.resolved("", digest) if digest else None
    return replace(config, prompt_model=replace(config.prompt_model, adapter=named), generation=RoundConfig())


def _cached_twins(requests: TwinRequests, cache: Path) -> dict[str, Synthetic]:
    """The twins that are in the cache: as in the run, of several attempts the first that can be parsed."""
    config, twins = requests.config, dict[str, Synthetic]()
    for _ in range(config.strategy.attempts):
        for key, answer in lookup(cache, {prompt.key for prompt in requests}).items():
            read = [requests.parse(answer, example) for example in requests.points(key)]
            twins |= {twin.example_id: twin for twin in read if isinstance(twin, Synthetic)}
        requests = requests.retry({example.id for example in requests.wanted} - twins.keys())
        if not requests.wanted:
            break
    return twins


def _cache_of(model: PromptModelConfig) -> Path:
    return recording_path(model.path) if model.provider is Provider.recorded else cache_path(model)
