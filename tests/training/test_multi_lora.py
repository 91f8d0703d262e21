"""Cells trained together on one base: each gives what it gives alone, and what plain PEFT gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    CLASSES,
    FIXTURES,
    MEMORISE,
    Shared,
    adapter,
    adapter_distance,
    cell,
    claims,
    distance,
    forward_backward,
    job,
    leased_base,
    log_of,
    multi_lora,
    no_base_held,
    one_thread,
    packed_batch,
    prompt_rows_of,
    questions,
    same_weights,
    settings,
    small_encoder,
    texts,
    tiny_cache,
    train_rows_of,
    without_errors,
)

from littlehuman import seeding
from littlehuman.errors import ConfigError, DataError
from littlehuman.records import Example
from littlehuman.store import cache_root
from littlehuman.training import predict
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.fit import fit
from littlehuman.training.grid import Grid, make_grid
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.packing import Blocks
from littlehuman.training.types import Cell, Outcome

pytestmark = FIXTURES

JOBS = [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")]
BOTH_HEADS = [JOBS[0], pytest.param(*JOBS[1], marks=pytest.mark.slow), JOBS[2]]
# Cells that differ in all that can differ within a group; the second one is done after 4 of the third one's 9 steps.
DIFFERENT: tuple[dict[str, Any], ...] = (
    {"learning_rate": 1e-2, "epochs": 2, "batch_size": 4, "lora_dropout": 0.1, "lora_alpha": 8},
    {"learning_rate": 3e-3, "epochs": 2, "batch_size": 3, "lora_dropout": 0.0, "lora_alpha": 16, "max_grad_norm": 0.05},
    {
        "learning_rate": 5e-3,
        "epochs": 3,
        "batch_size": 1,
        "lora_dropout": 0.4,
        "lora_alpha": 4,
        "weight_decay": 0.1,
        "warmup_ratio": 0.3,
    },
)
POINTS = (8, 5, 3)
# Relative distance of adapters. Measured: at most 2e-6, and 9e-3 in bfloat16, whose resolution is 2^-8.
TOLERANCE = {"float32": 2e-5, "bfloat16": 0.04}


def _points(task: str, count: int = 8) -> list[Example]:
    return questions(count) if task == "qa" else claims(count)


def _different_cells(folder: Path, task: str, weights: str, dtype: str = "float32") -> tuple[list[Cell], Shared]:
    shared = [settings(task, weights, dtype=dtype, **values) for values in DIFFERENT]
    points = [_points(task)[::-1], _points(task)[1:], _points(task)[3:]]
    cells = [
        cell(folder / f"{seed}", own[:count], _points(task, 6), each, seed)
        for seed, (own, count, each) in enumerate(zip(points, POINTS, shared, strict=True))
    ]
    return cells, shared[0]


def _each_alone(cells: list[Cell], shared: Shared, folder: Path) -> list[Outcome]:
    outcomes = []
    for each in cells:
        (folder / each.folder.name).mkdir(parents=True)
        outcomes += without_errors(fit([replace(each, folder=folder / each.folder.name)], shared.launch))
    return outcomes


def _curve(folder: Path) -> list[tuple[float, ...]]:
    return [(row["step"], row["loss"], row["lr"], row["grad_norm"]) for row in log_of(folder)]


@pytest.mark.parametrize(
    ("task", "weights", "dtype"),
    [
        *((*job, "float32") for job in JOBS),
        (*JOBS[1], "bfloat16"),
        *(pytest.param(*job, "bfloat16", marks=pytest.mark.slow) for job in (JOBS[0], JOBS[2])),
    ],
)
def test_fused_equals_alone(task: str, weights: str, dtype: str, tmp_path: Path) -> None:
    """Adapters, loss curves and, in float32, predictions; with BERT's own dropout."""
    cells, shared = _different_cells(tmp_path / "fused", task, weights, dtype)
    together = without_errors(fit(cells, shared.launch))
    alone = _each_alone(cells, shared, tmp_path / "alone")
    assert [o.environment["cells_at_once"] for o in (*together, *alone)] == [3, 3, 3, 1, 1, 1]
    assert [o.steps for o in together] == [4, 4, 9]
    for number, (left, right) in enumerate(zip(alone, together, strict=True)):
        ours, single = tmp_path / "fused" / str(number), tmp_path / "alone" / str(number)
        assert adapter_distance(adapter(single), adapter(ours)) < TOLERANCE[dtype]
        for one, other in zip(_curve(single), _curve(ours), strict=True):
            assert one == pytest.approx(other, rel=1e-4 if dtype == "float32" else 0.1)
        if dtype == "float32":
            assert texts(left) == texts(right) and left.predictions == right.predictions


