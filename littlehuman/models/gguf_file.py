"""GGUF files as they are, for llama.cpp: from their name in the config to one file on disk, and what its header says.

A name is `package:NAME` or the path of a file. A package that holds the file in parts gets it put together once, in the
cache: verified by sha256, renamed into place when complete.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from littlehuman.errors import WeightsError
from littlehuman.models.weights import Packaged, check_sha256, chunks, installed, packaged_spec
from littlehuman.store import cache_root

log = logging.getLogger(__name__)

MAGIC = b"GGUF"


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
    from gguf import GGUFReader, LlamaFileType

    try:
        fields = GGUFReader(path).fields
        model = fields["general.architecture"].contents()
        kind, context = fields["general.file_type"].contents(), fields[f"{model}.context_length"].contents()
        return GgufFile(path, LlamaFileType(kind).name.removeprefix("MOSTLY_").removeprefix("ALL_"), int(context))
    except (ValueError, KeyError, IndexError, OSError) as error:
        first = str(error).partition("\n")[0]
        raise WeightsError(
            f"{key}={weights}: its header cannot be read ({first}); copy or download it again"
        ) from error
