"""Recordings: answers replayed from a file, a folder or the cache of an endpoint."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from chat_requests import at
from config_groups import prompt_model, strategy
from fake_endpoint import FakeEndpoint, says
from gather_completions import gather

from littlehuman.errors import GenerationError
from littlehuman.generation.costs import Bill
from littlehuman.prompt_models.cache import CompletionWriter
from littlehuman.prompt_models.recorded import Recorded, recording_path
from littlehuman.prompting import build_prompts
from littlehuman.records import Completion, Example, Prompt
from littlehuman.schema import PriceConfig, PromptModelConfig

pytestmark = pytest.mark.usefixtures("endpoint_environment")


def completion(key: str) -> Completion:
    return Completion(key, "An answer.", "stop", 100, 20)


def requests(*keys: str) -> list[Prompt]:
    return [Prompt(f"id-{key}", ({"role": "user", "content": key},), key) for key in keys]


def recording(file: Path, *completions: Completion) -> Path:
    file.write_text("".join(json.dumps(asdict(c)) + "\n" for c in completions))
    return file


def recorded(path: Path) -> PromptModelConfig:
    return prompt_model("recorded", path=str(path))


def test_a_recording_is_a_file(tmp_path: Path) -> None:
    file = recording(tmp_path / "r.jsonl", completion("a"), completion("b"))
    assert list(Recorded(recorded(file)).complete(requests("b"), 9)) == [completion("b")]


def test_a_recording_is_a_folder_of_files(tmp_path: Path) -> None:
    recording(tmp_path / "1.jsonl", completion("a"))
    recording(tmp_path / "2.jsonl", completion("b"))
    assert {c.key for c in Recorded(recorded(tmp_path)).complete(requests("a", "b"), 9)} == {"a", "b"}


def test_a_cache_serves_as_a_recording(tmp_path: Path) -> None:
    with CompletionWriter(tmp_path) as writer:
        writer.add(completion("a"))
    answers, _ = gather(requests("a"), recorded(tmp_path), 9, progress=False)
    assert answers == {"a": completion("a")}


def test_a_request_that_was_not_recorded_is_an_error_and_no_hole(tmp_path: Path) -> None:
    file = recording(tmp_path / "r.jsonl", completion("a"))
    with pytest.raises(GenerationError) as error:
        gather(requests("a", "b", "c"), recorded(file), 9, progress=False)
    text = str(error.value)
    assert text.startswith(f"prompt_model.path={file}: 2 of 3 requests were not recorded (first: id-b).")
    assert "Try: prompt_model=" in text


def test_an_absent_recording_is_named(tmp_path: Path) -> None:
    with pytest.raises(GenerationError, match=r"prompt_model\.path=.*none\.jsonl: there is no such file or folder"):
        Recorded(recorded(tmp_path / "none.jsonl"))
    with pytest.raises(GenerationError, match="give prompt_model.path=FILE"):
        recording_path(None)


def test_a_recording_costs_nothing_and_leaves_no_trace_in_the_cache(tmp_path: Path) -> None:
    file = recording(tmp_path / "r.jsonl", completion("a"))
    model = replace(recorded(file), price=PriceConfig(prompt=2.0, completion=10.0))
    _, bill = gather(requests("a"), model, 9, progress=False)
    assert bill == Bill(requests=1, from_cache=1, usd_without_cache=400e-6)
    assert not (tmp_path / "cache").exists()


# --- a recording of an endpoint's answers ---------------------------------------------------------

POINTS = [Example(f"e{i}", f"Ferry {i} leaves at six.", f"When does ferry {i} leave?", ("six",)) for i in range(6)]


def written_for(model: PromptModelConfig) -> list[Prompt]:
    return list(build_prompts(POINTS, POINTS, strategy("few_shot"), "qa", model))


def test_an_endpoints_answers_are_replayed_from_its_cache(tmp_path: Path) -> None:
    with FakeEndpoint(lambda q, attempt: says("Question: Who? || Answer: six")) as fake:
        model = at(fake, name="org/some-model", temperature=0.7)
        answered, _ = gather(written_for(model), model, 50, progress=False)
    folder = tmp_path / "cache" / "completions" / "org-some-model"
    again = prompt_model("recorded", path=str(folder), weights=None, name="org/some-model", temperature=0.7)
    replayed, _ = gather(written_for(again), again, 50, progress=False)
    assert replayed == answered and len(answered) == 6


def test_a_recording_that_does_not_fit_says_which_settings_must_be_those_of_the_recording(tmp_path: Path) -> None:
    with FakeEndpoint(lambda q, attempt: says("Question: Who? || Answer: six")) as fake:
        model = at(fake, name="some-model")
        gather(written_for(model), model, 50, progress=False)
    again = prompt_model(
        "recorded", path=str(tmp_path / "cache" / "completions" / "some-model")
    )  # of qwen-1.5b, by its own settings
    with pytest.raises(GenerationError) as error:
        gather(written_for(again), again, 50, progress=False)
    said, mend = str(error.value).split("\nTry: ")
    assert "6 of 6 requests were not recorded" in said and "strategy" in said
    assert (
        "weights=package:qwen2.5-coder-1.5b-instruct, dtype=bfloat16, temperature=0, top_p=1, json_schema=false" in said
    )
    assert f"prompt_model=recorded prompt_model.path={again.path} prompt_model.weights=null prompt_model.name=" in mend
    assert "prompt_model.temperature=" in mend
