"""A password in an address is refused wherever it stands, and never shown; one from the environment is taken."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, compose

from littlehuman.config.addresses import has_password, password_problems, refuse_passwords
from littlehuman.config.identity import identity_values
from littlehuman.errors import ConfigError, DataError

ADDRESSES = [
    "http://me:hunter2@host/v1",
    "https://me:hun/ter2@host",
    "http://me:hunter2@h:abc/v1",
    "http://hf_hunter2@host/v1",
    "https://:hunter2@host",
    "s3://key:hunter2@bucket/x.csv",
    "mongodb+srv://me:p@hunter2@host",
    "https://me:p@hunter2@host/v1",
    "https://host/x.csv?token=hunter2",
    "https://host/x.csv?a=b&api_key=hunter2",
    "https://host/x.csv?sig=hunter2&se=1",
    "https://host/x.csv?X-Amz-Signature=hunter2",
]
KEYS = [
    "prompt_model.base_url",
    "+dataset.path",
    "+filter.model.base_url",
    "dataset.hub",
    "filter.model.base_url",
    "tracker.project",
    "test_path",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("key", KEYS)
def test_a_password_in_an_address_is_refused_unseen_with_the_form_that_works(key: str, address: str) -> None:
    for argument in (f"{key}={address}", f"{key}='{address}'", f"{key}=a,{address}", f"{{x: {key}={address}}}"):
        with pytest.raises(ConfigError) as error:
            refuse_passwords(["seed=0", argument])
        assert "hunter2" not in str(error.value) and "${oc.env:PASSWORD}" in str(error.value)


@pytest.mark.parametrize(
    "argument",
    [
        "prompt_model.base_url=http://me:${oc.env:PASSWORD}@host/v1",
        "prompt_model.base_url=http://${oc.env:TOKEN}@host/v1",
        "dataset.path=https://host/x.csv?token=${oc.env:TOKEN}",
        "prompt_model.base_url=http://127.0.0.1:8000/v1",
        "prompt_model.base_url=http://h:8000,http://h:8001/v1",
        "prompt_model.base_url=http://h:8000/v1?to=you@home",
        "prompt_model.base_url=http://[::1]:8000/v1",
        "dataset.path=s3://me/x@2",
        "dataset.path=ssh://git@host/x",
        "prompt_model.name=you@home",
        "dataset.path=https://host/x.csv?monkey=1&page=2",
    ],
)
def test_what_is_no_password_or_comes_from_the_environment_is_taken(argument: str) -> None:
    refuse_passwords([argument])
    assert not has_password(argument.partition("=")[2])


def test_a_password_in_a_yaml_file_is_refused_by_its_key() -> None:
    config = {
        "dataset": {"path": "http://me:hunter2@h/", "files": {"train": "a.csv"}},
        "x": [{"y": "https://h/?sig=hunter2"}],
    }
    found = list(password_problems(config))
    assert [problem.where for problem in found] == ["dataset.path=***", "x.0.y=***"]
    assert "hunter2" not in str(ConfigError(found))


def test_a_password_from_the_environment_comes_into_no_result_and_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PASSWORD", "hunter2")
    config = compose("dataset.hub='http://me:${oc.env:PASSWORD}@host/x'")
    assert config.dataset.hub == "http://me:hunter2@host/x"
    assert "hunter2" not in str(identity_values(config))
    assert "hunter2" not in str(DataError(f"hub {config.dataset.hub} could not be read"))


def test_a_command_with_a_password_writes_no_file(tmp_path: Path) -> None:
    environment = {**os.environ, "LITTLEHUMAN_MULTIRUN": str(tmp_path / "multirun")}
    command = [sys.executable, "-m", "littlehuman.run", "dataset=table", "dataset.path=https://me:hunter2@host/x.csv"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1 and "dataset.path=***" in done.stderr
    assert "hunter2" not in done.stdout + done.stderr and list(tmp_path.iterdir()) == []
