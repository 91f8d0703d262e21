"""The optimisation: the loss is that of the whole batch, the right tokens teach, the schedule and the seed are what they say."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_parts import (  # noqa: F401
    BY_HEART,
    CPU,
    FIXTURES,
    Weights,
    adapter,
    apart,
    claims,
    encoder_for,
    forget,
    job,
    log_of,
    no_base_held,
    one_thread,
    questions,
    same,
    settings,
    texts,
    tiny_cache,
    where_pad_is_end,
)

from littlehuman import seeding
from littlehuman.groups import Head, LossOn
from littlehuman.training import loop, lora
from littlehuman.training.base import lease
from littlehuman.training.batching import IGNORE, Row, padded
from littlehuman.training.fit import Settings
from littlehuman.training.tiny import tiny_model

pytestmark = FIXTURES

ROUNDING = 1e-3  # AdamW enlarges rounding: it divides small gradients by their own size


def _trained(folder: Path, shared: Settings, task: str = "qa", seed: int = 0) -> Weights:
    job(folder, questions() if task == "qa" else claims(), [], shared, seed)
    return adapter(folder)


@pytest.mark.parametrize("loss_on", list(LossOn))
def test_accumulation_equals_large_batch(loss_on: LossOn, tmp_path: Path) -> None:
    values: dict[str, Any] = {"batch_size": 8, "epochs": 3, "loss_on": loss_on}
    large = _trained(tmp_path / "8", settings(micro_batch=8, **values))
    for micro_batch in (1, 2, 3):
        folder = tmp_path / str(micro_batch)
        assert apart(large, _trained(folder, settings(micro_batch=micro_batch, **values))) < ROUNDING
        for ours, whole in zip(log_of(folder), log_of(tmp_path / "8"), strict=True):
            assert ours["loss"] == pytest.approx(whole["loss"], rel=1e-5) and ours["grad_norm"] == pytest.approx(
                whole["grad_norm"], rel=1e-3
            )


def test_accumulation_test_would_see_a_mean_of_means(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values: dict[str, Any] = {"batch_size": 8, "epochs": 3}
    large = _trained(tmp_path / "8", settings(micro_batch=8, **values))
    original = loop._summed_loss

    def mean_of_means(model: Any, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
        own = int((tensors["labels"][:, 1:] != IGNORE).sum())
        return original(model, tensors) * ANSWER_TOKENS / (4 * own)  # the batch's sum over its count, as loop divides by the count

    with lease("random:llama", Head.generation, 0, CPU, torch.float32) as base:
        rows = [encoder_for(base, settings()).lesson(example) for example in questions()]
    ANSWER_TOKENS = sum(label != IGNORE for row in rows for label in row.labels)
    monkeypatch.setattr(loop, "_summed_loss", mean_of_means)
    assert apart(large, _trained(tmp_path / "2", settings(micro_batch=2, **values))) > 10 * ROUNDING


def test_classification_accumulates_too(tmp_path: Path) -> None:
    large = _trained(tmp_path / "8", settings("fv", micro_batch=8, batch_size=8, epochs=3), "fv")
    assert apart(large, _trained(tmp_path / "3", settings("fv", micro_batch=3, batch_size=8, epochs=3), "fv")) < ROUNDING


@pytest.mark.parametrize("pad_is_end", [False, True])
@pytest.mark.parametrize("loss_on", list(LossOn))
def test_first_loss_is_the_one_transformers_computes(loss_on: LossOn, pad_is_end: bool, tmp_path: Path) -> None:
    weights = where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama"
    shared = settings(weights=weights, loss_on=loss_on, batch_size=8, epochs=1, micro_batch=3)
    job(tmp_path / "run", questions(), [], shared)
    with lease(weights, Head.generation, 0, CPU, torch.float32) as base, torch.inference_mode():
        losses, count = 0.0, 0
        for example in questions():  # one row at a time: nothing is padded
            row = encoder_for(base, shared).lesson(example)
            terms = sum(label != IGNORE for label in row.labels[1:])
            losses += float(base.model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([row.labels])).loss) * terms
            count += terms
            assert terms == (
                len(row.ids) - 1 if loss_on is LossOn.text else len(row.ids) - len(encoder_for(base, shared).prompt(example).ids)
            )
    assert log_of(tmp_path / "run")[0]["loss"] == pytest.approx(losses / count, rel=1e-5)


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_end_token_is_learnt(pad_is_end: bool, tmp_path: Path) -> None:
    weights = where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama"
    points = questions(4)
    shared = settings(weights=weights, answer_tokens=40, **BY_HEART)
    assert texts(job(tmp_path / "run", points, points, shared)) == [example.target for example in points]


@pytest.mark.parametrize("loss_on", list(LossOn))
def test_loss_asks_for_the_taught_tokens_alone(loss_on: LossOn) -> None:
    """Another token among those that teach changes the loss; the same model output is used throughout."""
    with lease("random:llama", Head.generation, 0, CPU, torch.float32) as base:
        encoder = encoder_for(base, settings(loss_on=loss_on))
        prompt, row = encoder.prompt(questions()[3]), encoder.lesson(questions()[3])

        def loss(labels: tuple[int, ...]) -> float:
            longer = encoder.lesson(questions()[2])  # a neighbour, so that something is padded
            with torch.inference_mode():
                return float(loop._summed_loss(base.model, padded([replace(row, labels=labels), longer], 0, CPU, left=True)))

        assert len(encoder.lesson(questions()[2]).ids) > len(row.ids)
        whole = loss(row.labels)
        for place in range(len(row.ids)):
            learnt = place > 0 and (loss_on is LossOn.text or place >= len(prompt.ids))
            without = loss((*row.labels[:place], IGNORE, *row.labels[place + 1 :]))
            assert (without < whole - 1) if learnt else without == whole


def test_equals_plain_peft(tmp_path: Path) -> None:
    """The same adapter, batches and values through PEFT, transformers' own loss and a loop written by hand."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    values: dict[str, Any] = {"batch_size": 3, "epochs": 3, "weight_decay": 0.1, "warmup_ratio": 0.2, "max_grad_norm": 0.05}
    job(tmp_path / "start", [], [], settings(**values), seed=4)  # an untrained adapter: the start of that seed
    job(tmp_path / "ours", questions(), [], settings(**values), seed=4)

    with lease("random:llama", Head.generation, 0, CPU, torch.float32) as base:
        lessons = [encoder_for(base, settings()).lesson(example) for example in questions()]
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny_model("llama"), dtype=torch.float32), tmp_path / "start" / "adapter", is_trainable=True
    )
    model.train()
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, lr=1e-2, weight_decay=0.1, eps=1e-8)
    step, steps, warmup = 0, 9, 2
    for epoch in range(3):
        order = list(lessons)
        seeding.rng(4, "training order", epoch).shuffle(order)
        for start in (0, 3, 6):
            factor = (step + 1) / (warmup + 1) if step < warmup else (steps - step) / (steps - warmup)
            optimizer.param_groups[0]["lr"] = 1e-2 * factor
            batch = order[start : start + 3]
            width = max(len(row.ids) for row in batch)
            ids = torch.tensor([[*row.ids, *[0] * (width - len(row.ids))] for row in batch])
            mask = torch.tensor([[1] * len(row.ids) + [0] * (width - len(row.ids)) for row in batch])
            labels = torch.tensor([[*row.labels, *[-100] * (width - len(row.ids))] for row in batch])
            model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
            torch.nn.utils.clip_grad_norm_(learning, 0.05)
            optimizer.step()
            optimizer.zero_grad()
            step += 1
    model.save_pretrained(tmp_path / "theirs" / "adapter")
    start_to_end = apart(adapter(tmp_path / "start"), adapter(tmp_path / "ours"))
    assert start_to_end > 0.05 and apart(adapter(tmp_path / "theirs"), adapter(tmp_path / "ours")) < ROUNDING * start_to_end


