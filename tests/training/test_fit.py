"""`fit` from cells to outcomes: saved files, the untrained model, precisions, trained heads."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from training_parts import (  # noqa: F401
    CLASSES,
    FIXTURES,
    adapter,
    adapter_distance,
    claims,
    job,
    leased_base,
    log_of,
    no_base_held,
    one_thread,
    prompt_rows_of,
    questions,
    same_weights,
    settings,
    small_encoder,
    texts,
    tiny_cache,
)

from littlehuman.models.tiny import tiny_model
from littlehuman.records import Example
from littlehuman.training import predict

pytestmark = FIXTURES


def test_saved_adapter_holds_only_lora_and_head_in_float32(tmp_path: Path) -> None:
    job(tmp_path / "qa", questions(), [], settings(dtype="bfloat16"))
    job(
        tmp_path / "fv",
        claims(),
        [],
        settings("fv", dtype="bfloat16", lora_targets="kv", targets={"kv": "k_proj v_proj"}),
    )
    assert all("lora_" in name for name in adapter(tmp_path / "qa"))
    names = {name.split(".")[-3 if "lora_" in name else -2] for name in adapter(tmp_path / "fv")}
    assert names == {"k_proj", "v_proj", "score"}
    assert {value.dtype for folder in ("qa", "fv") for value in adapter(tmp_path / folder).values()} == {torch.float32}


def test_adapter_is_not_kept_when_it_is_not_wanted(tmp_path: Path) -> None:
    shared = settings()
    job(tmp_path, questions(), [], replace(shared, launch=replace(shared.launch, keep_adapter=False)))
    assert not (tmp_path / "adapter").exists() and (tmp_path / "train.jsonl").exists()


def test_empty_training_set_gives_the_untrained_model(tmp_path: Path) -> None:
    shared = settings()
    outcome = job(tmp_path, [], questions(), shared)
    assert (outcome.steps, outcome.final_loss, log_of(tmp_path)) == (0, None, [])
    with leased_base(shared) as base:
        expected = predict.generate_batch(base.model, base.tokenizer, prompt_rows_of(base, shared, questions()), 12)
    assert texts(outcome) == expected and len(set(expected)) > 2
    assert all(not value.any() for name, value in adapter(tmp_path).items() if "lora_B" in name)


@pytest.mark.parametrize("task", ["qa", pytest.param("fv", marks=pytest.mark.slow)])
def test_cells_of_different_precision_do_not_affect_each_other(task: str, tmp_path: Path) -> None:
    points = questions() if task == "qa" else claims()
    outcomes = [
        job(tmp_path / f"{i}", points, points, settings(task, dtype=dtype))
        for i, dtype in enumerate(("float32", "bfloat16", "float32"))
    ]
    assert [o.environment["dtype"] for o in outcomes] == ["float32", "bfloat16", "float32"]
    assert (
        same_weights(adapter(tmp_path / "0"), adapter(tmp_path / "2"))
        and outcomes[0].predictions == outcomes[2].predictions
    )
    half = adapter(tmp_path / "1")
    assert {value.dtype for value in half.values()} == {torch.float32} and 0 < adapter_distance(
        adapter(tmp_path / "0"), half
    ) < 0.2


def test_global_state_of_accelerate_does_not_affect_a_training(tmp_path: Path) -> None:
    job(tmp_path / "alone", claims(), [], settings("fv"))
    AcceleratorState._reset_state(reset_partial_state=True)
    Accelerator(cpu=True, mixed_precision="bf16")  # as another user of accelerate in this process does
    job(tmp_path / "after", claims(), [], settings("fv"))
    assert same_weights(adapter(tmp_path / "alone"), adapter(tmp_path / "after"))


def test_head_of_a_bfloat16_base_learns_in_float32(tmp_path: Path) -> None:
    """Steps of 1e-6 would be rounded away if a weight of 0.02 were in bfloat16."""
    values: dict[str, Any] = {"dtype": "bfloat16", "learning_rate": 1e-6, "epochs": 1, "batch_size": 8}
    for task_weights in ("random:llama", "random:bert"):
        job(tmp_path / "start", [], [], settings("fv", task_weights, **values))
        job(tmp_path / "end", claims(), [], settings("fv", task_weights, **values))
        start, end = adapter(tmp_path / "start"), adapter(tmp_path / "end")
        head = next(name for name in start if name.endswith(("score.weight", "classifier.weight")))
        moved = (end[head] - start[head]).abs()
        assert moved.min() > 0 and moved.max() < 2e-6


def _gates(count: int, purpose: str) -> list[Example]:
    """Claims whose class follows from one word of the evidence, open or shut."""
    draw = random.Random(purpose)
    words = ["gate", "mill", "rope", "bell", "yard", "lamp", "quay", "salt"]
    points = []
    for i in range(count):
        noise = " ".join(draw.choices(words, k=4))
        label = i % 2
        points.append(
            Example(
                f"{purpose}{i}",
                f"{noise} {('shut', 'open')[label]} {draw.choice(words)}",
                "It is open.",
                (CLASSES[label],),
            )
        )
    return points


@pytest.mark.parametrize("weights", ["random:bert", pytest.param("random:llama", marks=pytest.mark.slow)])
def test_classifier_learns_to_read_one_word(weights: str, tmp_path: Path) -> None:
    test = _gates(40, "test")
    shared = settings("fv", weights, lora_r=8, lora_alpha=16, learning_rate=1e-2, epochs=8, batch_size=8)
    outcome = job(tmp_path, _gates(64, "train"), test, shared)
    right = sum(text == example.target for text, example in zip(texts(outcome), test, strict=True))
    assert right >= 34, f"{right} of 40"


def test_new_pooler_and_head_are_trained_and_saved(tmp_path: Path) -> None:
    weights = small_encoder(tmp_path / "bert")
    job(tmp_path / "start", [], [], settings("fv", weights))
    job(tmp_path / "end", claims(), [], settings("fv", weights))
    start, end = adapter(tmp_path / "start"), adapter(tmp_path / "end")
    for name in ("pooler.dense.weight", "pooler.dense.bias", "classifier.weight", "classifier.bias"):
        key = next(each for each in start if each.endswith(name))
        assert not torch.equal(start[key], end[key])
    assert not any("pooler" in name and "lora" in name for name in start), "a module that is trained whole gets no LoRA"


def test_new_norm_is_initialised_with_ones(tmp_path: Path) -> None:
    """Scales drawn around 0 would nearly switch the layer off."""
    from transformers import AutoTokenizer, ModernBertConfig, ModernBertModel

    folder = tmp_path / "modernbert"
    tokenizer = AutoTokenizer.from_pretrained(tiny_model("bert"))
    tokenizer.save_pretrained(folder)
    sizes = {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 4,
    }
    ends = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 5, "sep_token_id": 4}
    ModernBertModel(ModernBertConfig(**sizes, **ends)).save_pretrained(folder)
    job(tmp_path / "run", [], claims(2), settings("fv", str(folder), lora_targets="kv", targets={"kv": "Wqkv"}))
    start = adapter(tmp_path / "run")
    norm = next(value for name, value in start.items() if name.endswith("head.norm.weight"))
    assert (norm == 1).all()


def test_outcome_names_its_environment(tmp_path: Path) -> None:
    outcome = job(tmp_path, questions(2), questions(1), settings())
    assert outcome.environment == {
        "device": "cpu",
        "dtype": "float32",
        "processes": 1,
        "cells_at_once": 1,
        "layout": "packed",
        "threads": 1,
        "torch": torch.__version__,
    }
    assert set(outcome.seconds) == {"load", "train", "predict"} and min(outcome.seconds.values()) > 0
    assert set(log_of(tmp_path)[0]) == {"step", "loss", "lr", "grad_norm", "tokens_per_s"}
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"], config["task_type"]) == (4, 8, "CAUSAL_LM")
