"""The experiments of conf/experiment: each composes, each cell is valid, an axis can be replaced."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import pytest
from conftest import CONF, TINY, Cli
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from littlehuman import results, run
from littlehuman.config import run_config as configs
from littlehuman.config.identity import cell_name, identity_values, run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.prompting.templates import asks_for_label

NAMES = sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))


def cells(name: str, *overrides: str, corners: bool = False, ends: bool = False) -> list[RunConfig]:
    """The typed configs of an experiment's sweep: all, the `corners` of its grid, or its `ends` (first and last)."""
    with initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        first = compose("config", overrides=[f"experiment={name}", *overrides], return_hydra_config=True)
        params: dict[str, Any] = dict(first.hydra.sweeper.params)
        parsed = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])
        axes = [
            [f"{o.key_or_group}={v}" for v in (o.sweep_string_iterator() if o.is_sweep_override() else [o.value()])]
            for o in parsed
        ]
        axes = [[axis[0], axis[-1]] if corners and len(axis) > 1 else axis for axis in axes]
        chosen = [[f"experiment={name}", *axis, *overrides] for axis in product(*axes)]
        chosen = [chosen[0], chosen[-1]] if ends else chosen
        return [configs.from_hydra(compose("config", overrides=o)) for o in chosen]


def test_there_is_one_experiment_for_each_figure_and_table_of_the_paper() -> None:
    asked = {
        "replacement",
        "zoom",
        "scale",
        "finetune_model",
        "prompt_model",
        "cot",
        "tradeoff",
        "ood",
        "human_only",
        "smoke",
    }
    asked |= {"label_shift"}
    assert asked <= set(NAMES)


@pytest.mark.slow
@pytest.mark.parametrize("protocol", ["recommended", "paper", "code"])
@pytest.mark.parametrize("name", NAMES)
def test_every_experiment_is_made_of_valid_runs_under_every_protocol(name: str, protocol: str) -> None:
    found = cells(name, f"protocol={protocol}", corners=True, ends=protocol != "recommended")
    assert len(found) > 1 and {cell.protocol.name for cell in found} == {protocol}
    assert {cell.study for cell in found} == {name}


@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_says_which_figure_it_is(name: str) -> None:
    head = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert head[0] == "# @package _global_" and head[1].startswith("# ") and len(head[1]) > 40


@pytest.mark.slow
def test_scifact_has_its_own_smaller_sizes() -> None:
    assert {cell.size for cell in cells("scale", "dataset=scifact", corners=True)} == {300, 100}
    assert {cell.size for cell in cells("scale", "dataset=wanli", corners=True)} == {3000, 1000}
    added = cells("tradeoff", "dataset=scifact", corners=True)
    assert {cell.extra_human for cell in added} == {0, 20} and max(cell.size for cell in added) == 700


@pytest.mark.slow
def test_the_trade_off_runs_over_the_papers_sizes() -> None:
    found = cells("tradeoff", "dataset=wanli")
    assert sorted({cell.size for cell in found}) == list(range(1000, 20001, 1000))
    assert {cell.extra_human for cell in found} == {0, 200} and {cell.synth_frac for cell in found} == {1}
    assert {cell.seed for cell in found} == {0, 1, 2} and len(found) == 3 * 2 * 20


def _axis(*overrides: str) -> list[str]:
    """The sizes of `experiment=learning_curve`, as the sweeper reads them."""
    with initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        swept = compose("config", overrides=["experiment=learning_curve", *overrides], return_hydra_config=True)
        swept.hydra.overrides.task = list(overrides)
        return str(swept.hydra.sweeper.params.n_train).split(", ")


def test_the_learning_curve_halves_what_the_dataset_carries() -> None:
    assert _axis() == ["160", "80", "40", "20", "10"]
    assert _axis("dataset.sizes=[20]") == ["20", "10"]


