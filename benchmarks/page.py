"""The page of results, `benchmarks/README.md`, made from the files of `results/` (one per machine)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks import kernels
from benchmarks.harness import Comparison, Spread, reached, spread, times_as_fast, utilisation
from benchmarks.parts import MODULES
from littlehuman.store import read_json

HEAD = """# Benchmarks

`make bench` measures littlehuman on this machine against what one would do without it (sized for about 30 minutes on
2 cores), and writes this page from the numbers in `benchmarks/results/`; every number here was measured.
`make bench BENCH='--quick'` takes a few minutes and leaves this page alone; `BENCH='--only a,c'` runs some parts;
`--help` lists the options.

All ways of a comparison share weights, precision, rows, batch size and LoRA values, and take turns within one process
(commands: one after another). Each number is the median of the rounds, with the smallest and largest in brackets;
"times as fast" is the median of the ratios within the rounds.

`make attack` measures no speed: kills, a faulty server, damaged files and concurrent sweeps, each with what must hold
(`benchmarks/attack/`; sized for under 30 minutes on 2 quiet cores; `ATTACK='--quick'` runs every eighth scenario).
"""
EMPTY = "\nNot run yet on any machine.\n"
COLUMNS = ("way", "median", "littlehuman is", "padding allows", "of that", "use of the peak")


def page(results: Path) -> str:
    """The whole page, from every machine's file."""
    machines = [content for path in sorted(results.glob("*.json")) if (content := read_json(path))]
    counted = kernels.section(results / "counted" / f"{kernels.NAME}.json")
    return HEAD + _gpus(results / "gpu") + ("".join(map(machine, machines)) or EMPTY) + counted


def _gpus(folder: Path) -> str:
    """Where the pages of `make bench-gpu` are."""
    pages = [f"[{path.stem}](results/gpu/{path.name})" for path in sorted(folder.glob("*.md"))]
    found = f"Its pages: {', '.join(pages)}." if pages else "It has not been run yet, so no speed of a GPU is stated."
    return f"""
`make bench-gpu` checks on a machine with a GPU what must agree (packed, fused, alone, PEFT), and times training,
evaluation and generation on random weights, in under ten minutes. {found}
"""


def machine(content: dict[str, Any]) -> str:
    """One machine's section: its description, then its parts by letter."""
    about = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in content["machine"].items())
    title = content["machine"].get("gpu", content["machine"]["cpu"])
    seconds = sum(part["seconds"] for part in content["parts"].values())
    parts = (part(letter, content["parts"][letter]) for letter in MODULES if letter in content["parts"])
    head = (
        f"\n## {title}, {content['machine']['cores']} cores\n\n{about}. All parts together: {seconds / 60:.0f} min.\n"
    )
    return head + "".join(parts)


def part(letter: str, content: dict[str, Any]) -> str:
    """One letter's section."""
    blocks = [
        f"\n### ({letter}) {content['question']}\n",
        f"Run on {content['date']}, commit {content['commit']}, {content['seconds']:.0f} s.\n",
    ]
    blocks += [comparison(Comparison(**each)) for each in content["comparisons"]]
    blocks += [f"- {note}" for note in content["notes"]]
    blocks += [f"- Not run here: {absent}." for absent in content["absent"]]
    return "\n".join(blocks) + "\n"


def comparison(found: Comparison) -> str:
    """A table with one row per way, without empty columns."""
    rows = [COLUMNS, *(tuple(_cells(found, way)) for way in found.values)]
    kept = [i for i in range(len(COLUMNS)) if any(row[i] for row in rows[1:])]
    lines = ["| " + " | ".join(row[i] for i in kept) + " |" for row in rows]
    lines.insert(1, "|" + "---|" * len(kept))
    facts = "; ".join(f"{key} {value}" for key, value in found.facts.items())
    goal = f" Goal: {found.goal}." if found.goal else ""
    failed = [f"- Could not run: {way} ({reason})." for way, reason in found.failed.items()]
    return "\n".join([f"\n**{found.title}.**{goal}{f' ({facts})' if facts else ''}\n", *lines, "", *failed])


def _cells(found: Comparison, way: str) -> Iterator[str]:
    yield way
    yield f"{_spread(spread(found.values[way]))} {found.unit}"
    other = bool(found.ours) and way != found.ours
    yield f"{_spread(times_as_fast(found, way))} times as fast" if other else ""
    yield f"{found.bounds[way]:.2f} times" if way in found.bounds else ""
    yield f"{reached(found, way):.0%}" if way in found.bounds else ""
    yield f"{utilisation(found, way):.0%}" if found.work and found.peak else ""


def _spread(found: Spread) -> str:
    if found.rounds == 1:
        return f"{_number(found.median)} (one round)"
    return f"{_number(found.median)} ({_number(found.low)} to {_number(found.high)})"


def _number(value: float) -> str:
    """Three significant digits; whole numbers from 100 on."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}".rstrip(".")


def plain(found: Sequence[dict[str, Any]]) -> str:
    """The comparisons of a part, as printed after it."""
    return "\n".join(comparison(Comparison(**each)) for each in found)
