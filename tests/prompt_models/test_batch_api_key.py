"""The API key stays out of the files and errors of batches."""

import json
import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from batch_requests import (
    RETRY_AT_ONCE,
    at,
    breaking,
    run,
    saved,
)
from fake_batches import BatchEnd, Broken, FakeBatches, echo, refusal

import littlehuman
from littlehuman.errors import GenerationError
from littlehuman.prompt_models.batch_store import BatchStore, Submission
from littlehuman.records import Failure

PACKAGE = Path(littlehuman.__file__).parent
pytestmark = pytest.mark.usefixtures("endpoint_environment", "short_listing_delay")


KEYS = ["sk-proj-1234567890abcdef", "q\"uo'te\\back"]


@pytest.mark.parametrize("key", KEYS)
def test_a_provider_that_echoes_the_key_brings_it_into_no_file_log_or_failure(
    key: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("MY_KEY", key)
    written: list[str] = []

    def note(store: BatchStore, submission: Submission) -> None:
        save(store, submission)
        written.extend(path.read_text() for path in store.folder.iterdir())

    save = BatchStore.save
    monkeypatch.setattr(BatchStore, "save", note)
    named = [{"code": "x", "message": f"your key {key}", "line": 1}]

    def script(question: str, attempt: int) -> dict[str, Any] | None:
        return refusal(400, f"your key {key}") if question == "q1" else echo(question, attempt)

    broken = Broken(500, RETRY_AT_ONCE, f"your key {key}")
    with FakeBatches(
        script, BatchEnd("failed", errors=named), BatchEnd(), tap=breaking("retrieve", "before", broken, 9)
    ) as fake:
        answers = run(at(fake, api_key_env="MY_KEY"), 0, 1, 2)
    assert fake.keys == {key}
    assert sum(isinstance(a, Failure) and "your key ***" in a.reason for a in answers.values()) == 2
    assert any("your key ***" in text for text in written)
    for form in {key, json.dumps(key)[1:-1]}:
        assert not any(form in text for text in [*written, caplog.text, *map(str, answers.values())])
    assert {record.name.split(".")[0] for record in caplog.records} <= {"littlehuman", "filelock"}


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("what", ["list", "upload", "create", "retrieve", "content"])
def test_no_error_holds_the_key(what: str, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", key)
    wrong = Broken(401, {}, f"Incorrect API key provided: {key}.")
    with (
        FakeBatches(tap=breaking(what, "before", wrong, 99)) as fake,
        pytest.raises(GenerationError, match="HTTP 401") as error,
    ):
        run(at(fake, api_key_env="MY_KEY"), 0)
    link: BaseException | None = error.value
    while link is not None:
        assert key not in str(link) and key not in repr(link) and key not in str(vars(link))
        link = link.__cause__ or link.__context__
    shown = traceback.TracebackException.from_exception(error.value, capture_locals=True)
    ours = [frame for frame in shown.stack if Path(frame.filename).is_relative_to(PACKAGE)]
    assert ours and not any(key in str(frame.locals) for frame in ours)


def test_a_password_in_the_address_stays_out_of_state_and_errors() -> None:
    with (
        FakeBatches(tap=breaking("retrieve", "before", Broken(404), 99)) as fake,
        pytest.raises(GenerationError) as error,
    ):
        run(at(fake, base_url=fake.url.replace("//", "//me:hunter2@")), 0)
    assert "hunter2" not in str(error.value) and "hunter2" not in json.dumps(saved(at(fake)))
