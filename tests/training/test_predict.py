"""Evaluation: what a trained cell says of a row does not depend on the rows beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    BY_HEART,
    CLASSES,
    FIXTURES,
    claims,
    distance,
    forget,
    job,
    laid,
    lent,
    no_base_held,
    one_thread,
    prompts_of,
    questions,
    settings,
    stacked,
    texts,
    tiny_cache,
    where_pad_is_end,
)

from littlehuman.training import predict
from littlehuman.training.encoding import by_length

pytestmark = FIXTURES

BUDGETS = (1, 64, None)  # tokens at once: a row at a time, a few, all
JOBS = [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")]


def _texts_at(budget: int | None, folder: Path, task: str, weights: str, **more: Any) -> list[str]:
    points, test = (questions(), questions(12)) if task == "qa" else (claims(24), claims(12))
    values = BY_HEART | {"epochs": 15} if task == "qa" else {"epochs": 8, "lora_r": 8, "lora_alpha": 16}
    return texts(job(folder, points, test, settings(task, weights, launch={"eval_tokens": budget}, **values, **more)))


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_any_batch_size_scores_the_same(task: str, weights: str, tmp_path: Path) -> None:
    """In float32, every text; so every score."""
    said = [_texts_at(budget, tmp_path / str(budget), task, weights) for budget in BUDGETS]
    assert said[0] == said[1] == said[2] and len(set(said[0])) > 1


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_any_batch_size_scores_almost_the_same_in_bfloat16(task: str, weights: str, tmp_path: Path) -> None:
    """Products that are 2^-8 fine may turn a close call. Measured on a CPU: none of 12 turned, of any of these jobs."""
    said = [_texts_at(budget, tmp_path / str(budget), task, weights, dtype="bfloat16") for budget in BUDGETS]
    for other in said[1:]:
        assert sum(one == two for one, two in zip(said[0], other, strict=True)) >= 10


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("weights", ["random:llama", "random:bert"])
def test_logits_do_not_depend_on_the_rows_beside(weights: str, packed: bool) -> None:
    shared = settings("fv", weights)
    with lent(shared) as base, stacked(base, shared) as stack:
        rows = prompts_of(base, shared, claims(12))
        alone = torch.cat([stack.logits(laid(base, [[row]], packed=False), 0) for row in rows])
        for budget in (64, 300, 4096):
            groups = list(by_length(rows, budget))
            said = {
                row.index: line
                for group in groups
                for row, line in zip(group, stack.logits(laid(base, [group], packed=packed), 0), strict=True)
            }
            torch.testing.assert_close(torch.stack([said[row.index] for row in rows]), alone, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_head_reads_the_last_real_token(pad_is_end: bool, tmp_path: Path) -> None:
    """Of the row, not of the padding behind it, whichever token pads."""
    shared = settings("fv", where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama")
    with lent(shared) as base, stacked(base, shared) as stack:
        rows = prompts_of(base, shared, claims())
        assert len({len(row.ids) for row in rows}) > 1, "some rows must be padded"
        both = [stack.logits(laid(base, [rows], packed=packed), 0) for packed in (True, False)]
        stack.route.only = 0
        with torch.inference_mode():
            states = [base.model.model(torch.tensor([row.ids])).last_hidden_state[0, -1] for row in rows]
            expected = torch.stack([base.model.score(state[None])[0] for state in states])
    for logits in both:
        torch.testing.assert_close(logits, expected, atol=1e-6, rtol=1e-5)


def test_budget_counts_what_will_be_written_and_takes_a_row_at_least() -> None:
    with lent(settings()) as base:
        rows = prompts_of(base, settings(), questions(12))
    for budget, more in ((1, 0), (100, 0), (100, 12), (10_000, 5)):
        groups = list(by_length(rows, budget, more))
        assert sorted(row.index for group in groups for row in group) == list(range(12))
        assert all(len(group) == 1 or len(group) * (len(group[0].ids) + more) <= budget for group in groups)
        lengths = [len(row.ids) for group in groups for row in group]
        assert lengths == sorted(lengths, reverse=True), "memory trouble shows in the first batch"


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_batched_generation_equals_single(pad_is_end: bool, tmp_path: Path) -> None:
    """The adapter of one cell of two, against plain generation of each row by hand: no padding, no batch, no cache."""
    shared = settings(weights=where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama")
    with lent(shared) as base, stacked(base, shared, shared) as stack:
        rows = prompts_of(base, shared, questions())
        by_cell = []
        for cell in (0, 1):
            stack.route.only, single = cell, []
            for row in rows:
                out = base.model.generate(torch.tensor([row.ids]), max_new_tokens=8, do_sample=False, use_cache=False)
                single.append(
                    predict.first_line(base.tokenizer.decode(out[0, len(row.ids) :], skip_special_tokens=True))
                )
            assert len({len(row.ids) for row in rows}) > 2 and len(set(single)) > 2, (
                "the rows must differ, or nothing is shown"
            )
            for tokens in (1, 150, 10_000):
                assert predict.answer(stack, cell, rows, max_tokens=8, tokens=tokens, progress=False) == single
            by_cell.append(single)
        assert by_cell[0] != by_cell[1], "each cell reads with its own adapter"


def test_writing_ends_when_each_row_has_said_its_end(tmp_path: Path) -> None:
    """A model that learnt short answers by heart is not made to ramble on to the limit."""
    points = questions(4)
    shared = settings(answer_tokens=200, **BY_HEART)
    written: list[int] = []

    def count(module: torch.nn.Module, given: Any, out: torch.Tensor) -> None:
        if isinstance(module, torch.nn.Linear) and module.out_features > 500 and not torch.is_grad_enabled():
            written.append(1)

    with torch.nn.modules.module.register_module_forward_hook(count):
        outcome = job(tmp_path, points, points, shared)
    longest = max(len(text) for text in texts(outcome))
    assert texts(outcome) == [example.target for example in points] and 0 < len(written) <= longest + 1


def test_checkpoints_own_penalties_do_not_join_in(tmp_path: Path) -> None:
    """Greedy means greedy, whatever a checkpoint recommends for chats."""
    import json
    import shutil

    from littlehuman.models.tiny import tiny_model

    folder = tmp_path / "model"
    shutil.copytree(tiny_model("llama"), folder)
    values = json.loads((folder / "generation_config.json").read_text())
    own = {"do_sample": True, "temperature": 0.3, "top_k": 1, "top_p": 0.1, "repetition_penalty": 1.8}
    (folder / "generation_config.json").write_text(json.dumps(values | own))
    plain, own_way = (
        texts(job(tmp_path / name[-5:], [], questions(), settings(weights=name)))
        for name in ("random:llama", str(folder))
    )
    assert plain == own_way


def test_predictions_come_in_the_order_of_the_points(tmp_path: Path) -> None:
    shared, points = settings(epochs=6), questions(9)
    forward = job(tmp_path, questions(), points, shared).predictions
    forget()
    backward = job(tmp_path, questions(), points[::-1], shared).predictions
    assert [p.id for p in forward] == [e.id for e in points] and list(forward) == list(backward)[::-1]
    assert [(p.targets, p.evidence, p.question) for p in forward] == [(e.targets, e.evidence, e.text) for e in points]


@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_cell_without_test_points_says_nothing(layout: str, tmp_path: Path) -> None:
    for task in ("qa", "fv"):
        assert texts(job(tmp_path / task, [], [], settings(task, launch={"layout": layout}))) == []
