"""Writers: what a prompt model is tuned on, that it then writes otherwise, and when a writer is refused."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from config_groups import prompt_model
from conftest import compose
from training_parts import ANSWERS, FIXTURES, PLACES, no_base_held, one_thread, same_weights, tiny_cache  # noqa: F401
from training_parts import adapter as weights_of

from littlehuman import tune_writer, writer
from littlehuman.config.identity import identity_values, run_id
from littlehuman.config.mixture_spec import mixture_spec
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, DataError, WeightsError
from littlehuman.mixture import mixing
from littlehuman.models import chat
from littlehuman.models.tiny import tiny_model
from littlehuman.prompt_models import open_model
from littlehuman.prompting import build_prompts, request_key
from littlehuman.records import Completion, Dataset, Example
from littlehuman.schema import PromptModelConfig, adapter
from littlehuman.training.state import TrainState
from littlehuman.writer.rows import tuning_rows

pytestmark = FIXTURES

CELL = (
    *("dataset=fieldnotes_qa", "prompt_model=hf", "prompt_model.weights=random:llama", "prompt_model.dtype=float32"),
    *("model=tiny", "launch=cpu", "launch.progress=false", "strategy=few_shot", "strategy.shots=1", "n_train=8"),
    *("synth_frac=0.5", "writer.epochs=2", "writer.learning_rate=1e-2", "writer.lora_r=4", "writer.batch_size=2"),
)


@pytest.fixture(autouse=True)
def _no_prompt_model_held() -> Iterator[None]:
    chat.release()
    yield
    chat.release()


def points(split: str, count: int) -> tuple[Example, ...]:
    """Points whose words name their split and number."""
    return tuple(
        Example(f"{split}{i}", f"{PLACES[i % 8]} House {i} of {split}.", f"What is in {split} {i}?", (ANSWERS[i % 8],))
        for i in range(count)
    )


DATA = Dataset("fieldnotes_qa", points("train", 12), points("valid", 3), points("test", 4))


def config(*overrides: str, **changes: Any) -> RunConfig:
    made: RunConfig = compose(*CELL, *overrides)
    return replace(made, **changes)


def plan(cell: RunConfig) -> mixing.MixturePlan:
    return mixing.plan_mixture(DATA.train, mixture_spec(cell))


def tuned(place: Path, cell: RunConfig | None = None) -> writer.Writer:
    cell = cell or config()
    return writer.tune_for(plan(cell), DATA, cell, place)


def asked(cell: RunConfig, data: Dataset = DATA) -> writer.Writer:
    """The writer that a cell would use."""
    return writer.writer_of(mixing.plan_mixture(data.train, mixture_spec(cell)), data, cell, data.test, _stage)


def _stage(_: str) -> nullcontext[None]:
    return nullcontext()


def texts(model: PromptModelConfig) -> list[str]:
    """What a prompt model answers to the requests of the cell."""
    cell = config()
    prompts = list(build_prompts(DATA.train[:4], DATA.train, cell.strategy, "qa", model))
    answers = {a.key: a.text for a in open_model(model).complete(prompts, 8) if isinstance(a, Completion)}
    return [answers[prompt.key] for prompt in prompts]


def with_adapter(name: Path | str, *overrides: str) -> RunConfig:
    cell = config(*overrides)
    return replace(cell, prompt_model=replace(cell.prompt_model, adapter=str(name)))


def test_a_tuned_writer_writes_other_texts_and_the_base_is_as_it_was_afterwards(tmp_path: Path) -> None:
    cell, made = config(), tuned(tmp_path / "w")
    before = texts(cell.prompt_model)
    assert texts(made.on(cell).prompt_model) != before
    assert texts(cell.prompt_model) == before


def test_the_folder_is_a_peft_adapter_with_its_digest_and_the_human_points_that_it_saw(tmp_path: Path) -> None:
    made = tuned(tmp_path / "w")
    said = json.loads((tmp_path / "w" / "writer.json").read_text("utf-8"))
    human = {example.id for example in plan(config()).human}
    assert len(human) == 4 == said["points"] and human <= set(said["human"]) == made.human_ids
    assert said["digest"] == adapter.digest_of_files(tmp_path / "w") and said["weights"] == "random:llama"
    peft = json.loads((tmp_path / "w" / "adapter" / "adapter_config.json").read_text("utf-8"))
    assert peft["base_model_name_or_path"] == "random:llama" and peft["r"] == 4


def test_the_digest_of_a_writer_is_in_the_key_of_a_request_and_without_a_writer_the_key_is_as_it_was(
    tmp_path: Path,
) -> None:
    talk = ({"role": "user", "content": "Fog."},)
    first, second = tuned(tmp_path / "a"), tuned(tmp_path / "b", config(seed=1))
    moved = shutil.copytree(tmp_path / "a", tmp_path / "c")
    cell = config()
    key, other, same = (
        request_key(made.on(cell).prompt_model, talk, 8)
        for made in (first, second, asked(with_adapter(moved, "synth_frac=0.75")))
    )
    assert key == same != other
    plain = prompt_model("hf", weights="random:llama", dtype="float32", batch_size=4)
    assert request_key(plain, talk, 8) == "b0614439021f224c"


def test_a_row_is_the_request_of_the_strategy_answered_by_its_human_point() -> None:
    cell = config()
    (row,) = tuning_rows(DATA.train[:1], DATA.train, DATA, cell)
    (prompt,) = build_prompts(DATA.train[:1], DATA.train, cell.strategy, "qa", cell.prompt_model)
    assert json.loads(row.messages) == list(prompt.messages)
    assert row.answer == f"Question: {DATA.train[0].text} || Answer: {DATA.train[0].target}"


@pytest.mark.parametrize("share", ["0", "0.5", "1"])
def test_a_writer_sees_no_point_of_the_validation_and_test_splits(share: str) -> None:
    cell = config(f"synth_frac={share}", "extra_human=2")
    made = plan(cell)
    rows = tuning_rows((*made.human, *made.extra), made.owned, DATA, cell)
    words = " ".join(row.messages + row.answer for row in rows)
    assert "train" in words and "valid" not in words and "of test" not in words and "in test" not in words


def test_what_is_tuned_already_is_used_as_it_is_and_other_points_are_tuned_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    log_step = TrainState.log_step
    monkeypatch.setattr(TrainState, "log_step", lambda state, *row: (steps.append(1), log_step(state, *row))[1])
    first = tuned(tmp_path / "w")
    counted = len(steps)
    assert counted and tuned(tmp_path / "w").info == first.info and len(steps) == counted
    more = replace(DATA, train=(*DATA.train, *points("late", 1)))  # nothing that it learns from
    writer.tune_for(plan(config()), more, config(), tmp_path / "w")
    assert len(steps) == counted and asked(with_adapter(tmp_path / "w"), more).human_ids == first.human_ids
    again = tuned(tmp_path / "w", config("extra_human=1"))
    assert len(steps) > counted and again.info["digest"] != first.info["digest"]


def test_an_interrupted_tuning_goes_on_and_ends_with_the_same_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = config("launch.save_every_s=1e-9")
    whole = tuned(tmp_path / "whole", cell)
    log_step, made = TrainState.log_step, list[int]()

    def interrupted(state: TrainState, *row: float) -> None:
        log_step(state, *row)
        made.append(state.step)
        if len(made) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainState, "log_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path / "w", cell)
    assert not (tmp_path / "w" / "writer.json").exists()
    resumed = tuned(tmp_path / "w", cell)
    assert made[3] in (3, 4) and made[-1] == 4, "begun anew"
    assert same_weights(weights_of(tmp_path / "w"), weights_of(tmp_path / "whole"))
    assert resumed.info["digest"] == whole.info["digest"]


def test_a_missing_writer_is_one_error_with_the_command_that_makes_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", str(tmp_path))
    for name in (str(tmp_path / "w"), "some-cell"):
        cell = with_adapter(name)
        with pytest.raises(ConfigError) as caught:
            run_id(cell)
        assert [problem.where for problem in caught.value.problems] == [f"prompt_model.adapter={name}"]
        words = shlex.split(caught.value.hint)
        words = words[words.index("tune-writer") + 1 :]
    assert tune_writer.main([*words, *CELL[2:8], *CELL[11:]]) == 0, capsys.readouterr().err
    assert run_id(with_adapter("some-cell")) and (tmp_path / "default" / "some-cell" / "writer").is_dir()


def test_the_id_of_a_cell_follows_the_content_of_its_writer_and_not_its_place(tmp_path: Path) -> None:
    tuned(tmp_path / "a"), tuned(tmp_path / "b", config(seed=1))
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    first, other, copy = (run_id(with_adapter(tmp_path / name)) for name in "abc")
    assert first == copy != other and first != run_id(config())
    assert {"writer", "generation"}.isdisjoint(identity_values(config()))
    assert "adapter" not in identity_values(config())["prompt_model"]


def test_a_writer_whose_base_is_gone_or_differs_is_refused_with_its_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = shutil.copytree(tiny_model("llama"), tmp_path / "base")
    weights = f"prompt_model.weights={base}"
    tuned(tmp_path / "w", config(weights))
    assert asked(with_adapter(tmp_path / "w", weights)).folder
    shutil.copytree(base, tmp_path / "moved")
    assert asked(with_adapter(tmp_path / "w", f"prompt_model.weights={tmp_path / 'moved'}")).folder
    with pytest.raises(ConfigError, match=rf"tuned on other weights(.|\n)*Try: {weights}, or .*tune-writer"):
        asked(with_adapter(tmp_path / "w"))
    file = base / "model.safetensors"
    whole = bytearray(file.read_bytes())
    whole[-2] ^= 1
    file.write_bytes(whole)
    with pytest.raises(ConfigError, match=r"Try: the weights that it had, or .*tune-writer"):
        asked(with_adapter(tmp_path / "w", weights))
    shutil.rmtree(base)
    with pytest.raises(
        WeightsError, match=r"base that it was tuned on is gone(.|\n)*Try: put .* back, or .*tune-writer"
    ):
        asked(with_adapter(tmp_path / "w", weights))


def test_an_edited_adapter_is_refused(tmp_path: Path) -> None:
    tuned(tmp_path / "w")
    file = tmp_path / "w" / "adapter" / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x00\x01")
    with pytest.raises(WeightsError, match=r"not those that were tuned(.|\n)*Try: rm -r .*tune-writer"):
        asked(with_adapter(tmp_path / "w"))


def test_a_writer_that_saw_test_points_of_the_cell_is_refused_and_others_count_by_their_own_ids(tmp_path: Path) -> None:
    tuned(tmp_path / "w", config("synth_frac=0"))
    cell = with_adapter(tmp_path / "w")
    assert asked(cell).human_ids <= {example.id for example in DATA.train}
    seen = plan(config("synth_frac=0")).human[0]
    with pytest.raises(DataError, match=f"saw 1 of this cell's test points .first: {seen.id}."):
        asked(cell, replace(DATA, train=tuple(e for e in DATA.train if e != seen), test=(*DATA.test, seen)))
    other = replace(DATA, train=DATA.train[1:])
    assert asked(cell, other).human_ids.isdisjoint(example.id for example in other.train)


def test_human_points_of_the_writer_count_once_and_those_that_the_cell_does_not_own_count_too() -> None:
    made = plan(config("strategy=zero_shot"))
    owned = frozenset(example.id for example in made.human)
    alone, same, more = (mixing.mix(made, {}, frozenset(), seen) for seen in (frozenset(), owned, owned | {"other"}))
    assert alone.human_labels == {"in_training": 4, "in_prompts": 0, "total": 4}
    assert same.human_labels == {"in_training": 4, "in_prompts": 0, "in_writer": 4, "total": 4}
    assert more.human_labels["total"] == 5


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (("prompt_model=recorded", "prompt_model.adapter=own"), "provider is recorded; try prompt_model=smollm2"),
        (("+prompt_model@filter.model=hf", "filter=judge", "filter.model.adapter=x"), "try filter.model.adapter=null"),
        (("generation.round=1", "prompt_model.adapter=own"), "try prompt_model.adapter=null"),
        (("generation.round=1", "prompt_model=recorded"), "tunes a local prompt model"),
        (("generation.round=-1",), "must be 0 or more"),
        (("generation.accumulate=true",), "generation.round=0"),
        (
            ("method=annotator", "strategy=annotate", "synth_frac=0", "prompt_model.adapter=own"),
            "method=annotator has none",
        ),
        (("prompt_model.adapter=own", "writer.epochs=0"), "must be 1 or more"),
        (("prompt_model.adapter=own", "writer.learning_rate=0"), "must be above 0"),
        (("prompt_model.adapter=own", "writer.lora_targets=kv_down"), "must be all_linear"),
    ],
    ids=str,
)
def test_what_no_writer_can_follow_is_refused_before_any_data_is_read(overrides: tuple[str, ...], said: str) -> None:
    base = [word for word in CELL if not word.startswith("prompt_model")] if "recorded" in str(overrides) else CELL
    with pytest.raises(ConfigError, match=said):
        compose(*base, *overrides)


def test_a_cell_without_human_points_has_none_to_tune_on(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"synth_frac=1 +leaves no human points(.|\n)*Try: synth_frac=0.9, or extra_human"
    ):
        asked(with_adapter("own", "synth_frac=1"))
    assert asked(with_adapter("own", "synth_frac=0")).folder is None, "no twins, so no writer"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("dataset=nope",), "dataset"),
        (("prompt_model=recorded",), "is not local"),
        ((*CELL, "strategy=cot"), "asks for an explanation"),
        ((*CELL, "n_train=100000"), "has 341 usable training points"),
        ((*CELL, "synth_frac=1"), "leaves no human points"),
        ((*CELL, "sed=1"), "sed"),
        ((*CELL, "seed=0,1"), "seed=0,1  has several values, and a writer is tuned for one cell"),
    ],
    ids=["dataset", "recorded", "cot", "too many", "no human", "typo", "two seeds"],
)
def test_the_command_refuses_bad_input_in_one_error(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune_writer.main([*words, "--out", str(tmp_path / "w")]) == 1
    error = capsys.readouterr().err
    assert said in error and "Traceback" not in error and not (tmp_path / "w").exists()
