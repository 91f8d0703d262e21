"""One command, one spending limit: over all its cells, processes and filters."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TINY, Cli, compose
from fake_endpoint import FakeEndpoint, Reply, says

from littlehuman.config.identity import cell_name
from littlehuman.errors import ConfigError, WeightsError
from littlehuman.generation.spending import paid_in_study
from littlehuman.store import read_json

ONE = 0.01  # US dollars that an answer costs; 0.02 are reserved for it
COMMON = (
    *TINY,
    "prompt_model=openai_compatible",
    "prompt_model.retries=0",
    "prompt_model.concurrency=2",
    "prompt_model.price.completion=1000",
    "strategy.max_tokens=20",
    "dataset=fieldnotes_qa",
    "n_train=4",
    "synth_frac=1",
)

pytestmark = pytest.mark.usefixtures("endpoint_environment")


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell ends before its training."""

    def fit(*_: object) -> None:
        raise WeightsError("no training in this test")

    monkeypatch.setattr("littlehuman.training.fit.fit", fit)


def stages(multirun: Path) -> list[str]:
    """Where each cell ended."""
    return sorted(read_json(file)["stage"] for file in multirun.glob("default/*/status.json"))


def answer(question: str, attempt: int) -> Reply:
    return says(f"Question: What is said of {abs(hash(question)) % 10**8}?\nAnswer: it is so", usage=(0, 10))


def sweep(cli: Cli, fake: FakeEndpoint, *words: str) -> tuple[int, str]:
    ended = cli("-m", *COMMON, f"prompt_model.base_url={fake.url}", *words)
    return ended.code, ended.text


FOUR = "prompt_model.temperature=0.1,0.2,0.3,0.4"  # four cells with requests of their own


@pytest.mark.usefixtures("untrained")
@pytest.mark.parametrize(
    ("launcher", "key"),
    [
        ([], "launch.max_usd"),
        pytest.param(["hydra/launcher=basic"], "launch.max_usd", marks=pytest.mark.slow),
        pytest.param(["hydra/launcher=fused"], "prompt_model.max_usd", marks=pytest.mark.slow),
    ],
    ids=["default", "basic", "fused"],
)
def test_a_sweep_pays_no_more_than_one_limit(key: str, launcher: list[str], cli: Cli, multirun: Path) -> None:
    """Four cells with max_usd=10 paid 30.24 when each had a limit of its own."""
    with FakeEndpoint(answer) as fake:
        code, text = sweep(cli, fake, f"{key}=0.105", FOUR, *launcher)
        asked = len(fake.requests)
    assert code == 1 and asked == 9  # with ten, what is reserved for the last one would pass the limit
    assert paid_in_study(multirun / "default") == pytest.approx(asked * ONE)
    assert f"at most $0.10 ({key}) for all 4 cells of this command, with all processes and filters" in text.replace(
        "$0.11", "$0.10"
    )
    assert f"{key}=0.105: stopped before it is passed; this command spent $0.090, the next request may cost" in text
    assert stages(multirun) == ["generation", "generation", "training", "training"] and "Traceback" not in text
    assert not list(multirun.glob(".invocation-*"))


@pytest.mark.usefixtures("untrained")
def test_workers_that_may_be_on_several_machines_have_a_share_of_the_limit_for_each_cell(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITTLEHUMAN_WORKER", "0/2")
    with FakeEndpoint(answer) as fake:
        _, text = sweep(cli, fake, "launch.max_usd=0.105", FOUR)
        assert len(fake.requests) == 4  # a cell's second request could pass its quarter
    assert "split among all 4 cells of this command, as the cells are computed by 2 workers" in text


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_the_same_command_again_says_what_was_paid_and_has_the_whole_limit_anew(cli: Cli, multirun: Path) -> None:
    with FakeEndpoint(answer) as fake:
        sweep(cli, fake, "launch.max_usd=0.105", FOUR)
        _, text = sweep(cli, fake, "launch.max_usd=0.105", FOUR)
        assert len(fake.requests) == 16 and stages(multirun) == ["training"] * 4
    first = next(line for line in text.splitlines() if "at most" in line)
    assert first.endswith("; earlier commands paid $0.090 for this study, which do not count here")
    logs = [file.read_text().splitlines() for file in multirun.glob("default/*/run.log")]
    assert all("at most" in log[0] for log in logs)  # the first line of each cell's log


@pytest.mark.slow
def test_what_an_interrupted_attempt_of_a_cell_paid_was_not_saved_by_the_cache(cli: Cli, multirun: Path) -> None:
    with FakeEndpoint(answer) as fake:
        cell = ("launch.max_usd=0.035", "prompt_model.temperature=0.1")
        sweep(cli, fake, *cell)
        assert len(fake.requests) == 2
        code, text = sweep(cli, fake, "launch.max_usd=1", "prompt_model.temperature=0.1")
    (file,) = multirun.glob("default/*/result.json")
    cost = read_json(file)["cost"]
    assert code == 0 and (cost["usd"], cost["usd_before"]) == pytest.approx((2 * ONE, 2 * ONE))
    table = (multirun / "default" / "table.csv").read_text().splitlines()
    row = dict(zip(table[0].split(","), table[1].split(","), strict=True))
    assert (float(row["usd"]), float(row["usd_saved"])) == pytest.approx((4 * ONE, 0.0))
    assert "2 more came from the cache for nothing; earlier attempts paid $0.020" in text


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
def test_cells_whose_answers_are_in_the_cache_need_no_money(cli: Cli, multirun: Path) -> None:
    with FakeEndpoint(answer) as fake:
        sweep(cli, fake, "seed=0")
        sweep(cli, fake, "launch.max_usd=0", "training.epochs=3")
    assert stages(multirun) == ["training", "training"] and len(fake.requests) == 4


@pytest.mark.usefixtures("untrained")
def test_where_both_keys_are_given_the_smaller_one_holds(cli: Cli, multirun: Path) -> None:
    with FakeEndpoint(answer) as fake:
        code, text = sweep(cli, fake, "launch.max_usd=5", "prompt_model.max_usd=0.025", "seed=0")
    assert code == 1 and len(fake.requests) == 1
    assert "at most $0.025 (prompt_model.max_usd; launch.max_usd=5 is not smaller) for this command" in text


def test_the_limit_is_no_part_of_a_cells_identity() -> None:
    limits = ([], ["launch.max_usd=1"], ["prompt_model.max_usd=2"])
    assert len({cell_name(compose(*COMMON, *limit)) for limit in limits}) == 1


@pytest.mark.parametrize("limit", ["-1", "nan"])
def test_a_limit_that_is_no_sum_is_refused(limit: str) -> None:
    with pytest.raises(ConfigError, match=rf"launch.max_usd={limit} +must be 0 or more"):
        compose(*COMMON, f"launch.max_usd={limit}")
