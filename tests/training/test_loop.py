"""The training loop: the loss of the whole batch, the right labels, the schedule, and what the seed decides."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_parts import (  # noqa: F401
    FIXTURES,
    MEMORISE,
    Shared,
    Weights,
    adapter,
    adapter_distance,
    claims,
    encoder_for,
    job,
    leased_base,
    log_of,
    model_with_pad_as_end,
    multi_lora,
    no_base_held,
    one_thread,
    questions,
    release_base,
    same_weights,
    settings,
    small_encoder,
    texts,
    tiny_cache,
    train_rows_of,
)

from littlehuman.schema import Head, LossOn
from littlehuman.store import cache_root
from littlehuman.training.adapters import initial_adapter
from littlehuman.training.encoding import IGNORE_INDEX, EncodedRow
from littlehuman.training.loop import StepOptions, train
from littlehuman.training.multi_lora import CellAdapter, MultiLora
from littlehuman.training.multi_lora_layers import MultiLoraLinear
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.state import TrainState

pytestmark = FIXTURES

ROUNDING = 1e-4  # AdamW enlarges rounding: it divides small gradients by their own size. Measured: at most 5e-6
JOBS = [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")]
BOTH_HEADS = [JOBS[0], pytest.param(*JOBS[1], marks=pytest.mark.slow), JOBS[2]]
DROPS: dict[str, Any] = {"batch_size": 8, "epochs": 3, "lora_dropout": 0.2}


def _trained(folder: Path, shared: Shared, task: str = "qa", seed: int = 0) -> Weights:
    job(folder, questions() if task == "qa" else claims(), [], shared, seed)
    return adapter(folder)


def _assert_same_curve(left: Path, right: Path) -> None:
    for one, other in zip(log_of(left), log_of(right), strict=True):
        for value in ("loss", "lr", "grad_norm"):
            assert one[value] == pytest.approx(other[value], rel=1e-4)


@pytest.mark.parametrize(("task", "weights"), BOTH_HEADS)
@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_accumulation_equals_large_batch(layout: str, task: str, weights: str, tmp_path: Path) -> None:
    """With dropout: a row drops the same in any micro-batch, except in BERT's own attention when padded."""
    if weights == "random:bert" and layout == "padded":
        weights = small_encoder(cache_root() / "attends-bert", attention_probs_dropout_prob=0.0)
    large = _trained(
        tmp_path / "8", settings(task, weights, launch={"micro_batch": 8, "layout": layout}, **DROPS), task
    )
    for micro_batch in (1, 3):
        folder, launch = tmp_path / str(micro_batch), {"micro_batch": micro_batch, "layout": layout}
        assert (
            adapter_distance(large, _trained(folder, settings(task, weights, launch=launch, **DROPS), task)) < ROUNDING
        )
        _assert_same_curve(tmp_path / "8", folder)


def test_accumulation_gives_each_answer_token_the_same_weight(tmp_path: Path) -> None:
    """Rows have different numbers of labels: the mean of the micro-batches' means would be another loss."""
    shared = [settings(launch={"micro_batch": micro_batch}, batch_size=8, epochs=1) for micro_batch in (8, 2)]
    for number, each in enumerate(shared):
        _trained(tmp_path / str(number), each)
    whole, halves = (log_of(tmp_path / str(number))[0]["loss"] for number in (0, 1))
    with leased_base(shared[0]) as base, torch.inference_mode():
        rows = sorted(train_rows_of(base, shared[0], questions()), key=lambda row: len(row.input_ids))
        sums, counts = [], []
        for row in rows:
            counts.append(sum(label != IGNORE_INDEX for label in row.labels))
            sums.append(
                float(base.model(input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])).loss)
                * counts[-1]
            )
    means = [(sums[at] + sums[at + 1]) / (counts[at] + counts[at + 1]) for at in range(0, 8, 2)]
    assert whole == pytest.approx(halves, rel=1e-5) == pytest.approx(sum(sums) / sum(counts), rel=1e-5)
    assert abs(sum(means) / 4 - whole) > 1e-4 * whole, "the two losses must differ, or the test shows nothing"


