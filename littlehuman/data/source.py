"""Where the rows of each split are: files of a folder, one file, or tables of the hub.

In: `DatasetConfig`. Out: a `Source`: which splits exist, and the raw rows of each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from littlehuman.data.files import READABLE, read_rows
from littlehuman.data.rows import Row
from littlehuman.errors import DataError
from littlehuman.schema import DatasetConfig

SPLITS = ("train", "valid", "test")
PACKAGED = "package:"
SHOWN = 12  # names of a folder that a message lists


@dataclass(frozen=True)
class Source:
    """Splits by our names (`train`, `valid`, `test`): local files, or tables of the hub."""

    place: str
    files: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that exist, in the order train, valid, test."""
        return tuple(split for split in SPLITS if split in self.files or split in self.tables)

    def rows(self, split: str) -> Iterator[Row]:
        """The raw rows of a split, lazily: a row of NarrativeQA carries a whole book."""
        for path in self.files.get(split, ()):
            yield from read_rows(path)
        yield from self.tables.get(split, ())

    def where(self, split: str) -> str:
        """The split's place, for messages."""
        paths = self.files.get(split, ())
        if not paths:
            return f"{self.place} ({split})"
        return str(paths[0]) if len(paths) == 1 else f"{paths[0].parent} ({len(paths)} files)"


def open_source(config: DatasetConfig) -> Source:
    """Find the rows: `path` wins over `hub`.

    Raises:
        DataError: when the dataset is absent, with what to do about it.
    """
    if config.path:
        return _local(config, config.path)
    if config.hub:
        from littlehuman.data.hub import open_hub

        return Source(f"hub {config.hub}", tables=open_hub(config))
    raise DataError(
        f"dataset={config.name} has neither a path nor a hub name.\n{config.how_to_get or 'Give dataset.path=DIR.'}"
    )


def _local(config: DatasetConfig, name: str) -> Source:
    root = _resolve(name)
    if root.is_file():
        return Source(str(root), files={split: (root,) for split in _splits_of(root, config)})
    if not root.is_dir():
        raise DataError(
            f"dataset.path={name} does not exist (looked at {root.absolute()}).\n{config.how_to_get}".rstrip()
        )
    files = {split: found for split in SPLITS if (found := _find(root, split, config))}
    if not files:
        raise DataError(_nothing_found(root, config))
    return Source(str(root), files=files)


def _resolve(name: str) -> Path:
    if name.startswith(PACKAGED):
        return Path(str(resources.files("littlehuman.data"))) / name.removeprefix(PACKAGED)
    return Path(name).expanduser()


def _splits_of(file: Path, config: DatasetConfig) -> list[str]:
    """The splits whose pattern the file's name fits; a file that fits none holds all the points."""
    fitting = [split for split, pattern in config.files.items() if file.match(pattern)]
    return fitting or ["train"]


def _find(root: Path, split: str, config: DatasetConfig) -> tuple[Path, ...]:
    for pattern in _patterns(split, config):
        try:
            found = sorted(path for path in root.glob(pattern) if path.is_file() and path.suffix.lower() in READABLE)
        except (NotImplementedError, ValueError) as error:
            raise DataError(f"dataset.files.{split}={pattern} must be a file or pattern inside {root}") from error
        if found:
            return tuple(found)
    return ()


def _patterns(split: str, config: DatasetConfig) -> list[str]:
    """The release's layout first, then the layouts in which the hub's copies come."""
    patterns = [config.files[split]] if split in config.files else []
    if name := config.splits.get(split):
        patterns += [f"{name}{suffix}" for suffix in READABLE]
        patterns += [f"{name}-*.parquet", f"data/{name}-*.parquet"]
        folder = config.hub_config or "default"
        patterns += [f"{folder}/{name}-*.parquet", f"{folder}/{name}/*.parquet"]
    return list(dict.fromkeys(patterns))


def _nothing_found(root: Path, config: DatasetConfig) -> str:
    names = sorted(path.name + "/" * path.is_dir() for path in root.iterdir() if not path.name.startswith("."))
    shown = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    looked_for = [f"  {split}: {', '.join(patterns)}" for split in SPLITS if (patterns := _patterns(split, config))]
    mend = "Try: ++dataset.files.train=NAME ++dataset.files.test=NAME"
    return "\n".join(
        [f"{root}: no file of dataset={config.name} here.", f"  holds: {shown or 'nothing'}", *looked_for, mend]
    )
