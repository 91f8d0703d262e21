"""Sizes that follow from the data: of a training set, and of the grids of the experiments."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import CONF, claims, compose, write_csv
from hydra import compose as hydra_compose
from hydra import initialize_config_dir

from littlehuman.config import sizing
from littlehuman.errors import ConfigError
from littlehuman.schema import DatasetConfig

BY_DATA = DatasetConfig(sizes=[], tradeoff_step=None, tradeoff_human=None)
PAPER = DatasetConfig(sizes=[5000, 3000, 1000])


@pytest.fixture
def table(tmp_path: Path) -> Callable[[int], tuple[str, ...]]:
    def written(count: int) -> tuple[str, ...]:
        file = write_csv(tmp_path / "claims.csv", ("evidence", "text", "target"), claims(count))
        return (
            "dataset=table",
            f"dataset.path={file}",
            "dataset.labels={supported: supported, unsupported: unsupported}",
        )

    return written


def grid(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return dict(hydra_compose("config", overrides=list(overrides), return_hydra_config=True).hydra.sweeper.params)


def test_a_table_takes_all_its_training_points_and_holds_out_no_validation_split(table: Any) -> None:
    assert compose(*table(100)).size == 80  # a fifth is tested
    assert compose(*table(100), "extra_human=10").size == 70
    assert compose(*table(100), "n_train=7").size == 7


def test_an_edited_table_is_counted_again(table: Any) -> None:
    anew = compose.__wrapped__
    assert (anew(*table(100)).size, anew(*table(50)).size) == (80, 40)


def test_a_known_dataset_keeps_its_size_whatever_its_data() -> None:
    assert compose("dataset=fever", "dataset.path=/nowhere").size == 5000


def test_a_configuration_without_hydra_says_that_its_points_were_not_counted() -> None:
    from littlehuman.config.run_config import RunConfig
    from littlehuman.schema import ModelConfig, TaskConfig

    with pytest.raises(ConfigError):
        RunConfig(dataset=BY_DATA, model=ModelConfig(), task=TaskConfig()).size  # noqa: B018


@pytest.mark.parametrize(
    ("usable", "steps", "human"),
    [
        (640, list(range(30, 601, 30)), 10),
        (20_000, list(range(950, 19_001, 950)), 200),
        (100, list(range(10, 91, 10)), 10),
        (40, [10, 20, 30], 10),
        (16, [2, 4, 6], 10),
        (11, [1], 10),
    ],
)
def test_the_steps_of_a_trade_off_are_equal_round_and_leave_the_human_points(
    usable: int, steps: list[int], human: int
) -> None:
    assert sizing.tradeoff_human(BY_DATA, usable) == human
    assert sizing.tradeoff_steps(BY_DATA, usable) == steps and steps[-1] + human <= usable


def test_a_dataset_with_steps_keeps_those_that_fit_and_one_that_is_too_small_for_three_takes_its_own() -> None:
    assert sizing.tradeoff_steps(PAPER, None) == list(range(1000, 20_001, 1000))
    assert sizing.tradeoff_steps(PAPER, 4_199) == [1000, 2000, 3000] and sizing.tradeoff_human(PAPER, 4_199) == 200
    assert sizing.tradeoff_steps(PAPER, 640) == sizing.tradeoff_steps(BY_DATA, 640)


def test_the_grids_of_a_table_are_those_of_its_data(table: Any) -> None:
    words = table(200)  # 160 to train on
    found = grid(*words, "experiment=tradeoff")
    assert found["n_train"] == ", ".join(map(str, range(10, 151, 10))) and found["extra_human"] == "0, 10"
    assert grid(*words, "experiment=scale")["n_train"] == "96, 32"
    assert grid("experiment=annotation_size", *words, "task=fv")["n_train"] == "100"


def test_in_a_sweep_over_datasets_each_has_sizes_of_its_own() -> None:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        swept = hydra_compose("config", overrides=["experiment=scale"], return_hydra_config=True)
        swept.hydra.overrides.task = ["experiment=scale", "dataset=scifact,wanli"]
        assert "littlehuman_size:sizes,1" in swept.hydra.sweeper.params.n_train
        cell = "n_train=${littlehuman_size:sizes,1}"
        assert [
            hydra_compose("config", overrides=[f"dataset={name}", cell]).n_train for name in ("scifact", "wanli")
        ] == [
            300,
            3000,
        ]
