"""Filters that ask a model: it is checked before a twin is paid for, and dropped when no answer can be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import TINY, claims, compose, write_csv
from fake_endpoint import FakeEndpoint, Reply, fails, says

from littlehuman import data, pipeline
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, LittlehumanError
from littlehuman.filters import model_client
from littlehuman.mixture import mixing
from littlehuman.twins import Twins, write

pytestmark = pytest.mark.usefixtures("endpoint_environment")


@pytest.fixture(autouse=True)
def few_unreadable_answers_end_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_client, "MAX_UNREADABLE", 10)


@pytest.fixture
def table(tmp_path: Path) -> str:
    return f"dataset.path={write_csv(tmp_path / 'claims.csv', ('evidence', 'text', 'target'), claims(60))}"


def writes_claims(question: str, attempt: int) -> Reply:
    return says(
        f"Claim: Boat {question.split('Ferry ')[1].split()[0]} is on time || Label: {question.split('Wanted: ')[1]}"
    )


def cell(writer: FakeEndpoint, table: str, *overrides: str) -> RunConfig:
    """A cell whose twins come from `writer`; a filter's own model is set by `overrides`."""
    words = "strategy.tasks.fv.user='Context: {evidence}\n\nWanted: {label}'"
    asked = ("prompt_model=openai_compatible", f"prompt_model.base_url={writer.url}", "prompt_model.retries=0", *PRICE)
    found: RunConfig = compose(
        *(*TINY, "dataset=table", table, "strategy=zero_shot", "n_train=30", "synth_frac=1", words, *asked, *overrides)
    )
    return found


PRICE = ("prompt_model.price.prompt=1", "prompt_model.price.completion=2")
OWN = ("+prompt_model@filter.model=openai_compatible", "filter.model.name=judge", "filter.model.retries=0")


def at(judge: FakeEndpoint) -> tuple[str, ...]:
    return (*OWN, f"filter.model.base_url={judge.url}")


def written(config: RunConfig) -> Twins:
    dataset = data.load(config.dataset, config.task)
    return write(mixing.plan_mixture(dataset.train, pipeline.mixture_spec(config)), dataset, config)


BEFORE = {
    "no key": (
        ["filter=judge", "filter.model.api_key_env=NOT_THERE"],
        "filter.model.api_key_env=NOT_THERE: this environment variable is not set",
    ),
    "a limit without its price": (
        ["filter=judge", "prompt_model.max_usd=5"],
        "prompt_model.max_usd=5  cannot hold without a price; filter.model.price.prompt and .completion",
    ),
    "no weights": (
        ["filter=judge", "filter.model.provider=hf", "filter.model.weights=/no/such/folder"],
        "filter.model.weights=/no/such/folder: this folder holds no config.json",
    ),
    "no price, in a round trip": (["filter=round_trip", "prompt_model.max_usd=5"], "filter.model.price.prompt"),
}


@pytest.mark.parametrize(("overrides", "said"), BEFORE.values(), ids=BEFORE.keys())
def test_a_model_that_cannot_be_asked_is_known_before_a_twin_is_paid_for(
    overrides: list[str], said: str, table: str
) -> None:
    with FakeEndpoint(writes_claims) as writer, pytest.raises(LittlehumanError) as error:
        written(cell(writer, table, *OWN, *overrides))
    assert said in str(error.value)
    assert writer.requests == []


def test_a_cell_without_twins_and_one_whose_twins_are_kept_ask_no_filter_for_its_key(
    table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    needs_key = ("filter=judge", "filter.model.api_key_env=JUDGES_KEY")
    with FakeEndpoint(writes_claims) as writer, FakeEndpoint(lambda q, attempt: says("Score: 5")) as judge:
        assert written(cell(writer, table, *at(judge), *needs_key, "synth_frac=0")).by_id == {}
        monkeypatch.setenv("JUDGES_KEY", "sk-only-here")
        had = written(cell(writer, table, *at(judge), *needs_key))
        monkeypatch.delenv("JUDGES_KEY")
        assert written(cell(writer, table, *at(judge), *needs_key)).by_id == had.by_id


def test_errors_of_a_filters_own_model_name_its_own_settings(table: str) -> None:
    with (
        FakeEndpoint(writes_claims) as writer,
        FakeEndpoint(lambda q, attempt: fails(401, "bad key")) as judge,
        pytest.raises(LittlehumanError) as error,
    ):
        written(cell(writer, table, "filter=judge", *at(judge)))
    assert str(error.value).startswith(f"filter.model.name=judge at {judge.url}: the key is not accepted")
    assert "filter.model.api_key_env=NAME" in str(error.value) and "prompt_model" not in str(error.value)


def test_errors_of_the_writer_that_judges_itself_name_the_writer(table: str) -> None:
    def script(question: str, attempt: int) -> Reply:
        return fails(401, "bad key") if "Claim: " in question else writes_claims(question, attempt)

    with (
        FakeEndpoint(script) as both,
        pytest.raises(LittlehumanError, match="^prompt_model.name=model at .*the key is not accepted"),
    ):
        written(cell(both, table, "filter=judge"))


@pytest.mark.parametrize(
    ("verdict", "step", "reason"),
    [
        ("I could not say.", "judge", "it has the form, and says nothing"),
        pytest.param("", "judge", "empty answer", marks=pytest.mark.slow),
        ("Perhaps?", "round_trip", "unknown label"),
    ],
)
def test_a_judge_that_says_nothing_is_not_paid_for_the_whole_dataset(
    verdict: str, step: str, reason: str, table: str
) -> None:
    with (
        FakeEndpoint(writes_claims) as writer,
        FakeEndpoint(lambda q, attempt: says(verdict)) as judge,
        pytest.raises(LittlehumanError) as error,
    ):
        written(cell(writer, table, f"filter={step}", *at(judge), "filter.model.concurrency=1"))
    assert f"filter={step}: none of 10 answers of judge says anything about a twin; 10: {reason}" in str(error.value)
    assert f"Try: another filter.model, filter.{step}.max_tokens above 60" in str(error.value)
    assert len(judge.requests) <= 12


def test_a_judge_that_drops_nearly_all_is_named_and_not_the_writer(table: str) -> None:
    with (
        FakeEndpoint(writes_claims) as writer,
        FakeEndpoint(lambda q, attempt: says("Score: 1")) as judge,
        pytest.raises(LittlehumanError) as error,
    ):
        written(cell(writer, table, "filter=judge", *at(judge)))
    said = "filter=judge: 0 of 30 answers are usable twins; 30 are not because of: judge: score 1, below 4"
    assert f"{said}\nTry: a milder filter" in str(error.value)


def test_a_filter_whose_own_model_nobody_asks_is_a_problem_of_the_config(table: str) -> None:
    with FakeEndpoint(writes_claims) as writer, pytest.raises(ConfigError, match="asks nobody"):
        cell(writer, table, "filter=rules", *OWN)
