"""A cell's synthetic data as a dataset: what is in it, whether others can load it, and when it is refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pytest
from conftest import TINY, Cli, claims, compose, write_csv

from littlehuman import data, export, pipeline
from littlehuman.exporting.item_texts import texts_of_cell
from littlehuman.mixture import mixing
from littlehuman.prompt_models.cache import CompletionWriter
from littlehuman.records import Completion
from littlehuman.store import read_json, write_json
from littlehuman.twins.answers import TwinRequests

CELL = (*TINY, "dataset=fieldnotes_fv", "n_train=16", "synth_frac=0.75", "filter=rules")
COLUMNS = ["id", "evidence", "text", "target", "origin", "prompt_model", "strategy", "key"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export")


@pytest.fixture
def run(cli: Cli, multirun: Path) -> Callable[..., Path]:
    """Run a cell and return its folder."""

    def call(*overrides: str) -> Path:
        before = set(multirun.glob("*/*/result.json"))
        ended = cli(*overrides)
        assert ended.code == 0, ended.text
        (new,) = set(multirun.glob("*/*/result.json")) - before
        return new.parent

    return call


@pytest.fixture
def cell(run: Callable[..., Path], place: Path) -> Path:
    """One cell with recorded twins, run once for all tests."""
    kept = place / "cell"
    if not kept.exists():
        shutil.copytree(run(*CELL), kept)
    return kept


def load(folder: Path, cache: Path) -> Any:
    return datasets.load_dataset(str(folder), split="train", cache_dir=str(cache))


def exported(cell: Path, out: Path, *options: str) -> int:
    return export.main([str(cell), str(out), *options])


def test_the_synthetic_points_are_ready_to_load(cell: Path, tmp_path: Path) -> None:
    assert exported(cell, tmp_path / "out") == 0
    found = load(tmp_path / "out", tmp_path / "cache")
    said = [point["id"] for point in read_json(cell / "mixture.json")["points"] if point["origin"] == "synthetic"]
    human = {e.id: e for e in data.load(compose(*CELL).dataset, compose(*CELL).task).train}
    assert found.column_names == COLUMNS and found["id"] == said and len(said) == 12
    for row in found:
        original = human[row["id"]]
        assert (row["evidence"], row["target"]) == (original.evidence, original.target) and row["text"] != original.text
        assert (row["origin"], row["prompt_model"], row["strategy"]) == ("synthetic", "qwen-1.5b", "few_shot") and row[
            "key"
        ]


def test_human_points_are_exported_on_request_only_and_have_no_model(cell: Path, tmp_path: Path) -> None:
    assert exported(cell, tmp_path / "out", "--with-human") == 0
    found = load(tmp_path / "out", tmp_path / "cache")
    assert found["id"] == [point["id"] for point in read_json(cell / "mixture.json")["points"]]
    human = [row for row in found if row["origin"] == "human"]
    assert len(human) == 4 and all(row["prompt_model"] is row["strategy"] is row["key"] is None for row in human)
    assert "and the 4 human points" in (tmp_path / "out" / "README.md").read_text()


def test_the_card_has_a_header_that_the_hub_reads(cell: Path, tmp_path: Path) -> None:
    from huggingface_hub import DatasetCard

    exported(cell, tmp_path / "out")
    card = DatasetCard.load(tmp_path / "out" / "README.md")
    assert card.data.task_categories == ["text-classification"] and "synthetic" in card.data.tags
    assert card.data.size_categories == ["n<1K"] and card.data.language is None
    assert card.data.dataset_info["splits"][0]["num_examples"] == 12
    assert [feature["name"] for feature in card.data.dataset_info["features"]] == COLUMNS


def test_the_card_says_how_the_data_was_made_in_the_runs_own_numbers(cell: Path, tmp_path: Path) -> None:
    exported(cell, tmp_path / "out")
    result, text = read_json(cell / "result.json"), (tmp_path / "out" / "README.md").read_text()
    kept, lost = result["counts"]["synthetic"], result["rejected_twins"]
    for said in (
        "75 % of 16 points are synthetic",
        "qwen2.5-coder-1.5b-instruct",
        "You write claims for a fact-checking test.",
        "change one detail, such as a name",
        f"{kept} of {kept + lost} became points",
        "| rules: text copied from the evidence |",
        "near_duplicates: 0.8",
        f"Prompts showed {result['human_labels']['in_prompts']} different human points",
        f"dataset {result['fingerprints']['dataset']}, training set {result['fingerprints']['mixture']}",
        f"transformers {result['versions']['transformers']}",
        "its licence holds for them",
    ):
        assert said in text
    assert result["labels"]["supported"] and "| | supported | unsupported |" in text
    assert str(Path.home()) not in text and str(cell) not in text and str(tmp_path) not in text


def test_the_card_has_the_cost_of_earlier_attempts_of_the_run(cell: Path, tmp_path: Path) -> None:
    resumed = tmp_path / "cell"
    shutil.copytree(cell, resumed)
    result = read_json(cell / "result.json")
    for before, said in ((0.0, False), (0.132, True)):
        result["cost"]["usd_before"] = before
        write_json(resumed / "result.json", result)
        exported(resumed, tmp_path / "out")
        assert ("(earlier attempts of it paid $0.13 more" in (tmp_path / "out" / "README.md").read_text()) is said


def test_an_export_can_be_trained_on_as_provided_twins_and_gives_the_same_training_set(
    cell: Path, tmp_path: Path, run: Callable[..., Path]
) -> None:
    exported(cell, tmp_path / "out", "--with-human")
    again = run(
        *TINY,
        "dataset=fieldnotes_fv",
        "n_train=16",
        "synth_frac=0.75",
        "prompt_model=provided",
        f"prompt_model.path={tmp_path / 'out'}",
    )
    assert read_json(again / "result.json")["fingerprints"] == read_json(cell / "result.json")["fingerprints"]
    assert exported(again, tmp_path / "second") == 0
    text = (tmp_path / "second" / "README.md").read_text()
    assert (
        "who wrote them is not known here" in text
        and "How many human points the prompts showed is not known here" in text
    )
    assert (
        load(tmp_path / "second", tmp_path / "cache")["text"] == load(tmp_path / "out", tmp_path / "cache")["text"][4:]
    )


def test_twins_of_a_second_attempt_are_found_in_the_cache(tmp_path: Path, run: Callable[..., Path]) -> None:
    sampled = (
        *TINY,
        "dataset=fieldnotes_fv",
        "n_train=8",
        "synth_frac=0.5",
        "prompt_model.temperature=0.7",
        "strategy.attempts=2",
        "strategy.language=german",
        f"prompt_model.path={tmp_path / 'recording'}",
    )
    config = compose(*sampled)
    dataset = data.load(config.dataset, config.task)
    plan = mixing.plan_mixture(dataset.train, pipeline.mixture_spec(config))
    first = TwinRequests(plan.to_replace, plan.owned, dataset, config)
    with CompletionWriter(tmp_path / "recording") as cache:
        for attempt in (first, first.retry({e.id for e in plan.to_replace[:2]})):
            label = {e.id: "True" if e.target == "supported" else "False" for e in plan.to_replace}
            for request in attempt:
                good = attempt.sample or request.example_id not in {e.id for e in plan.to_replace[:2]}
                name = request.example_id
                text = f"Claim: Neues über {name} im {attempt.sample}. Mal. || Label: {label[name]}"
                cache.add(Completion(request.key, text if good else "Sorry.", "stop", 1, 1))
    folder = run(*sampled)
    assert exported(folder, tmp_path / "out") == 0
    assert [" im 1. Mal" in text for text in load(tmp_path / "out", tmp_path / "cache")["text"]] == [
        True,
        True,
        False,
        False,
    ]
    card = (tmp_path / "out" / "README.md").read_text()
    assert "\nlanguage:" not in card  # the hub wants a code there, and a name is none
    assert "Write in german, but leave" in card


def test_an_answer_that_is_no_longer_in_the_cache_is_an_error_and_no_request_is_sent(
    tmp_path: Path, run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "recording"
    recording.mkdir()
    original = Path(data.__file__).parent / "recordings" / "fieldnotes.jsonl"
    shutil.copy(original, recording / "all.jsonl")
    folder = run(*TINY, "dataset=fieldnotes_fv", "n_train=8", "synth_frac=0.5", f"prompt_model.path={recording}")
    (recording / "all.jsonl").write_text("")
    assert exported(folder, tmp_path / "out") == 1
    said = capsys.readouterr().err
    assert f"4 of 4 twins have no answer in {recording}" in said and "LITTLEHUMAN_CACHE" in said
    assert not (tmp_path / "out").exists()


def with_provided_twins(folder: Path, end: str = "So it is said.") -> tuple[str, ...]:
    """Write claims and a file of their twins, which end like this; the overrides of a cell on them."""
    header, rows = ("evidence", "text", "target"), [[e, f"{text} {end}", target] for e, text, target in claims(40)]
    table, twins = write_csv(folder / "claims.csv", header, claims(40)), write_csv(folder / "twins.csv", header, rows)
    words = ("dataset=table", "task=fv", f"dataset.path={table}", "n_train=8", "synth_frac=0.5")
    return (*TINY, *words, "prompt_model=provided", f"prompt_model.path={twins}")


def test_the_card_of_provided_twins_has_the_cost_of_filtering_them(tmp_path: Path, run: Callable[..., Path]) -> None:
    folder = run(*with_provided_twins(tmp_path))
    result = read_json(folder / "result.json")
    for requests, said in (
        (0, "is not known here.\n"),
        (4, "is not known here. The filter's 4 requests about them cost $0.25 here.\n"),
    ):
        write_json(
            folder / "result.json",
            result | {"cost": result["cost"] | {"requests": requests, "usd": 0.25 if requests else 0.0}},
        )
        assert exported(folder, tmp_path / "out") == 0
        assert f"What these rows cost where they were made {said}" in (tmp_path / "out" / "README.md").read_text()


def test_data_that_changed_since_the_run_is_refused(
    tmp_path: Path, run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    folder = run(*with_provided_twins(tmp_path))
    assert exported(folder, tmp_path / "out") == 0
    with_provided_twins(tmp_path, "Or not.")
    assert exported(folder, tmp_path / "new") == 1
    assert "the training set cannot be rebuilt as it was: its fingerprint was" in capsys.readouterr().err


def test_a_folder_that_is_no_complete_cell_with_twins_is_refused(
    tmp_path: Path, run: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exported(tmp_path, tmp_path / "out") == 1
    assert f"{tmp_path}: is no complete cell" in capsys.readouterr().err
    folder = run(*TINY, "dataset=fieldnotes_fv", "n_train=8", "synth_frac=0")
    assert exported(folder, tmp_path / "out") == 1
    assert "has no synthetic points" in capsys.readouterr().err


def test_a_folder_with_other_files_is_left_alone_and_an_export_is_replaced(
    cell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.csv").write_text("a\n")
    assert exported(cell, out) == 1
    assert "holds other files (first: mine.csv)" in capsys.readouterr().err and (out / "mine.csv").read_text() == "a\n"
    (out / "mine.csv").unlink()
    assert exported(cell, out) == 0 and exported(cell, out, "--with-human") == 0
    assert len(load(out, tmp_path / "cache")) == 16


def test_a_configuration_of_another_version_is_an_error(
    cell: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(cell, tmp_path / "copy")
    config = copy / ".hydra" / "config.yaml"
    config.write_text(config.read_text() + "of_tomorrow: 1\n")
    assert exported(copy, tmp_path / "out") == 1
    assert "is not the configuration of a run by this version: Key 'of_tomorrow'" in capsys.readouterr().err


def test_twins_are_read_beside_their_originals_and_what_is_gone_is_said_without_an_error(
    cell: Path, tmp_path: Path
) -> None:
    texts = texts_of_cell(cell)
    written = {p["id"] for p in read_json(cell / "mixture.json")["points"] if p["origin"] == "synthetic"}
    assert set(texts.twins) == written and not texts.problems
    assert all(texts.human[name].evidence == twin.evidence for name, twin in texts.twins.items())
    assert any(texts.human[name].text != twin.text for name, twin in texts.twins.items())
    shutil.copytree(cell, copy := tmp_path / "cell")
    shutil.rmtree(copy / ".hydra")
    (problem,) = texts_of_cell(copy).problems
    assert "not at hand: cell has no" in problem and str(tmp_path) not in problem
