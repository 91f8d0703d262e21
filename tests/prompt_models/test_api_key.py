"""The API key stays out of errors, failures, answers, files and logs."""

import json
import logging
import traceback
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import quote

import pytest
from chat_requests import ask, at, chain, once
from fake_endpoint import FakeEndpoint, Reply, fails, says

import littlehuman
from littlehuman.errors import GenerationError
from littlehuman.prompt_models.connection import ApiKey
from littlehuman.records import Completion, Failure

PACKAGE = Path(littlehuman.__file__).parent
pytestmark = pytest.mark.usefixtures("endpoint_environment")


KEYS = ["sk-proj-1234567890abcdef", "k7", "a.+*?[(\\d]$", "q\"uo'te\\back", "per%cent&<tag>"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("kind", ["json", "text"])
def test_a_server_that_echoes_the_key_does_not_bring_it_into_the_error(
    key: str, kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", key)
    said = (
        fails(401, f"Incorrect API key provided: {key}.")
        if kind == "json"
        else Reply(f"Bad key {key}!".encode(), 401, kind="text/plain")
    )
    with FakeEndpoint(lambda q, attempt: said) as fake, pytest.raises(GenerationError) as error:
        ask(at(fake, api_key_env="MY_KEY"))
    assert fake.keys[0] == key
    assert "HTTP 401" in str(error.value)
    for link in chain(error.value):
        assert key not in str(link) and key not in repr(link) and key not in str(vars(link))
    shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    ours = [frame for frame in shown.stack if Path(frame.filename).is_relative_to(PACKAGE)]
    assert ours and not any(key in str(frame.locals) for frame in ours)
    assert key not in caplog.text


@pytest.mark.parametrize("key", KEYS)
def test_a_server_that_echoes_the_key_does_not_bring_it_into_a_failure(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    replies = {
        "q0": fails(400, f"your key {key}"),
        "q1": Reply(repr({"key": key}).encode(), 400, kind="text/plain"),
        "q2": Reply({"error": {"nested": {"key": key}}}, 400),
        "q3": fails(400, "x" * 280 + key),  # cut in the middle of the key
    }
    with FakeEndpoint(lambda q, attempt: replies.get(q, says("fine"))) as fake:
        answers = ask(at(fake, api_key_env="MY_KEY"), 5)
    reasons = [a.reason for a in answers.values() if isinstance(a, Failure)]
    assert len(reasons) == 4 and not any(key in reason for reason in reasons)
    assert not any(key[:8] in reason[270:] for reason in reasons if len(key) > 8)


@pytest.mark.parametrize("key", [key for key in KEYS if len(key) >= 8])
def test_an_answer_that_says_the_key_is_kept_without_it(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with FakeEndpoint(lambda q, attempt: says(f"Your key is {key}, is it not?")) as fake:
        (answer,) = ask(at(fake, api_key_env="MY_KEY"), 1).values()
    assert (
        isinstance(answer, Completion)
        and answer.text == f"Your key is {ApiKey(key).redact(key)}, is it not?"
        and key not in answer.text
    )


@pytest.mark.parametrize("key", ["EMPTY", "secret", "password", "k7"])
def test_a_key_that_could_be_a_word_is_left_in_answers_that_say_the_word(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_KEY", key)
    with FakeEndpoint(lambda q, attempt: says(f"The {key} was kept.")) as fake:
        (answer,) = ask(at(fake, api_key_env="MY_KEY"), 1).values()
    assert isinstance(answer, Completion) and answer.text == f"The {key} was kept."


@pytest.mark.parametrize("key", ["*", "**", "a*", "***"])
def test_the_mask_that_replaces_a_key_does_not_spell_it(key: str) -> None:
    assert key not in ApiKey(key).redact(f"*{key}*a{key}")


WRITTEN: dict[str, Callable[[str], str]] = {
    "plain": str,
    "JSON": lambda key: json.dumps({"key": key}),
    "Python": lambda key: repr({"key": key}),
    "URL": quote,
    "a form": lambda key: quote(key, safe=""),
    "HTML": escape,
}


@pytest.mark.parametrize("write", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_key_is_removed_however_it_is_quoted(write: Callable[[str], str]) -> None:
    key = "begin/\"'\\<&>%end"
    scrubbed = ApiKey(key).redact("your key " + write(key))
    assert "***" in scrubbed and "begin" not in scrubbed and "end" not in scrubbed


def test_a_key_shows_itself_to_nobody() -> None:
    assert "secret" not in repr(ApiKey("secret")) and "secret" not in str(ApiKey("secret"))


def test_a_key_with_typographic_quotes_is_refused_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "“sk-secret”")
    with pytest.raises(GenerationError, match="its value has characters that no key has") as error:
        ApiKey.from_environment("MY_KEY")
    assert all("secret" not in str(link) for link in chain(error.value))


def test_neither_requests_nor_the_key_reach_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", "sk-secret")
    with FakeEndpoint(once(fails(429, retry_after=0.01))) as fake:
        ask(at(fake, api_key_env="MY_KEY"))
    assert {record.name.split(".")[0] for record in caplog.records} <= {"asyncio", "littlehuman"}
    assert "sk-secret" not in caplog.text and "q0" not in caplog.text
