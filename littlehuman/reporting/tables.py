"""The tables of a study's report: headers and rows of short texts, the same on the page and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from littlehuman.economics.price_text import worth_range
from littlehuman.formatting import (
    NOTHING,
    absent,
    count,
    interval,
    markdown_text,
    named,
    p_value,
    percent,
    share,
    shortened,
    size,
    span,
)
from littlehuman.reporting.verdicts import of_items_alone, rows_of
from littlehuman.reporting.warning_texts import withheld_reason
from littlehuman.study.load import metric_names

if TYPE_CHECKING:
    from littlehuman.economics.price import Tradeoff
    from littlehuman.reporting.gathering import ReportData
    from littlehuman.study.replacement import ReplacementCurve
    from littlehuman.study.text_comparison import TextComparison


INFINITE = "infinite"
FEW = 2  # curves, labellers or comparisons that the short answer names one by one
VERDICTS = {"worse": "worse", "better": "better", "equal": "equal within delta", "unknown": "not known"}


@dataclass(frozen=True)
class ReportTable:
    """Cells as text; `words` columns at the left are words, the others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    title: str = ""

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [self.header, tuple("---" for _ in self.header), *self.rows]
        return "".join("| " + " | ".join(markdown_text(cell) for cell in line) + " |\n" for line in lines)


def curve(line: ReplacementCurve, delta: float) -> ReportTable:
    """Every share of one curve with its one verdict; shares without a complete run have empty cells."""
    header = "synthetic share,verdict,score (%),change (percentage points)"
    header += ",smallest change found (percentage points),change (%),human points,synthetic points,seeds,test items"
    rows = [(row.synth_frac, _of_share(line, row, nth == 0)) for nth, row in enumerate(rows_of(line))]
    rows += [(gap, (share(gap), "no complete run", *[NOTHING] * 8)) for gap in line.missing]
    alone = ", human points alone" if line.curve.control else ""
    title = f"{line.curve.name}{alone}: {named(line.metric)}, protocol {line.protocol}"
    ordered = tuple(row for _, row in sorted(rows, key=lambda row: row[0]))
    return ReportTable(tuple(header.split(",")), ordered, words=2, title=title)


def _of_share(line: ReplacementCurve, row: Any, is_base: bool) -> tuple[str, ...]:
    return (
        share(row.synth_frac),
        "the base" if is_base else _verdict(line, row),
        interval(row.mean, row.low, row.high),
        interval(row.change, row.change_low, row.change_high, signed=True),
        NOTHING if of_items_alone(row) else percent(row.smallest_detectable),  # it would be of other test items alone
        percent(row.relative, signed=True),
        count(row.n_human),
        count(row.n_synthetic),
        count(row.seeds),
        count(row.items),
    )


def _verdict(line: ReplacementCurve, row: Any) -> str:
    """One of the four verdicts, or why there is none."""
    if absent(row.verdict):
        return "not compared"
    if row.verdict == "withheld":
        return f"withheld: because {withheld_reason(line, row.synth_frac)}"
    return "not known: one seed" if of_items_alone(row) else VERDICTS[str(row.verdict)]


def added(frame: pd.DataFrame) -> ReportTable:
    """What twins add to the human points that a mixture has anyway."""
    header = "curve,synthetic share,verdict,change (percentage points),smallest change found (percentage points)"
    header += ",human points alone (%),with twins (%),human points,twins,seeds"
    rows = [
        (
            r.line,
            share(r.synth_frac),
            f"withheld: because {r.withheld_because}" if r.verdict == "withheld" else VERDICTS[str(r.verdict)],
            interval(r.change, r.change_low, r.change_high, signed=True),
            percent(r.smallest_detectable),
            percent(r.alone),
            percent(r.mixture),
            count(r.n_human),
            count(r.n_synthetic),
            count(r.seeds),
        )
        for r in _records(frame)
    ]
    return ReportTable(tuple(header.split(",")), tuple(rows), words=3)


def worth(tradeoffs: Sequence[Tradeoff]) -> ReportTable:
    """What a human point is worth at the largest N.

    Beside it the paper's Table 3: synthetic points needed, over runs.
    """
    header = "series,human points added,at N,worth of one human point,paper: runs,mean,median,25 %,75 %"
    return ReportTable(tuple(header.split(",")), tuple(row for one in tradeoffs for row in _worths(one)))


def _worths(one: Tradeoff) -> Iterator[tuple[str, ...]]:
    for found in one.price.by_human if one.price else ():
        paper = one.price.model.paper(found.human_points) if one.price else None
        cells = [NOTHING] * 5
        if paper is not None:
            needed = (paper.mean, paper.median, paper.p25, paper.p75)
            cells = [count(paper.runs), *(NOTHING if paper.a1 <= 0 else size(v, INFINITE) for v in needed)]
        yield (one.scored.name, count(found.human_points), count(found.n), worth_range(found.worth), *cells)


def texts(groups: Sequence[TextComparison]) -> ReportTable:
    """Means of human texts and of their twins, with the paired difference."""
    rows = [
        (
            group.name,
            row.name,
            row.unit,
            count(row.n),
            f"{row.human:.3g}",
            f"{row.synthetic:.3g}",
            _difference(row.difference),
        )
        for group in groups
        for row in group.rows
    ]
    return ReportTable(
        ("group", "measure", "unit", "pairs", "human", "synthetic", "synthetic - human"), tuple(rows), words=3
    )


