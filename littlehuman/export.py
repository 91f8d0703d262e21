"""The synthetic data of a cell as a dataset: `python -m littlehuman.export multirun/STUDY/CELL [OUT]`.

In: the folder of a complete cell, and the cache that it wrote; no model is asked. Out: a folder with a
parquet table and its data card, which `datasets.load_dataset(OUT)` reads and which can be uploaded as
it is. The human points stay out unless asked for: their licence is the dataset's.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from littlehuman import cli

OUT = "dataset"  # inside the cell's folder


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    arguments = _arguments(argv)
    cell = Path(arguments.cell)
    return cli.print_lines(
        lambda: export_cell(cell, Path(arguments.out) if arguments.out else cell / OUT, with_human=arguments.with_human)
    )


def export_cell(cell: Path, out: Path, *, with_human: bool = False) -> list[Path]:
    """Write the training set of `cell` to the folder `out`; its files.

    Args:
        cell: the folder of a complete run.
        out: a new folder, or one that an export wrote before.
        with_human: the human points of the training set too.

    Raises:
        LittlehumanError: when the cell cannot be rebuilt, or the folder not be written.
    """
    from littlehuman.exporting import folder, rebuild

    return folder.write_folder(rebuild.rebuild(cell), out, with_human=with_human)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m littlehuman.export",
        description="Write a cell's synthetic data as a dataset with its data card.",
    )
    parser.add_argument("cell", help="a folder multirun/STUDY/CELL")
    parser.add_argument(
        "out", nargs="?", metavar="OUT", help=f"the folder to write (default: {OUT} inside the cell's folder)"
    )
    parser.add_argument(
        "--with-human", action="store_true", help="the human points too; their licence is the dataset's"
    )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
