"""Redirects: prompts go to the origin that was named, and to no other."""

from __future__ import annotations

import time

import pytest
from chat_requests import ask, at, echo
from fake_batches import FakeBatches
from fake_endpoint import FakeEndpoint, Reply, Script, says

from littlehuman.errors import GenerationError

pytestmark = pytest.mark.usefixtures("endpoint_environment")


def to(location: str, status: int = 307) -> Reply:
    return Reply({}, status, {"location": location})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_prompt_goes_to_another_origin(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "sk-R3SECRET12")
    with FakeEndpoint(echo) as other, FakeEndpoint(lambda q, a: to(f"{other.url}/chat/completions", status)) as fake:
        with pytest.raises(GenerationError) as error:
            ask(at(fake, api_key_env="MY_KEY", retries=5, concurrency=2), 20)
        assert other.requests == [] and len(fake.requests) <= 2
        address = f"{other.url}/chat/completions, another origin: prompts do not go there"
        assert f"HTTP {status}: redirected to {address}" in str(error.value)
        assert f"Try: prompt_model.base_url={other.url} if that is" in str(error.value)


OTHER_ORIGINS = {
    "another host": "http://localhost:{port}/v1/chat/completions",
    "another scheme": "https://127.0.0.1:{port}/v1/chat/completions",
    "another port": "http://127.0.0.1:1/v1/chat/completions",
    "without a scheme": "//evil.example/v1/chat/completions",
    "no web": "ftp://127.0.0.1/x",
    "a user": "http://me@evil.example/v1",
}


@pytest.mark.parametrize("location", OTHER_ORIGINS.values(), ids=OTHER_ORIGINS.keys())
def test_what_differs_in_host_port_or_scheme_is_another_origin(location: str) -> None:
    with FakeEndpoint(lambda q, a: to(location.format(port=fake.url.rsplit(":", 1)[1].partition("/")[0]))) as fake:
        with pytest.raises(GenerationError, match="another origin: prompts do not go there"):
            ask(at(fake, retries=5), 1)
        assert len(fake.requests) == 1


LOOPS: dict[str, tuple[Script, int]] = {
    "to itself": (lambda q, attempt: to("/v1/chat/completions"), 1),
    "on and on": (lambda q, attempt: to(f"/v1/chat/completions?{attempt}"), 5),
    "to no address": (lambda q, attempt: to("http://[bad"), 1),
    "by another method": (lambda q, attempt: to("/v1/elsewhere", 303), 1),
}


@pytest.mark.parametrize(("script", "most"), LOOPS.values(), ids=LOOPS.keys())
def test_a_redirect_that_leads_nowhere_ends_the_run_at_once(script: Script, most: int) -> None:
    start = time.monotonic()
    with FakeEndpoint(script) as fake, pytest.raises(GenerationError, match="HTTP 30[37]: redirected to .*\nTry: "):
        ask(at(fake, retries=5), 1)
    assert len(fake.requests) <= most and time.monotonic() - start < 5


def test_a_redirect_within_the_origin_is_followed_with_the_prompt() -> None:
    with FakeEndpoint(lambda q, attempt: to("/v1/chat/completions/") if attempt == 1 else says("fine")) as fake:
        assert ask(at(fake), 1)["k0"].text == "fine"  # type: ignore[union-attr]
    assert fake.requests[0] == fake.requests[1]


def test_a_redirect_without_an_address_is_an_error_of_its_request() -> None:
    with FakeEndpoint(lambda q, attempt: Reply({}, 304) if q == "q0" else says("fine")) as fake:
        assert ask(at(fake), 2)["k0"].reason.startswith("HTTP 304")  # type: ignore[union-attr]


def test_a_password_in_the_address_of_a_redirect_is_not_shown() -> None:
    reply = to("http://me:R3SECRET@evil.example/v1")
    with FakeEndpoint(lambda q, a: reply) as fake, pytest.raises(GenerationError) as error:
        ask(at(fake), 1)
    assert "R3SECRET" not in str(error.value)


def test_the_words_of_a_server_do_not_reach_the_terminal_as_they_are() -> None:
    said = "\x1b]0;owned\x07no \x1b[2Jsuch\x9b31m \u202emodel\x00\u2066"
    reply = Reply({"error": {"message": said}}, 404)
    with FakeEndpoint(lambda q, a: reply) as fake, pytest.raises(GenerationError) as error:
        ask(at(fake), 1)
    assert "(HTTP 404: no such model)" in str(error.value)


def test_a_batch_api_is_not_followed_to_another_origin_either() -> None:
    from littlehuman.prompt_models.batch_client import BatchClient
    from littlehuman.prompt_models.connection import ApiKey

    with FakeBatches() as fake, FakeBatches() as other:
        fake.serve = lambda *args: (307, b"{}")  # type: ignore[method-assign]
        with BatchClient(at(fake, retries=0), fake.url, ApiKey(None), 50) as client:  # type: ignore[arg-type]
            client._client._client.event_hooks["response"] = [
                lambda response: response.headers.update({"location": f"{other.url}/batches"})
            ]
            with pytest.raises(GenerationError, match="another origin"):
                client.probe()
        assert not other.calls
