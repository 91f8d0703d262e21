"""Cells that train at once on one base: what comes of each is what came of it alone, and what plain PEFT makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from training_parts import (  # noqa: F401
    BY_HEART,
    CLASSES,
    FIXTURES,
    Shared,
    adapter,
    apart,
    cell,
    claims,
    distance,
    done,
    job,
    laid,
    learnt,
    lent,
    lessons_of,
    log_of,
    no_base_held,
    one_thread,
    prompts_of,
    questions,
    same,
    settings,
    small_encoder,
    stacked,
    texts,
    tiny_cache,
)

from littlehuman import seeding
from littlehuman.errors import ConfigError, DataError
from littlehuman.records import Example
from littlehuman.store import cache_root
from littlehuman.training import predict
from littlehuman.training.encoding import EncodedRow
from littlehuman.training.fit import fit
from littlehuman.training.multi_lora import MultiLora
from littlehuman.training.packing import Blocks
from littlehuman.training.types import Cell, Outcome

pytestmark = FIXTURES

JOBS = [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")]
# Cells that differ in all that a cell can differ in; the second one is done after 4 of the third one's 9 steps.
UNLIKE: tuple[dict[str, Any], ...] = (
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
# How far adapters may be apart, as a share of their size. Measured: at most 2e-6, and 9e-3 in bfloat16, whose products are 2^-8 fine.
TOLERANCE = {"float32": 2e-5, "bfloat16": 0.04}


def _points(task: str, count: int = 8) -> list[Example]:
    return questions(count) if task == "qa" else claims(count)


def _unlike(folder: Path, task: str, weights: str, dtype: str = "float32") -> tuple[list[Cell], Shared]:
    shared = [settings(task, weights, dtype=dtype, **values) for values in UNLIKE]
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
        outcomes += done(fit([replace(each, folder=folder / each.folder.name)], shared.launch))
    return outcomes


def _curve(folder: Path) -> list[tuple[float, ...]]:
    return [(row["step"], row["loss"], row["lr"], row["grad_norm"]) for row in log_of(folder)]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_fused_equals_alone(task: str, weights: str, dtype: str, tmp_path: Path) -> None:
    """Adapters, loss curves and, in float32, predictions; BERT with its own dropout on."""
    cells, shared = _unlike(tmp_path / "fused", task, weights, dtype)
    together = done(fit(cells, shared.launch))
    alone = _each_alone(cells, shared, tmp_path / "alone")
    assert [o.environment["cells_at_once"] for o in (*together, *alone)] == [3, 3, 3, 1, 1, 1]
    assert [o.steps for o in together] == [4, 4, 9]
    for number, (left, right) in enumerate(zip(alone, together, strict=True)):
        ours, single = tmp_path / "fused" / str(number), tmp_path / "alone" / str(number)
        assert apart(adapter(single), adapter(ours)) < TOLERANCE[dtype]
        for one, other in zip(_curve(single), _curve(ours), strict=True):
            assert one == pytest.approx(other, rel=1e-4 if dtype == "float32" else 0.1)
        if dtype == "float32":
            assert texts(left) == texts(right) and left.predictions == right.predictions


def _token_by_token(self: torch.nn.Linear, x: torch.Tensor) -> torch.Tensor:
    """A linear layer whose rounding cannot depend on how many tokens it is given: a product for each of them."""
    flat = x.reshape(-1, 1, x.shape[-1])
    out = torch.bmm(flat, self.weight.T.expand(len(flat), -1, -1)).squeeze(1)
    return (out if self.bias is None else out + self.bias).view(*x.shape[:-1], -1)


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_fused_equals_alone_bit_for_bit_but_for_the_products_of_the_base(
    task: str, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In float32 on a CPU the frozen layers' products alone may round otherwise: their kernels choose by the number of tokens.

    With products that do not, nothing at all differs: no bit of an adapter, a loss or a gradient norm.
    """
    monkeypatch.setattr(torch.nn.Linear, "forward", _token_by_token)
    cells, shared = _unlike(tmp_path / "fused", task, weights)
    together = done(fit(cells, shared.launch))
    alone = _each_alone(cells, shared, tmp_path / "alone")
    for number in range(3):
        ours, single = tmp_path / "fused" / str(number), tmp_path / "alone" / str(number)
        assert same(adapter(single), adapter(ours)) and _curve(single) == _curve(ours)
        assert together[number].predictions == alone[number].predictions


