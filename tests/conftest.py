"""Fixtures for all tests: temporary folders, no network, and the command line in this process."""

from __future__ import annotations

import contextlib
import copy
import gc
import inspect
import io
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import absl.logging
import pytest
from filelock import FileLock
from kept_configurations import keep_configurations

# With pytest's own stream it would close that one when logging is configured again.
absl.logging.get_absl_handler().python_handler.stream = sys.__stderr__
os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported: it reads this once
os.environ.setdefault("OMP_NUM_THREADS", "1")

ROOT = Path(__file__).parents[1]
CONF = ROOT / "conf"
PUBLIC_DATA = Path(os.environ.get("LITTLEHUMAN_TEST_DATA") or ROOT.parent / "shared" / "data")
TINY = (
    "model=tiny",
    "launch=cpu",
    "launch.progress=false",
    "launch.keep_adapter=false",
    "metrics.bootstrap=100",
    "n_test=5",
)


def forbid_requests(note: Callable[[str], object]) -> None:
    """Refuse and note connections to any host but this machine.

    Child processes run a copy of this function's source, so it imports what it needs itself.
    """
    import ipaddress
    import socket

    def check(host: Any) -> None:
        name = host.decode() if isinstance(host, bytes) else str(host or "localhost")
        try:
            address = ipaddress.ip_address(name.partition("%")[0])
            fine = address.is_loopback or address.is_unspecified
        except ValueError:
            fine = name == "localhost"
        if not fine:
            note(name)
            raise OSError(f"no request may leave this machine in a test: {name}")

    def guarded(method: Any, host_of: Callable[..., Any]) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            check(host_of(*args))
            return method(*args, **kwargs)

        return call

    def of_address(made: Any, *arguments: Any) -> Any:
        return (
            arguments[-1][0]
            if made.family in (socket.AF_INET, socket.AF_INET6) and isinstance(arguments[-1], tuple)
            else None
        )

    kind: Any = socket.socket
    for method in ("connect", "connect_ex", "sendto"):
        setattr(kind, method, guarded(getattr(kind, method), of_address))
    names: Any = socket
    names.getaddrinfo = guarded(socket.getaddrinfo, lambda host, *_: host)
    names.gethostbyname = guarded(socket.gethostbyname, lambda host: host)


@pytest.fixture(scope="session", autouse=True)
def _session_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Temporary folders for cache, results and the list of refused hosts, also for child processes."""
    base = tmp_path_factory.mktemp("session")
    notes = base / "requests.txt"
    child = base / "child"
    child.mkdir()
    code = (
        inspect.getsource(forbid_requests)
        .replace("Callable[[str], object]", "object")
        .replace("Callable[..., Any]", "object")
    )
    code = f"from __future__ import annotations\n\n{code}\n"
    code += f"forbid_requests(lambda host: open({str(notes)!r}, 'a').write(host + '\\n'))\n"
    (child / "sitecustomize.py").write_text(code)
    forbid_requests(lambda host: notes.open("a").write(host + "\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITTLEHUMAN_CACHE", str(base / "cache"))
        patch.setenv("LITTLEHUMAN_MULTIRUN", str(base / "multirun"))
        patch.setenv("PYTHONPATH", str(child), prepend=os.pathsep)
        patch.setenv("SSL_CERT_FILE", "")  # HTTP clients read no certificates then, which takes 0.1 s for each client
        patch.setenv("SSL_CERT_DIR", str(child))
        for name in ("OPENAI_API_KEY", "HYDRA_FULL_ERROR", "LITTLEHUMAN_COMMAND"):
            patch.delenv(name, raising=False)
        yield notes


@pytest.fixture(scope="session", autouse=True)
def _configurations_are_kept() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        keep_configurations(patch, CONF)
        yield


@pytest.fixture(scope="module", autouse=True)
def _older_objects_are_not_searched() -> None:
    """Collections of garbage leave out what earlier modules left: the objects of the libraries are a million."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def refused_requests(_session_folders: Path) -> Callable[[], list[str]]:
    """Return the refused hosts, and clear the list."""

    def take() -> list[str]:
        hosts = _session_folders.read_text().splitlines() if _session_folders.exists() else []
        _session_folders.unlink(missing_ok=True)
        return hosts

    return take


@pytest.fixture(autouse=True)
def _no_request(refused_requests: Callable[[], list[str]]) -> Iterator[None]:
    """Fail a test that tried to reach another machine, even if the code caught the error."""
    yield
    hosts = refused_requests()
    if hosts:
        pytest.fail(f"requests left for: {', '.join(hosts)}")


