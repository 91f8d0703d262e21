"""The report of a study: `python -m littlehuman.report multirun/STUDY`.

In: a study folder; nothing else is read. Out, in that folder: `report.html` (one file with its
figures inside), `table.csv` and `over_seeds.csv` with their Markdown twins, and the figures as PNG
and SVG. The findings are printed too.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from littlehuman import cli
from littlehuman.economics import price_options
from littlehuman.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from littlehuman.reporting.gathering import ReportData


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = _parser()
    arguments = parser.parse_args(argv)
    both = price_options.check_options(parser, arguments)

    def lines() -> list[str]:
        said, files = write(Path(arguments.study), delta=arguments.delta, metric=arguments.metric, prices=both)
        return [*said, "", *map(str, files)]

    return cli.print_lines(lines)


def write(
    study: Path,
    *,
    delta: float | None = None,
    metric: str | None = None,
    prices: tuple[float, float] | None = None,
    dpi: int = 150,
) -> tuple[list[str], list[Path]]:
    """Write a study's report into its folder.

    Args:
        study: the folder.
        delta: the loss that would matter, as a share of 1 (default: `comparisons.DELTA`).
        metric: for the curves, instead of each series' headline.
        prices: of a human label and of a synthetic point.
        dpi: of the PNG figures.

    Returns:
        The findings, and the files that were written.

    Raises:
        ConfigError: for a price that cannot be.
        DataError: for a folder that is no study or has no complete cell, and for an unknown metric.
    """
    from littlehuman.reporting import findings, gathering, page, tables
    from littlehuman.store import write_text
    from littlehuman.study import comparisons, table

    if not study.is_dir():
        raise DataError(f"{study}: is no folder\nTry: a folder multirun/STUDY")
    found = gathering.gather(study, delta=comparisons.DELTA if delta is None else delta, metric=metric, prices=prices)
    said = findings.findings_of_study(found)
    files = [
        study / "report.html",
        table.write(study),
        study / "table.md",
        study / "over_seeds.csv",
        study / "over_seeds.md",
    ]
    write_text(files[3], found.over_seeds.to_csv(index=False))
    write_text(files[4], tables.over_seeds(found.over_seeds).markdown())
    drawn = []
    for name, alt, figure in _figures(found):
        png, svg = _save(figure, study / "figures", name, dpi)
        drawn.append(page.drawn(name, svg, alt))
        files += [png, svg]
    write_text(files[0], page.render(found, said, drawn))
    return said, files


def _figures(found: ReportData) -> Iterator[tuple[str, str, Figure]]:
    """Name, alternative text and figure, of those that have something to show."""
    from littlehuman.figures import replacement, texts, tradeoff

    if found.lines:
        curves = "Score over the synthetic share of the training set, and its change against the smallest share"
        yield (
            "replacement",
            f"{curves}; the numbers are in the tables below.",
            replacement.replacement(found.lines, found.controls, found.delta),
        )
        closer = replacement.zoom(found.lines, found.delta)
        if closer is not None:
            yield "zoom", "The same for synthetic shares from 90 % on, with the numbers of human points.", closer
    if found.tradeoffs:
        sizes = "Score over the number of synthetic training points, without and with human points beside them"
        yield "tradeoff", f"{sizes}; the numbers are in the table below.", tradeoff.tradeoff(found.tradeoffs)
    if found.texts:
        yield (
            "texts",
            "Length, likeness to the evidence and kinds of human texts and of their twins.",
            texts.texts(found.texts, found.protocols),
        )


def _save(figure: Figure, folder: Path, name: str, dpi: int) -> tuple[Path, Path]:
    from littlehuman.figures import style

    return style.save(figure, folder, name, dpi)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m littlehuman.report", description="Write the report of a study into its folder."
    )
    parser.add_argument("study", help="a folder multirun/STUDY")
    parser.add_argument(
        "--delta", type=_share, help="the loss that would matter, such as 0.01 (default: two percentage points)"
    )
    parser.add_argument("--metric", help="for the curves over the synthetic share, instead of the headline metric")
    price_options.add_options(parser)
    return parser


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1; two percentage points are 0.02")
    return value


if __name__ == "__main__":
    sys.exit(main())
