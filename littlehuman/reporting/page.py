"""The report's page: one HTML file that loads nothing from elsewhere.

In: what was gathered, the findings, the figures. Out: the text of `report.html`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.commands import config_dir_of, run

if TYPE_CHECKING:
    from littlehuman.reporting.gathering import Gathered

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


def render(found: Gathered, said: Sequence[str], drawn: Sequence[Drawn]) -> str:
    """The page; all text of the study is escaped."""
    import jinja2

    from littlehuman.reporting import methods, tables

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
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
        methods=methods.of(found),
        table_3=_paper_note() if found.tradeoffs else "",
    )


def _again(found: Gathered) -> str:
    """How a further sweep of this study begins: its study, and what all its cells have in common."""
    shared = {key: found.frame[key].dropna().unique() for key in ("dataset", "model", "protocol") if key in found.frame}
    words = [f"{key}={values[0]}" for key, values in shared.items() if len(values) == 1]
    own = "DIR" if len(found.frame) and config_dir_of(Path(found.frame["folder"].iloc[0])) else None  # a page may be read elsewhere
    return run([f"study={found.study.resolve().name}", *words], own, interpreter="python")


def _facts(found: Gathered) -> list[tuple[str, str]]:
    """What stands under the title."""
    frame = found.frame
    states = frame["state"].value_counts().to_dict()
    never = int((found.missing["state"] == "not run").sum())
    cells = [f"{n} {state}" for state, n in sorted(states.items())] + ([f"{never} never run"] if never else [])
    facts = [("protocol", found.protocols)]
    facts += [
        (key.replace("_", " "), _names(frame, key)) for key in ("dataset", "test_dataset", "task", "model", "prompt_model", "strategy")
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
    from littlehuman.worth.price import PAPER_NOTE

    return PAPER_NOTE