def test_more_cells_than_go_at_once_train_in_groups(tmp_path: Path) -> None:
    cells, shared = _unlike(tmp_path / "groups", "qa", "random:llama")
    outcomes = done(fit(cells, replace(shared.launch, cells=2)))
    assert sorted(o.environment["cells_at_once"] for o in outcomes) == [1, 2, 2]
    for left, right in zip(outcomes, _each_alone(cells, shared, tmp_path / "alone"), strict=True):
        assert texts(left) == texts(right)


def _reference(task: str, weights: str, start: Path) -> Any:
    """The library's model with the adapter of `start`, ready to learn."""
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
    width = max(len(row.ids) for row in batch)

    def filled(values: Any, fill: int) -> torch.Tensor:
        return torch.tensor([[*own, *[fill] * (width - len(own))] for own in values])

    tensors = {
        "input_ids": filled([row.ids for row in batch], 0),
        "attention_mask": filled([[1] * len(row.ids) for row in batch], 0),
    }
    if batch[0].types:
        tensors["token_type_ids"] = filled([row.types for row in batch], 0)
    answers = batch[0].reads_at is None
    labels = filled([row.labels for row in batch], -100) if answers else torch.tensor([row.labels[0] for row in batch])
    loss: torch.Tensor = model(**tensors, labels=labels).loss
    return loss


def _types(row: EncodedRow) -> dict[str, torch.Tensor]:
    return {"token_type_ids": torch.tensor([row.types])} if row.types else {}


@torch.inference_mode()
def _said_by(model: Any, prompts: list[EncodedRow], tokenizer: Any) -> list[str]:
    """Row by row: nothing is padded, nothing batched."""
    if prompts[0].reads_at is not None:
        logits = [model(input_ids=torch.tensor([row.ids]), **_types(row)).logits for row in prompts]
        return [CLASSES[int(line.argmax())] for line in logits]
    said = [
        model.generate(input_ids=torch.tensor([row.ids]), max_new_tokens=12, do_sample=False)[0, len(row.ids) :]
        for row in prompts
    ]
    return [predict.first_line(tokenizer.decode(tokens, skip_special_tokens=True)) for tokens in said]


