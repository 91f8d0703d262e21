"""The exported dataset, a folder for `datasets.load_dataset`: one Parquet file, and its data card `README.md`."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from littlehuman.errors import DataError
from littlehuman.exporting import card
from littlehuman.exporting.rebuild import RebuiltCell
from littlehuman.records import Origin, Point
from littlehuman.store import write_text

if TYPE_CHECKING:
    import pyarrow as pa

TABLE = Path("data") / "train-00000-of-00001.parquet"
CARD = "README.md"


def write_folder(cell: RebuiltCell, folder: Path, *, with_human: bool = False) -> list[Path]:
    """Write table and card; return their paths. Human points are optional: the dataset's licence holds for them.

    Raises:
        DataError: when the folder has other files, or cannot be written.
    """
    _check_free(folder)
    points = [point for point in cell.mixture.points if with_human or point.origin is Origin.SYNTHETIC]
    table = _table(cell, points)
    try:
        _write_parquet(table, folder / TABLE)
        rows = Counter(point.origin.value for point in points)
        size = card.TableSize(rows, table.nbytes, (folder / TABLE).stat().st_size)
        write_text(folder / CARD, card.data_card(cell, size))
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})\nTry: another folder") from error
    return [folder / TABLE, folder / CARD]


def _check_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise DataError(f"{folder}: is a file\nTry: another folder")
    names = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    others = sorted(str(name) for name in names - {TABLE, Path(CARD)})
    if others:  # load_dataset would read them too
        raise DataError(
            f"{folder}: holds other files (first: {others[0]}), which would become part of the dataset\n"
            "Try: a new folder"
        )


def _table(cell: RebuiltCell, points: list[Point]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in card.columns()])
    return pa.Table.from_pylist(list(_rows(cell, points)), schema=schema)


def _rows(cell: RebuiltCell, points: list[Point]) -> Iterator[dict[str, str | None]]:
    source: dict[str, str | None] = {
        "prompt_model": cell.config.prompt_model.name,
        "strategy": cell.config.strategy.name,
    }
    for point in points:
        example, synthetic = point.example, point.origin is Origin.SYNTHETIC
        row: dict[str, str | None] = {
            "id": example.id,
            "evidence": example.evidence,
            "text": example.text,
            "target": example.target,
        }
        row |= {"origin": point.origin.value, "key": cell.keys[example.id] if synthetic else None}
        row |= source if synthetic else {}
        # An answer may hold a lone surrogate, which Parquet cannot store.
        yield {name: value and value.encode("utf-8", "replace").decode("utf-8") for name, value in row.items()}


def _write_parquet(table: pa.Table, path: Path) -> None:
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        pq.write_table(table, unfinished)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
