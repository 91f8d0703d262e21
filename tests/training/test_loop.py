"""The optimisation: the loss is that of the whole batch, the right tokens teach, the schedule and the seed are what they say."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from training_parts import (  # noqa: F401
    BY_HEART,
    FIXTURES,
    Shared,
    Weights,
    adapter,
    apart,
    claims,
    encoder_for,
    forget,
    job,
    laid,
    learnt,
    lent,
    lessons_of,
    log_of,
    no_base_held,
    one_thread,
    questions,
    same,
    settings,
    small_encoder,
    stacked,
    texts,
    tiny_cache,
    where_pad_is_end,
)

from littlehuman.schema import Head, LossOn
from littlehuman.store import cache_root
from littlehuman.training.adapters import initial
from littlehuman.training.encoding import IGNORE, EncodedRow
from littlehuman.training.loop import StepOptions, train
from littlehuman.training.multi_lora import Member, MultiLora
from littlehuman.training.multi_lora_layers import StackedLinear
from littlehuman.training.process_group import ProcessGroup
from littlehuman.training.state import TrainState

pytestmark = FIXTURES

ROUNDING = 1e-4  # AdamW enlarges rounding: it divides small gradients by their own size. Measured: at most 5e-6
JOBS = [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")]
DROPS: dict[str, Any] = {"batch_size": 8, "epochs": 3, "lora_dropout": 0.2}


def _trained(folder: Path, shared: Shared, task: str = "qa", seed: int = 0) -> Weights:
    job(folder, questions() if task == "qa" else claims(), [], shared, seed)
    return adapter(folder)


def _same_curve(left: Path, right: Path) -> None:
    for one, other in zip(log_of(left), log_of(right), strict=True):
        for value in ("loss", "lr", "grad_norm"):
            assert one[value] == pytest.approx(other[value], rel=1e-4)


@pytest.mark.parametrize(("task", "weights"), JOBS)
@pytest.mark.parametrize("layout", ["packed", "padded"])
def test_accumulation_equals_large_batch(layout: str, task: str, weights: str, tmp_path: Path) -> None:
    """With dropout on, LoRA's and BERT's own: a row drops the same in any micro-batch (but see reading.py on padded attention)."""
    if weights == "random:bert" and layout == "padded":
        weights = small_encoder(cache_root() / "attends-bert", attention_probs_dropout_prob=0.0)
    large = _trained(
        tmp_path / "8", settings(task, weights, launch={"micro_batch": 8, "layout": layout}, **DROPS), task
    )
    for micro_batch in (1, 3):
        folder, launch = tmp_path / str(micro_batch), {"micro_batch": micro_batch, "layout": layout}
        assert apart(large, _trained(folder, settings(task, weights, launch=launch, **DROPS), task)) < ROUNDING
        _same_curve(tmp_path / "8", folder)


def test_accumulation_weighs_each_answer_token_alike(tmp_path: Path) -> None:
    """Rows have unlike numbers of taught tokens: a mean of the micro-batches' means would be another loss."""
    shared = [settings(launch={"micro_batch": micro_batch}, batch_size=8, epochs=1) for micro_batch in (8, 2)]
    for number, each in enumerate(shared):
        _trained(tmp_path / str(number), each)
    whole, halves = (log_of(tmp_path / str(number))[0]["loss"] for number in (0, 1))
    with lent(shared[0]) as base, torch.inference_mode():
        rows = sorted(lessons_of(base, shared[0], questions()), key=lambda row: len(row.ids))
        sums, counts = [], []
        for row in rows:
            counts.append(sum(label != IGNORE for label in row.labels))
            sums.append(
                float(base.model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([row.labels])).loss)
                * counts[-1]
            )
    means = [(sums[at] + sums[at + 1]) / (counts[at] + counts[at + 1]) for at in range(0, 8, 2)]
    assert whole == pytest.approx(halves, rel=1e-5) == pytest.approx(sum(sums) / sum(counts), rel=1e-5)
    assert abs(sum(means) / 4 - whole) > 1e-4 * whole, "the rows must tell the two apart"


@pytest.mark.parametrize(("task", "weights"), JOBS)
def test_gradient_checkpointing_changes_nothing(task: str, weights: str, tmp_path: Path) -> None:
    """The layers are computed again on the way back, and drop the same."""
    computed: dict[bool, list[str]] = {False: [], True: []}
    for wanted, seen in computed.items():

        def watch(module: torch.nn.Module, *_: Any, seen: list[str] = seen) -> None:
            if isinstance(module, StackedLinear) and torch.is_grad_enabled():
                seen.append(type(module).__name__)

        with torch.nn.modules.module.register_module_forward_pre_hook(watch):
            _trained(
                tmp_path / str(wanted),
                settings(task, weights, launch={"gradient_checkpointing": wanted}, **DROPS),
                task,
            )
    assert apart(adapter(tmp_path / "False"), adapter(tmp_path / "True")) < ROUNDING
    _same_curve(tmp_path / "False", tmp_path / "True")
    assert len(computed[True]) > 1.8 * len(computed[False]) > 0


