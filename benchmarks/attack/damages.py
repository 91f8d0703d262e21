"""Damages: one file of a complete study, or of its cache, that is not what it was.

In: the ground of a complete study. Out: the file that was damaged. `.hydra` and logs are files of a study too.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.attack.ground import Ground

Harm = Callable[[Path], Path | None]
DEEP = b"[" * 100_000 + b"]" * 100_000


@dataclass(frozen=True)
class Damage:
    """One damage. `find` is a pattern below the study (or the cache); the last file that matches is taken.

    `matters`: whether it must be told or mended. `resets`: the cell's result is removed first, so that it is computed
    anew beside the damaged file.
    """

    name: str
    find: str
    harm: Harm
    in_cache: bool = False
    matters: bool = True
    resets: bool = False

    def apply(self, place: Ground) -> Path:
        """Damage the file, and return its path."""
        base = place.folder / "cache" if self.in_cache else place.study
        victim = sorted(base.glob(self.find))[-1]
        if self.resets:
            next(place.study.glob(RESULT)).unlink()
        return self.harm(victim) or victim


def truncate(path: Path) -> None:
    """Keep the first half."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def delete(path: Path) -> None:
    """Remove it."""
    path.unlink()


def folder(path: Path) -> None:
    """Put a folder in its place."""
    path.unlink(missing_ok=True)
    (path / "inside").mkdir(parents=True)


def file(path: Path) -> None:
    """Put a file in a folder's place."""
    shutil.rmtree(path)
    path.write_text("not a folder\n")


def says(content: bytes | str) -> Harm:
    """Replace the content."""
    return lambda path: (path.write_bytes(content if isinstance(content, bytes) else content.encode()), None)[1]


def edit(**values: object) -> Harm:
    """Replace values of a JSON object."""
    return lambda path: (path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values)), None)[1]


def beside(name: str) -> Harm:
    """Put a folder beside the file; it is what is harmed."""

    def harm(path: Path) -> Path:
        folder(path.with_name(name))
        return path.with_name(name)

    return harm


def each_line(change: Callable[[dict[str, object]], object]) -> Harm:
    """Change each line of a JSON-lines file."""

    def harm(path: Path) -> None:
        rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
        path.write_text("".join(json.dumps(change(row)) + "\n" for row in rows))

    return harm


CELL = "*-f1-s1-*"  # the run folder whose files are damaged
RESULT, PREDICTIONS, STATUS = f"{CELL}/result.json", f"{CELL}/predictions.jsonl", f"{CELL}/status.json"
ANSWERS = "completions/*/*.jsonl"
YAML_TAGS = "- !!python/object/apply:os.system ['touch owned']\n- &a [*a]\n"

DAMAGES = (
    Damage("result-truncated", RESULT, truncate),
    Damage("result-empty-object", RESULT, says("{}")),
    Damage("result-no-scores", RESULT, edit(scores={})),
    Damage("result-wrong-types", RESULT, edit(scores=[1], knobs="x", counts=None, cost=3)),
    Damage("result-not-utf8", RESULT, says(b'{"id": "\xff\xfe", "scores": {}}')),
    Damage("result-folder", RESULT, folder),
    Damage("result-deep", RESULT, says(DEEP)),
    Damage("result-nan", RESULT, edit(scores={"squad_f1": {"value": "NaN", "low": None, "high": [], "n": -1}})),
    Damage("predictions-truncated", PREDICTIONS, truncate),
    Damage("predictions-deleted", PREDICTIONS, delete),
    Damage("predictions-wrong-types", PREDICTIONS, each_line(lambda row: {**row, "scores": "none", "id": 7})),
    Damage("mixture-deleted", f"{CELL}/mixture.json", delete),
    Damage("mixture-truncated", f"{CELL}/mixture.json", truncate),
    Damage("status-garbage", STATUS, says(b"\x00\x01garbage"), matters=False),
    Damage("status-wrong-types", STATUS, says('{"state": [], "knobs": 3, "pid": "x"}'), matters=False),
    Damage("status-deep", STATUS, says(DEEP), matters=False, resets=True),
    Damage("overrides-with-tags", f"{CELL}/.hydra/overrides.yaml", says(YAML_TAGS), matters=False),
    Damage("adapter-truncated", f"{CELL}/adapter/adapter_model.safetensors", truncate),
    Damage("checkpoint-folder", STATUS, beside("training.safetensors"), matters=False, resets=True),
    Damage("lock-folder", f"{CELL}/.lock", folder, resets=True),
    Damage("cell-is-a-file", CELL, file),
    Damage("table-garbage", "table.csv", says(b"\xff\x00cell,\n"), matters=False),
    Damage(
        "answers-wrong-types",
        ANSWERS,
        each_line(lambda row: {**row, "text": 7, "prompt_tokens": "x"}),
        in_cache=True,
        resets=True,
        matters=False,
    ),
    Damage("answers-deep", ANSWERS, says(b'{"key": ' + DEEP + b"}\n"), in_cache=True, resets=True, matters=False),
    Damage("weights-truncated", "weights/*/model.safetensors", truncate, in_cache=True, resets=True),
    Damage("next-rules-deep", "next.json", says(DEEP)),
)
