"""`littlehuman export multirun/STUDY/CELL [OUT]`: the synthetic data of a cell as a dataset with its data card.

Reads the folder of a complete cell and the completion cache that its run wrote; no model is asked. Writes a folder
with a parquet table and a data card, which `datasets.load_dataset(OUT)` reads and which can be uploaded as it is.
The human points are left out by default: their licence is the dataset's.
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
    arguments = parser().parse_args(argv)
    cell = Path(arguments.cell)
    return cli.print_lines(
        lambda: export_cell(cell, Path(arguments.out) if arguments.out else cell / OUT, with_human=arguments.with_human)
    )


def export_cell(cell: Path, out: Path, *, with_human: bool = False) -> list[Path]:
    """Write the training set of `cell` to the folder `out`; return the files.

    Args:
        cell: the folder of a complete run.
        out: a new folder, or one that an export wrote before.
        with_human: whether the human points of the training set are written too.

    Raises:
        LittlehumanError: when the cell cannot be rebuilt, or the folder cannot be written.
    """
    from littlehuman.exporting import folder, rebuild

    return folder.write_folder(rebuild.rebuild(cell), out, with_human=with_human)


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = cli.Parser(
        prog=cli.program("export"),
        description="Write a cell's synthetic data as a dataset with its data card.",
    )
    made.add_argument("cell", help="a folder multirun/STUDY/CELL")
    made.add_argument(
        "out", nargs="?", metavar="OUT", help=f"the folder to write (default: {OUT} inside the cell's folder)"
    )
    made.add_argument("--with-human", action="store_true", help="the human points too; their licence is the dataset's")
    return made


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