@pytest.mark.parametrize(("task", "kind"), [("qa", "llama"), ("fv", "llama"), ("fv", "bert")])
def test_alone_equals_peft(task: str, kind: str, tmp_path: Path) -> None:
    """The same adapter, batches and values through PEFT, transformers' own loss, torch's AdamW and a loop written by hand.

    The loss curve, the adapter and what it says, from padded batches; BERT without the dropout that the library draws otherwise.
    """
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    weights = "random:llama" if kind == "llama" else small_encoder(cache_root() / "still-bert", **none)
    values: dict[str, Any] = {
        "batch_size": 3,
        "epochs": 3,
        "weight_decay": 0.1,
        "warmup_ratio": 0.2,
        "max_grad_norm": 0.05,
    }
    shared = settings(task, weights, **values)
    job(tmp_path / "start", [], [], shared, seed=4)  # an untrained adapter: the start of that seed
    ours = job(tmp_path / "ours", _points(task), _points(task), shared, seed=4)
    with lent(shared) as base:
        lessons, prompts = lessons_of(base, shared, _points(task)), prompts_of(base, shared, _points(task))
        path, tokenizer = base.path, base.tokenizer
    model = _reference(task, path, tmp_path / "start").train()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-2, weight_decay=0.1, eps=1e-8)
    curve, steps, warmup = [], 9, 2
    for step in range(steps):
        order = list(lessons)
        seeding.rng(4, "training order", step // 3).shuffle(order)
        factor = (step + 1) / (warmup + 1) if step < warmup else (steps - step) / (steps - warmup)
        optimizer.param_groups[0]["lr"] = 1e-2 * factor
        loss = _library_loss(model, order[step % 3 * 3 : step % 3 * 3 + 3])
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(learning, 0.05)
        optimizer.step()
        optimizer.zero_grad()
        curve.append((step + 1, float(loss.detach()), 1e-2 * factor, float(norm)))
    model.save_pretrained(tmp_path / "theirs" / "adapter")
    for row, expected in zip(_curve(tmp_path / "ours"), curve, strict=True):
        assert row == pytest.approx(expected, rel=1e-4)
    moved = apart(adapter(tmp_path / "start"), adapter(tmp_path / "ours"))
    assert moved > 0.02 and apart(adapter(tmp_path / "theirs"), adapter(tmp_path / "ours")) < 1e-3 * moved
    assert _said_by(model.eval(), prompts, tokenizer) == texts(ours)


@pytest.mark.parametrize("kind", ["llama", "bert", "no_pooler", "roberta", "mpnet"])
def test_peft_loads_the_adapter_and_predicts_the_same(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a cell that trained among others, with dropout: classes, and the logits that they were read from."""
    weights = f"random:{kind}"
    if kind not in ("llama", "bert"):
        weights = small_encoder(cache_root() / f"{kind}-bert", "bert" if kind == "no_pooler" else kind)
    shared = settings("fv", weights, lora_r=8, lora_dropout=0.1)
    seen: list[torch.Tensor] = []
    logits = MultiLora.logits
    monkeypatch.setattr(MultiLora, "logits", lambda *given: [seen.append(logits(*given)), seen[-1]][1])
    cells = [cell(tmp_path / str(seed), claims(), claims(6), shared, seed) for seed in (0, 1)]
    outcomes = done(fit(cells, shared.launch))
    with lent(shared) as base:
        prompts, path = prompts_of(base, shared, claims(6)), base.path
    longest_first = sorted(prompts, key=lambda row: len(row.ids), reverse=True)
    for seed, (outcome, ours) in enumerate(zip(outcomes, seen, strict=True)):
        loaded = _reference("fv", path, tmp_path / str(seed)).eval()
        assert loaded.peft_config["default"].base_model_name_or_path == weights
        assert _said_by(loaded, prompts, None) == texts(outcome)
        with torch.inference_mode():
            theirs = torch.cat(
                [loaded(input_ids=torch.tensor([row.ids]), **_types(row)).logits for row in longest_first]
            )
        torch.testing.assert_close(theirs, ours.float(), atol=1e-5, rtol=1e-5)


def test_peft_loads_the_adapter_and_writes_the_same(tmp_path: Path) -> None:
    shared = settings(**BY_HEART | {"epochs": 30})
    outcomes = done(
        fit([cell(tmp_path / str(seed), questions(), questions(), shared, seed) for seed in (0, 1)], shared.launch)
    )
    untrained = texts(job(tmp_path / "untrained", [], questions(), shared))
    with lent(shared) as base:
        prompts, path, tokenizer = prompts_of(base, shared, questions()), base.path, base.tokenizer
    for seed, outcome in enumerate(outcomes):
        loaded = _reference("qa", path, tmp_path / str(seed)).eval()
        assert texts(outcome) == _said_by(loaded, prompts, tokenizer) != untrained


def test_products_of_unlike_blocks_in_one_equal_those_of_each() -> None:
    """A GPU takes the blocks as one padded product; a cell without rows gets no gradient."""
    draw = torch.Generator().manual_seed(0)
    spans = ((0, 0, 5), (2, 5, 6), (3, 6, 17))  # cell 1 has dropped out
    singly, at_once = Blocks(spans, batched=False), Blocks(spans, batched=True)
    x, out = torch.randn(17, 6, generator=draw), torch.randn(17, 4, generator=draw)
    weights = torch.randn(4, 6, 4, generator=draw)
    expected = torch.cat([x[a:b] @ weights[cell] for cell, a, b in spans])
    sums = torch.stack(
        [sum((x[a:b].T @ out[a:b] for c, a, b in spans if c == cell), torch.zeros(6, 4)) for cell in range(4)]
    )
    for blocks in (singly, at_once):
        torch.testing.assert_close(blocks.times(x, weights), expected)
        torch.testing.assert_close(blocks.add_times(out.clone(), x, weights), out + expected)
        torch.testing.assert_close(blocks.products(x, out, 4), sums)
        assert not blocks.products(x, out, 4)[1].any()
        assert blocks.each([1.0, 2.0, 3.0], x.device).flatten().tolist() == [1.0] * 5 + [2.0] + [3.0] * 11


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_the_path_of_a_gpu_gives_the_same_logits_and_gradients(
    task: str, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [
        settings(task, weights, lora_dropout=0.1),
        settings(task, weights, lora_alpha=2),
        settings(task, weights, lora_dropout=0.3),
    ]
    with lent(cells[0]) as base, stacked(base, *cells) as stack:
        rows = lessons_of(base, cells[0], _points(task))
        batch = laid(base, [rows[:5], rows[5:6], rows[6:]])
        said, moved = learnt(stack, batch)
        padded, at_once = Blocks._padded, []
        monkeypatch.setattr(Blocks, "_in_one", lambda blocks, x: len(blocks.spans) > 1)
        monkeypatch.setattr(Blocks, "_padded", lambda blocks, x: [at_once.append(blocks), padded(blocks, x)][1])
        heard, went = learnt(stack, laid(base, [rows[:5], rows[5:6], rows[6:]]))
    assert distance(said, heard) < 1e-5 and distance(moved, went) < 1e-5 and len(at_once) > 20


@pytest.mark.parametrize("task", ["qa", "fv"])
def test_gradient_of_a_cell_is_its_own(task: str) -> None:
    """Each cell's row of the gradient is that of a stack of it alone; without rows it is zero."""
    cells = [settings(task, lora_dropout=0.2), settings(task), settings(task, lora_alpha=3)]
    with lent(cells[0]) as base, stacked(base, *cells) as stack:
        rows = lessons_of(base, cells[0], _points(task))
        together = learnt(stack, laid(base, [rows[:3], rows[3:], []][:2]))[1]
        assert not together[2].any() and together[0].any() and together[1].any()
        assert distance(learnt(stack, laid(base, [rows[:3]]))[1][0], together[0]) < 1e-5


TOO_LONG = Example("too-long", "Fog.", "Is the gate of the northern yard open? " * 40, (CLASSES[0],))


def test_error_of_one_cell_is_handed_over_and_takes_no_other_with_it(tmp_path: Path) -> None:
    """One row is too long even without its evidence; the other two cells are as if it had not been there."""
    shared = settings("fv", small_encoder(cache_root() / "short-bert", positions=96), lora_dropout=0.1)
    sets = (
        [claims()[:5], claims(3)],
        [[*claims(3), TOO_LONG], claims(3)],
        [claims(8), claims(3)],
        [claims(4), [TOO_LONG]],
    )
    told: list[tuple[int, type]] = []
    outcomes = fit(
        [cell(tmp_path / f"with{seed}", train, test, shared, seed) for seed, (train, test) in enumerate(sets)],
        shared.launch,
        lambda number, outcome: told.append((number, type(outcome))),
    )
    assert [type(outcome) for outcome in outcomes] == [Outcome, DataError, Outcome, DataError]
    assert "too-long: " in str(outcomes[1]) and "at most 96" in str(outcomes[3])
    assert sorted(told) == [(0, Outcome), (1, DataError), (2, Outcome), (3, DataError)]
    without = done(
        fit([cell(tmp_path / f"without{seed}", *sets[seed], shared, seed) for seed in (0, 2)], shared.launch)
    )
    for seed, outcome in zip((0, 2), without, strict=True):
        assert same(adapter(tmp_path / f"with{seed}"), adapter(tmp_path / f"without{seed}"))
        handed = outcomes[seed]
        assert isinstance(handed, Outcome) and handed.predictions == outcome.predictions


def test_layers_that_do_not_exist_fail_all_cells_at_once(tmp_path: Path) -> None:
    shared = settings(lora_targets="kv", targets={"kv": "key_of_another_model"})
    with pytest.raises(ConfigError, match="training.lora_targets=kv"):
        fit([cell(tmp_path / str(seed), questions(), [], shared, seed) for seed in (0, 1)], shared.launch)


def test_finished_is_told_of_each_cell_as_soon_as_it_is_done(tmp_path: Path) -> None:
    cells, shared = _unlike(tmp_path, "qa", "random:llama")
    seen: list[tuple[int, list[str]]] = []

    def finished(number: int, outcome: Outcome | Exception) -> None:
        assert isinstance(outcome, Outcome) and (cells[number].folder / "adapter").is_dir()
        seen.append((number, sorted(each.folder.name for each in cells if (each.folder / "train.jsonl").exists())))

    outcomes = done(fit(cells, replace(shared.launch, cells=1), finished))
    assert sorted(number for number, _ in seen) == [0, 1, 2] and len(outcomes) == 3
    assert [len(begun) for _, begun in seen] == [1, 2, 3], "later cells had not begun when the first one was told"


def test_seconds_of_cells_that_trained_at_once_are_shared_out(tmp_path: Path) -> None:
    cells, shared = _unlike(tmp_path, "fv", "random:llama")
    together = done(fit(cells, shared.launch))
    tokens = []
    with lent(shared) as base:
        tokens = [
            sum(len(row.ids) for row in lessons_of(base, shared, [p.example for p in each.mixture.points]))
            for each in cells
        ]
    seconds = [outcome.seconds["train"] for outcome in together]
    assert [s / sum(seconds) for s in seconds] == pytest.approx([t / sum(tokens) for t in tokens])
    assert len({outcome.seconds["load"] for outcome in together}) == 1 and all(
        outcome.seconds["predict"] > 0 for outcome in together
    )