@pytest.fixture
def endpoint_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no proxy, and no settings of OpenAI's client."""
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def interruption(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Interrupts trainings."""
    from training_parts import Interruption

    return Interruption(monkeypatch)


@pytest.fixture
def multirun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for the results of this test."""
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", str(tmp_path / "multirun"))
    return tmp_path / "multirun"


@cache
def compose(*overrides: str) -> Any:
    """The typed config of a command line, without running it (frozen, so it can be cached).

    Composing is slow, so it is done once for each choice of groups; values are then set as Hydra sets them.
    """
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.override_parser.overrides_parser import OverridesParser

    from littlehuman.config import run_config

    groups = tuple(word for word in overrides if not _is_value(word))
    config = copy.deepcopy(_composed(groups))
    values = OverridesParser.create().parse_overrides([word for word in overrides if _is_value(word)])
    ConfigLoaderImpl._apply_overrides_to_config(values, config)
    return run_config.from_hydra(config)


@cache
def _composed(groups: tuple[str, ...]) -> Any:
    import hydra

    from littlehuman import run

    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        return hydra.compose("config", overrides=list(groups))


def _is_value(override: str) -> bool:
    """Whether an override sets a value; it chooses a file of a group, or changes Hydra's own settings, otherwise."""
    key = override.partition("=")[0].lstrip("+~")
    return not (key.startswith("hydra") or "/" in key or "@" in key or (ROOT / "conf" / key).is_dir())


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All output."""
        return self.out + self.err


Cli = Callable[..., Ended]


@pytest.fixture(autouse=True)
def _nothing_typed() -> Iterator[None]:
    """Commands note what was typed, which is not for the next test."""
    yield
    os.environ.pop("LITTLEHUMAN_TYPED", None)


@pytest.fixture
def cli(multirun: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """The command line in this process: as `python -m littlehuman.run`, without the 4 seconds of imports."""
    from littlehuman import run
    from littlehuman.store import INVOCATION

    monkeypatch.setenv(INVOCATION, "")  # so that monkeypatch restores it
    # It composes the whole configuration once more, only to look for hydra.mode.
    monkeypatch.setattr("hydra._internal.hydra.Hydra.get_mode", lambda *_, **__: None)

    def call(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["littlehuman", *arguments])
        out, err, code = io.StringIO(), io.StringIO(), 0
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _logging_restored():
            try:
                run.cli()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else int(end.code is not None)
        return Ended(code, out.getvalue(), err.getvalue())

    return call


@contextlib.contextmanager
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:], root.level = handlers, level


def python(*arguments: str, cwd: Path | None = None, **environment: str) -> Ended:
    """Run a new Python process."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd or ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def write_csv(path: Path, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Path:
    """Write a csv table."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(cells) for cells in (columns, *rows)) + "\n", encoding="utf-8")
    return path


def claims(count: int, place: str = "harbour") -> list[list[str]]:
    """Rows of evidence, claim and label, each with different evidence."""
    hours = ("six", "seven", "eight", "nine")
    return [
        [
            f"Ferry {i} leaves the {place} at {hours[i % 4]}.",
            f"Ferry {i} goes at {hours[(i + i % 2) % 4]}.",
            ("supported", "unsupported")[i % 2],
        ]
        for i in range(count)
    ]


@pytest.fixture(scope="session")
def real_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study of real runs of a tiny model: fractions and their control, a trade-off, and cells that fail.

    Parallel test processes share it: the first one makes it.
    """
    shared = (
        tmp_path_factory.getbasetemp().parent if "PYTEST_XDIST_WORKER" in os.environ else tmp_path_factory.getbasetemp()
    )
    place = shared / "studies"
    with FileLock(f"{place}.lock"):
        if not (place / "made").exists():
            _make_studies(place)
            (place / "made").touch()
    return place / "small"


def _make_studies(place: Path) -> None:
    base = ["-m", "littlehuman.run", "-m", *TINY, "n_test=12", "study=small", "hydra/launcher=fused"]
    environment = {"LITTLEHUMAN_MULTIRUN": str(place)}
    ended = [
        python(*base, "n_train=8", "synth_frac=0,0.5,1", "synthetic=true,false", "seed=0,1", **environment),
        python(*base, "n_train=6,12,18,24", "synth_frac=1", "extra_human=0,4", "seed=0", **environment),
        # no answers are recorded for this strategy.seed
        python(*base, "n_train=8", "synth_frac=0,0.5", "strategy.seed=1", "seed=0,1", **environment),
    ]
    assert [end.code for end in ended] == [0, 0, 1], "".join(end.err[-2000:] for end in ended)
