"""The source of a dataset (files of a folder, one file, or tables of the hub): its splits and their raw rows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from littlehuman.data.class_names import with_class_names
from littlehuman.data.files import FILE_TYPES, MENDS, ReadOptions, read_rows
from littlehuman.data.rows import Row
from littlehuman.errors import DataError
from littlehuman.formatting import first_of
from littlehuman.schema import DatasetConfig
from littlehuman.store import packaged

SPLITS = ("train", "valid", "test")
MAX_LISTED = 12  # file names of a folder in a message
BOOKKEEPING = ("dataset_dict.json", "dataset_info.json", "dataset_infos.json", "state.json")  # of `datasets`
SAVED = "data-*.arrow"  # what `save_to_disk` of `datasets` writes, in a folder per split


@dataclass(frozen=True)
class Source:
    """The splits (train, valid, test) as local files or tables of the hub; `place` is the name for messages.

    `unread` are tables of the folder that are named like a split and belong to none.
    """

    place: str
    files: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    tables: Mapping[str, Any] = field(default_factory=dict)
    options: ReadOptions = field(default_factory=ReadOptions)
    unread: tuple[str, ...] = ()

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that exist, in the order train, valid, test."""
        return tuple(split for split in SPLITS if split in self.files or split in self.tables)

    def rows(self, split: str) -> Iterator[Row]:
        """The raw rows of a split, lazily: a row of NarrativeQA holds a whole book."""
        for path in self.files.get(split, ()):
            yield from read_rows(path, self.options)
        table = self.tables.get(split, ())
        features = getattr(table, "features", None)
        yield from with_class_names(table, features.to_dict()) if features else table

    def where(self, split: str) -> str:
        """The place of a split, for messages."""
        paths = self.files.get(split, ())
        if not paths:
            return f"{self.place} ({split})"
        return str(paths[0]) if len(paths) == 1 else f"{paths[0].parent} ({len(paths)} files)"


def open_source(config: DatasetConfig) -> Source:
    """The source of a dataset; `path` has precedence over `hub`.

    Raises:
        DataError: when the dataset is absent; says how to get it.
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
    root, options = packaged(name), ReadOptions(config.csv, config.rows)
    if root.is_file():
        return Source(str(root), files={split: (root,) for split in _splits_in(root, config)}, options=options)
    if not root.is_dir():
        raise DataError(
            f"dataset.path={name} does not exist (looked at {root.absolute()}).\n{config.how_to_get}".rstrip()
        )
    files = {split: found for split in SPLITS if (found := _find_files(root, split, config, options))}
    if not files:
        raise DataError(_nothing_found(root, config))
    used = {path for found in files.values() for path in found}
    unread = sorted(path.name for path in root.iterdir() if _is_left(path, options) and path not in used)
    return Source(str(root), files=files, options=options, unread=tuple(unread) if config.reader == "table" else ())


def _is_left(path: Path, options: ReadOptions) -> bool:
    """Whether a file is a table that is named like a split."""
    if not re.search("train|dev|val|test|heldout", path.stem, re.IGNORECASE):
        return False
    return path.is_file() and options.reads(path) and path.name not in BOOKKEEPING and not path.name.startswith(".")


def _splits_in(file: Path, config: DatasetConfig) -> list[str]:
    """The splits whose pattern matches the file; a file that matches none has all points."""
    matching = [split for split, pattern in config.files.items() if file.match(pattern)]
    return matching or ["train"]


def _find_files(root: Path, split: str, config: DatasetConfig, options: ReadOptions) -> tuple[Path, ...]:
    for pattern in _patterns(split, config):
        try:
            found = sorted(path for path in root.glob(pattern) if path.is_file() and options.reads(path))
        except (NotImplementedError, ValueError) as error:
            raise DataError(f"dataset.files.{split}={pattern} must be a file or pattern inside {root}") from error
        if found:
            return tuple(found)
    return ()


def _patterns(split: str, config: DatasetConfig) -> list[str]:
    """File patterns of a split: that of the release, then the layouts of hub repositories."""
    patterns = [config.files[split]] if split in config.files else []
    if name := config.splits.get(split):
        patterns += [f"{name}{suffix}" for suffix in FILE_TYPES]
        patterns += [f"{name}-*.parquet", f"data/{name}-*.parquet"]
        folder = config.hub_config or "default"
        patterns += [f"{folder}/{name}-*.parquet", f"{folder}/{name}/*.parquet"]
        patterns.append(f"{name}/{SAVED}")
        patterns += [SAVED] if split == "train" else []
    return list(dict.fromkeys(patterns))


def _nothing_found(root: Path, config: DatasetConfig) -> str:
    names = sorted(path.name + "/" * path.is_dir() for path in root.iterdir() if not path.name.startswith("."))
    listed = first_of(names, MAX_LISTED)
    looked_for = [f"  {split}: {', '.join(patterns)}" for split in SPLITS if (patterns := _patterns(split, config))]
    hint = "Try: ++dataset.files.train=NAME ++dataset.files.test=NAME"
    mends = {path.suffix.lower(): path for path in sorted(root.iterdir()) if path.suffix.lower() in MENDS}
    found = [f"  {path.name} is no table yet: give {MENDS[suffix]}" for suffix, path in mends.items()]
    return "\n".join(
        [
            f"{root}: no file of dataset={config.name} here.",
            f"  holds: {listed or 'nothing'}",
            *looked_for,
            *found,
            hint,
        ]
    )
