"""What an attack happens on: a temporary folder with a cache and results of its own, and the command line there."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.attack.processes import Ended, Process

ROOT = Path(__file__).parents[2]
SECRET = 'sk-planted/"key"+7f3a&9c'  # with characters that JSON, URLs and HTML write in another way
SECRET_PARTS = ("sk-planted", "+7f3a&9c")  # every encoding leaves one of these whole
HOSTILE = "\x1b]0;owned\x07\x1b[2J"  # a terminal takes another title, and is cleared
KEY_VARIABLE = "ATTACK_KEY"
STUDY = "attacked"
CONCURRENCY = 4
LIMIT_S = 300.0  # of a command that nothing disturbs: a guard against hanging
TINY = (
    *("model=tiny", "launch=cpu", "launch.progress=false", "metrics.bootstrap=100", "n_test=3", f"study={STUDY}"),
    *("dataset=fieldnotes_qa", "n_train=12", "prompt_model=openai_compatible", "prompt_model.retries=1"),
    *(f"prompt_model.api_key_env={KEY_VARIABLE}", f"prompt_model.concurrency={CONCURRENCY}"),
)


@dataclass
class Ground:
    """A folder with `cache/`, `runs/`, `tmp/` and `home/`; commands write nowhere else."""

    folder: Path

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        for name in ("cache", "runs", "tmp", "home", "output"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def study(self) -> Path:
        """The folder of the cells."""
        return self.folder / "runs" / STUDY

    def start(self, command: str, *words: str) -> Process:
        """Start `python -m littlehuman.COMMAND`."""
        places = {"LITTLEHUMAN_CACHE": "cache", "LITTLEHUMAN_MULTIRUN": "runs", "TMPDIR": "tmp", "HOME": "home"}
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "HYDRA_"))},
            **{name: str(self.folder / place) for name, place in places.items()},
            **{KEY_VARIABLE: SECRET, "NO_PROXY": "127.0.0.1,localhost", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
            "PYTHONPATH": str(ROOT),
        }
        output = self.folder / "output" / f"{next(self._numbers)}.txt"
        return Process([sys.executable, "-m", f"littlehuman.{command}", *words], environment, output)

    def run(self, command: str, *words: str, limit_s: float = LIMIT_S) -> Ended:
        """Run a command to its end."""
        return self.start(command, *words).wait(limit_s)

    def cells(self) -> dict[str, Path]:
        """The run folders with a result, by name."""
        return {path.parent.name: path.parent for path in sorted(self.study.glob("*/result.json"))}

    def leaks(self) -> list[str]:
        """The files, the outputs of commands among them, that hold the planted key or a part of it."""
        parts = [part.encode() for part in SECRET_PARTS]
        return [
            str(path.relative_to(self.folder)) for path in self.files() if any(p in path.read_bytes() for p in parts)
        ]

    def escapes(self) -> list[str]:
        """The text files and outputs that hold ESC or BEL, which a terminal obeys."""
        kinds = (".txt", ".json", ".jsonl", ".csv", ".md", ".html", ".log", ".yaml")
        texts = [path for path in self.files() if path.suffix in kinds]
        return [str(path.relative_to(self.folder)) for path in texts if {0x1B, 0x07} & set(path.read_bytes())]

    def files(self) -> Iterator[Path]:
        """Everything that the commands left behind."""
        return (path for path in sorted(self.folder.rglob("*")) if path.is_file())


@contextmanager
def ground(start_from: Path | None = None) -> Iterator[Ground]:
    """A new ground in a temporary folder, or a copy of another one; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="attack-", ignore_cleanup_errors=True) as place:
        folder = Path(place).resolve() / "ground"
        if start_from:
            shutil.copytree(start_from, folder, symlinks=True)
        yield Ground(folder)


def at(url: str) -> str:
    """The override that names an endpoint."""
    return f"prompt_model.base_url={url}"


def outcome(cell: Path) -> dict[str, Any]:
    """What must not depend on a disturbance: scores, predictions and the training set.

    Raises:
        ValueError: when a file is torn.
        OSError: when a file is missing.
    """
    result = json.loads((cell / "result.json").read_text("utf-8"))
    predictions = [json.loads(line) for line in (cell / "predictions.jsonl").read_text("utf-8").splitlines()]
    mixture = json.loads((cell / "mixture.json").read_text("utf-8"))
    return {"scores": result["scores"], "predictions": predictions, "mixture": mixture}


def differences(reference: dict[str, dict[str, Any]], found: Ground) -> list[str]:
    """How complete cells differ from those of an undisturbed study; cells that are missing are not looked at."""
    problems = []
    for name, cell in found.cells().items():
        try:
            now = outcome(cell)
        except (ValueError, OSError) as error:
            problems.append(f"{name} has a result but is torn: {type(error).__name__}: {error}")
            continue
        parts = [part for part in now if now[part] != reference.get(name, {}).get(part)]
        problems += [f"{name}: other {' and '.join(parts)} than the reference"] if parts else []
    return problems
