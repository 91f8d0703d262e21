"""Workers of one command: who they are, which cells each takes, and what `accelerate launch` asks of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from cli_runs import QUICK
from conftest import Cli

from littlehuman.errors import ConfigError
from littlehuman.execution import placement, workers
from littlehuman.execution.workers import Worker
from littlehuman.schema import LaunchConfig
from littlehuman.training import fit, launched

TWO = Worker(0, 2, can_join=True, here=2)


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker of the tests' own environment; what a command notes there is taken back."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "LITTLEHUMAN_WORKER", "LITTLEHUMAN_QUIET"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setattr(placement, "_said", set())


def test_a_process_knows_its_place_among_those_of_torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    assert workers.current() == Worker(0, 1)
    places = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "node0", "MASTER_PORT": "29500"}
    for name, value in places.items():
        monkeypatch.setenv(name, value)
    worker = workers.current()
    assert (worker.rank, worker.size, worker.can_join, worker.on_one_machine) == (3, 4, True, False)
    monkeypatch.setenv("LITTLEHUMAN_WORKER", "1/2")  # a launcher of ours inside a job of somebody's torchrun
    assert workers.current() == Worker(1, 2)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "0", "WORLD_SIZE": "four"}, "WORLD_SIZE=four +must be a number"),
        ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2 +rank 2 is none of 2 workers"),
        ({"LITTLEHUMAN_WORKER": "1"}, "LITTLEHUMAN_WORKER=1 +must be RANK/SIZE, as 0/4"),
    ],
)
def test_an_environment_that_names_no_worker_ends_the_command(
    variables: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=message):
        workers.current()
    ended = cli(*QUICK)
    assert ended.code == 1 and "Traceback" not in ended.text and ended.err.startswith("ConfigError: 1 problem")


@pytest.mark.parametrize("size", [1, 2, 3, 4, 20])
def test_workers_begin_at_different_cells_and_each_comes_to_all(size: int) -> None:
    orders = [Worker(rank, size).from_own_start(range(16)) for rank in range(size)]
    assert all(sorted(order) == list(range(16)) for order in orders)
    assert len({order[0] for order in orders}) == min(size, 16)


def test_a_worker_takes_at_most_its_part_and_ever_less() -> None:
    left, shares = 16, []
    while left:
        shares.append(Worker(0, 2).share(left))
        left -= shares[-1]
    assert shares == sorted(shares, reverse=True) and shares[0] <= 8 and shares[-2:] == [1, 1] and sum(shares) == 16
    assert Worker().share(16) == 16  # alone, all that can be trained together are


def test_a_worker_of_a_fused_sweep_begins_in_its_own_place(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[list[int]] = []
    real = fit.fit

    def watched(cells: Sequence[Any], *rest: Any) -> list[Any]:
        trained.append([cell.seed for cell in cells])
        return real(cells, *rest)

    monkeypatch.setattr(fit, "fit", watched)
    monkeypatch.setenv("LITTLEHUMAN_WORKER", "1/2")
    ended = cli("-m", "hydra/launcher=fused", *QUICK, "seed=0,1,2,3")
    assert ended.code == 0 and ended.out == ""  # the other worker prints
    assert trained == [[2], [3], [0], [1]]  # the other one would have taken some of them meanwhile


def test_the_other_processes_of_a_run_end_with_the_exit_code_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Complete already, refused or failed: nothing was trained."""
    import torch

    store = torch.distributed.HashStore()
    monkeypatch.setattr(launched, "store", lambda: store)
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(launched, "LEAVING_S", 0.0)  # the same process is both
    launched.end(3)
    assert launched.serve() == 3


# What `launch` means inside torchrun and accelerate launch


def test_processes_that_were_started_from_outside_win_over_launch_processes(caplog: pytest.LogCaptureFixture) -> None:
    meant = placement.of_this_process(LaunchConfig(processes=4), TWO)
    assert meant.processes == 1
    assert "launch.processes=4 is left out: 2 processes were started from outside" in caplog.text
    assert placement.of_this_process(LaunchConfig(processes=4), Worker()).processes == 4


def test_one_device_for_several_processes_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"launch.device=cuda:1 +names one device for 2 processes"):
        placement.of_this_process(LaunchConfig(device="cuda:1"), TWO)


@pytest.mark.parametrize(
    ("mixed", "asked", "meant"),
    [("bf16", "auto", "bfloat16"), ("fp16", "auto", "float16"), ("no", "auto", "auto"), ("bf16", "float32", "float32")],
)
def test_accelerates_precision_is_taken_where_the_user_left_it_open(
    mixed: str, asked: str, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", mixed)
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    launch = placement.of_this_process(LaunchConfig(dtype=asked), TWO)
    assert (launch.dtype, launch.device) == (meant, "cpu")


def test_what_accelerate_asks_for_and_is_left_out_is_said_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("ACCELERATE_DYNAMO_BACKEND", "INDUCTOR")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "fp8")
    for _ in range(2):
        assert placement.of_this_process(LaunchConfig(), TWO).dtype == "auto"
    assert caplog.text.count("dynamo_backend=INDUCTOR is left out") == 1
    assert caplog.text.count("mixed_precision=fp8 is left out") == 1


@pytest.mark.parametrize(("name", "what"), [("DEEPSPEED", "DeepSpeed"), ("FSDP", "FSDP")])
def test_a_model_spread_over_processes_is_refused_before_anything_is_computed(
    name: str, what: str, monkeypatch: pytest.MonkeyPatch, cli: Cli
) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    ended = cli(*QUICK)
    assert ended.code == 1 and ended.out == ""
    assert f"ACCELERATE_USE_{name}=true  {what} spreads one model over processes" in ended.err
