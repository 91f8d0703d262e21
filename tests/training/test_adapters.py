"""The saved adapter folder: plain PEFT and transformers get the same predictions from it."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import ROOT
from training_parts import (  # noqa: F401
    FIXTURES,
    MEMORISE,
    cell,
    claims,
    job,
    no_base_held,
    one_thread,
    questions,
    settings,
    small_encoder,
    texts,
    tiny_cache,
    without_errors,
)

from littlehuman.store import cache_root
from littlehuman.training.fit import fit

pytestmark = FIXTURES

FILES = {
    "adapter_config.json",
    "adapter_model.safetensors",
    "littlehuman.json",
    "tokenizer.json",
    "tokenizer_config.json",
}
TASKS = {"qa": questions, "fv": claims}


def _info(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "adapter" / "littlehuman.json").read_text())
    return found


def _documented_example() -> str:
    """The code of the documentation's "Load a trained model again"."""
    (code,) = re.findall(
        r"## Load a trained model again\n.*?```python\n(.*?)```",
        (ROOT / "docs" / "computing.md").read_text("utf-8"),
        re.DOTALL,
    )
    return str(code)


def _as_classifier(code: str) -> str:
    """The example, changed as the sentence after it says."""
    code = code.replace("AutoModelForCausalLM", "AutoModelForSequenceClassification").replace(", GenerationConfig", "")
    code = code.replace('dtype=info["dtype"])', 'dtype=info["dtype"], num_labels=len(info["classes"]))')
    lines = [
        line for line in code.splitlines() if "eneration" not in line and not line.startswith(("new =", "answer ="))
    ]
    return "\n".join([*lines, 'answer = info["classes"][model(**tokens).logits.argmax()]'])


def test_the_documented_example_gets_the_answers_of_predictions(tmp_path: Path) -> None:
    points = questions(6)
    predicted = texts(job(tmp_path, questions(), points, settings(**MEMORISE | {"epochs": 30})))
    assert len(set(predicted)) > 2, "the answers must differ, or the test shows nothing"
    code = _documented_example().replace("multirun/STUDY/CELL", str(tmp_path))
    for point, expected in zip(points, predicted, strict=True):
        variables = {"evidence": point.evidence, "question": point.text}
        exec(code, variables)
        assert variables["answer"] == expected


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["llama", "bert", "no_pooler"])
def test_the_documented_example_gets_the_classes_of_predictions(kind: str, tmp_path: Path) -> None:
    weights = small_encoder(cache_root() / "no_pooler-bert") if kind == "no_pooler" else f"random:{kind}"
    points = claims(6)
    predicted = texts(job(tmp_path, claims(24), points, settings("fv", weights, epochs=16, lora_r=8, lora_alpha=16)))
    assert len(set(predicted)) > 1, "the classes must differ, or the test shows nothing"
    code = _as_classifier(_documented_example()).replace("multirun/STUDY/CELL", str(tmp_path))
    if kind != "llama":
        code = re.sub(
            r"^tokens = .*$", 'tokens = tokenizer(evidence, claim, return_tensors="pt")', code, flags=re.MULTILINE
        )
    for point, expected in zip(points, predicted, strict=True):
        variables = {"evidence": point.evidence, "question": point.text, "claim": point.text}
        exec(code, variables)
        assert variables["answer"] == expected


def test_info_file_describes_input_and_output_and_no_file_contains_the_cache_path(tmp_path: Path) -> None:
    job(tmp_path / "fv", claims(), [], settings("fv", max_tokens=96))
    job(tmp_path / "qa", questions(), [], settings())
    fv, qa = _info(tmp_path / "fv"), _info(tmp_path / "qa")
    assert (fv["classes"], fv["head"], fv["max_tokens"], fv["answer_tokens"]) == (
        ["unsupported", "supported"],
        "classification",
        96,
        None,
    )
    assert (qa["classes"], qa["head"], qa["answer_tokens"], qa["weights"]) == (None, "generation", 12, "random:llama")
    assert "Question: {text}" in qa["model_input"] and qa["dtype"] == "float32"
    for task in ("fv", "qa"):
        for file in (tmp_path / task / "adapter").iterdir():
            assert str(cache_root()).encode() not in file.read_bytes(), file.name
        config = json.loads((tmp_path / task / "adapter" / "adapter_config.json").read_text())
        assert config["base_model_name_or_path"] == "random:llama"


