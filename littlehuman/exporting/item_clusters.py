"""Clusters of a finished cell's test items, read from its data again: runs of older versions did not write them."""

from __future__ import annotations

from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError  # type: ignore[import-untyped]

from littlehuman import data
from littlehuman.config.run_config import RunConfig
from littlehuman.config.test_dataset import load_test_dataset
from littlehuman.errors import DataError
from littlehuman.exporting.places import HYDRA
from littlehuman.exporting.rebuild import CONFIG, config_of
from littlehuman.runs.artifacts import RESULT
from littlehuman.schema import DatasetConfig
from littlehuman.store import read_json


def clusters_of_test_items(cell: Path) -> dict[str, dict[str, str]]:
    """Test item id -> level (passage, document) -> cluster, for `study.clusters.ClusterIndex`.

    Raises:
        DataError: when the folder has no configuration, or the data is not what it was.
        LittlehumanError: for other problems of config or data.
    """
    config = config_of(cell / CONFIG)
    dataset = data.load(config.dataset, config.task, test_dataset_of(config, cell))
    before = read_json(cell / RESULT).get("fingerprints", {}).get("dataset")
    if dataset.fingerprint != before:
        raise DataError(
            f"{cell}: the data of {dataset.name} changed since: its fingerprint was {before} "
            f"and is {dataset.fingerprint}"
            "\nTry: put back the data that the run read"
        )
    return {example.id: example.clusters for example in dataset.test}


def test_dataset_of(config: RunConfig, cell: Path) -> DatasetConfig | None:
    """The dataset whose test split a cell was tested on; None where it is its own."""
    if config.test_dataset is None:
        return None
    try:
        sources = OmegaConf.load(cell / HYDRA).hydra.runtime.config_sources
    except (OSError, ValueError, YAMLError, OmegaConfBaseException, AttributeError) as error:
        raise DataError(f"{cell / HYDRA}: does not say where test_dataset={config.test_dataset} is defined") from error
    conf = [Path(source.path) for source in sources if source.schema == "file"]
    return load_test_dataset(config.test_dataset, config.test_path, config.task.name, conf)
