"""The report's page: one HTML file that loads nothing from elsewhere.

In: the report's data, its sentences and figures. Out: the text of `report.html`, with how its numbers were computed.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.cli import config_dir_of, sweep_command
from littlehuman.formatting import plain_text

if TYPE_CHECKING:
    from littlehuman.economics.learning_curve import LearningCurve
    from littlehuman.reporting.gathering import ReportData
    from littlehuman.reporting.tables import ReportTable
    from littlehuman.study.replacement import ReplacementCurve

TEMPLATE = Path(__file__).parent / "report.html"
INTERVALS = (
    "Intervals of scores are 95 % and for a new draw of seeds and of test items, which are crossed (every seed is "
    "tested on the same items): Wilson's interval on the effective number of test items (Korn and Graubard 1998). "
    "With one seed they are for other test items alone."
)
CLUSTERS = (
    "Test items on one text are not independent: variances are cluster-robust (CR2; Bell and McCaffrey 2002), by the"
    " coarsest level that leaves 20 clusters."
)
WITHOUT_ITEMS = (
    "Metrics without statistics of test items have intervals over seeds alone (Student t), none with one seed, and "
    "no verdict."
)
CURVES = (
    "Changes are paired: within a seed the training sets are nested and the test items the same. All shares of a "
    "curve come from one model; the variance between seeds of each share is drawn towards the common one (moderated "
    "variances; Smyth 2004).",
    "The interval of a change is simultaneous: all intervals of a curve hold together in 95 % of studies. It alone "
    "decides: worse (all of it below 0), better (all above 0), equal within delta (all between -delta and +delta, "
    "which goes first), else not known. That no difference is shown is no proof that there is none.",
    "The smallest change found is the true change that a study with this standard error finds in 80 % of "
    "repetitions, at the level that decides (Card et al. 2020).",
    "A verdict is withheld where it would rest on runs that are broken: empty or constant answers, a collapsed "
    "training, leaked test items, a training set much shorter than asked for, or scores that are not above what "
    "needs no training.",
)
LOOKS = (
    "Where looks at a curve were fixed before its first one (next.json), its intervals hold at the level of the look "
    "instead of 95 %: a group-sequential design with evenly spent alpha (Lan and DeMets 1983) on the t scale. Nothing "
    "is decided between looks."
)
ALONE = (
    "The human points alone are the same human points as in the mixture, without the twins; the comparison is "
    "paired, and its intervals are simultaneous over the shares of a curve (Bonferroni)."
)
WORTH = (
    "The worth of human points at N is the number of synthetic points that one of them replaces beside N: a response"
    " model over synthetic and human points with seeds as random effects, averaged over curve families by AICc "
    "(Hurvich and Tsai 1989), with 95 % intervals. Table 3 of arXiv 2410.13098 stands beside it: y = a0 + a1 ln x "
    "through the runs on synthetic points alone; the equivalent size of a score y* is exp((y* - a0) / a1)."
)
TEXTS = (
    "Twins are compared with the human texts of the same ids, in pairs, as in Appendix D of arXiv 2410.13098; "
    "likeness to the evidence is the highest sentence BLEU against its sentences (sacreBLEU, Post 2018). Differences"
    " have paired t intervals over twins."
)
AUDIT = "Near means at least 80 % of all words in common (Jaccard). Shares are those of the worst cell of a series."
COST = (
    "Money and time are sums over the cells of a series; cells without twins that several series share are counted "
    "in each."
)


@dataclass(frozen=True)
class EmbeddedFigure:
    """A figure in the page: its SVG as a data address, and alternative text."""

    name: str
    source: str
    alt: str


def embed(name: str, svg: Path, alt: str) -> EmbeddedFigure:
    """A figure for the page: an SVG file as an address that holds it, so its ids meet no others."""
    return EmbeddedFigure(name, f"data:image/svg+xml;base64,{b64encode(svg.read_bytes()).decode('ascii')}", alt)


def render(found: ReportData, sentences: Sequence[str], figures: Sequence[EmbeddedFigure]) -> str:
    """The page; all text of the study is escaped, and without control characters."""
    import jinja2

    from littlehuman.reporting import audit_section, labelling, learning_curve, methods, tables, verdicts, writer_table

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    page = environment.from_string(TEMPLATE.read_text("utf-8")).render(
        study=found.study.resolve().name,
        again=_sweep_again(found),
        facts=_facts(found),
        answer=sentences[0],
        findings=sentences[1:],
        delta=verdicts.points(found.delta),
        figures={figure.name: figure for figure in figures},
        found=found,
        tables=tables,
        labelling=labelling,
        audits=audit_section.audits(found.frame),
        by_method=methods.table(found.methods),
        writer_table=writer_table.table,
        learning=[(learning_curve.table(one), learning_curve.answer(one), *_below(one)) for one in found.learning],
        curves=[_section(line, found.delta) for line in found.lines],
        controls=[_section(line, found.delta) for line in found.controls],
        missing=tables.missing(found.missing),
        unplaced=tables.unplaced(found),
        methods=methods_section(found),
        table_3=_paper_note() if found.tradeoffs else "",
    )
    return plain_text(page)


def methods_section(found: ReportData) -> list[str]:
    """A sentence per method that this report uses, with its source."""
    from littlehuman.reporting import labelling, learning_curve
    from littlehuman.reporting import methods as by_method

    said = [INTERVALS, CLUSTERS, WITHOUT_ITEMS]
    said += CURVES if found.lines or found.controls else ()
    said += [LOOKS] if any(line.blocks for line in found.lines) else []
    said += [ALONE] if len(found.added) else []
    said += [learning_curve.METHOD] if found.learning else []
    said += [WORTH] if found.tradeoffs else []
    said += [TEXTS] if found.texts else []
    said += [labelling.METHOD] if found.labellings else []
    said += [by_method.METHOD] if found.methods else []
    return [*said, AUDIT, COST]


def _section(line: ReplacementCurve, delta: float) -> tuple[ReportTable, list[str], list[str]]:
    """The table of a curve, what is wrong with its runs, and what else limits its numbers."""
    from littlehuman.reporting import tables, verdicts
    from littlehuman.reporting.warning_texts import shown_warnings, warning_texts

    return (
        tables.curve(line, delta),
        [warning_texts(line, [warning]) for warning in shown_warnings(line)],
        [*verdicts.notes(line)],
    )


def _below(one: LearningCurve) -> tuple[list[str], list[str]]:
    """What is wrong with the runs of a learning curve, and what else is said of it."""
    from littlehuman.reporting import learning_curve

    return learning_curve.problems(one), list(learning_curve.notes(one))


def _sweep_again(found: ReportData) -> str:
    """The start of a command that adds cells to this study: with the groups that all its cells share."""
    shared = {key: found.frame[key].dropna().unique() for key in ("dataset", "model", "protocol") if key in found.frame}
    words = [f"{key}={values[0]}" for key, values in shared.items() if len(values) == 1]
    own = (
        "DIR" if len(found.frame) and config_dir_of(Path(found.frame["folder"].iloc[0])) else None
    )  # a page may be read elsewhere
    return sweep_command([f"study={found.study.resolve().name}", *words], own, portable=True)


def _facts(found: ReportData) -> list[tuple[str, str]]:
    """What stands under the title."""
    frame = found.frame
    states = frame["state"].value_counts().to_dict()
    never = int((found.missing["state"] == "not run").sum())
    cells = [f"{n} {state}" for state, n in sorted(states.items())] + ([f"{never} never run"] if never else [])
    facts = [("protocol", found.protocols)]
    facts += [
        (key.replace("_", " "), _names(frame, key))
        for key in ("dataset", "test_dataset", "task", "model", "prompt_model", "strategy")
    ]
    facts += [
        ("seeds", _names(frame, "seed")),
        ("runs (cells)", ", ".join(cells)),
        ("newest cell", found.newest),
        ("versions", ", ".join(found.versions)),
    ]
    return [(key, value) for key, value in facts if value]


def _names(frame: Any, column: str) -> str:
    values = frame[column].dropna().unique() if column in frame else ()
    return ", ".join(f"{value:.0f}" if isinstance(value, float) else str(value) for value in sorted(values))


def _paper_note() -> str:
    from littlehuman.economics.price import PAPER_NOTE

    return PAPER_NOTE
