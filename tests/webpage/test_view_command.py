"""The command `view`: what it says where it cannot begin."""

from __future__ import annotations

import builtins
import socket
from pathlib import Path
from typing import Any

import pytest
from study_factory import write_study

from littlehuman import view


def test_a_folder_that_is_none_and_a_port_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert view.main([str(tmp_path / "nowhere"), "--no-browser"]) == 1
    told = capsys.readouterr().err
    assert "nowhere: is no folder\n" in told and "a folder multirun/STUDY" in told
    for port in ("http", "70000", "-1"):
        with pytest.raises(SystemExit) as end:
            view.main([str(tmp_path), "--port", port])
        assert end.value.code == 2


def test_a_port_that_is_taken_is_named_with_another_to_try(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert view.main([str(tmp_path), "--no-browser", "--port", str(port)]) == 1
    assert f"--port {port}: 127.0.0.1 does not give it" in capsys.readouterr().err


def test_without_the_extra_there_is_one_error_with_what_to_install(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "uvicorn":
            raise ModuleNotFoundError("No module named 'uvicorn'", name="uvicorn")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    assert view.main([str(write_study(tmp_path / "s", fractions=(0.0,), seeds=(0,), items=5))]) == 1
    assert capsys.readouterr().err.endswith("not installed\nTry: pip install starlette uvicorn\n")
