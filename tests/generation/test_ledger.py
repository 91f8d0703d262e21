"""The ledger of a command: one limit over processes that do not know each other."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from config_groups import prompt_model
from fake_endpoint import FakeEndpoint, says
from gather_completions import gather
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from littlehuman import run
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, GenerationError
from littlehuman.execution.invocation import OpenLedger, jobs_of
from littlehuman.generation import ledger
from littlehuman.generation.ledger import Ledger, SharedLedger
from littlehuman.generation.spending import SpendingLimit
from littlehuman.records import Prompt
from littlehuman.schema import LaunchConfig, PriceConfig
from littlehuman.store import INVOCATION, read_json
from littlehuman.twins.limit import log_limit, open_limit

pytestmark = pytest.mark.usefixtures("endpoint_environment")
PRICE = PriceConfig(prompt=0.0, completion=1000.0)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the ledger of a command of two jobs."""
    monkeypatch.setenv(INVOCATION, str(tmp_path / "command"))
    ledger.begin(jobs=2, split="")
    return tmp_path / "command" / "money"


def prompts(name: str, count: int) -> list[Prompt]:
    return [Prompt(f"{name}{i}", ({"role": "user", "content": f"{name}{i}"},), f"{name}{i}") for i in range(count)]


def test_what_one_process_has_reserved_another_cannot_spend(folder: Path) -> None:
    one, other = SharedLedger(folder), SharedLedger(folder)
    assert one.reserve(0.0, 0.6, 1.0) and not other.reserve(0.0, 0.6, 1.0)
    one.settle(0.0, 0.3)  # cheaper than its worst case
    assert other.reserve(0.0, 0.6, 1.0) and other.spent == pytest.approx(0.3)
    other.close()
    assert one.reserve(0.0, 0.7, 1.0) and not one.wait_for_others()
    one.close()
    assert read_json(folder / "ledger.json")["reserved"] == {}


