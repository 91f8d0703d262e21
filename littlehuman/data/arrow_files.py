"""Parquet and arrow files as rows. Classes that a hub dataset stores as numbers get their names (`class_names`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from littlehuman.data.class_names import features_of, with_class_names
from littlehuman.data.rows import Row

BATCH_ROWS = 256


def read_parquet(path: Path) -> Iterator[Row]:
    """The rows of a parquet file, lazily."""
    from pyarrow.parquet import ParquetFile

    with ParquetFile(path) as table:
        rows = _rows(table.iter_batches(batch_size=BATCH_ROWS))
        yield from with_class_names(rows, features_of(table.schema_arrow.metadata))


def read_arrow(path: Path) -> Iterator[Row]:
    """The rows of an arrow file: a stream, as `save_to_disk` of `datasets` writes it, or a file with an index."""
    from pyarrow import ArrowInvalid, ipc, memory_map

    with memory_map(str(path)) as handle:
        try:
            batches: Any = ipc.open_stream(handle)
        except ArrowInvalid:
            handle.seek(0)
            file = ipc.open_file(handle)
            batches = (file.get_batch(number) for number in range(file.num_record_batches))
            yield from with_class_names(_rows(batches), features_of(file.schema.metadata))
            return
        yield from with_class_names(_rows(batches), features_of(batches.schema.metadata))


def _rows(batches: Iterable[Any]) -> Iterator[Row]:
    for batch in batches:
        for start in range(0, batch.num_rows, BATCH_ROWS):
            yield from batch.slice(start, BATCH_ROWS).to_pylist()
