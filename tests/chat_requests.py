"""Requests to a `FakeEndpoint`, as the tests of the chat client make them."""

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

from config_groups import prompt_model
from fake_endpoint import FakeEndpoint, Reply, Script, says

from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig


def echo(question: str, attempt: int) -> Reply:
    return says(f"You asked {question}")


def at(fake: FakeEndpoint, **values: Any) -> PromptModelConfig:
    return prompt_model("openai_compatible", **{"base_url": fake.url, "timeout_s": 5.0, "retries": 2, **values})


def requests(count: int) -> list[Prompt]:
    return [
        Prompt(f"e{i}", ({"role": "system", "content": "s"}, {"role": "user", "content": f"q{i}"}), f"k{i}")
        for i in range(count)
    ]


def ask(config: PromptModelConfig, count: int = 3) -> dict[str, Completion | Failure]:
    answers = list(Endpoint(config).complete(requests(count), 50))
    assert len({a.key for a in answers}) == len(answers)
    return {answer.key: answer for answer in answers}


def once(first: Reply) -> Script:
    """Each question meets `first`, and an answer when it is asked again."""
    return lambda question, attempt: first if attempt == 1 else echo(question, attempt)


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def worker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "prompt model"]


def close(answers: Iterator[Completion | Failure]) -> None:
    answers.close()  # type: ignore[attr-defined]


def wait_until(true: Any) -> None:
    limit = time.monotonic() + 15
    while not true() and time.monotonic() < limit:
        time.sleep(0.01)
    assert true()
