"""Rounds: each writer learns from the round before, and a cell needs no other one to have been computed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from conftest import Cli, compose
from training_parts import no_base_held, one_thread  # noqa: F401

from littlehuman import twins, verify, writer
from littlehuman.config.identity import run_id
from littlehuman.config.mixture_spec import mixture_spec
from littlehuman.config.run_config import RunConfig
from littlehuman.mixture import mixing
from littlehuman.models import chat
from littlehuman.pipeline import load_dataset
from littlehuman.records import Synthetic
from littlehuman.schema import RoundConfig
from littlehuman.store import read_json
from littlehuman.twins import answers
from littlehuman.writer import tuning

pytestmark = pytest.mark.usefixtures("one_thread", "no_base_held")

CELL = (
    *("dataset=fieldnotes_qa", "prompt_model=hf", "prompt_model.weights=random:llama", "prompt_model.dtype=float32"),
    *("model=tiny", "launch=cpu", "launch.progress=false", "strategy=own_shots", "strategy.shots=0", "n_train=4"),
    *("n_test=5", "metrics.bootstrap=100", "strategy.max_tokens=6", "writer.epochs=1", "writer.lora_r=2"),
    *("writer.learning_rate=3e-2",),
)


@pytest.fixture(autouse=True)
def usable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever the random model answers is a twin, and no cache is shared."""
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(answers, "parse", _as_twin)
    chat.release()
    yield
    chat.release()


def _as_twin(answer: Any, example: Any, *_: Any, **__: Any) -> Synthetic:
    return Synthetic(example.id, example.evidence, f"What of {answer.text.split()[:4]}?", "six", answer.key)


@pytest.fixture
def learned(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What each writer was tuned on: origin and words of its points."""
    seen: list[list[str]] = []
    real = tuning._trained

    def noted(data: tuning.TuningSet, *rest: Any) -> dict[str, Any]:
        seen.append([f"{point.origin.value} {point.example.text}" for point in data.points])
        return real(data, *rest)

    monkeypatch.setattr(tuning, "_trained", noted)
    return seen


@cache
def config(number: int | None, *overrides: str) -> RunConfig:
    made: RunConfig = compose(*CELL, f"generation.round={'null' if number is None else number}", *overrides)
    return made


def twins_of(cell: RunConfig) -> list[str]:
    """The twins of a cell's round."""
    dataset = load_dataset(cell, None)
    plan = mixing.plan_mixture(dataset.train, mixture_spec(cell))
    made = writer.writer_of(plan, dataset, cell, dataset.test, lambda _: nullcontext())
    by_id = twins.write(plan, dataset, made.on(cell)).by_id
    return [f"synthetic {by_id[example.id].text}" for example in plan.to_replace]


def test_each_round_is_by_a_writer_that_was_tuned_on_the_round_before(learned: list[list[str]]) -> None:
    chain = [twins_of(config(number, "synth_frac=1")) for number in range(3)]
    assert learned == chain[:2], "each writer was tuned once, in the order of the rounds"
    assert chain[1] != chain[0]


@pytest.mark.slow
def test_a_round_computes_those_before_it_and_comes_to_the_same(
    learned: list[list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = twins_of(config(2, "synth_frac=1"))
    assert len(learned) == 2
    assert twins_of(config(2, "synth_frac=1")) == last and len(learned) == 2, "all of it was kept"
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "another"))
    assert [twins_of(config(number, "synth_frac=1")) for number in range(3)][-1] == last


def test_human_points_stay_in_what_a_writer_learns_and_accumulating_adds_all_of_them(learned: list[list[str]]) -> None:
    share = "synth_frac=0.5"
    first = twins_of(config(0, share))
    second = twins_of(config(1, share))
    assert [text.split()[0] for text in learned[0]] == ["human", "human", "synthetic", "synthetic"]
    third = twins_of(config(2, share, "generation.accumulate=true"))
    assert sum(text.startswith("human") for text in learned[-1]) == 4 and len(third) == 2
    assert set(first) < set(learned[-1]) and len(learned[-1]) == 4 + 2 + 2
    assert set(second) != set(first)


def test_rounds_have_ids_of_their_own_and_round_0_is_the_same_whether_they_accumulate() -> None:
    cell = config(None)

    def of(number: int | None, accumulate: bool = False, **changes: Any) -> str:
        return run_id(replace(cell, generation=RoundConfig(round=number, accumulate=accumulate), **changes))

    assert len({of(None), of(0), of(1), of(2), of(1, True), of(2, True)}) == 6 and of(0) == of(0, True)
    more = {"writer": replace(cell.writer, epochs=2)}
    assert of(1, **more) != of(1) and of(0, **more) == of(0) and of(None, **more) == of(None)
    assert of(1, synth_frac=0.0) == of(None, synth_frac=0.0), "no twins, so no writer"


@pytest.mark.slow
def test_a_sweep_over_rounds_is_ordinary_cells_and_given_again_computes_nothing(
    cli: Cli, multirun: Path, learned: list[list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = ("-m", *CELL, "synth_frac=0.5", "generation.round=0,1", "study=r")
    ended = cli(*sweep)
    assert ended.code == 0, ended.text
    results = {r["knobs"]["generation"]["round"]: r for r in map(read_json, multirun.glob("r/*/result.json"))}
    assert results.keys() == {0, 1} and len(learned) == 1
    assert "writer" not in results[0] and results[1]["writer"]["points"] == 4 and results[1]["writer"]["synthetic"] == 2
    assert results[1]["human_labels"] == {"in_training": 2, "in_prompts": 0, "in_writer": 2, "total": 2}
    assert results[1]["diversity"]["texts"] == 2 and results[1]["diversity"]["unique_texts"] <= 2
    assert cli(*sweep).code == 0 and len(learned) == 1
    assert verify.main([str(multirun / "r")]) == 0, capsys.readouterr().out


def test_a_filter_asks_the_prompt_model_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(
        twins.writing.filters, "GenerationSettings", lambda *values: asked.append(values[3].adapter) or values
    )
    monkeypatch.setattr(twins.writing.filters, "FilterPipeline", lambda *_: None)
    cell = config(None)
    twins.writing._TwinWriter(
        replace(cell, prompt_model=replace(cell.prompt_model, adapter="x@1")),
        load_dataset(cell, None),
        None,  # type: ignore[arg-type]
    )
    assert asked == [None]