RESERVES = """
import sys, time
from pathlib import Path
from littlehuman.generation.ledger import SharedLedger
shared = SharedLedger(Path(sys.argv[1]))
assert shared.reserve(0.0, 0.6, 1.0)
print("reserved", flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_had_reserved_counts_as_spent(folder: Path) -> None:
    """Its requests were under way: whether the provider charges them is not known."""
    with subprocess.Popen([sys.executable, "-c", RESERVES, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "reserved\n"
        here = SharedLedger(folder)
        assert not here.reserve(0.0, 0.5, 1.0) and here.wait_for_others()
        os.kill(process.pid, signal.SIGKILL)
    assert not here.wait_for_others() and here.spent == pytest.approx(0.6)
    assert not here.reserve(0.0, 0.5, 1.0) and here.reserve(0.0, 0.4, 1.0)
    here.close()


def test_cells_that_ask_at_the_same_time_never_pass_the_limit_together(folder: Path) -> None:
    def cell(name: str) -> None:
        spending = SpendingLimit(0.255, ledger=SharedLedger(folder), key="launch.max_usd")
        try:
            gather(prompts(name, 40), model, 50, spending, progress=False)
        except GenerationError as error:
            ended.append(str(error))
        spending.final_bill()

    ended: list[str] = []
    with FakeEndpoint(lambda q, attempt: says("x", delay=0.01)) as fake:
        model = prompt_model("openai_compatible", base_url=fake.url, retries=0, concurrency=4, price=PRICE)
        threads = [threading.Thread(target=cell, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    spent = len(fake.requests) * 0.005
    assert spent == pytest.approx(read_json(folder / "ledger.json")["spent"])
    assert 0.255 - 0.05 < spent <= 0.255 and len(ended) == 3
    assert all("this command spent $0.2" in text for text in ended)


@pytest.mark.parametrize(
    "break_it",
    [lambda place: shutil.rmtree(place.parent), lambda place: (place / "ledger.json").write_text("{")],
    ids=["gone", "torn"],
)
def test_without_its_ledger_a_command_asks_nothing_more(break_it: Callable[[Path], object], folder: Path) -> None:
    spending = SpendingLimit(1.0, ledger=SharedLedger(folder), key="launch.max_usd")
    with FakeEndpoint(lambda q, attempt: says("x")) as fake:
        model = prompt_model("openai_compatible", base_url=fake.url, retries=0, price=PRICE)
        gather(prompts("a", 2), model, 50, spending, progress=False)
        break_it(folder)
        with pytest.raises(
            GenerationError, match=r"launch.max_usd=1 cannot be kept, so nothing more is asked: .*ledger"
        ):
            gather(prompts("b", 2), model, 50, spending, progress=False)
    assert len(fake.requests) == 2 and not (folder.parent / "money" / "ledger.lock").is_dir()


def test_a_thousand_requests_take_the_ledger_a_second_at_most(folder: Path) -> None:
    shared, started = SharedLedger(folder), time.process_time()
    for _ in range(300):
        assert shared.reserve(0.0, 1e-5, 1.0)
        shared.settle(0.0, 1e-5)
    assert time.process_time() - started < 3 and shared.spent == pytest.approx(0.003)  # against hanging alone
    shared.close()


# --- several machines, and file systems without locks ----------------------------------------------


def cell_config(limit: float | None) -> RunConfig:
    from conftest import compose as typed

    plain: RunConfig = typed()
    return type(plain)(**{**vars(plain), "launch": LaunchConfig(max_usd=limit)})


def test_where_jobs_run_on_several_machines_each_has_its_share_of_the_limit(
    tmp_path: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "littlehuman")
    ledger.begin(jobs=4, split="hydra/launcher=submitit_slurm may use several machines", before=2.5)
    limit = open_limit(cell_config(10.0), tmp_path / "study" / "cell")
    log_limit(cell_config(10.0), tmp_path / "study" / "cell")
    assert limit.limit == 2.5 and type(limit.ledger) is Ledger
    assert caplog.messages == [
        "at most $2.50 for this cell: $10.00 (launch.max_usd) are split among all 4 cells of this command, as "
        "hydra/launcher=submitit_slurm may use several machines; earlier commands paid $2.50 for this study, which do "
        "not count here"
    ]


def test_a_limit_that_cannot_be_split_is_refused(tmp_path: Path, folder: Path) -> None:
    ledger.begin(jobs=None, split="hydra/launcher=submitit_slurm may use several machines")
    with pytest.raises(ConfigError, match=r"launch.max_usd=10 +cannot be split among the jobs, whose number"):
        open_limit(cell_config(10.0), tmp_path / "cell")
    assert open_limit(cell_config(None), tmp_path / "cell").limit is None


def test_a_file_system_without_locks_splits_the_limit(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class NoLock:
        def __init__(self, *_: object, **__: object) -> None:
            raise NotImplementedError

    monkeypatch.setattr(ledger, "FileLock", NoLock)
    ledger.begin(jobs=5, split="")
    command = ledger.command()
    assert command and command.split == "this file system has no locks"
    assert open_limit(cell_config(10.0), tmp_path / "cell").limit == 2.0


def composed(*overrides: str) -> Any:
    with initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        config = compose("config", overrides=[], return_hydra_config=True)
    OmegaConf.set_readonly(config.hydra, None)
    config.hydra.overrides.task = [word for word in overrides if "hydra" not in word]
    return config


@pytest.mark.parametrize(
    ("overrides", "jobs"),
    [
        (["seed=0,1,2", "synth_frac=0,1"], 6),
        (["seed=range(5)"], 5),
        (["seed=3"], 1),
        (["seed=0,1", "seed=7"], 1),
        (["'dataset.labels={a: b, c: d}'"], None),
    ],
    ids=str,
)
def test_the_jobs_of_a_sweep_are_counted_before_the_first_one_starts(overrides: list[str], jobs: int | None) -> None:
    found = jobs_of(composed(*overrides))
    assert (found if found is None else len(found)) == jobs


def test_the_parameters_of_an_experiment_count_too(folder: Path) -> None:
    config = composed("seed=0,1")
    config.hydra.sweeper.params = {"synth_frac": "0,0.5,1", "seed": "0,1,2"}
    assert len(jobs_of(config) or ()) == 6
    config.hydra.runtime.choices = {"hydra/launcher": "submitit_slurm"}
    config.hydra.sweep.dir = "study"
    OpenLedger().on_multirun_start(config)
    command = ledger.command()
    assert command and (command.jobs, command.split) == (6, "hydra/launcher=submitit_slurm may use several machines")
