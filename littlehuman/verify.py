"""`littlehuman verify multirun/STUDY[/CELL]`: whether each complete cell is still what it was computed from and wrote.

Checks the chain data, prompts, completions, mixture, adapter, predictions, result. The files are compared with the
digests in `result.json`; data, prompts and completions by building the training set again from the data and the
completion cache (no request is sent, and nothing is written). The exit code is 0 only when all is as it was.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from littlehuman import cli


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    arguments = parser().parse_args(argv)
    faulty: list[Path] = []
    code = cli.print_lines(lambda: _lines(Path(arguments.folder), faulty, files_only=arguments.files))
    return code or int(bool(faulty))


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = cli.Parser(
        prog=cli.program("verify"),
        description="Check that the files of complete cells, and what they were computed from, are as they were.",
    )
    made.add_argument("folder", help="a folder multirun/STUDY or multirun/STUDY/CELL")
    made.add_argument("--files", action="store_true", help="only the files: neither data nor completions are read")
    return made


def _lines(folder: Path, faulty: list[Path], *, files_only: bool) -> Iterator[str]:
    cells = _cells(folder)
    for cell in cells:
        found = list(_faults(cell, files_only))
        if found:
            faulty.append(cell)
        yield from (f"{cell}: {step}: {what}" for step, what, _ in found)
        yield from dict.fromkeys(cli.whole_command(f"  Try: {mend}") for _, _, mend in found)
    left = f"; {len(faulty)} are not as they were" if faulty else ": all as they were"
    yield f"{len(cells)} complete cell(s) checked{left}"


def _cells(folder: Path) -> list[Path]:
    """The cells of a study that have a result, or the one in this folder.

    Raises:
        DataError: when there is none.
    """
    from littlehuman.errors import DataError
    from littlehuman.runs.artifacts import RESULT

    found = [folder] if (folder / RESULT).exists() else sorted(path.parent for path in folder.glob(f"*/{RESULT}"))
    if not found:
        what = "holds no complete cell" if folder.is_dir() else "is no folder"
        raise DataError(f"{folder}: {what}\nTry: a folder multirun/STUDY, or multirun/STUDY/CELL")
    return found


def _faults(cell: Path, files_only: bool) -> Iterator[tuple[str, str, str]]:
    """Step of the chain, what is wrong, and what to try."""
    from littlehuman.errors import LittlehumanError
    from littlehuman.exporting import sources
    from littlehuman.runs import checks
    from littlehuman.runs.artifacts import RESULT

    again = f"rm {shlex.quote(str(cell / RESULT))}, then the sweep's command again: it computes this cell anew"
    found = checks.check_files(cell)
    yield from ((checks.step_of(fault), str(fault), again) for fault in found)
    if files_only or any(checks.step_of(fault) == "result" for fault in found):
        return
    try:
        sources.check(cell)
    except LittlehumanError as error:
        what, _, mend = str(error).partition("\nTry: ")
        yield sources.step_of(error), what.removeprefix(f"{cell}: "), mend or again


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
