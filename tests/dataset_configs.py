"""The datasets of `conf/dataset/` as typed configs, and the tasks, for the tests of `tests/data`."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from littlehuman.config.run_config import schema
from littlehuman.schema import DatasetConfig, Head, TaskConfig

FOLDER = Path(__file__).parents[1] / "conf" / "dataset"
FV = TaskConfig(name="fv", head=Head.classification, classes=["unsupported", "supported"])
QA = TaskConfig(name="qa", head=Head.generation)
CLASSIFY = TaskConfig(name="classify", head=Head.classification)


def load_yaml(name: str) -> DictConfig:
    """`conf/dataset/<name>.yaml` as it is."""
    loaded = OmegaConf.load(FOLDER / f"{name}.yaml")
    assert isinstance(loaded, DictConfig)
    return loaded


@cache
def _typed(name: str) -> DictConfig:
    loaded = load_yaml(name)
    del loaded["defaults"]
    merged = OmegaConf.merge(schema().dataset, loaded)
    assert isinstance(merged, DictConfig)
    return merged


def dataset_config(name: str, /, **overrides: Any) -> DatasetConfig:
    """The dataset's YAML under the schema, as Hydra would compose it."""
    config = OmegaConf.to_object(OmegaConf.merge(_typed(name), overrides))
    assert isinstance(config, DatasetConfig)
    return config