@pytest.mark.parametrize(("task", "weights"), BOTH_HEADS)
def test_gradient_checkpointing_changes_nothing(task: str, weights: str, tmp_path: Path) -> None:
    """The layers are recomputed in the backward pass, with the same dropout."""
    forwards: dict[bool, list[str]] = {False: [], True: []}
    for enabled, seen in forwards.items():

        def watch(module: torch.nn.Module, *_: Any, seen: list[str] = seen) -> None:
            if isinstance(module, MultiLoraLinear) and torch.is_grad_enabled():
                seen.append(type(module).__name__)

        with torch.nn.modules.module.register_module_forward_pre_hook(watch):
            _trained(
                tmp_path / str(enabled),
                settings(task, weights, launch={"gradient_checkpointing": enabled}, **DROPS),
                task,
            )
    assert adapter_distance(adapter(tmp_path / "False"), adapter(tmp_path / "True")) < ROUNDING
    _assert_same_curve(tmp_path / "False", tmp_path / "True")
    assert len(forwards[True]) > 1.8 * len(forwards[False]) > 0


@pytest.mark.parametrize("pad_is_end", [False, True])
@pytest.mark.parametrize("loss_on", list(LossOn))
def test_first_loss_is_the_one_transformers_computes(loss_on: LossOn, pad_is_end: bool, tmp_path: Path) -> None:
    weights = model_with_pad_as_end(tmp_path / "model") if pad_is_end else "random:llama"
    shared = settings(weights=weights, loss_on=loss_on, batch_size=8, epochs=1, launch={"micro_batch": 3})
    job(tmp_path / "run", questions(), [], shared)
    with leased_base(shared) as base, torch.inference_mode():
        losses, count = 0.0, 0
        for example in questions():  # one row at a time: nothing is padded
            row = encoder_for(base, shared).encode_train(example)
            terms = sum(label != IGNORE_INDEX for label in row.labels[1:])
            losses += (
                float(base.model(input_ids=torch.tensor([row.input_ids]), labels=torch.tensor([row.labels])).loss)
                * terms
            )
            count += terms
            assert terms == (
                len(row.input_ids) - 1
                if loss_on is LossOn.text
                else len(row.input_ids) - len(encoder_for(base, shared).encode_prompt(example).input_ids)
            )
    assert log_of(tmp_path / "run")[0]["loss"] == pytest.approx(losses / count, rel=1e-5)


@pytest.mark.parametrize("pad_is_end", [pytest.param(False, marks=pytest.mark.slow), True])
def test_end_token_is_learned(pad_is_end: bool, tmp_path: Path) -> None:
    weights = model_with_pad_as_end(tmp_path / "model") if pad_is_end else "random:llama"
    points = questions(4)
    shared = settings(weights=weights, answer_tokens=40, **MEMORISE)
    assert texts(job(tmp_path / "run", points, points, shared)) == [example.target for example in points]


def test_learning_rate_warms_up_and_falls_linearly(tmp_path: Path) -> None:
    job(tmp_path, questions(5), [], settings(batch_size=1, epochs=2, warmup_ratio=0.2, learning_rate=0.9))
    rows = log_of(tmp_path)
    assert [row["step"] for row in rows] == list(range(1, 11))
    rates = [row["lr"] for row in rows]
    assert rates[:3] == pytest.approx([0.3, 0.6, 0.9]), "two steps of warm-up, none of them at a rate of 0"
    assert rates[3:] == pytest.approx([0.9 * (1 - k / 8) for k in range(1, 8)])


def test_learning_rate_without_warm_up_starts_at_its_peak(tmp_path: Path) -> None:
    job(tmp_path, questions(4), [], settings(batch_size=4, epochs=4, learning_rate=0.8))
    assert [row["lr"] for row in log_of(tmp_path)] == pytest.approx([0.8, 0.6, 0.4, 0.2])


def test_last_batch_of_an_epoch_may_be_smaller(tmp_path: Path) -> None:
    outcome = job(tmp_path, questions(5), [], settings(batch_size=4, epochs=3))
    assert outcome.steps == 6 == len(log_of(tmp_path))
    assert outcome.final_loss == log_of(tmp_path)[-1]["loss"]


@pytest.mark.parametrize(("task", "weights"), BOTH_HEADS)
def test_same_seed_gives_the_same_run_bit_for_bit(task: str, weights: str, tmp_path: Path) -> None:
    points = questions() if task == "qa" else claims()
    outcomes = []
    for folder, global_seed in (("one", 1), ("two", 2)):
        torch.manual_seed(global_seed)  # what ran before in the process must not matter
        random.seed(global_seed)
        np.random.seed(global_seed)
        release_base()
        outcomes.append(job(tmp_path / folder, points, points, settings(task, weights, lora_dropout=0.3), seed=7))
    assert (
        same_weights(adapter(tmp_path / "one"), adapter(tmp_path / "two"))
        and outcomes[0].predictions == outcomes[1].predictions
    )
    job(tmp_path / "other", points, points, settings(task, weights, lora_dropout=0.3), seed=8)
    assert adapter_distance(adapter(tmp_path / "one"), adapter(tmp_path / "other")) > 0.1


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_seed_decides_the_initialisation(task: str, weights: str, tmp_path: Path) -> None:
    for seed in (0, 1):
        job(tmp_path / str(seed), [], [], settings(task, weights), seed)
    zero, one = adapter(tmp_path / "0"), adapter(tmp_path / "1")
    drawn = [name for name in zero if "lora_A" in name or name.endswith(("score.weight", "classifier.weight"))]
    assert drawn and all(not torch.equal(zero[name], one[name]) for name in drawn)


