"""Evaluation: the prediction for a row does not depend on the other rows of its batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    FIXTURES,
    MEMORISE,
    claims,
    job,
    leased_base,
    model_with_pad_as_end,
    multi_lora,
    no_base_held,
    one_thread,
    packed_batch,
    prompt_rows_of,
    questions,
    release_base,
    settings,
    texts,
    tiny_cache,
)

from littlehuman.training import predict
from littlehuman.training.encoding import batch_by_length

pytestmark = FIXTURES

BUDGETS = (1, 64, None)  # tokens of a batch: one row, a few rows, the default
JOBS = [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")]


def _texts_at(budget: int | None, folder: Path, task: str, weights: str, **more: Any) -> list[str]:
    points, test = (questions(), questions(12)) if task == "qa" else (claims(24), claims(12))
    values = MEMORISE | {"epochs": 15} if task == "qa" else {"epochs": 8, "lora_r": 8, "lora_alpha": 16}
    return texts(job(folder, points, test, settings(task, weights, launch={"eval_tokens": budget}, **values, **more)))


@pytest.mark.parametrize(
    ("task", "weights"), [JOBS[0], *(pytest.param(*job, marks=pytest.mark.slow) for job in JOBS[1:])]
)
def test_any_batch_size_scores_the_same(task: str, weights: str, tmp_path: Path) -> None:
    """In float32 every text is the same, and so every score."""
    predicted = [_texts_at(budget, tmp_path / str(budget), task, weights) for budget in BUDGETS]
    assert predicted[0] == predicted[1] == predicted[2] and len(set(predicted[0])) > 1


@pytest.mark.slow
@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_any_batch_size_scores_almost_the_same_in_bfloat16(task: str, weights: str, tmp_path: Path) -> None:
    """Rounding of 2^-8 may decide near ties differently. Measured on a CPU: none of 12, in any of these cases."""
    predicted = [_texts_at(budget, tmp_path / str(budget), task, weights, dtype="bfloat16") for budget in BUDGETS]
    for other in predicted[1:]:
        assert sum(one == two for one, two in zip(predicted[0], other, strict=True)) >= 10


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("weights", ["random:llama", "random:bert"])
def test_logits_do_not_depend_on_the_batch(weights: str, packed: bool) -> None:
    shared = settings("fv", weights)
    with leased_base(shared) as base, multi_lora(base, shared) as lora:
        rows = prompt_rows_of(base, shared, claims(12))
        alone = torch.cat([lora.logits(packed_batch(base, [[row]], packed=False), 0) for row in rows])
        for budget in (64, 300, 4096):
            groups = list(batch_by_length(rows, budget))
            logits = {
                row.index: line
                for group in groups
                for row, line in zip(group, lora.logits(packed_batch(base, [group], packed=packed), 0), strict=True)
            }
            torch.testing.assert_close(torch.stack([logits[row.index] for row in rows]), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_head_reads_the_last_real_token(pad_is_end: bool, tmp_path: Path) -> None:
    """Not the padding after it, whichever token pads."""
    shared = settings("fv", model_with_pad_as_end(tmp_path / "model") if pad_is_end else "random:llama")
    with leased_base(shared) as base, multi_lora(base, shared) as lora:
        rows = prompt_rows_of(base, shared, claims())
        assert len({len(row.input_ids) for row in rows}) > 1, "some rows must be padded"
        both = [lora.logits(packed_batch(base, [rows], packed=packed), 0) for packed in (True, False)]
        lora.routing.active_cell = 0
        with torch.inference_mode():
            states = [base.model.model(torch.tensor([row.input_ids])).last_hidden_state[0, -1] for row in rows]
            expected = torch.stack([base.model.score(state[None])[0] for state in states])
    for logits in both:
        torch.testing.assert_close(logits, expected, atol=1e-6, rtol=1e-5)


def test_token_budget_includes_new_tokens_and_allows_at_least_one_row() -> None:
    with leased_base(settings()) as base:
        rows = prompt_rows_of(base, settings(), questions(12))
    for budget, more in ((1, 0), (100, 0), (100, 12), (10_000, 5)):
        groups = list(batch_by_length(rows, budget, more))
        assert sorted(row.index for group in groups for row in group) == list(range(12))
        assert all(len(group) == 1 or len(group) * (len(group[0].input_ids) + more) <= budget for group in groups)
        lengths = [len(row.input_ids) for group in groups for row in group]
        assert lengths == sorted(lengths, reverse=True), "lack of memory shows in the first batch"


@pytest.mark.parametrize("pad_is_end", [pytest.param(False, marks=pytest.mark.slow), True])
def test_batched_generation_equals_single(pad_is_end: bool, tmp_path: Path) -> None:
    """For each of two cells, compared with plain `generate` of each row: no padding, no batch, no cache."""
    shared = settings(weights=model_with_pad_as_end(tmp_path / "model") if pad_is_end else "random:llama")
    with leased_base(shared) as base, multi_lora(base, shared, shared) as lora:
        rows = prompt_rows_of(base, shared, questions())
        by_cell = []
        for cell in (0, 1):
            lora.routing.active_cell, single = cell, []
            for row in rows:
                out = base.model.generate(
                    torch.tensor([row.input_ids]), max_new_tokens=8, do_sample=False, use_cache=False
                )
                single.append(
                    predict.first_line(base.tokenizer.decode(out[0, len(row.input_ids) :], skip_special_tokens=True))
                )
            assert len({len(row.input_ids) for row in rows}) > 2 and len(set(single)) > 2, (
                "the rows must differ, or the test shows nothing"
            )
            for tokens in (1, 150, 10_000):
                assert predict.generate(lora, cell, rows, max_tokens=8, tokens=tokens, progress=False) == single
            by_cell.append(single)
        assert by_cell[0] != by_cell[1], "each cell uses its own adapter"


def test_generation_ends_when_all_rows_have_ended(tmp_path: Path) -> None:
    """A model that memorised short answers does not generate up to the limit."""
    points = questions(4)
    shared = settings(answer_tokens=200, **MEMORISE)
    passes: list[int] = []

    def count(module: torch.nn.Module, args: Any, out: torch.Tensor) -> None:
        if isinstance(module, torch.nn.Linear) and module.out_features > 500 and not torch.is_grad_enabled():
            passes.append(1)

    with torch.nn.modules.module.register_module_forward_hook(count):
        outcome = job(tmp_path, points, points, shared)
    longest = max(len(text) for text in texts(outcome))
    assert texts(outcome) == [example.target for example in points] and 0 < len(passes) <= longest + 1


def test_generation_defaults_of_a_checkpoint_are_ignored(tmp_path: Path) -> None:
    """Decoding is greedy, whatever the checkpoint recommends for chats."""
    import json
    import shutil

    from littlehuman.models.tiny import tiny_model

    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    values = json.loads((folder / "generation_config.json").read_text())
    defaults = {"do_sample": True, "temperature": 0.3, "top_k": 1, "top_p": 0.1, "repetition_penalty": 1.8}
    (folder / "generation_config.json").write_text(json.dumps(values | defaults))
    plain, with_defaults = (
        texts(job(tmp_path / name[-5:], [], questions(), settings(weights=name)))
        for name in ("random:llama", str(folder))
    )
    assert plain == with_defaults


def test_predictions_come_in_the_order_of_the_points(tmp_path: Path) -> None:
    shared, points = settings(epochs=6), questions(9)
    forward = job(tmp_path, questions(), points, shared).predictions
    release_base()
    backward = job(tmp_path, questions(), points[::-1], shared).predictions
    assert [p.id for p in forward] == [e.id for e in points] and list(forward) == list(backward)[::-1]
    assert [(p.targets, p.evidence, p.question) for p in forward] == [(e.targets, e.evidence, e.text) for e in points]


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_cell_without_test_points_has_no_predictions(layout: str, tmp_path: Path) -> None:
    for task in ("qa", "fv"):
        assert texts(job(tmp_path / task, [], [], settings(task, launch={"layout": layout}))) == []