@contextmanager
def _umask(value: int) -> Iterator[None]:
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("umask", [0o022, 0o027, 0o077])
def test_mode_of_the_files_follows_the_umask(umask: int, tmp_path: Path) -> None:
    """People who share results by group must be able to read the weights too."""
    with _umask(umask):
        job(tmp_path, questions(2), [], settings(epochs=1))
    modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in (tmp_path / "adapter").iterdir()}
    assert set(modes.values()) == {0o666 & ~umask}, modes


@pytest.mark.parametrize("task", [pytest.param("qa", marks=pytest.mark.slow), "fv"])
def test_cells_trained_together_leave_the_files_of_a_cell_trained_alone(task: str, tmp_path: Path) -> None:
    points, shared = TASKS[task](), settings(task)
    job(tmp_path / "alone", points, [], shared)
    without_errors(fit([cell(tmp_path / str(seed), points, [], shared, seed) for seed in (0, 1)], shared.launch))
    alone = _contents(tmp_path / "alone")
    assert set(alone) == FILES | {"chat_template.jinja"} | ({"generation_config.json"} if task == "qa" else set())
    for seed in (0, 1):
        many = _contents(tmp_path / str(seed))
        assert many.keys() == alone.keys()
        assert {name for name in alone if many[name] != alone[name]} <= {"adapter_model.safetensors"}


@pytest.mark.slow
def test_two_processes_leave_the_same_files_as_one(tmp_path: Path) -> None:
    shared = settings("fv")
    job(tmp_path / "one", claims(), [], shared)
    job(tmp_path / "two", claims(), [], replace(shared, launch=replace(shared.launch, processes=2)))
    one, two = _contents(tmp_path / "one"), _contents(tmp_path / "two")
    assert one.keys() == two.keys() and {name for name in one if one[name] != two[name]} <= {
        "adapter_model.safetensors"
    }


def _contents(folder: Path) -> dict[str, bytes]:
    """The folder's files, with sorted sets: PEFT writes them in an arbitrary order."""
    return {
        file.name: _sorted(file.read_bytes()) if file.suffix == ".json" else file.read_bytes()
        for file in (folder / "adapter").iterdir()
    }


def _sorted(content: bytes) -> bytes:
    values = json.loads(content)
    return json.dumps(
        {k: sorted(v) if isinstance(v, list) and k == "target_modules" else v for k, v in values.items()}
    ).encode()


# --- Versions of hub models -----------------------------------------------------------------------


@pytest.fixture
def two_versions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A downloaded hub model with different weights at tag v1 and at main; returns their commits."""
    from huggingface_hub import constants
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from littlehuman.models.tiny import tiny_model

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    cache = tmp_path / "hub" / "models--me--tiny"
    commits = {"main": "a" * 40, "v1": "b" * 40}
    model = AutoModelForCausalLM.from_pretrained(tiny_model("llama"))
    for name, commit in commits.items():
        folder = cache / "snapshots" / commit
        with torch.no_grad():
            model.lm_head.weight.neg_()
        model.save_pretrained(folder)
        AutoTokenizer.from_pretrained(tiny_model("llama")).save_pretrained(folder)
        (cache / "refs").mkdir(exist_ok=True)
        (cache / "refs" / name).write_text(commit)
    return commits


def test_the_given_revision_is_trained_and_the_result_names_its_commit(
    two_versions: dict[str, str], tmp_path: Path
) -> None:
    predicted = {}
    for name, commit in two_versions.items():
        shared = settings(weights="me/tiny")
        wanted = None if name == "main" else name
        values = replace(shared.settings, model=replace(shared.settings.model, revision=wanted))
        outcome = job(tmp_path / name, [], questions(4), replace(shared, settings=values))
        assert outcome.environment["model_commit"] == commit == _info(tmp_path / name)["commit"]
        config = json.loads((tmp_path / name / "adapter" / "adapter_config.json").read_text())
        assert (config["base_model_name_or_path"], config["revision"]) == ("me/tiny", commit)
        predicted[name] = texts(outcome)
    assert predicted["main"] != predicted["v1"]


def test_the_given_revision_generates_the_twins(two_versions: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    from littlehuman.models.chat import Decoded, chat, release

    conversations, answers = [[{"role": "user", "content": "Fog."}]], []
    with caplog.at_level("INFO", "littlehuman.models"):
        for revision in (None, "v1", two_versions["v1"]):
            (answer,) = chat("me/tiny", "float32", conversations, max_tokens=8, batch_size=1, revision=revision)
            assert isinstance(answer, Decoded)
            answers.append(answer.text)
    release()
    assert answers[0] != answers[1] == answers[2]
    assert [two_versions[name] in caplog.text for name in ("main", "v1")] == [True, True]
