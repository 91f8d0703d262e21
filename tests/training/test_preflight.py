"""Preflight: what a training needs is checked before the first twin is requested, with one request at most."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from conftest import TINY, Cli, python
from training_parts import tiny_cache  # noqa: F401

from littlehuman import twins
from littlehuman.errors import ConfigError, WeightsError
from littlehuman.schema import LaunchConfig, ModelConfig, Quantization
from littlehuman.training import preflight

CELL = (*TINY, "n_train=8", "synth_frac=0.5")
COMMIT = "c0ffee" * 6 + "c0ff"


@pytest.fixture
def no_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requesting a twin fails, with another error than the expected one."""
    monkeypatch.setattr(twins, "write", lambda *_: pytest.fail("a twin was requested"))


@pytest.mark.usefixtures("no_twins")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["launch.device=cuda"], "launch.device=cuda this machine has 0 CUDA devices"),
        *(
            pytest.param(words, said, marks=pytest.mark.slow)
            for words, said in [
                (["launch.device=gpu"], "launch.device=gpu must be auto, cpu, cuda or cuda:N"),
                (["launch.dtype=bf16"], "launch.dtype=bf16 did you mean 'bfloat16'?"),
                (["launch.device=cuda:1"], "launch.device=cuda:1 this machine has 0 CUDA devices"),
                (["model.quantization=nf4"], "model.quantization=nf4 needs a CUDA device"),
            ]
        ),
        (["model.weights=/no/such/folder"], "model.weights=/no/such/folder: this folder holds no config.json"),
        (
            ["model.weights=/no/such/folder", "n_train=0"],
            "model.weights=/no/such/folder: this folder holds no config.json",
        ),
        (["model.weights=package:smollm3"], "model.weights=package:smollm3: no such packaged weights"),
        (["model.weights=random:lama"], "did you mean 'llama'?"),
        (
            ["model.weights=nobody/has-this"],
            "model.weights=nobody/has-this: could not be loaded: it is not on this machine",
        ),
        (
            ["model.revision=main"],
            "model.revision=main names a version on the hub, and model.weights=random:llama is not there",
        ),
    ],
    ids=str,
)
def test_errors_of_the_training_are_reported_before_a_twin_is_requested(
    overrides: list[str], message: str, cli: Cli, multirun: Path
) -> None:
    """Also for an untrained model: it needs its weights too."""
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    ended = cli(*CELL, *overrides)
    assert ended.code != 0 and message in ended.text and "Traceback" not in ended.text
    stages = [json.loads(status.read_text())["stage"] for status in multirun.rglob("status.json")]
    assert stages in ([], ["start"]), "not even the data was read"


def test_more_processes_than_gpus_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    model = ModelConfig(weights="random:llama")
    preflight.check_training(model, LaunchConfig(processes=2))
    with pytest.raises(ConfigError, match="launch.processes=3 +this machine has 2 CUDA devices, one for each process"):
        preflight.check_training(model, LaunchConfig(processes=3))


def test_check_of_weights_does_not_prepare_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    for weights in ("random:llama", "package:smollm2-135m-instruct"):
        try:
            preflight.check_training(ModelConfig(weights=weights), LaunchConfig())
        except WeightsError as error:  # where the package is not installed
            assert "is not installed" in str(error)
    assert not (tmp_path / "cache").exists()


def test_four_bit_quantisation_without_a_gpu_is_refused() -> None:
    with pytest.raises(ConfigError, match="model.quantization=nf4 +needs a CUDA device"):
        preflight.check_training(
            ModelConfig(weights="random:llama", quantization=Quantization.nf4), LaunchConfig(device="cpu")
        )


# --- The hub, replaced by a local server with the same replies ------------------------------------

REFUSALS = {
    "gated": (403, "GatedRepo"),
    "absent": (404, "RepoNotFound"),
    "no-such": (404, "RevisionNotFound"),
    "bare": (404, "EntryNotFound"),
}
CHECK = """
import sys
from littlehuman.errors import WeightsError
from littlehuman.schema import LaunchConfig, ModelConfig
from littlehuman.models import weights
from littlehuman.training import preflight
for name, revision in {asked!r}:
    try:
        preflight.check_training(ModelConfig(weights=name, revision=revision), LaunchConfig())
        print(weights.commit_of(name, revision))
    except WeightsError as error:
        print(str(error).replace("\\n", " | "))
print(*[name for name in ("torch", "transformers") if name in sys.modules])
"""


@pytest.fixture
def hub() -> Iterator[tuple[str, list[str]]]:
    """Its address, and the requests for models that it received."""
    asked: list[str] = []

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            refusal = next((reply for name, reply in REFUSALS.items() if name in self.path), None)
            code, error = refusal or (200, "")
            if "/resolve/" in self.path:
                asked.append(f"{self.command} {self.path}")
            self.send_response(code)
            for name, value in {
                "X-Error-Code": error,
                "X-Error-Message": error,
                "X-Repo-Commit": COMMIT,
                "ETag": '"1"',
            }.items():
                if value:
                    self.send_header(name, value)
            self.send_header("Content-Length", "2" if code == 200 else "0")
            self.end_headers()

        def do_GET(self) -> None:
            self.do_HEAD()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", asked
    server.shutdown()
    server.server_close()


def test_hub_is_asked_once_and_refusals_name_a_mend(hub: tuple[str, list[str]], tmp_path: Path) -> None:
    """Without importing torch or transformers."""
    address, requests = hub
    asked = [
        ("me/fine", None),
        ("me/fine", None),
        ("me/gated", None),
        ("me/absent", None),
        ("me/fine", "no-such"),
        ("me/bare", None),
    ]
    ended = python("-c", CHECK.format(asked=asked), HF_ENDPOINT=address, HF_HOME=str(tmp_path), HF_HUB_OFFLINE="0")
    assert ended.code == 0, ended.text
    fine, again, gated, absent, version, bare, loaded = ended.out.splitlines()
    assert fine == again == COMMIT and loaded == ""
    assert [line for line in requests if "fine/resolve/main" in line] == [
        f"{verb} /me/fine/resolve/main/config.json" for verb in ("HEAD", "GET")
    ]
    assert (
        gated.startswith("model.weights=me/gated: could not be loaded: it is gated")
        and "| Try: accept its terms at https://" in gated
    )
    assert "the hub has no such model, or it is private | Try: an id such as" in absent
    assert "it has no revision no-such | Try: a branch, tag or commit" in version
    assert "it holds no config.json" in bare
    assert "HTTP Request" not in ended.text


WARN = """
import sys, logging, hydra
sys.argv = ["warn"]
from littlehuman import run

@hydra.main(version_base="1.3", config_path=str(run.conf_folder()), config_name="config")
def main(config):
    from huggingface_hub import hf_hub_download
    logging.getLogger("huggingface_hub.utils").warning("Retrying in 1s")

main()
"""


def test_warnings_of_the_hub_client_are_written_once() -> None:
    """The client has its own handler; Hydra's root logger would write them a second time."""
    ended = python("-c", WARN)
    assert ended.code == 0 and ended.text.count("Retrying in 1s") == 1, ended.text