def _token_by_token(self: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """A linear layer whose rounding does not depend on the number of tokens: one product per token."""
    flat = x.reshape(-1, 1, x.shape[-1])
    out = torch.bmm(flat, self.weight.T.expand(len(flat), -1, -1)).squeeze(1)
    return (out if self.bias is None else out + self.bias).view(*x.shape[:-1], -1)


@pytest.mark.parametrize(("task", "weights"), BOTH_HEADS)
def test_fused_equals_alone_bit_for_bit_except_for_the_products_of_the_base(
    task: str, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a CPU only the frozen layers' products may round differently: their kernels depend on the number of tokens.

    With products that do not, no bit of an adapter, a loss or a gradient norm differs.
    """
    monkeypatch.setattr(torch.nn.Linear, "forward", _token_by_token)
    cells, shared = _different_cells(tmp_path / "fused", task, weights)
    together = without_errors(fit(cells, shared.launch))
    alone = _each_alone(cells, shared, tmp_path / "alone")
    for number in range(3):
        ours, single = tmp_path / "fused" / str(number), tmp_path / "alone" / str(number)
        assert same_weights(adapter(single), adapter(ours)) and _curve(single) == _curve(ours)
        assert together[number].predictions == alone[number].predictions


@pytest.mark.slow  # test_memory.py shows the groups
def test_cells_beyond_the_limit_train_in_further_groups(tmp_path: Path) -> None:
    cells, shared = _different_cells(tmp_path / "groups", "qa", "random:llama")
    outcomes = without_errors(fit(cells, replace(shared.launch, cells=2)))
    assert sorted(o.environment["cells_at_once"] for o in outcomes) == [1, 2, 2]
    for left, right in zip(outcomes, _each_alone(cells, shared, tmp_path / "alone"), strict=True):
        assert texts(left) == texts(right)


def _reference(task: str, weights: str, start: Path) -> Any:
    """PEFT's model with the adapter of `start`, trainable."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

    if task == "qa":
        model = AutoModelForCausalLM.from_pretrained(weights, dtype=torch.float32)
    else:
        model = AutoModelForSequenceClassification.from_pretrained(
            weights, dtype=torch.float32, num_labels=len(CLASSES)
        )
        model.config.pad_token_id = 0
    return PeftModel.from_pretrained(model, start / "adapter", is_trainable=True)


def _library_loss(model: Any, batch: list[EncodedRow]) -> torch.Tensor:
    """transformers' own loss of rows that are padded on the right."""
    width = max(len(row.input_ids) for row in batch)

    def filled(values: Any, fill: int) -> torch.Tensor:
        return torch.tensor([[*own, *[fill] * (width - len(own))] for own in values])

    tensors = {
        "input_ids": filled([row.input_ids for row in batch], 0),
        "attention_mask": filled([[1] * len(row.input_ids) for row in batch], 0),
    }
    if batch[0].token_type_ids:
        tensors["token_type_ids"] = filled([row.token_type_ids for row in batch], 0)
    answers = batch[0].pooling_position is None
    labels = filled([row.labels for row in batch], -100) if answers else torch.tensor([row.labels[0] for row in batch])
    loss: torch.Tensor = model(**tensors, labels=labels).loss
    return loss


def _types(row: EncodedRow) -> dict[str, torch.Tensor]:
    return {"token_type_ids": torch.tensor([row.token_type_ids])} if row.token_type_ids else {}


@torch.inference_mode()
def _predicted_by(model: Any, prompts: list[EncodedRow], tokenizer: Any) -> list[str]:
    """Predictions row by row, without padding or batches."""
    if prompts[0].pooling_position is not None:
        logits = [model(input_ids=torch.tensor([row.input_ids]), **_types(row)).logits for row in prompts]
        return [CLASSES[int(line.argmax())] for line in logits]
    generated = [
        model.generate(input_ids=torch.tensor([row.input_ids]), max_new_tokens=12, do_sample=False)[
            0, len(row.input_ids) :
        ]
        for row in prompts
    ]
    return [predict.first_line(tokenizer.decode(tokens, skip_special_tokens=True)) for tokens in generated]


@pytest.mark.parametrize(
    ("task", "kind"), [("qa", "llama"), pytest.param("fv", "llama", marks=pytest.mark.slow), ("fv", "bert")]
)
def test_alone_equals_peft(task: str, kind: str, tmp_path: Path) -> None:
    """Compared with PEFT, transformers' own loss, torch's AdamW, padded batches and a loop written here.

    The loss curve, the adapter and its predictions; BERT without its dropout, which the library draws differently.
    """
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    weights = "random:llama" if kind == "llama" else small_encoder(cache_root() / "no-dropout-bert", **none)
    values: dict[str, Any] = {
        "batch_size": 3,
        "epochs": 3,
        "weight_decay": 0.1,
        "warmup_ratio": 0.2,
        "max_grad_norm": 0.05,
    }
    shared = settings(task, weights, **values)
    job(tmp_path / "start", [], [], shared, seed=4)  # the initial adapter of that seed
    ours = job(tmp_path / "ours", _points(task), _points(task), shared, seed=4)
    with leased_base(shared) as base:
        train_rows, prompts = train_rows_of(base, shared, _points(task)), prompt_rows_of(base, shared, _points(task))
        path, tokenizer = base.path, base.tokenizer
    model = _reference(task, path, tmp_path / "start").train()
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trainable, lr=1e-2, weight_decay=0.1, eps=1e-8)
    curve, steps, warmup = [], 9, 2
    for step in range(steps):
        order = list(train_rows)
        seeding.rng(4, "training order", step // 3).shuffle(order)
        factor = (step + 1) / (warmup + 1) if step < warmup else (steps - step) / (steps - warmup)
        optimizer.param_groups[0]["lr"] = 1e-2 * factor
        loss = _library_loss(model, order[step % 3 * 3 : step % 3 * 3 + 3])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(trainable, 0.05)
        optimizer.step()
        optimizer.zero_grad()
        curve.append((step + 1, float(loss.detach()), 1e-2 * factor, float(norm)))
    model.save_pretrained(tmp_path / "theirs" / "adapter")
    for row, expected in zip(_curve(tmp_path / "ours"), curve, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    moved = adapter_distance(adapter(tmp_path / "start"), adapter(tmp_path / "ours"))
    assert moved > 0.02 and adapter_distance(adapter(tmp_path / "theirs"), adapter(tmp_path / "ours")) < 1e-3 * moved
    assert _predicted_by(model.eval(), prompts, tokenizer) == texts(ours)


@pytest.mark.parametrize(
    "kind",
    ["llama", "bert", "mpnet", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("no_pooler", "roberta"))],
)
def test_peft_loads_the_adapter_and_predicts_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a cell trained with another one, with dropout: classes and logits."""
    weights = f"random:{kind}"
    if kind not in ("llama", "bert"):
        weights = small_encoder(cache_root() / f"{kind}-bert", "bert" if kind == "no_pooler" else kind)
    shared = settings("fv", weights, lora_r=8, lora_dropout=0.1)
    seen: list[torch.Tensor] = []
    logits = MultiLora.logits
    monkeypatch.setattr(MultiLora, "logits", lambda *args: [seen.append(logits(*args)), seen[-1]][1])
    cells = [cell(tmp_path / str(seed), claims(), claims(6), shared, seed) for seed in (0, 1)]
    outcomes = without_errors(fit(cells, shared.launch))
    with leased_base(shared) as base:
        prompts, path = prompt_rows_of(base, shared, claims(6)), base.path
    longest_first = sorted(prompts, key=lambda row: len(row.input_ids), reverse=True)
    for seed, (outcome, ours) in enumerate(zip(outcomes, seen, strict=True)):
        loaded = _reference("fv", path, tmp_path / str(seed)).eval()
        assert loaded.peft_config["default"].base_model_name_or_path == weights
        assert _predicted_by(loaded, prompts, None) == texts(outcome)
        with torch.inference_mode():
            theirs = torch.cat(
                [loaded(input_ids=torch.tensor([row.input_ids]), **_types(row)).logits for row in longest_first]
            )
        torch.testing.assert_close(theirs, ours.float(), atol=1e-5, rtol=1e-5)


def test_peft_loads_the_adapter_and_generates_the_same(tmp_path: Path) -> None:
    shared = settings(**MEMORISE | {"epochs": 30})
    outcomes = without_errors(
        fit([cell(tmp_path / str(seed), questions(), questions(), shared, seed) for seed in (0, 1)], shared.launch)
    )
    untrained = texts(job(tmp_path / "untrained", [], questions(), shared))
    with leased_base(shared) as base:
        prompts, path, tokenizer = prompt_rows_of(base, shared, questions()), base.path, base.tokenizer
    for seed, outcome in enumerate(outcomes):
        loaded = _reference("qa", path, tmp_path / str(seed)).eval()
        assert texts(outcome) == _predicted_by(loaded, prompts, tokenizer) != untrained


def test_batched_products_equal_products_per_block() -> None:
    """A GPU pads the blocks to one batched product; a cell without rows gets a gradient of 0."""
    draw = torch.Generator().manual_seed(0)
    spans = ((0, 0, 5), (2, 5, 6), (3, 6, 17))  # cell 1 is done
    x, out = torch.randn(17, 6, generator=draw), torch.randn(17, 4, generator=draw)
    weights = torch.randn(4, 6, 4, generator=draw)
    expected = torch.cat([x[a:b] @ weights[cell] for cell, a, b in spans])
    sums = torch.stack(
        [sum((x[a:b].T @ out[a:b] for c, a, b in spans if c == cell), torch.zeros(6, 4)) for cell in range(4)]
    )
    blocks = Blocks(spans)
    torch.testing.assert_close(blocks.matmul(x, weights), expected)
    torch.testing.assert_close(blocks.add_matmul(out.clone(), x, weights), out + expected)
    torch.testing.assert_close(blocks.matmul_transposed(x, out, 4), sums)
    assert not blocks.matmul_transposed(x, out, 4)[1].any()
    assert blocks.expand([1.0, 2.0, 3.0]).flatten().tolist() == [1.0] * 5 + [2.0] + [3.0] * 11
    grid = make_grid(spans, 4, [1.0, 1.0, 1.0], torch.arange(17, dtype=torch.int32), None)
    added, grads = out.clone(), torch.zeros(4, 6, 4)
    grid.add(added, grid.pad(x) @ grid.select(weights))
    torch.testing.assert_close(added, out + expected)
    grid.accumulate(grads, grid.pad_dropped(x, layer_id=0).mT @ grid.pad(out))
    torch.testing.assert_close(grads, sums)


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_batched_products_give_the_same_logits_and_gradients(
    task: str, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [
        settings(task, weights, lora_dropout=0.1),
        settings(task, weights, lora_alpha=2),
        settings(task, weights, lora_dropout=0.3),
    ]
    with leased_base(cells[0]) as base, multi_lora(base, *cells) as lora:
        rows = train_rows_of(base, cells[0], _points(task))
        batch = packed_batch(base, [rows[:5], rows[5:6], rows[6:]])
        logits, grads = forward_backward(lora, batch)
        pad, calls = Grid.pad, []
        monkeypatch.setattr(Blocks, "is_batched", lambda *_: True)
        monkeypatch.setattr(Grid, "pad", lambda grid, x: [calls.append(grid), pad(grid, x)][1])
        batched_logits, batched_grads = forward_backward(lora, packed_batch(base, [rows[:5], rows[5:6], rows[6:]]))
        only_logits, only_grads = forward_backward(lora, packed_batch(base, [rows[:5]]))
    assert distance(logits, batched_logits) < 1e-5 and distance(grads, batched_grads) < 1e-5 and len(calls) > 10
    assert distance(logits[: len(only_logits)], only_logits) < 1e-5 and distance(grads[0], only_grads[0]) < 1e-5


@pytest.mark.parametrize("task", ["qa", "fv"])
def test_gradient_of_a_cell_does_not_depend_on_the_others(task: str) -> None:
    """It equals that of a batch of this cell only; without rows it is zero."""
    cells = [settings(task, lora_dropout=0.2), settings(task), settings(task, lora_alpha=3)]
    with leased_base(cells[0]) as base, multi_lora(base, *cells) as lora:
        rows = train_rows_of(base, cells[0], _points(task))
        together = forward_backward(lora, packed_batch(base, [rows[:3], rows[3:]]))[1]
        assert not together[2].any() and together[0].any() and together[1].any()
        assert distance(forward_backward(lora, packed_batch(base, [rows[:3]]))[1][0], together[0]) < 1e-5


TOO_LONG = Example("too-long", "Fog.", "Is the gate of the northern yard open? " * 40, (CLASSES[0],))


def test_error_of_one_cell_is_its_outcome_and_affects_no_other_cell(tmp_path: Path) -> None:
    """One row is too long even without its evidence; the other cells train as they do without that cell."""
    shared = settings("fv", small_encoder(cache_root() / "short-bert", positions=96), lora_dropout=0.1)
    sets = (
        [claims()[:5], claims(3)],
        [[*claims(3), TOO_LONG], claims(3)],
        [claims(8), claims(3)],
        [claims(4), [TOO_LONG]],
    )
    reported: list[tuple[int, type]] = []
    outcomes = fit(
        [cell(tmp_path / f"with{seed}", train, test, shared, seed) for seed, (train, test) in enumerate(sets)],
        shared.launch,
        lambda number, outcome: reported.append((number, type(outcome))),
    )
    assert [type(outcome) for outcome in outcomes] == [Outcome, DataError, Outcome, DataError]
    assert "too-long: " in str(outcomes[1]) and "at most 96" in str(outcomes[3])
    assert sorted(reported) == [(0, Outcome), (1, DataError), (2, Outcome), (3, DataError)]
    without = without_errors(
        fit([cell(tmp_path / f"without{seed}", *sets[seed], shared, seed) for seed in (0, 2)], shared.launch)
    )
    for seed, outcome in zip((0, 2), without, strict=True):
        assert same_weights(adapter(tmp_path / f"with{seed}"), adapter(tmp_path / f"without{seed}"))
        other = outcomes[seed]
        assert isinstance(other, Outcome) and other.predictions == outcome.predictions


def test_unknown_lora_targets_fail_the_whole_call(tmp_path: Path) -> None:
    shared = settings(lora_targets="kv", targets={"kv": "key_of_another_model"})
    with pytest.raises(ConfigError, match="training.lora_targets=kv"):
        fit([cell(tmp_path / str(seed), questions(), [], shared, seed) for seed in (0, 1)], shared.launch)


def test_callback_is_called_for_each_cell_as_soon_as_it_is_done(tmp_path: Path) -> None:
    cells, shared = _different_cells(tmp_path, "qa", "random:llama")
    calls: list[tuple[int, list[str]]] = []

    def finished(number: int, outcome: Outcome | Exception) -> None:
        assert isinstance(outcome, Outcome) and (cells[number].folder / "adapter").is_dir()
        calls.append((number, sorted(each.folder.name for each in cells if (each.folder / "train.jsonl").exists())))

    outcomes = without_errors(fit(cells, replace(shared.launch, cells=1), finished))
    assert sorted(number for number, _ in calls) == [0, 1, 2] and len(outcomes) == 3
    assert [len(begun) for _, begun in calls] == [1, 2, 3], "later cells had not begun when the first one was reported"


def test_training_seconds_are_shared_in_proportion_to_tokens(tmp_path: Path) -> None:
    cells, shared = _different_cells(tmp_path, "fv", "random:llama")
    together = without_errors(fit(cells, shared.launch))
    with leased_base(shared) as base:
        tokens = [
            sum(len(row.input_ids) for row in train_rows_of(base, shared, [p.example for p in each.mixture.points]))
            for each in cells
        ]
    seconds = [outcome.seconds["train"] for outcome in together]
    assert [s / sum(seconds) for s in seconds] == pytest.approx([t / sum(tokens) for t in tokens])
    assert len({outcome.seconds["load"] for outcome in together}) == 1 and all(
        outcome.seconds["predict"] > 0 for outcome in together
    )
