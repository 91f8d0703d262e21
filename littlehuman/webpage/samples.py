"""The items that stand in the page as one file: a stated sample, so that the file stays small.

In: `ReportData`, and what reads the texts of a cell. Out: pages of items by kind and cell, and a sentence that says
what they are of. Of up to `CURVES` curves the smallest and the largest share of the lowest seed are taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman import cli
from littlehuman.formatting import count
from littlehuman.webpage.items import Asked, LoadTexts, NoTexts, Texts, page_of_cell, page_of_curve

if TYPE_CHECKING:
    from littlehuman.reporting.gathering import ReportData
    from littlehuman.study.comparisons import CurveCells
    from littlehuman.study.replacement import ReplacementCurve

CURVES, ITEMS = 4, 25  # curves that the sample is of, and items of each kind in each run
TEXTS = 2  # runs whose texts are read: each of them reads its data again, which may be large
NOT_READ = NoTexts({}, {}, {}, ("This file has ids here; it has the texts of the first curve alone.",))
LONGEST = 1200  # characters of one text


def sample(found: ReportData, load_texts: LoadTexts | None = None) -> dict[str, Any]:
    """`pages` of items, each with its `kind` and `cell` or `curve`; `said`: what they are a sample of."""
    cells = list(dict.fromkeys(_cells(found)))
    some = cells[:TEXTS] if load_texts else []
    texts = {cell: load_texts(cell) if load_texts and cell in some else NOT_READ for cell in cells}
    pages = [page for cell in cells for page in _of_cell(cell, texts[cell])]
    curves = [line for line in found.lines[:CURVES] if not line.curve.control]
    pages += [_of_curve(line.curve, line.metric, texts.get(_ends(line)[0], NOT_READ)) for line in curves]
    done = int((found.frame["state"] == "done").sum())
    view = cli.command("view", [f"multirun/{found.study.resolve().name}"], portable=True)
    said = f"A sample: the first {ITEMS} items of each kind from {count(len(cells))} of {count(done)} complete runs"
    said += f", and the {ITEMS} on which the shares of a curve disagree most" if curves else ""
    said += f". All aggregates are of all items. Every item: {view}"
    return {"pages": [page for page in pages if page["rows"]], "said": said}


def _cells(found: ReportData) -> Iterator[Path]:
    """Run folders: the ends of the first curves; without curves the first complete cells."""
    for line in found.lines[:CURVES]:
        yield from _ends(line)
    if not found.lines:
        yield from map(Path, found.frame.loc[found.frame["state"] == "done", "folder"].iloc[:CURVES])


def _ends(line: ReplacementCurve) -> tuple[Path, Path]:
    """The runs of a curve at its smallest and its largest share, of the lowest seed each."""
    ordered = line.curve.cells.sort_values(["synth_frac", "seed"], kind="stable").drop_duplicates("synth_frac")
    return Path(ordered["folder"].iloc[0]), Path(ordered["folder"].iloc[-1])


def _of_cell(cell: Path, texts: Texts) -> Iterator[dict[str, Any]]:
    for kind in ("predictions", "twins", "rejected"):
        page = page_of_cell(cell, Asked(kind=kind, size=ITEMS), texts)
        yield {**_short(page), "kind": kind, "cell": cell.name}


def _of_curve(curve: CurveCells, metric: str, texts: Texts) -> dict[str, Any]:
    page = page_of_curve(curve.cells, metric, Asked(kind="disagreement", size=ITEMS), texts)
    return {**_short(page), "kind": "disagreement", "curve": curve.name}


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= LONGEST else f"{value[:LONGEST]} ..."
    if isinstance(value, dict):
        return {key: _short(own) for key, own in value.items()}
    return [_short(own) for own in value] if isinstance(value, list | tuple) else value