def test_learning_rate_warms_up_and_falls_linearly(tmp_path: Path) -> None:
    job(tmp_path, questions(5), [], settings(batch_size=1, epochs=2, warmup_ratio=0.2, learning_rate=0.9))
    rows = log_of(tmp_path)
    assert [row["step"] for row in rows] == list(range(1, 11))
    rates = [row["lr"] for row in rows]
    assert rates[:3] == pytest.approx([0.3, 0.6, 0.9]), "two steps of warm-up, none of them lost at a rate of 0"
    assert rates[3:] == pytest.approx([0.9 * (1 - k / 8) for k in range(1, 8)])


def test_learning_rate_without_warm_up_starts_whole(tmp_path: Path) -> None:
    job(tmp_path, questions(4), [], settings(batch_size=4, epochs=4, learning_rate=0.8))
    assert [row["lr"] for row in log_of(tmp_path)] == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_last_batch_of_an_epoch_may_be_smaller(tmp_path: Path) -> None:
    outcome = job(tmp_path, questions(5), [], settings(batch_size=4, epochs=3))
    assert outcome.steps == 6 == len(log_of(tmp_path))
    assert outcome.final_loss == log_of(tmp_path)[-1]["loss"]


@pytest.mark.parametrize(("task", "weights"), [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")])
def test_same_seed_gives_the_same_run_bit_for_bit(task: str, weights: str, tmp_path: Path) -> None:
    points = questions() if task == "qa" else claims()
    outcomes = []
    for folder, state in (("one", 1), ("two", 2)):
        torch.manual_seed(state)  # what happened before in the process must not matter
        random.seed(state)
        np.random.seed(state)
        forget()
        outcomes.append(job(tmp_path / folder, points, points, settings(task, weights, lora_dropout=0.3), seed=7))
    assert same(adapter(tmp_path / "one"), adapter(tmp_path / "two")) and outcomes[0].predictions == outcomes[1].predictions
    job(tmp_path / "other", points, points, settings(task, weights, lora_dropout=0.3), seed=8)
    assert apart(adapter(tmp_path / "one"), adapter(tmp_path / "other")) > 0.1


@pytest.mark.parametrize(("task", "weights"), [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")])
def test_seed_decides_the_initialisation(task: str, weights: str, tmp_path: Path) -> None:
    for seed in (0, 1):
        job(tmp_path / str(seed), [], [], settings(task, weights), seed)
    zero, one = adapter(tmp_path / "0"), adapter(tmp_path / "1")
    drawn = [name for name in zero if "lora_A" in name or name.endswith(("score.weight", "classifier.weight"))]
    assert drawn and all(not torch.equal(zero[name], one[name]) for name in drawn)


def _with_order_and_dropout_of(seed: int, *, batch_size: int, dropout: float) -> Weights:
    """An adapter that starts as seed 0 does and is trained in the order and with the dropout of `seed`."""
    shared = settings(batch_size=batch_size, lora_dropout=dropout, epochs=1)
    with lease("random:llama", Head.generation, 0, CPU, torch.float32) as base:
        lessons = [encoder_for(base, shared).lesson(example) for example in questions()]
        model = lora.attach(base, Head.generation, shared.tuning, shared.model, seed=0)
        loop.train(model, lessons, shared.tuning, seed=seed, pad=0, micro_batch=8, log=lambda row: None, progress=False)
        weights = {name: p.detach().clone() for name, p in model.named_parameters() if p.requires_grad}
        lora.detach(model)
    return weights


def _distance_of_seeds(batch_size: int, dropout: float) -> float:
    return apart(*(_with_order_and_dropout_of(seed, batch_size=batch_size, dropout=dropout) for seed in (0, 1)))


def test_seed_decides_order_and_dropout_each() -> None:
    assert _distance_of_seeds(batch_size=8, dropout=0.0) < ROUNDING, "one batch holds all points: no order, no dropout, no difference"
    assert _distance_of_seeds(batch_size=2, dropout=0.0) > 10 * ROUNDING, "order"
    assert _distance_of_seeds(batch_size=8, dropout=0.5) > 10 * ROUNDING, "dropout"


def test_order_is_another_one_each_epoch() -> None:
    lessons = [Row((number,), (0,)) for number in range(20)]
    order = [batch[0].ids[0] for batch in loop._batches(lessons, settings(batch_size=1, epochs=2).tuning, seed=3)]
    assert sorted(order[:20]) == sorted(order[20:]) == list(range(20)) and order[:20] != order[20:]


@pytest.mark.parametrize("task", ["qa", "fv"])
def test_global_random_state_is_untouched_by_a_run(task: str, tmp_path: Path) -> None:
    points = questions() if task == "qa" else claims()
    job(tmp_path / "imports", [], [], settings(task))
    forget()  # so that the job below loads the model too
    torch.manual_seed(99)  # a state that no job would leave by chance
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    job(tmp_path / "run", points, points, settings(task, lora_dropout=0.3))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), str(np.random.get_state()))