def _with_order_and_dropout_of(seed: int, folder: Path, *, batch_size: int, dropout: float) -> Weights:
    """An adapter with the initialisation of seed 0 and the order and dropout of `seed`."""
    shared = settings(batch_size=batch_size, lora_dropout=dropout, epochs=1)
    values = shared.settings
    with leased_base(shared) as base:
        state = TrainState(train_rows_of(base, shared, questions()), values.tuning, seed, folder, "points")
        lora = MultiLora(
            base, [CellAdapter(initial_adapter(base, Head.generation, values.tuning, values.model, 0), values.tuning)]
        )
        state.attach(lora.params[0], lora.grads[0])
        train(
            lora,
            [state],
            StepOptions(micro_batch=8, packed=True, pad_token_id=base.pad_token_id, progress=False),
            ProcessGroup(),
        )
        weights = lora.adapter(0).weights
        lora.close()
    return weights


def _distance_of_seeds(folder: Path, batch_size: int, dropout: float) -> float:
    return adapter_distance(
        *(_with_order_and_dropout_of(seed, folder, batch_size=batch_size, dropout=dropout) for seed in (0, 1))
    )


def test_seed_decides_order_and_dropout_separately(tmp_path: Path) -> None:
    assert _distance_of_seeds(tmp_path, batch_size=8, dropout=0.0) < 1e-3, (
        "one batch holds all examples: no order, no dropout, no difference"
    )
    assert _distance_of_seeds(tmp_path, batch_size=2, dropout=0.0) > 1e-2, "order"
    assert _distance_of_seeds(tmp_path, batch_size=8, dropout=0.5) > 1e-2, "dropout"


def test_order_differs_between_epochs(tmp_path: Path) -> None:
    state = TrainState(
        [EncodedRow((number,), (0,)) for number in range(20)],
        settings(batch_size=1, epochs=2).settings.tuning,
        3,
        tmp_path,
        "points",
    )
    order = []
    while not state.is_done:
        order += [row.input_ids[0] for row in state.next_batch()]
        state.step += 1
    assert sorted(order[:20]) == sorted(order[20:]) == list(range(20)) and order[:20] != order[20:]


def test_finished_cell_does_not_change_while_others_train(tmp_path: Path) -> None:
    """Neither the moments nor the weight decay of its optimiser move it."""
    long, short = (settings(epochs=epochs, weight_decay=0.5) for epochs in (6, 1))
    with leased_base(long) as base, multi_lora(base, long, short) as lora:
        rows, states = train_rows_of(base, long, questions()), []
        for place, each in enumerate((long, short)):
            (tmp_path / str(place)).mkdir()
            states.append(TrainState(rows, each.settings.tuning, place, tmp_path / str(place), "points"))
            states[-1].attach(lora.params[place], lora.grads[place])
        after_step: list[torch.Tensor] = []
        log_step = states[1].log_step
        states[1].log_step = lambda *row: [log_step(*row), after_step.append(lora.params[1].clone())][0]  # type: ignore[method-assign]
        train(
            lora,
            states,
            StepOptions(micro_batch=8, packed=True, pad_token_id=base.pad_token_id, progress=False),
            ProcessGroup(),
        )
        assert len(after_step) == states[1].total_steps == 2 and states[0].step == 12
        assert torch.equal(after_step[-1], lora.params[1])


@pytest.mark.parametrize("task", ["qa", "fv"])
def test_global_random_state_is_untouched_by_a_run(task: str, tmp_path: Path) -> None:
    points = questions() if task == "qa" else claims()
    job(tmp_path / "imports", [], [], settings(task))
    release_base()  # so that the job below loads the model too
    torch.manual_seed(99)  # a state that no job would leave by chance
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    job(tmp_path / "run", points, points, settings(task, lora_dropout=0.3))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1:] == (random.getstate(), str(np.random.get_state()))
