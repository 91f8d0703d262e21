"""What tells weights from others without reading all of them: the mark that an adapter notes of its base."""

from __future__ import annotations

import hashlib
from pathlib import Path

from littlehuman.models.weights import check_weights, commit_of, resolve
from littlehuman.store import digest

_SAMPLE = 1 << 16  # bytes of each place of a file that is hashed


def mark(weights: str, revision: str | None = None, key: str = "model.weights") -> str:
    """Mark of weights: pinned packages by name, hub weights by commit, a folder by a sample of its content.

    Args:
        weights, revision: as in `weights.resolve` and `weights.commit_of`.
        key: the config key, for errors.

    Raises:
        WeightsError: when the weights are not available.
    """
    check_weights(weights, revision, key)
    if weights.partition(":")[0] in ("package", "random"):
        return weights
    if commit := commit_of(weights, revision, key):
        return f"{weights}@{commit}"
    folder = Path(resolve(weights, key))
    files = [folder / "config.json", *sorted(p for p in folder.iterdir() if p.suffix in (".safetensors", ".bin"))]
    return digest([[file.name, file.stat().st_size, _sampled(file)] for file in files])


def _sampled(file: Path) -> str:
    """Hash of a file's beginning, middle and end: weights of many gigabytes cost milliseconds."""
    size, found = file.stat().st_size, hashlib.sha256()
    with file.open("rb") as handle:
        for start in (0, max(size // 2 - _SAMPLE // 2, 0), max(size - _SAMPLE, 0)):
            handle.seek(start)
            found.update(handle.read(_SAMPLE))
    return found.hexdigest()
