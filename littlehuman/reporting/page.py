"""The report's page: one HTML file that loads nothing from elsewhere.

In: what was gathered, the findings, the figures. Out: the text of `report.html`.


[folded] How the numbers of a report were computed: one sentence per method, with its source.

In: `Gathered`. Out: the sentences that its sections need.

"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.cli import config_dir_of, sweep_command

if TYPE_CHECKING:
    from littlehuman.reporting.gathering import ReportData

INTERVALS = (
    "Intervals are 95 % and for a new draw of seeds and of test items: every seed is tested on the same items, and the variance is that "
    "of a crossed two-way design with random seeds and items (Brennan 2001, Generalizability Theory; Owen 2007), "
    "read from the tails of two t distributions, of seeds and of items, weighed by their parts of the variance "
    "(after Cochran and Cox 1957). With one seed they are for test items alone (Wilson 1927 for scores of 0 and 1, else Student t)."
)
WITHOUT_ITEMS = "Metrics without scores of single items (corpus BLEU, macro F1) have intervals over seeds alone (Student t), and none with one seed."
CURVES = (
    "Changes are paired: within a seed the training sets are nested and the test items the same. p is the two-sided t test of that "
    "design; p (items) is for these trained models on other test items (exact McNemar test for one seed and scores of 0 and 1, else a "
    "paired permutation test); p (Holm) corrects p over the shares of one curve (Holm 1979), or p (items) where there is one seed.",
    "The smallest detectable difference is the one that a study with this standard error finds in 80 % of repetitions at the 5 % level "
    "(Card et al. 2020; Miller 2024, arXiv 2411.00640).",
    "A loss is ruled out by a one-sided test against the margin (non-inferiority; Schuirmann 1987): no difference found is no such "
    "proof. Each share is tested by itself; `up to a share` takes them in ascending order and stops at the first that fails, which "
    "needs no correction (Maurer, Hothorn and Lehmacher 1995).",
    "Relative changes are ratios of means, with intervals by linearisation (Cochran 1977, Sampling Techniques, 6.4).",
)
ALONE = (
    "The human points alone are the same human points as in the mixture, without the twins; the comparison is paired, and its p (Holm) "
    "is over all rows of that table."
)
WORTH = (
    "The worth of human points at N is the number of synthetic points that one of them replaces beside N: a response model over synthetic "
    "and human points with seeds as random effects, averaged over curve families by AICc (Hurvich and Tsai 1989), with 95 % intervals. "
    "Table 3 of arXiv 2410.13098 stands beside it: y = a0 + a1 ln x through the runs on synthetic points alone; the equivalent size of a "
    "score y* is exp((y* - a0) / a1)."
)
TEXTS = (
    "Twins are compared with the human texts of the same ids, in pairs, as in Appendix D of arXiv 2410.13098; likeness to the evidence "
    "is the highest sentence BLEU against its sentences (sacreBLEU, Post 2018). Differences have paired t intervals over twins."
)
AUDIT = "Near means at least 80 % of all words in common (Jaccard). Shares are those of the worst cell of a series."
COST = "Money and time are sums over the cells of a series; cells without twins that several series share are counted in each."


def methods_section(found: ReportData) -> list[str]:
    """The sentences for what this report shows."""
    said = [INTERVALS, WITHOUT_ITEMS]
    said += CURVES if found.lines or found.controls else ()
    said += [ALONE] if len(found.added) else []
    said += [WORTH] if found.tradeoffs else []
    said += [TEXTS] if found.texts else []
    return [*said, AUDIT, COST]


TEMPLATE = Path(__file__).parent / "report.html"


@dataclass(frozen=True)
class Drawn:
    """A figure in the page: its SVG as a data address, and words for those who do not see it."""

    name: str
    source: str
    alt: str


def drawn(name: str, svg: Path, alt: str) -> Drawn:
    """A figure for the page: an SVG file as an address that holds it, so its ids meet no others."""
    return Drawn(name, f"data:image/svg+xml;base64,{b64encode(svg.read_bytes()).decode('ascii')}", alt)


def render(found: ReportData, said: Sequence[str], drawn: Sequence[Drawn]) -> str:
    """The page; all text of the study is escaped."""
    import jinja2

    from littlehuman.reporting import tables

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(TEMPLATE.read_text("utf-8")).render(
        study=found.study.resolve().name,
        again=_again(found),
        facts=_facts(found),
        findings=said,
        figures={figure.name: figure for figure in drawn},
        found=found,
        tables=tables,
        curves=[tables.curve(line, found.delta) for line in found.lines],
        controls=[tables.curve(line, found.delta) for line in found.controls],
        missing=tables.missing(found.missing),
        unplaced=tables.unplaced(found),
        methods=methods_section(found),
        table_3=_paper_note() if found.tradeoffs else "",
    )


def _again(found: ReportData) -> str:
    """How a further sweep of this study begins: its study, and what all its cells have in common."""
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
        ("cells", ", ".join(cells)),
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
