"""The model card in an adapter's folder: what it says, and that its code loads the adapter."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from cli_runs import run_folder
from conftest import TINY, Cli

from littlehuman.store import cache_root, read_json, write_json
from littlehuman.training import model_card
from littlehuman.verify import main as verify

KEPT = (*(word for word in TINY if "keep_adapter" not in word), "n_train=10", "synth_frac=0.5")
KINDS = {
    "adapter": (*KEPT, "dataset=fieldnotes_qa"),
    "classifier": (*KEPT, "dataset=fieldnotes_fv"),
    "all weights": (*KEPT, "dataset=fieldnotes_fv", "model.adaptation=full"),
}


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=() if kind == "adapter" else pytest.mark.slow) for kind in KINDS]
)
def test_the_card_has_the_results_counts_and_scores_its_code_loads_the_model_and_an_edit_is_noticed(
    kind: str, cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli(*KINDS[kind]).code == 0
    cell = run_folder(multirun, *KINDS[kind])
    card, result = cell / "adapter" / "README.md", read_json(cell / "result.json")
    text = card.read_text("utf-8")
    assert "human 5, synthetic 5 (by qwen-1.5b, few_shot, filter none)" in text and "seed 0" in text
    assert text.count("\n| ") - 1 == len(result["scores"]) and result["id"] in text
    for place in (cell, cache_root(), Path.home()):
        assert str(place) not in text
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    monkeypatch.chdir(card.parent)
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["model"].num_parameters() > 0 and names["tokenizer"]("fog")
    card.write_text(text.replace("human 5", "human 4"), "utf-8")
    monkeypatch.setattr("sys.argv", ["verify", str(cell)])
    assert verify() == 1 and "adapter/README.md" in capsys.readouterr().out


def test_a_card_names_the_last_folder_of_local_weights_alone_and_escapes_a_strangers_names(tmp_path: Path) -> None:
    info = {
        "weights": "/home/me/secret/bert",
        "commit": None,
        "dtype": "float32",
        "head": "generation",
        "classes": None,
    }
    write_json(tmp_path / model_card.INFO, info)
    model_card.write(tmp_path, {"Data": "claims"})
    text = (tmp_path / model_card.CARD).read_text("utf-8")
    assert "secret" not in text and "# A LoRA adapter of bert" in text and "It was not tested." in text
    named = {group: {"name": "<script>"} for group in ("dataset", "protocol", "prompt_model", "strategy", "filter")}
    result = {
        "knobs": {**named, "training": {}, "seed": 0, "synth_frac": 0.9},
        "counts": {"human": 1, "synthetic": 9},
        "human_labels": {"total": 1},
        "fingerprints": {"dataset": "f"},
        "versions": {"littlehuman": "0.1.0"},
        "id": "0",
        "scores": {},
    }
    model_card.write_of_cell(tmp_path, result)
    assert not re.search(r"(?<!\\)<script", (tmp_path / model_card.CARD).read_text("utf-8"))


def test_a_cell_without_an_adapter_gets_no_card(tmp_path: Path) -> None:
    model_card.write_of_cell(tmp_path / "adapter", {})
    assert not (tmp_path / "adapter").exists()
