"""Cells whose training texts have machine labels: what the result says of them, and who may see human labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, Cli, claims, compose, write_csv
from fake_endpoint import FakeEndpoint, says
from report_pages import document_of, texts_of

from littlehuman import data, pipeline, report, twins
from littlehuman.mixture import mixing
from littlehuman.store import read_json

COLUMNS = ("evidence", "text", "target")


@pytest.fixture
def endpoint(endpoint_environment: None) -> Iterator[FakeEndpoint]:
    with FakeEndpoint(lambda question, attempt: says("True")) as fake:
        yield fake


def _words(fake: FakeEndpoint, folder: Path, *more: str) -> list[str]:
    table = write_csv(folder / "claims.csv", COLUMNS, claims(120))
    where = ("prompt_model=openai_compatible", f"prompt_model.base_url={fake.url}", "prompt_model.retries=0")
    always = ("strategy=annotate", "synth_frac=1", "prompt_model.concurrency=1", "prompt_model.temperature=0")
    return ["dataset=table", f"dataset.path={table}", *TINY, *where, *always, *more]


def _result(multirun: Path) -> dict[str, Any]:
    (file,) = multirun.rglob("result.json")
    found: dict[str, Any] = read_json(file)
    return found


def test_the_result_compares_machine_labels_with_those_of_people_and_warns(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    ended = cli(*_words(endpoint, tmp_path, "n_train=40", "study=labels"))
    found = _result(multirun)
    entry = found["agreement"]
    assert ended.code == 0 and entry["n"] == entry["asked"] == 40 and entry["returned"] == {"supported": 40}
    assert entry["kappa"]["value"] == 0 and entry["expected"]["from"] == "none"
    said = [note for note in found["notes"] if "chance" in note or "never come" in note]
    assert len(said) == 2 and all(note in ended.text for note in said)
    made = report.write(multirun / "labels", dpi=30)
    page = "\n".join(texts_of(document_of(multirun / "labels")))
    assert any("never come in 40 answers: unsupported" in line for line in made.findings)
    assert "never come in 40 answers: unsupported" in page and "Machine labels beside human ones" in page
    assert (multirun / "labels" / "figures" / "confusion.svg").is_file()


def test_what_was_rejected_is_counted_by_what_came(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    odd = iter(["Maybe", "Maybe", "True\nFalse"])
    endpoint.script = lambda question, attempt: says(next(odd, "False"))
    cli(*_words(endpoint, tmp_path, "n_train=10"))
    entry = _result(multirun)["agreement"]
    assert entry["rejected_by_label"] == {'"Maybe"': 2, "several labels": 1}
    assert (entry["n"], entry["asked"]) == (10, 13)


def test_cells_whose_twins_have_their_own_texts_have_no_agreement(cli: Cli, multirun: Path) -> None:
    cli("dataset=fieldnotes_fv", *TINY, "n_train=6", "synth_frac=0.5")
    assert _result(multirun)["agreement"] == {}


def test_stand_ins_are_chosen_without_the_human_labels_that_the_machine_replaces(
    endpoint: FakeEndpoint, tmp_path: Path
) -> None:
    config = compose(*_words(endpoint, tmp_path, "n_train=20"))
    dataset = data.load(config.dataset, config.task)
    plan = mixing.plan_mixture(dataset.train, pipeline.mixture_spec(config), dataset.name)
    failed = {point.text for point in plan.to_replace if point.target == "supported"}
    endpoint.script = lambda question, attempt: says("Hm?" if any(text in question for text in failed) else "True")
    found = twins.write(plan, dataset, config)
    stand_ins = [point.id for point in plan.spares if point.id in found.by_id]
    assert stand_ins == [point.id for point in plan.spares[: len(failed)]]  # in their order, whatever their labels
    assert {point.target for point in plan.spares[: len(failed)]} == {"supported", "unsupported"}


def test_human_labels_in_an_annotators_prompts_are_said(
    endpoint: FakeEndpoint, cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    ended = cli(*_words(endpoint, tmp_path, "n_train=20", "strategy.shots=3"))
    found = _result(multirun)
    shown = found["human_labels"]["in_prompts"]
    assert found["human_labels"]["in_training"] == 0 and shown > 20
    note = next(note for note in found["notes"] if "strategy.shots_fixed=true" in note)
    assert note.startswith(f"the prompts showed {shown} different human points") and note in ended.text
