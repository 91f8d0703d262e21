"""Files of batches that another program wrote, or spoilt: one error that names the file."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from config_groups import prompt_model

from littlehuman.errors import GenerationError
from littlehuman.prompt_models.batch_files import read_results
from littlehuman.prompt_models.batch_store import BatchStore, Submission
from littlehuman.prompt_models.connection import ApiKey
from littlehuman.prompt_models.responses import TOO_LONG
from littlehuman.records import Completion

ADDRESS = "http://h/v1"
SPOILT: dict[str, dict[str, Any]] = {
    "keys that are a number": {"keys": 5},
    "keys that are no texts": {"keys": [1, 2]},
    "no round": {"round": None},
    "a phase that is none": {"phase": "asleep"},
    "errors that are a text": {"errors": "none"},
    "a time that is a text": {"asked_at": "noon"},
    "a further field": {"more": 1},
}


@pytest.mark.parametrize("values", SPOILT.values(), ids=SPOILT.keys())
def test_a_spoilt_file_of_a_batch_is_named(tmp_path: Path, values: dict[str, Any]) -> None:
    file = tmp_path / "x.json"
    file.write_text(json.dumps(asdict(Submission(ADDRESS, ["k"])) | values))
    with pytest.raises(GenerationError, match="x.json: this file should remember a batch"):
        list(BatchStore(tmp_path).containing({"k"}, ADDRESS))


@pytest.mark.parametrize("name", ["", "x y", "b'; rm -rf ~ #", 'b"$(id)', "b\x1b[2J", "b\n"])
def test_an_id_that_could_be_a_command_is_refused(name: str) -> None:
    from littlehuman.prompt_models.batch_client import BatchClient

    config = prompt_model("openai_compatible")
    with BatchClient(config, "http://h/v1", ApiKey(None), 50) as client, pytest.raises(GenerationError) as error:
        client._check_id(name)
    assert "an id that is none" in str(error.value) and "\x1b" not in str(error.value)


def test_a_whole_file_of_a_batch_is_read(tmp_path: Path) -> None:
    store, submission = BatchStore(tmp_path), Submission(ADDRESS, ["k"], asked_at=3)
    store.save(submission)
    assert list(store.containing({"k"}, ADDRESS)) == [submission]


def test_a_text_in_a_batch_has_the_same_limit_as_online(tmp_path: Path) -> None:
    choice = {"message": {"content": "x" * 20_000}, "finish_reason": "stop"}
    body = {"choices": [choice], "usage": {"prompt_tokens": 10, "completion_tokens": 5}}
    line = {"custom_id": "k", "response": {"status_code": 200, "body": body}}
    (tmp_path / "out.jsonl").write_text(json.dumps(line))
    ((_, found),) = read_results(tmp_path / "out.jsonl", 50)
    assert isinstance(found, Completion) and found.finish == TOO_LONG and found.completion_tokens == 5
