"""The runs whose outcome `test_pins.py` holds against stored values.

In: a folder of the test's own. Out: cells of a tiny model, computed by the command line in this process, their
prompts answered by an HTTP server on the loopback interface. Nothing of the package is imported but
`littlehuman.run`: these files must not need an edit when the inside of the package is rearranged.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import logging
import os
import re
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest import mock

QUICK = ("model=tiny", "launch=cpu", "launch.progress=false", "n_test=4", "metrics.bootstrap=100", "training.lora_r=2")
SAVED = "training.safetensors"
RESUMED = (  # 9 steps; the state is saved after each one
    *QUICK,
    *("dataset=fieldnotes_fv", "n_train=12", "n_test=20", "synth_frac=0.5", "seed=3", "study=resumed"),
    *("training.epochs=3", "training.batch_size=4", "training.lora_dropout=0.2", "training.warmup_ratio=0.2"),
    *("launch.layout=padded", "launch.save_every_s=1e-9"),
)
HOURS = ("six", "seven", "eight", "nine", "ten")
# By the prompt model's name; FOLDER: the test's own, with what `write_tables` makes.
COMMANDS: dict[str, tuple[str, ...]] = {
    "fv-seed-${seed}": ("-m", "dataset=fieldnotes_fv", "n_train=8", "synth_frac=0.5", "seed=0,1,2"),
    "fv-free-judge": (
        *(
            "dataset=fieldnotes_fv",
            "n_train=8",
            "synth_frac=1",
            "strategy=few_shot_free",
            "filter=judge",
            "filter.steps=[rules,judge]",
        ),
    ),
    "qa-cot-round-trip": (
        *("dataset=fieldnotes_qa", "n_train=6", "synth_frac=1", "human_budget=0"),
        *("strategy=cot", "filter=round_trip"),
    ),
    "qa-zero-shot-schema": (
        *(
            "dataset=fieldnotes_qa",
            "n_train=5",
            "synth_frac=0.6",
            "strategy=zero_shot",
            "filter=rules",
            "protocol=code",
        ),
        *("prompt_model.json_schema=true", "strategy.language=German"),
    ),
    "classify-annotate": (
        *("dataset=table", "task=classify", "dataset.path=FOLDER/letters.csv", "dataset.columns.evidence=null"),
        "dataset.valid_share=0.2",  # what a table had before, as all its cells
        *("n_train=9", "synth_frac=0.7", "strategy=annotate", "strategy.shots=2"),
    ),
    "own-yaml-paper": (
        *(
            "--config-dir=FOLDER/conf",
            "dataset=mine",
            "n_train=8",
            "synth_frac=0.75",
            "human_budget=5",
            "extra_human=2",
        ),
        *("protocol=paper", "prompt_model.temperature=0.7", "strategy.attempts=2"),
    ),
}


def write_tables(folder: Path) -> None:
    """A table of claims with a YAML of its own, and one of letters with classes: always the same bytes."""
    rows = [(i, HOURS[i % 5], HOURS[(i + i % 2) % 5], "yn"[i % 2]) for i in range(40)]
    claims = [f"Ferry {i} leaves the harbour at {hour}.,Ferry {i} goes at {said}.,{yes}" for i, hour, said, yes in rows]
    letters = [f"Letter {i} on {kind}.,{kind}" for i, kind in enumerate(("rent", "noise", "bills") * 12)]
    yaml = f"defaults: [table, _self_]\nname: mine\npath: {folder}/claims.csv\nsizes: [8]\nvalid_share: 0.2\n"
    yaml += "labels: {'y': supported, 'n': unsupported}\n"
    (folder / "conf" / "dataset").mkdir(parents=True)
    for name, text in {
        "claims.csv": "\n".join(["evidence,text,target", *claims, ""]),
        "letters.csv": "\n".join(["text,target", *letters, ""]),
        "conf/dataset/mine.yaml": yaml,
    }.items():
        (folder / name).write_bytes(text.encode())


@dataclass
class Ran:
    """What one cell left: its folder, and its requests in the order in which they were sent."""

    folder: Path
    keys: list[str]
    requests: list[dict[str, Any]]


def run_cells(folder: Path) -> dict[str, Ran]:
    """Run `COMMANDS` into the study `folder/multirun/pins`; its cells by the name of their prompt model."""
    write_tables(folder)
    with _server() as (url, received):
        for name, overrides in COMMANDS.items():
            endpoint = ("prompt_model=openai_compatible", f"prompt_model.name={name}", f"prompt_model.base_url={url}")
            more = ("prompt_model.concurrency=1", "prompt_model.price.prompt=1", "study=pins")
            own = [word.replace("FOLDER", str(folder)) for word in overrides]
            code, text = command(*own, *QUICK, *endpoint, *more, root=folder)
            assert code == 0, text
    results = (folder / "multirun" / "pins").glob("*/result.json")
    by_name = {json.loads(file.read_text("utf-8"))["knobs"]["prompt_model"]["name"]: file.parent for file in results}
    return {name: _ran(name, by_name[name], folder / "cache", received) for name in sorted(by_name)}


def _ran(name: str, run: Path, cache: Path, received: Sequence[dict[str, Any]]) -> Ran:
    files = (cache / "completions" / name).glob("*.jsonl")
    lines = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    requests = [request for request in received if request["model"] == name]
    said = [answer(request["messages"]) for request in requests]
    assert [line["text"] for line in lines] == said, "kept in the order of asking"
    return Ran(run, [line["key"] for line in lines], requests)


def command(*arguments: str, root: Path) -> tuple[int, str]:
    """Exit code and output of `python -m littlehuman.run`, in this process; results and cache lie in `root`."""
    from littlehuman import run

    places = {"LITTLEHUMAN_MULTIRUN": str(root / "multirun"), "LITTLEHUMAN_CACHE": str(root / "cache")}
    places |= {"SSL_CERT_FILE": "", "SSL_CERT_DIR": str(root)}  # a client reads no certificates then, which takes 0.1 s
    said, code = io.StringIO(), 0
    with (
        mock.patch.dict(os.environ, places),
        mock.patch.object(sys, "argv", ["littlehuman", *arguments]),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(said),
        _root_logger_restored(),
    ):
        try:
            run.cli()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    return code, said.getvalue()


def interrupt(root: Path, *, after: int) -> Path:
    """Begin the training of `RESUMED`, press Ctrl-C when it was saved `after` times; return the run folder."""
    replace, saves = os.replace, []

    def counted(source: Any, target: Any, **more: Any) -> None:
        replace(source, target, **more)
        if Path(target).name == SAVED:
            saves.append(target)
            if len(saves) == after:
                raise KeyboardInterrupt

    with mock.patch.object(os, "replace", counted):
        code, text = command(*RESUMED, root=root)
    assert (code, len(saves)) == (130, after), text
    (folder,) = (root / "multirun" / "resumed").glob("*/")
    return folder


def digest(value: Any) -> str:
    """Hash of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def answer(messages: Sequence[dict[str, str]]) -> str:
    """What the server says: the form that the system turn ends in, filled in; the same words, the same answer.

    Some answers cannot be read, some contradict the twin that is asked about.
    """
    system, asked = messages[0]["content"], messages[-1]["content"]
    number = int(digest(messages)[:8], 16)
    words = asked.removeprefix("Context: ").split()
    kinds = re.search(r"(?:one of|classes): ([^.]*)\.", system)
    classes = kinds[1].split(", ") if kinds else ["?"]
    contradicts = "Question: " in asked and number % 3 == 0
    filled = {
        "<why>": "The text says so.",
        "<the claim>": f"{words[0]} and {words[-1].strip('.')} are part {number % 1000} of it.",
        "<the question>": f"What does part {number % 1000} say of {words[0]}?",
        "<the answer>": "nothing of the kind" if contradicts else " ".join(words[:3]),
        "<the text>": f"Letter {number % 1000} of mine.",
        "<the class>": classes[number % len(classes)],
        "<True or False>": ("True", "False")[number % 2],
        "<1 to 5>": "5452"[number % 4],
    }
    form = system.split("in exactly this form:\n")[1].split("\n")[0]
    return re.sub("<[^>]+>", lambda match: filled[match[0]], form) if number % 7 else "I cannot say."


@contextlib.contextmanager
def _server() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server of `/v1/chat/completions`: its address, and the bodies that it received."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            received.append(request)
            message = {"role": "assistant", "content": answer(request["messages"])}
            reply = {
                **{"id": "1", "object": "chat.completion", "created": 0, "model": request["model"]},
                "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
                "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            }
            body = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", received
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def _root_logger_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        for handler in set(root.handlers) - set(handlers):
            handler.close()
        root.handlers[:], root.level = handlers, level
