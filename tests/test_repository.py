"""The repository around the package: the network guard of the tests, the Makefile, CI, and what is written twice."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable

import pytest
from conftest import ROOT, python


def test_no_request_leaves(refused_requests: Callable[[], list[str]]) -> None:
    with pytest.raises(OSError, match="no request may leave"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    with pytest.raises(OSError, match="no request may leave"), socket.socket() as made:
        made.connect(("198.51.100.7", 443))
    with pytest.raises(OSError, match="no request may leave"):
        socket.getaddrinfo("huggingface.co", 443)
    child = python("-c", "import urllib.request; urllib.request.urlopen('http://example.org')")
    assert child.code != 0 and "no request may leave" in child.err
    assert refused_requests() == ["192.0.2.1", "198.51.100.7", "huggingface.co", "example.org"]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass
    assert refused_requests() == []


def test_make_help_lists_targets_that_exist() -> None:
    make = shutil.which("make")
    if not make:
        pytest.skip("make is not installed")
    listed = subprocess.run(
        [make, "-C", str(ROOT), "--no-print-directory", "help"], capture_output=True, text=True, timeout=30
    )
    targets = [line.split()[1] for line in listed.stdout.splitlines()]
    assert {"install", "run", "test", "test-all", "check"} <= set(targets)
    for target in targets:
        dry = subprocess.run([make, "-C", str(ROOT), "-n", target], capture_output=True, text=True, timeout=30)
        assert dry.returncode == 0, dry.stderr


def test_the_time_that_the_benchmarks_take_is_said_alike_everywhere() -> None:
    said = {}
    for name in (
        "Makefile",
        "docs/computing.md",
        "CONTRIBUTING.md",
        "benchmarks/README.md",
        "benchmarks/page.py",
        "benchmarks/sizes.py",
    ):
        lines = " ".join((ROOT / name).read_text().split())
        said[name] = set(re.findall(r"(?:make bench|bench:|sized for|full \(about).{0,160}?(\d+) minutes", lines))
    assert all(minutes == {"30"} for minutes in said.values()), said


def test_continuous_integration_runs_the_commands_that_people_run() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    text = script.read_text()
    assert "make check" in text and "make test" in text and "set -euo pipefail" in text
