"""Every notebook runs from top to bottom on a small study of real runs, and shows what is stored in it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from nbclient import NotebookClient

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def test_there_is_a_notebook_for_each_question() -> None:
    assert len(NOTEBOOKS) == 4


def _executed(path: Path, study: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of now: without times and numbers of cells, and the study under its usual name."""
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources, record_timing=False).execute()
    text = nbformat.writes(notebook).replace(str(study), "multirun/small").replace(str(ROOT), "littlehuman")
    return nbformat.reads(re.sub(r"<Figure size [^>]*>", "<Figure>", text), as_version=4)


def _shown(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Texts of each code cell's outputs, without numbers and paths: rounding and folders differ between machines."""
    return [
        [_plain(o.get("text") or o["data"].get("text/plain", "")) for o in cell.outputs]
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _plain(text: str) -> str:
    return re.sub(r"[-+]?\d[\d.,]*|\s+", " ", re.sub(r"prompt_model\.path=\S+", "", text)).strip()


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_is_stored_when_it_runs_on_a_real_study(
    path: Path, real_study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`LITTLEHUMAN_RENEW=notebooks` stores the outputs of now."""
    monkeypatch.setenv("LITTLEHUMAN_STUDY", str(real_study))
    notebook = _executed(path, real_study)
    if os.environ.get("LITTLEHUMAN_RENEW") == "notebooks":
        nbformat.write(notebook, path)
    assert _shown(notebook) == _shown(nbformat.read(path, as_version=4))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_short_calls_with_small_outputs_that_say_what_they_are_of(path: Path) -> None:
    text = path.read_text("utf-8")
    assert len(text) < 250_000 and "of a tiny model with random weights" in text
    assert not re.search(r"/(tmp|home|work|root)/", text) and '"output_type": "error"' not in text
    code = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    assert code[-1].outputs, "the last cell shows nothing"
    for cell in code:
        statements = [
            line for line in cell.source.splitlines() if line and not line.startswith((" ", "import ", "from "))
        ]
        assert len(statements) <= 2, cell.source
