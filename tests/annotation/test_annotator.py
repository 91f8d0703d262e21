"""`method=annotator`: the prompt model labels the test points, nothing is trained, and what it costs is counted."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, Cli, claims, compose, write_csv
from fake_endpoint import FakeEndpoint, says

from littlehuman import report, results
from littlehuman.config.identity import cell_name, run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError
from littlehuman.store import read_json, read_jsonl

COLUMNS = ("evidence", "text", "target")
ALWAYS = (*TINY, "method=annotator", "prompt_model.retries=0", "prompt_model.name=m", "prompt_model.temperature=0")


@pytest.fixture
def endpoint(endpoint_environment: None) -> Iterator[FakeEndpoint]:
    with FakeEndpoint(lambda question, attempt: says("False")) as fake:
        yield fake


def _words(fake: FakeEndpoint, folder: Path, *more: str, count: int = 60) -> list[str]:
    table = write_csv(folder / "claims.csv", COLUMNS, claims(count))
    where = ("prompt_model=openai_compatible", f"prompt_model.base_url={fake.url}")
    return ["dataset=table", f"dataset.path={table}", *where, *ALWAYS, *more]


def _only(multirun: Path) -> Path:
    (result,) = multirun.rglob("result.json")
    return result.parent


def _predictions(folder: Path) -> list[dict[str, Any]]:
    return list(read_jsonl(folder / "predictions.jsonl"))


def test_the_prompt_model_labels_the_test_points_and_nothing_is_trained(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    ended = cli(*_words(endpoint, tmp_path))
    assert ended.code == 0 and "nothing was trained" in ended.out
    folder, said = _only(multirun), endpoint.questions
    result = read_json(folder / "result.json")
    assert [row["prediction"] for row in _predictions(folder)] == ["unsupported"] * 5
    assert len(said) == 5 and all(question.startswith("Context:") for question in said)
    right = sum(row["target"] == "unsupported" for row in _predictions(folder))
    assert result["scores"]["accuracy"]["value"] == pytest.approx(right / 5)
    assert result["counts"] == {"human": 0, "synthetic": 0, "total": 0, "shortfall": 0}
    assert result["human_labels"]["total"] == 0 and result["cost"]["requests"] == 5
    assert {file.name for file in folder.iterdir()} >= {"result.json", "predictions.jsonl", "status.json", "run.log"}
    assert not (folder / "train.jsonl").exists() and folder.name.startswith("table-annotator-")


def test_an_answer_that_cannot_be_read_counts_as_wrong_and_as_failed(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    bad = iter(["True or False, who knows", "I cannot tell."])
    endpoint.script = lambda question, attempt: says(next(bad, "True"))
    assert cli(*_words(endpoint, tmp_path, "prompt_model.concurrency=1")).code == 0
    result = read_json(_only(multirun) / "result.json")
    assert result["scores"]["accuracy"]["n"] == 5 and result["scores"]["accuracy"]["n_failed"] == 2
    empty = [row for row in _predictions(_only(multirun)) if not row["prediction"]]
    assert len(empty) == 2 and all(row["scores"]["accuracy"] == 0 for row in empty)
    assert result["agreement"]["n"] == 3 and result["agreement"]["rejected"] == 2
    assert result["agreement"]["rejected_by_label"] == {"several labels": 1, '"I cannot tell."': 1}
    raws = {row["raw"] for row in read_json(_only(multirun) / "mixture.json")["rejected"]}
    assert raws == {"True or False, who knows", "I cannot tell."}


def test_labels_are_paid_for_once_also_when_the_cell_is_computed_again(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    words = _words(endpoint, tmp_path)
    cli(*words)
    first = read_json(_only(multirun) / "result.json")
    assert "already complete" in cli(*words).text
    (_only(multirun) / "result.json").unlink()
    cli(*words)
    again = read_json(_only(multirun) / "result.json")
    assert len(endpoint.requests) == 5 and again["cost"]["from_cache"] == 5
    assert again["scores"] == first["scores"]


def test_the_money_limit_holds_for_labels(endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path) -> None:
    price = ("prompt_model.price.prompt=1000", "prompt_model.price.completion=1000", "launch.max_usd=0.1")
    ended = cli(*_words(endpoint, tmp_path, *price))
    assert ended.code != 0 and "launch.max_usd" in ended.text
    assert len(endpoint.requests) < 5 and not list(multirun.rglob("result.json"))


def test_a_prompt_model_that_gives_no_label_at_all_ends_the_cell_with_one_error(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    endpoint.script = lambda question, attempt: says("Sure! Let me think about it.")
    ended = cli(*_words(endpoint, tmp_path))
    assert ended.code != 0 and "0 of 5 answers are usable labels" in ended.text
    assert "unknown label: Sure! Let me think about it." in ended.text


@pytest.mark.parametrize(("fixed", "labels"), [("false", range(9, 16)), ("true", range(3, 5))])
def test_shots_come_from_the_training_split_and_count_as_human_labels(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path, fixed: str, labels: range
) -> None:
    cli(*_words(endpoint, tmp_path, "strategy.shots=3", f"strategy.shots_fixed={fixed}", count=200))
    result = read_json(_only(multirun) / "result.json")
    assert result["human_labels"]["in_prompts"] in labels and result["human_labels"]["in_training"] == 0
    assert any("shots_fixed=true" in note for note in result["notes"]) == (fixed == "false")
    tested = {row["id"] for row in _predictions(_only(multirun))}
    assert len(tested) == 5
    turns = [request["messages"][1:-1] for request in endpoint.requests]
    assert all(len(shown) == 6 for shown in turns)
    assert (len({json.dumps(shown) for shown in turns}) == 1) == (fixed == "true")


def test_answers_to_questions_are_scored_as_those_of_a_trained_model(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path
) -> None:
    endpoint.script = lambda question, attempt: says("Answer: two" if "?" in question else "two")
    where = ("prompt_model=openai_compatible", f"prompt_model.base_url={endpoint.url}")
    assert cli("dataset=fieldnotes_qa", *where, *ALWAYS).code == 0
    result = read_json(_only(multirun) / "result.json")
    assert {"exact_match", "squad_f1", "sentence_bleu"} <= set(result["scores"])
    assert set(result["agreement"]["right_from_bleu"]) >= {"0.1", "0.5", "1"}


@pytest.mark.slow
def test_a_fused_sweep_trains_the_other_cells_alone(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from littlehuman.training import fit

    trained: list[str] = []
    real = fit.fit

    def watched(cells: Sequence[fit.Cell], *rest: Any) -> Any:
        trained.extend(cell.folder.name for cell in cells)
        return real(cells, *rest)

    monkeypatch.setattr(fit, "fit", watched)
    words = [word for word in _words(endpoint, tmp_path, count=40) if not word.startswith("method=")]
    ended = cli("-m", "hydra/launcher=fused", *words, "method=annotator,finetune", "synth_frac=0", "n_train=4")
    folders = sorted(file.parent.name for file in multirun.rglob("result.json"))
    assert ended.code == 0 and len(folders) == 2 and folders[0].startswith("table-annotator-")
    assert trained == folders[1:]
    assert read_json(multirun / "default" / folders[0] / "status.json")["state"] == "done"
    cells = results.load(multirun / "default").set_index("cell")
    assert cells["series"].isna().to_list() == [True, False]  # an annotator has no place on a curve
    monkeypatch.setattr(report, "_figures", lambda data: iter(()))  # drawing takes longest
    said = report.write(multirun / "default").findings
    assert any(line.startswith("table labelled by m: accuracy ") for line in said)


# --- what an annotator's cell is ------------------------------------------------------------------


def _config(*words: str) -> RunConfig:
    config: RunConfig = compose("method=annotator", "prompt_model=gpt-4-turbo", *words)
    return config


@pytest.mark.parametrize(
    "word", ["n_train=12", "model=minilm", "seed=3", "training.epochs=9", "protocol=paper", "extra_human=2"]
)
def test_what_belongs_to_a_training_set_is_no_part_of_the_cell(word: str) -> None:
    assert cell_name(_config("dataset=wanli", word)) == cell_name(_config("dataset=wanli"))


@pytest.mark.parametrize(
    "word", ["dataset=fever", "prompt_model=gpt-3.5-turbo", "n_test=9", "strategy.shots=3", "strategy.max_tokens=9"]
)
def test_what_changes_its_labels_is_a_part_of_the_cell(word: str) -> None:
    assert run_id(_config("dataset=wanli", word)) != run_id(_config("dataset=wanli"))


def test_which_points_may_be_shown_counts_only_where_some_are() -> None:
    shots = ("dataset=wanli", "strategy.shots=3")
    assert run_id(_config("dataset=wanli", "human_budget=9")) == run_id(_config("dataset=wanli"))
    assert run_id(_config(*shots, "human_budget=9")) != run_id(_config(*shots))
    assert run_id(_config(*shots, "human_budget=9", "seed=1")) != run_id(_config(*shots, "human_budget=9"))
    assert run_id(_config(*shots, "seed=1")) == run_id(_config(*shots))


@pytest.mark.parametrize("dataset", ["wanli", "conference_titles", "squad"])
def test_the_strategy_is_the_one_that_labels_unless_another_is_asked_for(dataset: str) -> None:
    assert _config(f"dataset={dataset}").strategy.name == "annotate"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["synth_frac=0.5"], "synth_frac=0.5"),
        (["strategy=few_shot"], "try strategy=annotate"),
        (["filter=judge"], "filter=judge"),
        (["prompt_model=provided", "prompt_model.path=x.csv"], "prompt_model=provided"),
    ],
)
def test_what_contradicts_an_annotator_is_one_error_that_names_it(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as error:
        _config("dataset=wanli", *words)
    assert said in str(error.value) and len(error.value.problems) == 1


def test_the_mend_of_a_synthetic_share_is_the_command_without_it() -> None:
    with pytest.raises(ConfigError) as error:
        _config("dataset=wanli", "synth_frac=0.5")
    assert error.value.hint == "synth_frac=0"


def test_an_encoder_is_no_obstacle_where_nothing_is_trained() -> None:
    assert _config("dataset=squad", "model=minilm").model.name == "minilm"
