"""A dataset of the Hugging Face hub: one table per split, whose rows are read lazily from disk.

The package `datasets` no longer runs loading scripts. Repositories with such a script are read from the hub's
conversion, revision `refs/convert/parquet`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from littlehuman.errors import DataError
from littlehuman.schema import DatasetConfig

REASON_CHARS = 300


def open_hub(config: DatasetConfig) -> Mapping[str, Any]:
    """The splits of `config.splits` that the hub has: name (train, valid, test) -> `datasets.Dataset`.

    No code of a dataset is run: the package has no loading scripts any more.

    Raises:
        DataError: when the hub cannot be reached, or has no such dataset, config or split.
    """
    import datasets

    try:
        tables = datasets.load_dataset(config.hub, config.hub_config, revision=config.hub_revision)
    except Exception as error:  # of many types: network, hub, builder, disk
        raise DataError(_unreachable(config, error)) from error
    found = {split: tables[name] for split, name in config.splits.items() if name in tables}
    if not found:
        wanted = ", ".join(dict.fromkeys(config.splits.values())) or "none (dataset.splits is empty)"
        raise DataError(
            f"hub {config.hub} has the splits {', '.join(tables)}; wanted: {wanted}\nTry: ++dataset.splits.train=NAME"
        )
    return found


def _unreachable(config: DatasetConfig, error: Exception) -> str:
    reason = " ".join(str(error).split())[:REASON_CHARS]
    revision = f" at {config.hub_revision}" if config.hub_revision else ""
    return "\n".join(
        [
            f"hub {config.hub}{revision} could not be read: {reason}",
            "Without network, or with a copy of your own: dataset.path=DIR, "
            "a folder with the files of the release or of the hub.",
            *filter(None, [config.how_to_get]),
        ]
    )
