"""Writer adapters by name: the value of `prompt_model.adapter`, before and after it was resolved.

A writer is a LoRA adapter of a prompt model, tuned on human points. The config names it: `own` (the cell tunes one on
its own human points), a run folder that has one, the name of a cell of the same study, or the writer's folder.
Resolved it is `FOLDER@DIGEST`: a request's key needs the digest alone, and the model the folder.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from littlehuman.store import file_digest, multirun_root, read_json

OWN = "own"
FOLDER = "writer"  # in a run folder, by `littlehuman tune-writer`
PEFT = "adapter"  # in the writer's folder: what PEFT reads
INFO = "writer.json"  # in the writer's folder, written last: base, digest, and the human points that it saw
WEIGHTS = "adapter_model.safetensors"


def find(name: str, study: str) -> Path | None:
    """The folder of the writer that `prompt_model.adapter` names; None where there is none."""
    given = Path(name).expanduser()
    places = [given, given / FOLDER, multirun_root() / study / name / FOLDER]
    places += [given.parent] if given.name == PEFT else []
    return next((place for place in places if (place / INFO).is_file()), None)


def place_of(name: str, study: str) -> Path:
    """Where a writer that is missing belongs, so that `find` finds it under this name."""
    cell = multirun_root() / study / name
    if len(Path(name).parts) == 1 and (cell.is_dir() or not Path(name).exists()):
        return cell / FOLDER
    given = Path(name).expanduser()
    is_cell = (given / ".hydra").is_dir() or (given / "status.json").is_file()
    return given / FOLDER if is_cell else given


def digest_of_files(folder: Path) -> str:
    """Digest of the adapter's weights, as they lie in a writer's folder; `missing` where they are gone."""
    return file_digest(folder / PEFT / WEIGHTS)


def resolved(folder: Path | str, digest: str) -> str:
    """The value of `prompt_model.adapter` with which requests are made."""
    return f"{folder}@{digest}"


def parts(adapter: str) -> tuple[str, str]:
    """Folder and digest of a resolved adapter."""
    folder, _, digest = adapter.rpartition("@")
    return folder, digest


def info(folder: Path) -> dict[str, Any]:
    """`writer.json` of a folder; empty where it is absent or torn."""
    return read_json(folder / INFO)
