"""The page of a large study: how long it takes to open and to turn pages, and how large it is as one file.

    python -m benchmarks.view [--study FOLDER]

Makes a study of 2,000 cells of 500 test points (as part f does), serves it with `littlehuman view`, opens it in
Chromium as a reader would, asks for pages of items of cells that nobody looked at, and writes `report.html`. Files are
in the page cache. Prints a table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from benchmarks.report import write_synthetic_study
from benchmarks.sizes import FULL

PAGES = 60  # pages of items that are asked for
PATIENCE_MS = 600_000


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description="Measure the page of a study of 2,000 cells.")
    parser.add_argument("--study", type=Path, help="an existing study (default: a made one)")
    parser.add_argument("--no-report", action="store_true", help="leave out the page as one file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        study = options.study or write_synthetic_study(Path(folder) / "made" / "study", FULL)
        os.environ["LITTLEHUMAN_CACHE"] = str(Path(folder) / "cache")
        for name, value in measured(study.resolve(), report=not options.no_report):
            print(f"{name:<72} {value}", flush=True)


def measured(study: Path, *, report: bool) -> Iterator[tuple[str, str]]:
    """Names and values, as they come."""
    with serving(study) as (address, seconds):
        yield "server: seconds until it answers", f"{seconds:.2f}"
        name = study.name
        yield "first opening: seconds until progress and runs are shown", f"{opened(address, 'runs', 'main table'):.2f}"
        began = time.perf_counter()
        while "answer" not in asked(address, f"api/study/{name}/document"):
            time.sleep(0.5)
        yield "seconds until its answer is computed, in a process of its own", f"{time.perf_counter() - began:.1f}"
        yield from paged(address, name)
    with serving(study) as (address, _):
        again = [opened(address, "answer", ".answer") for _ in range(3)]
        yield (
            "opening it again: seconds until answer and curve are shown",
            f"{again[0]:.2f} (then {median(again[1:]):.2f})",
        )
        yield "the view with all curves", f"{opened(address, 'curves', 'main .chart svg'):.2f}"
    if report:
        yield from as_one_file(study)


@contextmanager
def serving(study: Path) -> Iterator[tuple[str, float]]:
    """The address of a new server of a study, and how long it took."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "littlehuman.view", str(study), "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            address = process.stdout.readline().split("study/")[0]
            asked(address, "api/studies")
            yield address, time.perf_counter() - began
        finally:
            process.terminate()


def asked(address: str, path: str, **query: Any) -> dict[str, Any]:
    """One answer of the server."""
    here = build_opener(ProxyHandler({}))  # no proxy stands between this machine and itself
    with here.open(f"{address}{path}{'?' if query else ''}{urlencode(query)}", timeout=600) as answer:
        found: dict[str, Any] = json.load(answer)
        return found


def opened(address: str, view: str, selector: str) -> float:
    """Seconds from the address to what is shown, in a browser that never saw the page."""
    from playwright.sync_api import sync_playwright

    name = asked(address, "api/studies")["studies"][0]["name"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        began = time.perf_counter()
        page.goto(f"{address}study/{name}#/{view}", timeout=PATIENCE_MS)
        page.wait_for_selector(selector, timeout=PATIENCE_MS)
        seconds = time.perf_counter() - began
        browser.close()
    return seconds


def paged(address: str, name: str) -> Iterator[tuple[str, str]]:
    """Pages of predictions, filtered and searched, of cells that nobody looked at; then of disagreement."""
    path = f"api/study/{name}"
    cells = [row[0] for row in asked(address, f"{path}/state")["cells"]["rows"]]
    took = []
    for nth in range(PAGES):
        query = {"cell": cells[nth * len(cells) // PAGES], "page": nth % 25, "show": ("all", "wrong")[nth % 2]}
        took.append(_seconds(address, f"{path}/items", query | ({"words": "t4"} if nth % 3 == 0 else {})))
    yield f"a page of items of a cell not looked at before, of {PAGES}: seconds", _spread(took)
    curves = [{"kind": "disagreement", "curve": one["name"]} for one in asked(address, f"{path}/document")["curves"]]
    yield "disagreement, the first page of the study: seconds", _spread([_seconds(address, f"{path}/items", curves[0])])
    more = [_seconds(address, f"{path}/items", one) for one in curves[1:6]]
    yield "the same of five other curves: seconds", _spread(more)
    again = [_seconds(address, f"{path}/items", curves[0] | {"page": str(page)}) for page in range(1, 9)]
    yield "further pages of it: seconds", _spread(again)


def _seconds(address: str, path: str, query: dict[str, Any]) -> float:
    began = time.perf_counter()
    assert asked(address, path, **query)["of"]
    return time.perf_counter() - began


def _spread(seconds: Sequence[float]) -> str:
    return f"{median(seconds):.3f} (most {max(seconds):.3f})"


def as_one_file(study: Path) -> Iterator[tuple[str, str]]:
    """Size of `report.html`, and how long it takes to open."""
    from littlehuman.report import _write_page
    from littlehuman.reporting import findings, gathering

    found = gathering.gather(study)
    began = time.perf_counter()
    page, _ = _write_page(found, findings.findings_of_study(found))
    yield "writing report.html, after the statistics: seconds", f"{time.perf_counter() - began:.1f}"
    yield "report.html: MB", f"{page.stat().st_size / 1e6:.2f}"


if __name__ == "__main__":
    main()
