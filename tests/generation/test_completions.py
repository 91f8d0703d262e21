"""The way from requests to twins: streamed, asked again where an answer cannot be read, then visibly failed."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from config_groups import prompt_model
from conftest import TINY, compose
from fake_endpoint import FakeEndpoint, Reply, fails, says
from gather_completions import gather

from littlehuman import data, pipeline, twins
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import GenerationError
from littlehuman.generation import complete, completions, spending
from littlehuman.generation.costs import Bill
from littlehuman.generation.spending import SpendingLimit
from littlehuman.mixture import mixing
from littlehuman.prompt_models.cache import CompletionWriter, cache_path
from littlehuman.prompting import request_key
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.runs.artifacts import rows
from littlehuman.store import write_json
from littlehuman.twins import Twins
from littlehuman.twins import answers as twin_answers

MODEL = prompt_model("gpt-3.5-turbo")


pytestmark = pytest.mark.usefixtures("endpoint_environment")


# --- streamed ----------------------------------------------------------------------------------


class Requests:
    """Requests that are written when they are asked for; it counts how many are out and not yet answered."""

    def __init__(self, count: int) -> None:
        self.count, self.times = count, 0
        self.written = 0

    def __iter__(self) -> Iterator[Prompt]:
        self.times += 1
        self.written = 0
        for i in range(self.count):
            self.written += 1
            yield Prompt(f"e{i}", ({"role": "user", "content": f"q{i}"},), f"k{i:04}")


class Echo:
    """Answers each request before it takes the next."""

    batched, undelivered = False, ()

    def __init__(self, silent: Iterable[str] = (), extra: Iterable[Completion] = ()) -> None:
        self.silent, self.extra, self.asked = set(silent), list(extra), list[str]()
        self.closed = False

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        try:
            for prompt in prompts:
                self.asked.append(prompt.key)
                if prompt.key not in self.silent:
                    yield Completion(prompt.key, "x", "stop", 1, 1)
                yield from self.extra
        finally:
            self.closed = True


@pytest.fixture
def echo(monkeypatch: pytest.MonkeyPatch) -> Echo:
    model = Echo()
    monkeypatch.setattr(completions, "open_model", lambda config: model)
    return model


def test_requests_are_written_one_by_one_as_answers_are_taken(echo: Echo) -> None:
    requests = Requests(100)
    for taken, _ in enumerate(complete(requests, MODEL, 9, progress=False), 1):
        assert requests.times == 2 and requests.written == taken  # the first time they were counted


def test_what_the_cache_has_is_handed_over_before_anything_is_asked(echo: Echo) -> None:
    with CompletionWriter(cache_path(MODEL)) as writer:
        for key in ("k0007", "k0003"):
            writer.add(Completion(key, "kept", "stop", 1, 1))
    answers = complete(Requests(9), MODEL, 9, progress=False)
    assert {next(answers).key, next(answers).key} == {"k0003", "k0007"} and echo.asked == []
    assert next(answers).key == "k0000"
    answers.close()


def test_each_answer_is_in_the_cache_when_it_is_handed_over(echo: Echo) -> None:
    for answer in complete(Requests(5), MODEL, 9, progress=False):
        other, _ = gather([Prompt("e", (), answer.key)], MODEL, 9, progress=False)
        assert list(other) == [answer.key]
    assert len(echo.asked) == 5


def test_closing_ends_what_is_under_way_and_releases_its_locks(echo: Echo) -> None:
    answers = complete(Requests(5), MODEL, 9, progress=False)
    next(answers)
    assert list(cache_path(MODEL).glob("claims/*.keys"))
    answers.close()
    assert echo.closed and not list(cache_path(MODEL).glob("claims/*.keys"))


def test_requests_that_can_be_gone_through_once_are_served_too(echo: Echo) -> None:
    assert len(list(complete(iter(Requests(5)), MODEL, 9, progress=False))) == 5


def test_a_request_that_the_model_passes_over_is_a_failure_and_no_hole(echo: Echo) -> None:
    echo.silent = {"k0001"}
    answers, bill = gather(Requests(3), MODEL, 9, progress=False)
    assert answers["k0001"] == Failure("k0001", "the prompt model gave no answer") and bill.failed == 1


def test_an_answer_that_nobody_asked_for_or_that_comes_twice_is_passed_over(echo: Echo) -> None:
    echo.extra = [Completion("k0000", "twice", "stop", 1, 1), Completion("unknown", "?", "stop", 1, 1)]
    answers, bill = gather(Requests(3), MODEL, 9, progress=False)
    assert len(answers) == bill.requests == 3 and {a.text for a in answers.values() if isinstance(a, Completion)} == {
        "x"
    }


def test_the_progress_bar_shows_done_failed_tokens_cost_and_the_time_left(
    echo: Echo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    echo.silent = {"k0001"}
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)  # bars are for terminals
    gather(Requests(4), MODEL, 9, SpendingLimit(), what="verdicts", progress=True)
    last = capsys.readouterr().err.rstrip().rpartition("\r")[2]
    assert last.startswith("verdicts by gpt-3.5-turbo: 100%") and "4/4 [00:00<00:00" in last
    assert last.endswith("1 failed, 6.00 tokens, $0.000006]")


# --- asked again -------------------------------------------------------------------------------


def answer_to(question: str) -> Reply:
    return says(f"Question: What of {hash(question) % 1000}? || Answer: that")


def config_of(fake: FakeEndpoint, *overrides: str) -> RunConfig:
    where = ("prompt_model=openai_compatible", f"prompt_model.base_url={fake.url}", "prompt_model.retries=0")
    config: RunConfig = compose(*TINY, *where, "n_train=4", "synth_frac=1", "prompt_model.temperature=1", *overrides)
    return config


def written(config: RunConfig, folder: Path | None = None) -> Twins:
    dataset = data.load(config.dataset, config.task)
    return twins.write(mixing.plan_mixture(dataset.train, pipeline.mixture_spec(config)), dataset, config, folder)


def first_bad(attempts: int, questions: list[str]) -> Any:
    """A script: the first question is answered badly so many times."""

    def script(question: str, attempt: int) -> Reply:
        questions.append(question)
        return says("I cannot.") if question == questions[0] and attempt <= attempts else answer_to(question)

    return script


def test_an_answer_that_cannot_be_read_is_asked_for_again_and_each_attempt_is_counted() -> None:
    with FakeEndpoint(first_bad(2, [])) as fake:
        config = config_of(fake, "strategy.attempts=3")
        had = written(config)
        again = written(config)
    assert len(had.by_id) == 4 and had.rejected == ()
    assert (had.bill.requests, had.bill.asked_again, had.bill.failed, had.bill.prompt_tokens) == (6, 2, 0, 60)
    assert len(fake.requests) == 6
    assert again.by_id == had.by_id and (again.bill.from_cache, again.bill.usd) == (6, 0.0)  # every attempt was kept


def test_after_the_last_attempt_it_is_visibly_failed_and_a_spare_stands_in() -> None:
    with FakeEndpoint(first_bad(9, [])) as fake:
        had = written(config_of(fake, "strategy.attempts=3"))
    (rejected,) = had.rejected
    assert (rejected.reason, rejected.raw, rejected.asked) == ("no Question", "I cannot.", 3)
    assert len(had.by_id) == 4 and len(fake.requests) == 7


def test_without_further_attempts_a_twin_is_asked_for_once() -> None:
    with FakeEndpoint(first_bad(9, [])) as fake:
        (rejected,) = written(config_of(fake)).rejected
    assert rejected.asked == 1 and len(fake.requests) == 5


def test_a_greedy_answer_is_not_asked_for_again_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "littlehuman")
    with FakeEndpoint(first_bad(9, [])) as fake:
        (rejected,) = written(config_of(fake, "strategy.attempts=3", "prompt_model.temperature=0")).rejected
    assert rejected.asked == 1 and len(fake.requests) == 5
    assert [m for m in caplog.messages if m.startswith("strategy.attempts=3: each twin is asked for once")]


def test_a_request_that_failed_is_no_answer_to_be_asked_for_again() -> None:
    questions: list[str] = []

    def script(question: str, attempt: int) -> Reply:
        questions.append(question)
        return fails(400, "not this") if question == questions[0] else answer_to(question)

    with FakeEndpoint(script) as fake:
        (rejected,) = written(config_of(fake, "strategy.attempts=3")).rejected
    assert (rejected.reason, rejected.asked, len(fake.requests)) == ("HTTP 400: not this", 1, 5)


def test_further_samples_have_keys_of_their_own_and_the_first_has_the_key_that_it_always_had() -> None:
    words = ({"role": "user", "content": "x"},)
    keys = [request_key(MODEL, words, 9, sample) for sample in (0, 1, 2)]
    assert len(set(keys)) == 3 and keys[0] == request_key(MODEL, words, 9)


def test_twins_stand_in_the_order_of_their_points_whatever_order_answers_come_in() -> None:
    def late(question: str, attempt: int) -> Reply:
        return Reply(
            answer_to(question).body, delay=0.2 if attempt == 1 and not fake.questions.index(question) else 0.0
        )

    with FakeEndpoint(late) as fake:
        config = config_of(fake)
        in_order = list(written(config).by_id)
    dataset = data.load(config.dataset, config.task)
    assert in_order == [e.id for e in mixing.plan_mixture(dataset.train, pipeline.mixture_spec(config)).to_replace]


def test_an_unusable_prompt_model_is_not_asked_for_every_point_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(twin_answers, "MAX_UNUSABLE", 5)
    with FakeEndpoint(lambda q, attempt: says("I cannot.")) as fake:
        with pytest.raises(GenerationError, match="0 of 5 answers are usable twins; 5 are not because of: no Question"):
            written(config_of(fake, "n_train=30", "prompt_model.concurrency=2"))
        assert len(fake.requests) <= 7


def test_a_cell_that_wants_one_twin_does_not_end_with_its_first_bad_answer() -> None:
    with FakeEndpoint(first_bad(9, [])) as fake:
        had = written(config_of(fake, "n_train=1"))
    assert len(had.by_id) == 1 and [r.raw for r in had.rejected] == ["I cannot."] and len(fake.requests) == 2


MONEY = (
    "prompt_model.price.prompt=0",
    "prompt_model.price.completion=1000",
    "strategy.max_tokens=10",
    "prompt_model.concurrency=1",
)


def test_the_limit_holds_over_the_rounds_of_a_run() -> None:
    with FakeEndpoint(first_bad(9, [])) as fake:  # 5 tokens of 10 are used: half a cent of one
        config = config_of(fake, *MONEY, "prompt_model.max_usd=0.029")
        with pytest.raises(
            GenerationError,
            match=r"this run spent \$0\.020, the next request may cost \$0\.010, and 1 requests are left",
        ):
            written(config)
        assert len(written(config).by_id) == 4  # the same command: the four that were paid for are free now


def test_what_a_run_paid_before_it_failed_is_on_its_bill_in_the_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "littlehuman")
    with FakeEndpoint(first_bad(0, [])) as fake:
        config = config_of(fake, *MONEY, "prompt_model.max_usd=0.016")
        with pytest.raises(GenerationError):
            written(config, tmp_path)
        assert caplog.messages[-1].startswith("twins by model: paid $0.010 for 2 requests")
        had = written(config, tmp_path)
    assert (had.bill.usd, had.bill.usd_before, had.bill.from_cache) == pytest.approx((0.01, 0.01, 2))
    assert spending.paid(tmp_path) == pytest.approx(0.02)


def test_a_cell_that_failed_shows_what_it_paid(tmp_path: Path) -> None:
    spending.SpendRecord(tmp_path / "cell").write(Bill(requests=1, usd=0.25))
    write_json(tmp_path / "cell" / "status.json", {"state": "failed", "reason": "x", "knobs": {}})
    assert rows(tmp_path)[0]["usd"] == 0.25