def test_a_learning_curve_over_datasets_has_the_sizes_of_each() -> None:
    with initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        swept = compose("config", overrides=["experiment=learning_curve"], return_hydra_config=True)
        swept.hydra.overrides.task = ["dataset=wanli,scifact"]
        second = str(swept.hydra.sweeper.params.n_train).split(", ")[1].replace("\\", "")  # that is taken off by Hydra
        small = configs.from_hydra(compose("config", overrides=["dataset=scifact", f"n_train={second}"]))
    assert small.size == small.dataset.sizes[0] // 2


@pytest.mark.slow
def test_the_joint_design_has_each_kind_alone_and_both_together() -> None:
    found = {(c.size * (c.synth_frac == 1), c.size * (c.synth_frac == 0) + c.extra_human) for c in cells("joint")}
    assert {(s, h) for s, h in found if s and not h} == {(140, 0), (70, 0), (35, 0)}
    assert len({h for s, h in found if not s}) == 6 and len({s for s, h in found if s and h == 20}) == 3


@pytest.mark.slow
def test_cells_without_twins_are_the_same_for_all_prompt_models_and_strategies() -> None:
    for name in ("prompt_model", "cot"):
        human = [cell for cell in cells(name) if cell.synth_frac == 0]
        assert len(human) == 6 and len({run_id(cell) for cell in human}) == 3  # three seeds
    assert not {"prompt_model", "strategy", "filter"} & set(identity_values(human[0]))


@pytest.mark.slow
def test_the_label_shift_compares_the_same_points_with_and_without_a_requested_label() -> None:
    found = [cell for cell in cells("label_shift") if cell.synth_frac == 1]
    assert [cell.strategy.name for cell in found].count("few_shot") == 3 == len({cell.seed for cell in found})
    requested = {cell.strategy.name: asks_for_label(cell.strategy.tasks["fv"]) for cell in found}
    assert requested == {"few_shot": True, "few_shot_free": False}


@pytest.mark.slow
def test_the_control_of_human_points_alone_shares_its_end_with_the_mixtures() -> None:
    found = cells("human_only")
    assert len({run_id(cell) for cell in found if cell.synth_frac == 0}) == 3
    assert len({run_id(cell) for cell in found}) == 3 + 2 * 3 * 3


@pytest.mark.slow
def test_a_command_line_axis_replaces_just_that_axis(cli: Cli, multirun: Path) -> None:
    ended = cli("-m", "experiment=zoom", *TINY, "n_train=8", "seed=7")
    assert ended.code == 0, ended.text
    frame = results.load(multirun / "zoom")
    assert set(frame["seed"]) == {7} and sorted(set(frame["synth_frac"])) == [0.95, 0.975, 1]
    assert len(frame) == 3 and set(frame["state"]) == {"done"}


@pytest.mark.slow
def test_only_a_failed_cell_of_a_sweep_is_computed_again(cli: Cli, multirun: Path) -> None:
    """The smoke study on a tiny model, in which one cell cannot write a file."""
    command = ["-m", "experiment=smoke", *TINY, "n_train=8", "synth_frac=0,1", "seed=0,1"]
    planted = multirun / "smoke" / _cell_of("smoke", "n_train=8", "synth_frac=1", "seed=1") / "mixture.json"
    planted.mkdir(parents=True)
    first = cli(*command)
    states = {
        path.parent.name: (path.parent / "result.json").is_file() for path in (multirun / "smoke").glob("*/status.json")
    }
    assert first.code == 1 and sorted(states.values()) == [False, True, True, True]
    assert f"NOT COMPLETE  {planted.parent}" in first.err and "mixture.json" in first.err
    planted.rmdir()
    second = cli(*command)
    assert second.code == 0 and second.text.count("already complete") == 3
    assert set(results.load(multirun / "smoke")["state"]) == {"done"}
    third = cli(*command)
    assert third.code == 0 and third.text.count("already complete") == 4


def _cell_of(name: str, *overrides: str) -> str:
    with initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        return cell_name(configs.from_hydra(compose("config", overrides=[f"experiment={name}", *TINY, *overrides])))