@pytest.mark.parametrize("pad_is_end", [False, True])
@pytest.mark.parametrize("loss_on", list(LossOn))
def test_first_loss_is_the_one_transformers_computes(loss_on: LossOn, pad_is_end: bool, tmp_path: Path) -> None:
    weights = where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama"
    shared = settings(weights=weights, loss_on=loss_on, batch_size=8, epochs=1, launch={"micro_batch": 3})
    job(tmp_path / "run", questions(), [], shared)
    with lent(shared) as base, torch.inference_mode():
        losses, count = 0.0, 0
        for example in questions():  # one row at a time: nothing is padded
            row = encoder_for(base, shared).lesson(example)
            terms = sum(label != IGNORE for label in row.labels[1:])
            losses += (
                float(base.model(input_ids=torch.tensor([row.ids]), labels=torch.tensor([row.labels])).loss) * terms
            )
            count += terms
            assert terms == (
                len(row.ids) - 1
                if loss_on is LossOn.text
                else len(row.ids) - len(encoder_for(base, shared).prompt(example).ids)
            )
    assert log_of(tmp_path / "run")[0]["loss"] == pytest.approx(losses / count, rel=1e-5)


@pytest.mark.parametrize("pad_is_end", [False, True])
def test_end_token_is_learnt(pad_is_end: bool, tmp_path: Path) -> None:
    weights = where_pad_is_end(tmp_path / "model") if pad_is_end else "random:llama"
    points = questions(4)
    shared = settings(weights=weights, answer_tokens=40, **BY_HEART)
    assert texts(job(tmp_path / "run", points, points, shared)) == [example.target for example in points]


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
    assert (
        same(adapter(tmp_path / "one"), adapter(tmp_path / "two"))
        and outcomes[0].predictions == outcomes[1].predictions
    )
    job(tmp_path / "other", points, points, settings(task, weights, lora_dropout=0.3), seed=8)
    assert apart(adapter(tmp_path / "one"), adapter(tmp_path / "other")) > 0.1


@pytest.mark.parametrize(("task", "weights"), [("qa", "random:llama"), ("fv", "random:llama"), ("fv", "random:bert")])
def test_seed_decides_the_initialisation(task: str, weights: str, tmp_path: Path) -> None:
    for seed in (0, 1):
        job(tmp_path / str(seed), [], [], settings(task, weights), seed)
    zero, one = adapter(tmp_path / "0"), adapter(tmp_path / "1")
    drawn = [name for name in zero if "lora_A" in name or name.endswith(("score.weight", "classifier.weight"))]
    assert drawn and all(not torch.equal(zero[name], one[name]) for name in drawn)


def _with_order_and_dropout_of(seed: int, folder: Path, *, batch_size: int, dropout: float) -> Weights:
    """An adapter that starts as seed 0 does and is trained in the order and with the dropout of `seed`."""
    shared = settings(batch_size=batch_size, lora_dropout=dropout, epochs=1)
    values = shared.settings
    with lent(shared) as base:
        course = TrainState(lessons_of(base, shared, questions()), values.tuning, seed, folder, "points")
        stack = MultiLora(base, [Member(initial(base, Head.generation, values.tuning, values.model, 0), values.tuning)])
        course.enrol(stack.values[0], stack.grads[0])
        train(stack, [course], StepOptions(micro_batch=8, packed=True, pad=base.pad, progress=False), ProcessGroup())
        weights = stack.adapter(0).weights
        stack.close()
    return weights


def _distance_of_seeds(folder: Path, batch_size: int, dropout: float) -> float:
    return apart(*(_with_order_and_dropout_of(seed, folder, batch_size=batch_size, dropout=dropout) for seed in (0, 1)))


def test_seed_decides_order_and_dropout_each(tmp_path: Path) -> None:
    assert _distance_of_seeds(tmp_path, batch_size=8, dropout=0.0) < 1e-3, (
        "one batch holds all points: no order, no dropout, no difference"
    )
    assert _distance_of_seeds(tmp_path, batch_size=2, dropout=0.0) > 1e-2, "order"
    assert _distance_of_seeds(tmp_path, batch_size=8, dropout=0.5) > 1e-2, "dropout"


def test_order_is_another_one_each_epoch(tmp_path: Path) -> None:
    course = TrainState(
        [EncodedRow((number,), (0,)) for number in range(20)],
        settings(batch_size=1, epochs=2).settings.tuning,
        3,
        tmp_path,
        "points",
    )
    order = []
    while not course.is_done:
        order += [row.ids[0] for row in course.batch()]
        course.step += 1
    assert sorted(order[:20]) == sorted(order[20:]) == list(range(20)) and order[:20] != order[20:]


def test_step_that_sees_no_row_of_a_cell_leaves_it_where_it_is(tmp_path: Path) -> None:
    """A cell that is done is not moved on by the moments or the weight decay of its optimiser while others go on."""
    long, short = (settings(epochs=epochs, weight_decay=0.5) for epochs in (6, 1))
    with lent(long) as base, stacked(base, long, short) as stack:
        rows, courses = lessons_of(base, long, questions()), []
        for place, each in enumerate((long, short)):
            (tmp_path / str(place)).mkdir()
            courses.append(TrainState(rows, each.settings.tuning, place, tmp_path / str(place), "points"))
            courses[-1].enrol(stack.values[place], stack.grads[place])
        done: list[torch.Tensor] = []
        note = courses[1].note
        courses[1].note = lambda *said: [note(*said), done.append(stack.values[1].clone())][0]  # type: ignore[method-assign]
        train(stack, courses, StepOptions(micro_batch=8, packed=True, pad=base.pad, progress=False), ProcessGroup())
        assert len(done) == courses[1].steps == 2 and courses[0].step == 12
        assert torch.equal(done[-1], stack.values[1])


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
