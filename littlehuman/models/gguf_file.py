"""GGUF files as they are, for llama.cpp: from their name in the config to one file on disk, and what its header says.

A name is `package:NAME` or the path of a file. A package that holds the file in parts gets it put together once, in the
cache: verified by sha256, renamed into place when complete.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from os import SEEK_CUR
from pathlib import Path
from typing import Any, BinaryIO

from littlehuman.errors import WeightsError
from littlehuman.models.weights import Packaged, check_sha256, chunks, installed, packaged_spec
from littlehuman.store import cache_root

log = logging.getLogger(__name__)

MAGIC = b"GGUF"
_NUMBERS = dict(enumerate("BbHhIif?")) | {10: "Q", 11: "q", 12: "d"}  # types of values, as `struct` names them
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class GgufFile:
    """A file; `quantisation` as llama.cpp names it (Q4_K_M), `context` in tokens, as the model was trained."""

    path: Path
    quantisation: str
    context: int


def of(weights: str, key: str = "prompt_model.weights") -> GgufFile:
    """The file that `weights` names, complete.

    Raises:
        WeightsError: when it is not there, or is no GGUF file.
    """
    check(weights, key)
    kind, _, name = weights.partition(":")
    path = _of_package(packaged_spec(name, weights, key), name) if kind == "package" else Path(weights).expanduser()
    return _described(path, weights, key)


def check(weights: str, key: str = "prompt_model.weights") -> None:
    """Check that the file is there, without reading more than its first bytes.

    Raises:
        WeightsError: as `of`.
    """
    kind, _, name = weights.partition(":")
    if kind == "package":
        spec = packaged_spec(name, weights, key)
        if not spec.gguf:
            raise WeightsError(
                f"{key}={weights}: {spec.title} is no GGUF file\nTry: {key}=package:qwen2.5-coder-1.5b-instruct"
            )
        for file in spec.files:
            installed(file, spec)
        return
    path = Path(weights).expanduser()
    if not path.is_file():
        raise WeightsError(f"{key}={weights}: there is no such file; give package:NAME or the path of a .gguf file")
    with path.open("rb") as handle:
        if handle.read(len(MAGIC)) != MAGIC:
            raise WeightsError(f"{key}={weights}: is no GGUF file; prompt_model=hf reads folders of save_pretrained")


def _of_package(spec: Packaged, name: str) -> Path:
    sources = [installed(file, spec) for file in spec.files]
    if len(sources) == 1:
        return sources[0]
    from filelock import FileLock

    whole = cache_root() / "weights" / f"{name}-{spec.sha256[:12]}.gguf"
    whole.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{whole}.lock"):
        if not whole.is_file():
            log.info("%s: putting its parts together once, in %s", spec.title, whole)
            check_sha256(sources, spec)
            partial = whole.with_name(f"{whole.name}.partial")
            with partial.open("wb") as handle:
                handle.writelines(chunks(sources))
            partial.rename(whole)
    return whole


def _described(path: Path, weights: str, key: str) -> GgufFile:
    from gguf import LlamaFileType

    found: dict[str, Any] = {}
    try:
        with path.open("rb") as handle:
            for name, value in _header(handle, path.stat().st_size):
                if name == "general.file_type" or name.endswith(".context_length"):
                    found[name.rpartition(".")[2]] = value
                if len(found) == 2:
                    break
        named = LlamaFileType(found["file_type"]).name.removeprefix("MOSTLY_").removeprefix("ALL_")
        return GgufFile(path, named, int(found["context_length"]))
    except (ValueError, KeyError, struct.error, OSError) as error:
        what = f"its header cannot be read ({error}); copy or download it again"
        raise WeightsError(f"{key}={weights}: {what}") from error


def _header(handle: BinaryIO, size: int) -> Iterator[tuple[str, Any]]:
    """Names and values of the header (GGUF's specification, versions 2 and 3); arrays as None.

    The reader of the package gguf makes an object of each token of the vocabulary: 10 s of processor time.
    """
    *_, count = _unpacked(handle, "4sIQQ")
    for _ in range(count):
        yield _text(handle, size), _value(handle, _unpacked(handle, "I")[0], size)


def _value(handle: BinaryIO, kind: int, size: int) -> Any:
    if kind == _STRING:
        return _text(handle, size)
    if kind != _ARRAY:
        return _unpacked(handle, _NUMBERS[kind])[0]
    inner, count = _unpacked(handle, "IQ")
    if inner in (_STRING, _ARRAY):
        for _ in range(count):
            _value(handle, inner, size)
    else:
        handle.seek(count * struct.calcsize(_NUMBERS[inner]), SEEK_CUR)
    return None


def _text(handle: BinaryIO, size: int) -> str:
    (length,) = _unpacked(handle, "Q")
    if length > size:
        raise ValueError("a text is longer than the file")
    return handle.read(length).decode("utf-8", "replace")


def _unpacked(handle: BinaryIO, form: str) -> tuple[Any, ...]:
    return struct.unpack(f"<{form}", handle.read(struct.calcsize(f"<{form}")))