def _difference(found: tuple[float, float, float] | None) -> str:
    return NOTHING if found is None else "{:+.3g} [{:+.3g}, {:+.3g}]".format(*found)


def kinds(groups: Sequence[TextComparison]) -> ReportTable:
    """Shares of question openings and of classes on both sides."""
    rows = [
        (group.name, kind, word, percent(human), percent(synthetic), p_value(found.p))
        for group in groups
        for kind, found in (("opening", group.openings), ("label", group.labels))
        if found is not None
        for word, (human, synthetic) in found.shares.items()
    ]
    return ReportTable(
        ("group", "kind", "word", "human (%)", "synthetic (%)", "p (chance of such shares if neither side differed)"),
        tuple(rows),
        words=3,
    )


def yields(groups: Sequence[TextComparison]) -> ReportTable:
    """How many answers were usable, and why the others were not."""
    rows = [(g.name, _causes(g), count(g.asked), count(g.usable), percent(g.usable_share)) for g in groups]
    return ReportTable(("group", "rejected because", "asked", "usable", "usable (%)"), tuple(rows), words=2)


def _causes(group: TextComparison) -> str:
    shifts = [
        f"asked for {asked}, came back {returned}: {count(n)}" for (asked, returned), n in group.label_shift.items()
    ]
    causes = [f"{reason}: {count(n)}" for reason, n in group.rejected.items()]
    return "; ".join([*causes, *(f"({shift})" for shift in shifts)]) or "none"


def audit(frame: pd.DataFrame) -> ReportTable:
    """Largest share in any cell of a series."""
    names = (
        "twin equal to its human point",
        "twin near it",
        "twin equal to an example of its prompt",
        "twin repeats another",
        "point stands in the test split",
        "point on test evidence",
    )
    rows = [(r.series, count(r.cells), *(percent(value, digits=2) for value in r[3:])) for r in _records(frame)]
    return ReportTable(("series", "cells", *(f"{name} (%)" for name in names)), tuple(rows))


def cost(frame: pd.DataFrame) -> ReportTable:
    """What each series cost, in money, time and human labels."""
    header = "series,cells,USD paid,USD saved by the cache,requests,from the cache,compute time"
    header += ",human labels in training,shown in prompts,different ones in all"
    rows = [
        (
            r.series,
            count(r.cells),
            f"{r.usd:,.2f}",
            f"{r.usd_saved:,.2f}",
            count(r.requests),
            count(r.from_cache),
            _time(r.seconds),
        )
        + tuple(span(getattr(r, f"{k}_low"), getattr(r, f"{k}_high")) for k in ("in_training", "in_prompts", "in_all"))
        for r in _records(frame)
    ]
    return ReportTable(tuple(header.split(",")), tuple(rows))


def _time(seconds: float) -> str:
    return (
        f"{seconds / 3600:,.1f} h"
        if seconds >= 3600
        else f"{seconds / 60:,.1f} min"
        if seconds >= 60
        else f"{seconds:,.1f} s"
    )


def left_out(found: pd.DataFrame) -> ReportTable:
    """What the cells of each dataset left out or doubted, and how many say so."""
    rows = [
        (str(row.dataset), f"{row.what}{' (numbers of the first of them)' if row.varies else ''}", count(row.cells))
        for row in found.itertuples()
    ]
    return ReportTable(("dataset", "what", "cells"), tuple(rows), words=2)


def missing(frame: pd.DataFrame) -> ReportTable:
    """Cells of the full grid that are not complete, with the cause."""
    rows = [
        (
            r.series,
            r.state,
            shortened(r.error),
            count(r.n_train),
            count(r.extra_human),
            share(r.synth_frac),
            _twins(r.synthetic),
            count(r.seed),
        )
        for r in _records(frame)
    ]
    return ReportTable(
        ("series", "state", "cause", "n_train", "extra human", "synthetic share", "twins", "seed"), tuple(rows), words=3
    )


def unplaced(found: ReportData) -> ReportTable:
    """Cells that failed before it was known which series they belong to."""
    frame = found.frame
    lost = frame[(frame["state"] != "done") & ~frame["series"].isin(list(found.over_seeds.get("series", ())))]
    rows = [(r.cell, r.state, shortened(r.error)) for r in _records(lost)]
    return ReportTable(("cell", "state", "cause"), tuple(rows), words=3)


def over_seeds(frame: pd.DataFrame) -> ReportTable:
    """Every condition with every metric, mean over seeds and interval, in percent."""
    metrics = metric_names(frame)
    header = "series,protocol,n_train,extra human,synthetic share,twins,human points,synthetic points,seeds"
    rows = []
    for r in frame.to_dict("records"):
        shape = (count(r["n_train"]), count(r["extra_human"]), share(r["synth_frac"]), _twins(r["synthetic"]))
        counts = (count(r["n_human"]), count(r["n_synthetic"]), count(r["seeds"]))
        scores = tuple(interval(r[m], r[f"{m}_low"], r[f"{m}_high"]) for m in metrics)
        rows.append((r["series"], r["protocol"], *shape, *counts, *scores))
    return ReportTable((*header.split(","), *(f"{named(m)} (%)" for m in metrics)), tuple(rows), words=2)


def _records(frame: pd.DataFrame) -> Iterator[Any]:
    """Rows with a field per column."""
    return iter(frame.itertuples())


def _twins(synthetic: bool) -> str:
    return "yes" if synthetic else "left out"
