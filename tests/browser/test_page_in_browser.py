"""The page in a real browser: every view at two widths, live while runs come in, quiet, and safe from texts of a study.

They need Chromium (`make browser`) and Playwright for Python, and are skipped without one of them.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from study_factory import write_study

from littlehuman import report

CHROMIUM = next((found for name in ("chromium", "chromium-browser") if (found := shutil.which(name))), None)
api = pytest.importorskip("playwright.sync_api", reason="Playwright for Python is not installed")
if CHROMIUM is None:
    pytest.skip("Chromium is not installed; make browser installs it", allow_module_level=True)

VIEWS = ("answer", "curves", "price", "data", "audit", "runs", "methods")
WIDTHS = (390, 1280)
CAUSE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
PATIENCE_MS = 120_000  # guards against hanging alone


class Watched:
    """A browser page that notes errors, and requests that leave the machine."""

    def __init__(self, page: Any) -> None:
        self.page, self.errors, self.left = page, list[str](), list[str]()
        page.set_default_timeout(PATIENCE_MS)
        page.on("console", lambda said: said.type in ("error", "warning") and self.errors.append(said.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._note(request.url))

    def _note(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("file", "data", "blob") and parts.hostname != "127.0.0.1":
            self.left.append(url)

    def shows(self, address: str, view: str) -> None:
        """Open a view and wait until it is drawn."""
        self.page.goto(f"{address}#/{view}")
        self.page.wait_for_selector(f"main[data-view={view}] .card")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small study with everything that a view shows."""
    place = tmp_path_factory.mktemp("multirun") / "everything"
    few: dict[str, Any] = {"items": 60, "seeds": (0, 1)}
    write_study(place, fractions=(0.0, 0.5, 0.9, 1.0), control=True, texts=40, failing={(0.5, 1): CAUSE}, **few)
    return write_study(place, fractions=(1.0,), sizes=(1000, 2000), extra_human=(0, 200), **few)


@pytest.fixture(scope="module")
def served(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server of the folder that the study lies in."""
    command = [sys.executable, "-m", "littlehuman.view", str(study.parent), "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def _errors_and_overflow(browser: Any, address: str, views: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for width in WIDTHS:
        watched = Watched(browser.new_page(viewport={"width": width, "height": 900}))
        for view in views:
            watched.shows(address, view)
            watched.page.wait_for_timeout(150)
            wide = watched.page.evaluate("document.documentElement.scrollWidth")
            found += [f"{view} at {width} is {wide} wide"] if wide > width else []
            found += [f"{view} has no main heading"] if watched.page.locator("h1").count() != 1 else []
        assert watched.page.title() != "owned"
        found += [*watched.errors, *watched.left]
        watched.page.close()
    return found


@pytest.mark.slow
def test_the_one_file_page_opens_from_the_disk_without_an_error_or_a_request(browser: Any, study: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "_figures", lambda data: iter(()))
        report.write(study)
    assert _errors_and_overflow(browser, f"file://{study / 'report.html'}", VIEWS) == []


@pytest.mark.slow
def test_every_view_of_the_server_is_drawn_at_both_widths(browser: Any, served: str, study: Path) -> None:
    address = f"{served}study/{study.name}"
    watched = Watched(browser.new_page())
    watched.shows(address, "answer")
    watched.page.wait_for_selector(".answer")  # the document was computed
    watched.page.close()
    assert _errors_and_overflow(browser, address, VIEWS) == []


@pytest.mark.slow
def test_progress_and_curves_change_while_runs_come_in_without_a_new_page(
    browser: Any, served: str, study: Path
) -> None:
    growing = study.parent / "growing"
    few: dict[str, Any] = {"items": 60, "fractions": (0.0, 1.0)}
    write_study(growing, seeds=(0, 1), **few)
    watched = Watched(browser.new_page())
    watched.shows(f"{served}study/growing", "curves")
    watched.page.wait_for_selector(".chart svg")
    watched.page.evaluate("window.kept = 'the same page'")
    dots = "figure[aria-label^='accuracy'] svg [aria-label=dot] circle"
    before = watched.page.locator(dots).count()
    write_study(growing, seeds=(0, 1, 2), **few)
    until = time.monotonic() + PATIENCE_MS / 1000
    while watched.page.locator(dots).count() == before and time.monotonic() < until:
        watched.page.wait_for_timeout(100)
    assert watched.page.locator(dots).count() == before + 2  # a run at each share
    watched.page.evaluate("location.hash = '#/answer'")
    watched.page.wait_for_selector("text=6 done")
    assert watched.page.evaluate("window.kept") == "the same page" and not watched.errors and not watched.left
    watched.page.close()


@pytest.mark.slow
def test_a_text_of_a_study_is_shown_as_it_is_and_never_run(browser: Any, served: str, study: Path) -> None:
    watched = Watched(browser.new_page())
    watched.shows(f"{served}study/{study.name}", "runs")
    assert CAUSE[:60] in watched.page.inner_text("main") and watched.page.title() != "owned"
    assert watched.page.locator("main script, main img").count() == 0
    watched.page.close()


@pytest.mark.slow
def test_views_are_reached_by_keyboard_and_charts_have_tables_beside_them(
    browser: Any, served: str, study: Path
) -> None:
    watched = Watched(browser.new_page())
    watched.shows(f"{served}study/{study.name}", "answer")
    watched.page.wait_for_selector(".answer")
    for _ in range(12):
        watched.page.keyboard.press("Tab")
        if watched.page.evaluate("document.activeElement.dataset.view") == "curves":
            break
    watched.page.keyboard.press("Enter")
    watched.page.wait_for_selector("main[data-view=curves] figure")
    assert watched.page.evaluate("document.activeElement.id") == "main"
    charts, tables = (watched.page.locator(f"main {what}").count() for what in ("figure[aria-label]", "details table"))
    assert charts >= 2 and tables >= 2
    assert watched.page.locator("nav[aria-label=views] a[aria-current=page]").inner_text() == "Curves"
    watched.page.close()


@pytest.mark.slow
def test_items_are_searched_filtered_and_paged(browser: Any, served: str, study: Path) -> None:
    watched = Watched(browser.new_page())
    watched.shows(f"{served}study/{study.name}", "data")
    watched.page.wait_for_selector(".item")
    watched.page.click("text=Next")
    watched.page.wait_for_selector("text=page 2 of 3")
    watched.page.fill("input[type=search]", "t59")
    watched.page.wait_for_selector("text=1 of 60 items")
    watched.page.click("text=Disagreement")
    watched.page.wait_for_selector(".bars")
    watched.page.fill("input[type=search]", "")
    watched.page.click("text=Rejected answers")
    watched.page.wait_for_selector("text=unsupported requested")
    assert not watched.errors
    watched.page.close()
