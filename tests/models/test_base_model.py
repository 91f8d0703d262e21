"""The base model: each job gets it as it was loaded."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    FIXTURES,
    adapter,
    cell,
    claims,
    job,
    leased_base,
    no_base_held,
    one_thread,
    questions,
    release_base,
    same_weights,
    settings,
    small_encoder,
    texts,
    tiny_cache,
    without_errors,
)

from littlehuman.errors import ConfigError, WeightsError
from littlehuman.models import base_model as base_module
from littlehuman.training import loop
from littlehuman.training.fit import fit

pytestmark = FIXTURES

JOBS = [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")]
HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks")


def _points(task: str) -> list[Any]:
    return questions() if task == "qa" else claims()


def _inspect(task: str, weights: str, dtype: str = "float32") -> dict[str, Any]:
    """Everything of a base that a job could change; `state` is a copy."""
    with leased_base(settings(task, weights, dtype=dtype)) as base:
        model = base.model
        return {
            "model": model,  # not its id: a freed model's id may be that of the next one
            "state": {name: value.clone() for name, value in model.state_dict().items()},
            "modules": {name: type(module).__name__ for name, module in model.named_modules()},
            "hooks": sum(len(getattr(module, kind)) for module in model.modules() for kind in HOOKS),
            "trainable": [name for name, parameter in model.named_parameters() if parameter.requires_grad],
            "training": [name for name, module in model.named_modules() if module.training],
            "config": model.config.to_dict(),
            "attention": model.config._attn_implementation,
            "checkpointing": [
                name for name, module in model.named_modules() if getattr(module, "gradient_checkpointing", False)
            ],
            "generation": str(getattr(model, "generation_config", None)),
            "methods": sorted(name for name in vars(model) if not name.startswith("_")),
            "methods inside": sorted(
                name for name in vars(getattr(model, model.base_model_prefix)) if not name.startswith("_")
            ),
        }


@pytest.mark.parametrize(
    ("task", "weights", "dtype"),
    [
        *((*job, "float32") for job in JOBS),
        *(pytest.param(*job, "bfloat16", marks=pytest.mark.slow) for job in JOBS),
    ],
)
def test_job_leaves_the_base_unchanged(task: str, weights: str, dtype: str, tmp_path: Path) -> None:
    fresh = _inspect(task, weights, dtype)
    release_base()
    shared = settings(task, weights, dtype=dtype, lora_dropout=0.1, launch={"gradient_checkpointing": True})
    without_errors(
        fit(
            [cell(tmp_path / str(seed), _points(task), _points(task)[:2], shared, seed) for seed in (0, 1)],
            shared.launch,
        )
    )
    used = _inspect(task, weights, dtype)
    assert not used["trainable"] and not used["training"] and not used["checkpointing"]
    assert same_weights(used.pop("state"), fresh.pop("state"))
    assert used.pop("model") is not fresh.pop("model"), "the second inspection must be of the base that the job used"
    assert used == fresh


@pytest.mark.parametrize(("task", "weights"), [JOBS[0], pytest.param(*JOBS[1], marks=pytest.mark.slow), JOBS[2]])
def test_second_job_on_a_used_base_equals_the_job_on_a_fresh_one(task: str, weights: str, tmp_path: Path) -> None:
    points, shared = _points(task), settings(task, weights, lora_dropout=0.1)
    alone = job(tmp_path / "alone", points, points, shared, seed=5)
    release_base()
    job(tmp_path / "first", points[::-1], points[:1], shared, seed=1)
    held = _inspect(task, weights)["model"]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        second = job(tmp_path / "second", points, points, shared, seed=5)
    assert _inspect(task, weights)["model"] is held, "the second job must use the first one's base"
    assert same_weights(adapter(tmp_path / "alone"), adapter(tmp_path / "second")) and texts(alone) == texts(second)
    assert not [str(w.message) for w in caught if "PEFT" in str(w.message)]


def test_job_that_raises_discards_the_base(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points, shared = claims(), settings("fv")
    alone = job(tmp_path / "alone", points, points, shared)

    def fail(*_: Any, **__: Any) -> list[str]:
        raise OSError("no space left")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no space"):
        patch.setattr(loop, "pack", fail)
        job(tmp_path / "broken", points, points, shared)
    assert not base_module._held
    assert texts(job(tmp_path / "next", points, points, shared)) == texts(alone)
    assert same_weights(adapter(tmp_path / "alone"), adapter(tmp_path / "next"))


def test_changed_base_is_not_used_again() -> None:
    with pytest.raises(RuntimeError, match="came back changed"), leased_base(settings()) as base:
        base.model.lm_head.weight.data[3, 3] += 1e-3
    assert not base_module._held


def test_only_one_base_is_held_at_a_time(tmp_path: Path) -> None:
    for task, weights in JOBS:
        job(tmp_path / f"{task}{weights[-4:]}", [], _points(task)[:1], settings(task, weights))
        assert len(base_module._held) == 1


def test_head_of_a_base_does_not_depend_on_what_ran_before() -> None:
    torch.manual_seed(1)
    first = _inspect("fv", "random:llama")["state"]
    release_base()
    torch.manual_seed(2)
    assert same_weights(first, _inspect("fv", "random:llama")["state"])


def test_new_modules_are_the_head_and_what_the_checkpoint_lacks(tmp_path: Path) -> None:
    for kind, expected in (("bert", ("classifier", "bert.pooler.dense")), ("roberta", ("classifier",))):
        weights = small_encoder(tmp_path / kind, kind)
        with leased_base(settings("fv", weights)) as base:
            assert base.new_modules == expected


def test_weights_without_a_language_model_head_cannot_generate(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot write answers.*lack"):
        job(tmp_path, questions(), questions(), settings("qa", "random:bert"))


def test_unknown_lora_target_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="training.lora_targets=kv.*not found"):
        job(tmp_path, questions(), questions(), settings(lora_targets="kv", targets={"kv": "key_of_another_model"}))
    assert not base_module._held
