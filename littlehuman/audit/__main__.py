"""`littlehuman audit STUDY|CELL|FILE...`: contamination, fidelity, diversity and bias of training sets.

Of cells it reads `audit.json`, or computes it where an older version wrote none (the data is loaded, and twins come
from the completion cache; no request is sent); of files, `--train FILE --test FILE --synthetic FILE`, or one FILE
against itself. Worst pairs are shown with their texts. Nothing is removed.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from littlehuman import cli
from littlehuman.errors import LittlehumanError


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code: 1 where a cell could not be audited."""
    options = parser()
    arguments = options.parse_args(argv)
    files = arguments.train or arguments.test or arguments.synthetic
    if not arguments.places and not files:
        options.error("name a folder multirun/STUDY, a cell or a file, or --train FILE --test FILE")
    failed: list[str] = []
    code = cli.print_lines(lambda: _lines(arguments, failed))
    return code or int(bool(failed))


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = cli.Parser(prog=cli.program("audit"), description="Audit training sets; nothing is removed.")
    made.add_argument("places", nargs="*", type=Path, metavar="STUDY|CELL|FILE", help="folders of runs, or tables")
    made.add_argument("--again", action="store_true", help="of cells: compute anew what audit.json has")
    for name, what in (("train", "training rows"), ("test", "test rows"), ("synthetic", "synthetic training rows")):
        made.add_argument(f"--{name}", nargs="+", type=Path, default=[], metavar="FILE", help=f"tables of {what}")
    made.add_argument("--text", metavar="COLUMN", help="of files: the claim, the question (default: looked up)")
    made.add_argument("--evidence", metavar="COLUMNS", help="of files: one column, or several with commas between them")
    made.add_argument("--target", metavar="COLUMN", help="of files: the label, the answer")
    made.add_argument("--output", type=Path, metavar="FILE", help="of files: where to write the audit as JSON")
    return made


def _lines(arguments: argparse.Namespace, failed: list[str]) -> Iterator[str]:
    if arguments.train or arguments.test or arguments.synthetic:
        train = [*arguments.train, *(place for place in arguments.places)]
        yield from _files(train, arguments.test, arguments.synthetic, arguments)
        return
    for place in arguments.places:
        try:
            yield from _files([place], [], [], arguments) if place.is_file() else _cells(place, arguments.again, failed)
        except LittlehumanError as error:
            if len(arguments.places) == 1:
                raise
            failed.append(str(place))
            yield f"not audited: {error}"


def _files(
    train: Sequence[Path], test: Sequence[Path], synthetic: Sequence[Path], arguments: argparse.Namespace
) -> Iterator[str]:
    from littlehuman.audit import compute, text
    from littlehuman.audit.files import FileColumns, sets_of_files
    from littlehuman.store import write_json

    columns = FileColumns(arguments.text, arguments.evidence, arguments.target)
    sets = sets_of_files(train, test, synthetic, columns)
    made = compute.audit(sets)
    yield ", ".join(f"{count:,} {name}" for name, count in made.findings["points"].items() if count and name != "pool")
    if not test and not synthetic:
        compute.within(sets, made)
    yield from text.lines_of_audit(made.findings)
    sides = {"test": sets.test or sets.human, "human": sets.human, "synthetic": sets.synthetic}
    yield from text.lines_of_pairs(made.findings, {name: {e.id: e.text for e in side} for name, side in sides.items()})
    yield from _words(made.words)
    if arguments.output:
        write_json(arguments.output, made.findings)
        yield f"written: {arguments.output}"


def _cells(place: Path, again: bool, failed: list[str]) -> Iterator[str]:
    from littlehuman.audit import text
    from littlehuman.audit.group_change import group_changes

    cells = _folders(place)
    worst: tuple[int, Path | None] = (-1, None)
    for cell in cells:
        try:
            found = _findings(cell, again)
        except LittlehumanError as error:
            failed.append(cell.name)
            yield f"{cell.name}: not audited: {str(error).removeprefix(f'{cell}: ')}"
            continue
        if len(cells) == 1:
            yield str(cell)
            yield from text.lines_of_audit(found)
        else:
            yield f"{cell.name}: {text.one_cell(found)}"
        worst = max(worst, (_size(found), cell), key=lambda one: one[0])
    if len(cells) > 1:
        yield from text.lines_of_changes(group_changes(cells))
    if worst[1] is not None and worst[0]:
        yield from _shown(worst[1], alone=len(cells) == 1)


def _size(found: dict[str, Any]) -> int:
    parts = [int(found.get(name, {}).get("count", 0)) for name in ("contamination", "copies", "collapse")]
    return sum(parts) + len(found.get("alarms", []))


def _folders(place: Path) -> list[Path]:
    """The cells of a study, complete or not, or the one in this folder.

    Raises:
        DataError: when there is none.
    """
    from littlehuman.errors import DataError
    from littlehuman.runs.artifacts import RESULT, STATUS

    if (place / RESULT).exists() or (place / STATUS).exists():
        return [place]
    found = sorted({path.parent for name in (RESULT, STATUS) for path in place.glob(f"*/{name}")})
    if not found:
        what = "holds no cell" if place.is_dir() else "is no file or folder"
        raise DataError(f"{place}: {what}\nTry: a folder multirun/STUDY, multirun/STUDY/CELL, or a table")
    return found


def _findings(cell: Path, again: bool) -> dict[str, Any]:
    """What `audit.json` has, or what a new audit finds."""
    from littlehuman.audit.reading import read
    from littlehuman.exporting.audited import audit_again, texts_of_cell

    found = {} if again else read(cell)
    if not found:
        audit_again(cell, texts_of_cell(cell))
        found = read(cell)
    return found


def _shown(cell: Path, *, alone: bool) -> Iterator[str]:
    """The worst pairs of a cell with their texts, and the words that tell its twins from human texts."""
    from littlehuman.audit import text
    from littlehuman.audit.reading import read
    from littlehuman.audit.two_sample import two_sample
    from littlehuman.exporting.audited import texts_of_cell

    if not alone:
        yield f"worst pairs, of {cell.name}:"
    try:
        loaded = texts_of_cell(cell)
    except LittlehumanError as error:
        yield f"  their texts cannot be shown: {error.one_line}"
        yield from text.lines_of_pairs(read(cell), {})
        return
    yield from text.lines_of_pairs(read(cell), loaded.by_side())
    if loaded.sets.synthetic and loaded.sets.new_texts:
        test = two_sample(loaded.sets.synthetic, loaded.sets.reference)
        yield from _words(test.words if test else ())


def _words(words: Sequence[tuple[str, float]]) -> Iterator[str]:
    for side, sign in (("twins", 1), ("human texts", -1)):
        if told := [repr(word) for word, weight in words if weight * sign > 0]:
            yield f"  words that tell {side}: {', '.join(told)}"


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
