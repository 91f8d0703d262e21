"""`littlehuman report multirun/STUDY`: the report of a study.

Reads a study folder; of runs by older versions also the data, for what their test items share. Writes into the folder:
`report.html` (the page of `littlehuman view` as one file: all aggregates and a stated sample of the items) and
`report.md`; `table.csv` (cells) and `over_seeds.csv` (conditions), both as Markdown too; `answers.json`,
`comparisons.csv` and `prices.csv` (what the report says, for programs: see `reporting/answers.py`); and the figures as
PNG and SVG. Prints the findings, or with `--json` what is in `answers.json`.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from littlehuman import cli
from littlehuman.economics import price_options
from littlehuman.errors import DataError
from littlehuman.formatting import csv_cell

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from littlehuman.reporting.gathering import ReportData
    from littlehuman.webpage.items import Texts


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = parser()
    arguments = options.parse_args(argv)
    prices = price_options.check_options(options, arguments)

    if arguments.budget is not None and prices is None:
        options.error("--budget needs --human-price and --synthetic-price")

    def lines() -> list[str]:
        made = write(
            Path(arguments.study),
            delta=arguments.delta,
            metric=arguments.metric,
            prices=prices,
            budget=arguments.budget,
        )
        return [made.answers] if arguments.json else [*made.findings, "", *map(str, made.files)]

    return cli.print_lines(lines)


class Report(NamedTuple):
    """What was written: the sentences, the files, and the text of `answers.json`."""

    findings: list[str]
    files: list[Path]
    answers: str


def write(
    study: Path,
    *,
    delta: float | None = None,
    metric: str | None = None,
    prices: tuple[float, float] | None = None,
    budget: float | None = None,
    dpi: int = 150,
) -> Report:
    """Write a study's report into its folder.

    Args:
        study: the folder.
        delta: the equivalence margin, as a share of 1: a smaller loss does not matter (default: that of
            `next.json`, else 0.02).
        metric: for the curves, instead of each series' headline metric.
        prices: of a human label and of a synthetic point.
        budget: to spend on both, where there are prices.
        dpi: resolution of the PNG figures.

    Raises:
        ConfigError: for a price or budget that is not above 0, or one price without the other.
        DataError: for a folder that is no study or has no complete cell, or an unknown metric.
    """
    from littlehuman.reporting import findings, gathering
    from littlehuman.study import table

    if not study.is_dir():
        raise DataError(f"{study}: is no folder\nTry: a folder multirun/STUDY")
    data = gathering.gather(
        study, delta=delta, metric=metric, prices=prices, budget=budget, load_clusters=_clusters_from_data
    )
    found = findings.findings_of_study(data)
    files = [*_write_page(data, found), table.write(study), study / "table.md", *_write_conditions(data)]
    images = _draw(data, dpi)
    written, answers = _write_answers(data, found, [*files, *images])
    return Report(found, [*files, *written, *images], answers)


def _write_page(data: ReportData, found: list[str]) -> list[Path]:
    import time

    from littlehuman.runs.artifacts import rows
    from littlehuman.store import write_text
    from littlehuman.webpage import cells, html, markdown, samples
    from littlehuman.webpage.document import document

    files = [data.study / "report.html", data.study / "report.md"]
    made = document(data, found)
    shown: dict[str, Any] = {"document": made, "progress": cells.progress(data.study, rows(data.study))}
    shown |= {"sample": samples.sample(data, _texts_of_cell), "made": time.strftime("%Y-%m-%d %H:%M")}
    write_text(files[0], html.one_file(shown, f"{made['study']} – littlehuman"))
    write_text(files[1], markdown.report(made))
    return files


def _write_conditions(data: ReportData) -> list[Path]:
    from littlehuman.reporting import tables
    from littlehuman.store import write_text

    files = [data.study / "over_seeds.csv", data.study / "over_seeds.md"]
    write_text(files[0], _csv(data.over_seeds))
    write_text(files[1], tables.over_seeds(data.over_seeds).markdown())
    return files


def _csv(frame: pd.DataFrame) -> str:
    """A table for spreadsheets, without formulas."""
    return str(frame.rename(columns=csv_cell).map(csv_cell).to_csv(index=False))


def _write_answers(data: ReportData, found: list[str], others: Sequence[Path]) -> tuple[list[Path], str]:
    """What the report says, for programs; `others` are the report's other files, which it names."""
    from littlehuman.reporting import answers
    from littlehuman.store import write_text

    files = [data.study / name for name in ("answers.json", "comparisons.csv", "prices.csv")]
    value = answers.of_report(data, found, [*others, *files])
    text = answers.text(value)
    write_text(files[0], text + "\n")
    write_text(files[1], _csv(answers.comparisons(value)))
    write_text(files[2], _csv(answers.prices(value)))
    return files, text


def _draw(data: ReportData, dpi: int) -> list[Path]:
    """The files of the figures, as PNG and SVG."""
    from littlehuman.figures import style

    return [file for name, figure in _figures(data) for file in style.save(figure, data.study / "figures", name, dpi)]


def _clusters_from_data(cell: Path) -> dict[str, dict[str, str]]:
    from littlehuman.exporting.item_clusters import clusters_of_test_items

    return clusters_of_test_items(cell)


def _texts_of_cell(cell: Path) -> Texts:
    from littlehuman.exporting.item_texts import texts_of_cell

    return texts_of_cell(cell)


def _figures(data: ReportData) -> Iterator[tuple[str, Figure]]:
    """Name and figure, of those that have data."""
    from littlehuman.figures import confusion, learning_curve, replacement, texts, tradeoff

    if data.lines:
        yield "replacement", replacement.replacement(data.lines, data.controls, data.delta)
        if (closer := replacement.zoom(data.lines, data.delta)) is not None:
            yield "zoom", closer
    if data.learning:
        yield "learning_curve", learning_curve.learning_curves(data.learning)
    if data.tradeoffs:
        yield "tradeoff", tradeoff.tradeoff(data.tradeoffs)
    if data.texts:
        yield "texts", texts.texts(data.texts, data.protocols)
    if confusion.with_classes(data.labellings):
        yield "confusion", confusion.confusion(data.labellings, data.protocols)


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = cli.Parser(prog=cli.program("report"), description="Write the report of a study into its folder.")
    made.add_argument("study", help="a folder multirun/STUDY")
    made.add_argument(
        "--delta",
        type=cli.share,
        help="the loss that would matter, such as 0.01 (default: that of next.json, else 0.02)",
    )
    made.add_argument("--metric", help="for the curves over the synthetic share, instead of the headline metric")
    price_options.add_options(made)
    made.add_argument("--budget", type=_sum, metavar="SUM", help="with both prices: what to buy for this sum")
    made.add_argument(
        "--json", action="store_true", help="print answers.json instead of the findings; files are written all the same"
    )
    return made


def _sum(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} must be a number above 0")
    return value


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
