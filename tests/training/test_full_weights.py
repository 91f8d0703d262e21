"""`model.adaptation=full`: all weights are trained, saved, resumed, and the base serves the next job as it was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import compose
from safetensors.torch import load_file
from training_parts import (  # noqa: F401
    CLASSES,
    FIXTURES,
    Interruption,
    Shared,
    adapter_distance,
    cell,
    claims,
    interrupt,
    job,
    leased_base,
    log_of,
    no_base_held,
    one_thread,
    points_of,
    release_base,
    same_weights,
    settings,
    texts,
    tiny_cache,
    train_rows_of,
    without_errors,
)

from littlehuman.config.identity import run_id
from littlehuman.errors import ConfigError
from littlehuman.models.weights import resolve
from littlehuman.schema import Adaptation
from littlehuman.store import cache_root
from littlehuman.training import adapters, full_weights
from littlehuman.training.fit import fit
from littlehuman.training.state import CHECKPOINT

pytestmark = FIXTURES
JOBS = [("fv", "random:bert"), pytest.param("fv", "random:llama", marks=pytest.mark.slow), ("qa", "random:llama")]


def full(task: str, weights: str, **values: object) -> Shared:
    values = {"learning_rate": 2e-3, "epochs": 3, **values}
    return settings(task, weights, adaptation=Adaptation.full, **values)  # type: ignore[arg-type]


def saved(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / adapters.FOLDER / "model.safetensors"))


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_every_weight_is_trained_and_the_loss_falls(task: str, weights: str, tmp_path: Path) -> None:
    job(tmp_path, points_of(task), [], full(task, weights, epochs=30, learning_rate=4e-3))
    before = dict(load_file(Path(resolve(weights)) / "model.safetensors"))
    after = saved(tmp_path)
    same = [name for name in before if name in after and torch.equal(before[name].float(), after[name])]
    assert len(after) >= len(before) - 2
    assert [name for name in same if "pooler" not in name and "position" not in name] == []
    losses = [row["loss"] for row in log_of(tmp_path)]
    assert losses[-1] < losses[0] * 0.9


def test_the_weights_are_those_of_a_plain_loop_of_torch(tmp_path: Path) -> None:
    shared, points, steps = full("fv", "random:llama", batch_size=8, epochs=4, weight_decay=0.1), claims(8), 4
    with leased_base(shared) as base:
        start = full_weights.initial(base, seed=5)
        rows = [row.input_ids for row in train_rows_of(base, shared, points)]
    job(tmp_path, points, [], shared, seed=5)

    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_config(start.config)
    model.load_state_dict(start.weights, strict=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1, eps=1e-8)
    labels = torch.tensor([CLASSES.index(point.target) for point in points])
    for step in range(steps):
        logits = torch.cat([model(input_ids=torch.tensor([row])).logits for row in rows])
        torch.nn.functional.cross_entropy(logits, labels).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.param_groups[0]["lr"] = 2e-3 * (steps - step) / steps
        optimizer.step()
        optimizer.zero_grad()
    expected = {name: value.detach() for name, value in model.named_parameters()}
    moved = adapter_distance(start.weights, expected)
    assert adapter_distance(expected, saved(tmp_path)) < moved / 1000


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_the_saved_folder_is_a_model_of_transformers_with_the_predictions_of_the_run(
    task: str, weights: str, tmp_path: Path
) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

    points = points_of(task, 6)
    predicted = texts(job(tmp_path, points_of(task, 24), points, full(task, weights, epochs=10)))
    folder = tmp_path / adapters.FOLDER
    info = json.loads((folder / adapters.INFO).read_text())
    assert info["adaptation"] == "full"
    kind = AutoModelForCausalLM if task == "qa" else AutoModelForSequenceClassification
    tokenizer, model = AutoTokenizer.from_pretrained(folder), kind.from_pretrained(folder)
    for point, expected in zip(points, predicted, strict=True):
        if task == "fv":
            pair = (point.evidence, point.text)
            prompt = info["model_input"].format(evidence=point.evidence, text=point.text)
            tokens = tokenizer(*(pair if "bert" in weights else (prompt,)), return_tensors="pt")
            assert info["classes"][model(**tokens).logits.argmax()] == expected
        else:
            tokens = tokenizer(
                info["model_input"].format(evidence=point.evidence, text=point.text), return_tensors="pt"
            )
            new = model.generate(**tokens, max_new_tokens=info["answer_tokens"])[0, tokens["input_ids"].shape[1] :]
            assert tokenizer.decode(new, skip_special_tokens=True).strip().split("\n")[0].strip() == expected
    for file in folder.iterdir():
        assert str(cache_root()).encode() not in file.read_bytes(), file.name


def test_cells_of_a_fused_sweep_come_out_as_if_each_were_alone_and_the_base_is_unchanged(tmp_path: Path) -> None:
    shared = full("fv", "random:bert", launch={"cells": 4})
    with leased_base(shared) as base:
        before = {name: value.clone() for name, value in base.model.named_parameters()}
    cells = [cell(tmp_path / f"together-{seed}", claims(), claims(), shared, seed) for seed in range(2)]
    together = without_errors(fit(cells, shared.launch))
    assert [outcome.environment["cells_at_once"] for outcome in together] == [1, 1]
    with leased_base(shared) as base:
        assert all(torch.equal(before[name], value) for name, value in base.model.named_parameters())
        assert not any(value.requires_grad for value in base.model.parameters())
    for seed in range(2):
        release_base()
        job(tmp_path / f"alone-{seed}", claims(), claims(), shared, seed)
        assert same_weights(saved(tmp_path / f"alone-{seed}"), saved(tmp_path / f"together-{seed}"))
    assert not same_weights(saved(tmp_path / "alone-0"), saved(tmp_path / "alone-1"))  # another head, another order


@pytest.mark.parametrize(("task", "weights"), JOBS[::2])
def test_an_interrupted_training_ends_with_the_weights_of_one_that_was_not(
    task: str, weights: str, tmp_path: Path, interruption: Interruption
) -> None:
    shared = full(task, weights, launch={"save_every_s": 1e-9})
    job(tmp_path / "whole", points_of(task), [], shared)
    interrupt(tmp_path / "halves", task, shared, interruption, steps=4, seed=0)
    assert (tmp_path / "halves" / CHECKPOINT).is_file()
    job(tmp_path / "halves", points_of(task), [], shared)
    assert interruption.steps == 3, "3 of 6 steps were saved when the fourth was cut off"
    assert same_weights(saved(tmp_path / "whole"), saved(tmp_path / "halves"))
    assert not (tmp_path / "halves" / CHECKPOINT).exists()


def test_full_fine_tuning_is_another_run_with_a_learning_rate_of_its_own() -> None:
    human = ("dataset=conference_titles", "model=minilm", "synth_frac=0")
    assert run_id(compose(*human)) == run_id(compose(*human, "model.adaptation=lora"))
    assert run_id(compose(*human)) != run_id(compose(*human, "model.adaptation=full"))
    lora, whole = compose(*human).fine_tuning, compose(*human, "model.adaptation=full").fine_tuning
    assert whole.learning_rate is not None and lora.learning_rate is not None
    assert whole.learning_rate < lora.learning_rate
    own = compose(*human, "model.adaptation=full", "training.learning_rate=3e-4").fine_tuning
    assert own.learning_rate == 3e-4


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("model.quantization=nf4", "trains all weights, .*model.adaptation=lora, or model.quantization=null"),
        ("launch.dtype=bfloat16", "trained in float32: try launch.dtype=auto"),
    ],
)
def test_settings_that_full_fine_tuning_cannot_follow_are_an_error(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        compose("dataset=conference_titles", "model=minilm", "synth_frac=0", "model.adaptation=full", override)
