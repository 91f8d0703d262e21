"""What is paid: said before, limited, and counted after."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from config_groups import prompt_model
from fake_endpoint import FakeEndpoint, Reply, fails, says
from gather_completions import gather
from study_factory import write_study

from littlehuman import results
from littlehuman.errors import ConfigError, GenerationError
from littlehuman.generation import completions
from littlehuman.generation.costs import Bill, TokenCounter, dollars, token_counter
from littlehuman.generation.spending import SpendingLimit
from littlehuman.prompt_models.cache import cache_path, lookup
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.reporting import gathering, tables
from littlehuman.schema import PriceConfig, PromptModelConfig
from littlehuman.store import read_json, write_json

PRICE = PriceConfig(prompt=1000.0, completion=2000.0)  # a tenth of a cent a token, two tenths
ONE = (10 * 1000 + 5 * 2000) / 1e6  # what an answer of the fake endpoint takes
WORST = ((2 + 32) * 1000 + 50 * 2000) / 1e6  # a question of two bytes in one turn, an answer of 50 tokens


pytestmark = pytest.mark.usefixtures("endpoint_environment")


def requests(count: int, first: int = 0) -> list[Prompt]:
    return [
        Prompt(f"e{i}", ({"role": "user", "content": f"q{i % 10}"},), f"k{i:04}") for i in range(first, first + count)
    ]


def at(fake: FakeEndpoint, **values: Any) -> PromptModelConfig:
    return prompt_model("openai_compatible", **{"base_url": fake.url, "retries": 0, "price": PRICE, **values})


def echo(question: str, attempt: int) -> Reply:
    return says("an answer")


# --- before ------------------------------------------------------------------------------------


def test_the_estimate_is_said_before_the_first_request(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "littlehuman")
    seen: list[str] = []

    def noting(question: str, attempt: int) -> Reply:
        seen.append(caplog.messages[0])
        return says("x")

    with FakeEndpoint(noting) as fake:
        gather(requests(2), at(fake), 50, progress=False)
        caplog.clear()
        gather(requests(6), at(fake), 50, progress=False)
    # Each question is two characters, one token, and four tokens of chat format.
    how = r"\(counted as 4 characters a token: tiktoken (is not installed|does not know model)\)"
    counts = f"6 requests, 2 from the cache; about 20 prompt tokens {how}"
    text = rf"asking model for twins: {counts}; between \$0\.020 and \$0\.42"
    assert re.fullmatch(text, seen[-1])


def test_a_limit_of_nothing_shows_the_estimate_and_asks_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "littlehuman")
    with FakeEndpoint(echo) as fake, pytest.raises(GenerationError) as error:
        gather(requests(6), at(fake, max_usd=0.0), 50, progress=False)
    assert fake.requests == []
    assert caplog.messages[0].endswith("between $0.030 and $0.63; at most $0.00 (prompt_model.max_usd)")
    first, *_ = str(error.value).split("\n")
    assert first.startswith("prompt_model.max_usd=0: stopped before it is passed; this run spent $0.00, ")
    assert first.endswith("the next request may cost $0.13, and 6 requests are left")
    assert "prompt_model.max_usd=0 shows the estimate and asks nothing" in str(error.value)


def test_what_costs_nothing_is_said_to_cost_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "littlehuman")
    with FakeEndpoint(echo) as fake:
        gather(requests(1), at(fake, price=PriceConfig()), 50, progress=False)
    assert caplog.messages[0].endswith("; prompt_model.price says that they cost nothing")


def test_a_limit_without_a_price_is_refused_before_the_first_request() -> None:
    with (
        FakeEndpoint(echo) as fake,
        pytest.raises(ConfigError, match=r"prompt_model.max_usd=5 +cannot hold without a price"),
    ):
        gather(requests(1), at(fake, price=PriceConfig(), max_usd=5.0), 50, progress=False)
    assert fake.requests == []


# --- the limit ---------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 64])
@pytest.mark.parametrize("limit", [WORST, 0.5])
def test_the_limit_is_never_passed_and_used_as_far_as_it_is_safe(limit: float, concurrency: int) -> None:
    spending = SpendingLimit(limit)
    with FakeEndpoint(echo) as fake:
        model = at(fake, max_usd=limit, concurrency=concurrency)
        with pytest.raises(GenerationError, match="stopped before it is passed"):
            gather(requests(200), model, 50, spending, progress=False)
        asked = len(fake.requests)
        assert asked * ONE == pytest.approx(spending.bill.usd) and spending.bill.usd <= limit
        assert spending.bill.usd + WORST > limit
    assert len(lookup(cache_path(model), {f"k{i:04}" for i in range(200)})) == asked  # all that was paid for was kept


def test_the_limit_holds_for_a_run_whatever_it_asks_and_not_beyond_it() -> None:
    spending = SpendingLimit(1.0)
    with FakeEndpoint(echo) as fake:
        model = at(fake, max_usd=1.0)
        gather(requests(40), model, 50, spending, progress=False)
        with pytest.raises(GenerationError, match=r"this run spent \$0\.8\d"):
            gather(requests(40, first=40), model, 50, spending, progress=False)
        paid_before = len(fake.requests)
        gather(requests(70), model, 50, progress=False)  # the next run: what the cache has costs nothing
    assert paid_before < 45 and len(fake.requests) == 70


def test_what_came_from_the_cache_needs_no_money() -> None:
    with FakeEndpoint(echo) as fake:
        gather(requests(5), at(fake), 50, progress=False)
        _, bill = gather(requests(5), at(fake, max_usd=0.0), 50, progress=False)
    assert (bill.usd, bill.from_cache) == (0.0, 5) and bill.usd_without_cache == pytest.approx(5 * ONE)


def test_failures_cost_nothing_and_free_what_was_set_aside_for_them() -> None:
    refuses = 30
    with FakeEndpoint(lambda q, attempt: fails(400) if attempt <= refuses // 10 else says("x")) as fake:
        _, bill = gather(requests(34), at(fake, max_usd=WORST + 3 * ONE, concurrency=1), 50, progress=False)
    assert bill.failed == refuses and bill.usd == pytest.approx(4 * ONE)


def test_answers_without_their_number_of_tokens_count_as_the_dearest_ones_for_the_limit() -> None:
    spending = SpendingLimit(4 * WORST)
    with (
        FakeEndpoint(lambda q, attempt: says("x", usage=None)) as fake,
        pytest.raises(GenerationError, match="stopped before"),
    ):
        gather(requests(9), at(fake), 50, spending, progress=False)
    assert len(fake.requests) == spending.uncounted == 4


def test_a_server_that_does_not_keep_max_tokens_passes_the_limit_by_what_was_under_way_alone() -> None:
    spending = SpendingLimit(10 * WORST)
    with (
        FakeEndpoint(lambda q, attempt: says("x", usage=(0, 500))) as fake,
        pytest.raises(GenerationError, match="it is passed, for the server"),
    ):
        gather(requests(50), at(fake, concurrency=2), 50, spending, progress=False)
    assert len(fake.requests) <= 4


@pytest.mark.parametrize("at_once", [2, 16])
def test_answers_twice_as_long_as_asked_for_use_the_limit_as_far_as_it_goes(at_once: int) -> None:
    spending = SpendingLimit(100 * WORST)
    cost = (0 * 1000 + 100 * 2000) / 1e6  # of an answer of 100 tokens where 50 were asked for
    with (
        FakeEndpoint(lambda q, attempt: says("x", usage=(0, 100))) as fake,
        pytest.raises(GenerationError, match="max_usd"),
    ):
        gather(requests(200), at(fake, concurrency=at_once), 50, spending, progress=False)
    assert 100 * WORST - 2 * cost <= spending.bill.usd <= 100 * WORST


# --- after -------------------------------------------------------------------------------------


class Batch:
    """A prompt model that answers through a batch API."""

    batched, undelivered = True, ()

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        return (Completion(prompt.key, "x", "stop", 10, 5) for prompt in prompts)


def test_the_batch_api_costs_its_share(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "littlehuman")
    monkeypatch.setattr(completions, "open_model", lambda config: Batch())
    model = prompt_model(
        "openai_compatible", price=PriceConfig(prompt=1000.0, completion=2000.0, batch_share=0.25), max_usd=10.0
    )
    _, bill = gather(requests(4), model, 50, progress=False)
    assert (bill.batched, bill.requests) == (4, 4)
    assert bill.usd == bill.usd_without_cache == pytest.approx(ONE)
    assert "between $0.005 and $0.10 through the batch API; at most $10.00" in caplog.messages[0].replace(
        "$0.0050", "$0.005"
    )


def test_what_the_cache_saves_a_batch_is_the_price_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "open_model", lambda config: Batch())
    model = prompt_model(
        "openai_compatible", price=PriceConfig(prompt=1000.0, completion=2000.0, batch_share=0.25), batch_api=True
    )
    _, first = gather(requests(4), model, 50, progress=False)
    _, again = gather(requests(4), model, 50, progress=False)
    assert (again.from_cache, again.usd, again.batched) == (4, 0.0, 0)
    assert again.usd_without_cache == pytest.approx(first.usd) and first.usd > 0


def test_the_limit_of_a_batch_counts_its_share_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(completions, "open_model", lambda config: Batch())
    model = prompt_model("openai_compatible", price=PRICE)
    with pytest.raises(GenerationError):
        gather(requests(4), model, 50, SpendingLimit(WORST * 0.49), progress=False)
    gather(requests(1), model, 50, SpendingLimit(WORST * 0.51), progress=False)


def test_the_bill_in_words_lists_what_the_cache_saved() -> None:
    bill = Bill(
        requests=30, from_cache=10, prompt_tokens=12_000, completion_tokens=800, usd=0.25, usd_without_cache=0.38
    )
    assert (
        str(bill)
        == "$0.25 for 20 requests (12,000 + 800 tokens); 10 more came from the cache for nothing, which saved $0.13"
    )
    assert str(Bill(requests=2, from_cache=2)) == "nothing: all 2 answers came from the cache"


def test_bills_add_up() -> None:
    one, other = Bill(1, 2, 3, 4, 5, 0.5, 1.5, 1, 1), Bill(10, 20, 30, 40, 50, 5.0, 15.0, 2, 3)
    assert one + other == Bill(11, 22, 33, 44, 55, 5.5, 16.5, 3, 4)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0.0, "$0.00"),
        (1234.5, "$1,234.50"),
        (0.126, "$0.13"),
        (0.043, "$0.043"),
        (0.0072, "$0.0072"),
        (0.000012, "$0.000012"),
    ],
)
def test_amounts_have_the_digits_that_they_need(amount: float, text: str) -> None:
    assert dollars(amount) == text


# --- tokens ------------------------------------------------------------------------------------


def test_local_weights_count_with_their_own_tokenizer(tmp_path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    own = Tokenizer(models.WordLevel({"?": 0}, unk_token="?"))
    own.pre_tokenizer = pre_tokenizers.Whitespace()
    own.enable_truncation(3)
    own.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text("{}")
    counter = token_counter(prompt_model("hf", weights=str(tmp_path)))
    assert (counter.how, counter.exact) == ("counted by its own tokenizer", True)
    assert counter.count("The ferry leaves at six.") == 6


def test_weights_that_are_not_here_are_counted_by_their_length_and_never_fetched() -> None:
    counter = token_counter(prompt_model("hf", weights="somebody/some-model"))
    assert (counter.count("x" * 9), counter.exact) == (3, False)
    assert counter.how == "counted as 4 characters a token: its tokenizer is not on this machine"


def test_without_the_models_tokenizer_no_text_can_have_more_tokens_than_is_set_aside() -> None:
    prompt = Prompt("e", ({"role": "user", "content": "日本語 🚢"},), "k")
    rough = TokenCounter(lambda text: len(text) // 4, "", exact=False)
    assert rough.upper_bound(prompt) >= len("日本語 🚢".encode()) > rough.estimate(prompt)


# --- in the study ------------------------------------------------------------------------------


def test_a_study_lists_what_was_paid_and_what_the_cache_saved(tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", fractions=(0.5,), seeds=(0, 1))
    bills = [
        Bill(requests=10, prompt_tokens=100, completion_tokens=50, usd=0.5, usd_without_cache=0.5),
        Bill(requests=10, from_cache=8, usd=0.125, usd_without_cache=0.625),
    ]
    done = [path for path in sorted(study.glob("*/result.json")) if read_json(path)["counts"]["synthetic"]]
    for path, bill in zip(done, bills, strict=True):
        write_json(path, read_json(path) | {"cost": asdict(bill)})
    frame = results.load(study)
    row = gathering.cost_table(frame[frame["n_synthetic"] > 0]).iloc[0]
    assert (row.usd, row.usd_saved, row.requests, row.from_cache) == (0.625, 0.5, 20, 8)
    assert tables.cost(gathering.cost_table(frame[frame["n_synthetic"] > 0])).rows[0][2:6] == (
        "0.62",
        "0.50",
        "20",
        "8",
    )
