"""The whole pipeline with a tiny model: human points, recorded twins, mixture, training, scores."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import TINY, claims, compose, write_csv

from littlehuman import data, pipeline
from littlehuman.config.identity import run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, DataError, GenerationError
from littlehuman.mixture import mixing
from littlehuman.prompt_models import cache
from littlehuman.prompting import build_prompts
from littlehuman.records import Completion, Dataset, Prompt
from littlehuman.runs.status import RunStatus
from littlehuman.schema import DatasetConfig
from littlehuman.store import read_json, read_jsonl
from littlehuman.twins import write

COLUMNS = ("evidence", "text", "target")
SPENT = 10  # tokens of a recorded prompt and of its answer


def _config(*overrides: str) -> RunConfig:
    config: RunConfig = compose(*TINY, *overrides)
    return config


def _table(folder: Path, count: int = 40) -> str:
    return f"dataset.path={write_csv(folder / 'claims.csv', COLUMNS, claims(count))}"


def _loaded(config: RunConfig) -> tuple[Dataset, mixing.MixturePlan]:
    dataset = data.load_once(config.dataset, config.task)
    return dataset, mixing.plan_mixture(dataset.train, pipeline.mixture_spec(config))


def _requests(config: RunConfig) -> list[Prompt]:
    """Every request that a cell may make, the spares' included."""
    dataset, plan = _loaded(config)
    asked = [*plan.to_replace, *plan.spares]
    shots = config.protocol.shots_with_replacement
    return list(
        build_prompts(
            asked,
            plan.owned,
            config.strategy,
            config.task.name,
            config.prompt_model,
            dataset.classes,
            replacement=shots,
        )
    )


def _recorded(config: RunConfig, folder: Path, malformed: Collection[str] = ()) -> RunConfig:
    """The cell with a recording of good answers, but for the points of `malformed`."""
    targets = {e.id: e.target for e in _loaded(config)[0].train}
    words = config.strategy.tasks[config.task.name]
    with cache.CompletionWriter(folder / "recording") as recording:
        for request in _requests(config):
            target = targets[request.example_id]
            fields = {
                "text": f"New text about {request.example_id}",
                "target": words.label_words.get(target, target),
                "explanation": "So.",
            }
            text = "I cannot help with that." if request.example_id in malformed else words.assistant.format(**fields)
            recording.add(Completion(request.key, text, "stop", SPENT, SPENT))
    return replace(config, prompt_model=replace(config.prompt_model, path=str(folder / "recording")))


def _run(config: RunConfig, folder: Path, test_from: DatasetConfig | None = None) -> dict[str, Any]:
    return pipeline.run(config, folder, RunStatus(folder), test_from)


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """One run, half synthetic; the twins of its first two points fail."""
    base = tmp_path_factory.mktemp("half")
    config = _config("n_train=8", "synth_frac=0.5")
    plan = _loaded(config)[1]
    failing = [e.id for e in plan.to_replace[:2]]
    result = _run(_recorded(config, base, failing), base / "cell")
    return {"config": config, "plan": plan, "failing": failing, "result": result, "folder": base / "cell"}


def test_half_synthetic_has_half_of_each(half: dict[str, Any]) -> None:
    mixture = read_json(half["folder"] / "mixture.json")
    assert mixture["counts"] == {"human": 4, "synthetic": 4, "total": 8, "shortfall": 0}
    assert [p["id"] for p in mixture["points"] if p["origin"] == "human"] == [e.id for e in half["plan"].human]
    assert half["result"]["counts"] == mixture["counts"]
    assert half["result"]["fingerprints"]["mixture"] == mixture["fingerprint"]


def test_malformed_answers_are_rejected_with_their_text_and_spares_stand_in(half: dict[str, Any]) -> None:
    mixture = read_json(half["folder"] / "mixture.json")
    assert [r["example_id"] for r in mixture["rejected"]] == half["failing"]
    assert all(r["reason"] and r["raw"] == "I cannot help with that." for r in mixture["rejected"])
    stand_ins = [e.id for e in half["plan"].spares[:2]]
    twins = [p["id"] for p in mixture["points"] if p["origin"] == "synthetic"]
    assert twins == [e.id for e in half["plan"].to_replace[2:]] + stand_ins
    assert half["result"]["rejected_twins"] == 2


@pytest.mark.parametrize(("n_train", "asked"), [(4, 20), (30, 30)])
def test_a_prompt_model_that_cannot_follow_the_form_is_not_asked_for_the_whole_dataset(
    tmp_path: Path, n_train: int, asked: int
) -> None:
    config = _config(f"n_train={n_train}", "synth_frac=1")
    everybody = [e.id for e in _loaded(config)[0].train]
    fine = _loaded(config)[1].to_replace[0].id if n_train >= 20 else ""  # one of thirty is fewer than one in ten
    useless = _recorded(config, tmp_path, [i for i in everybody if i != fine])
    with pytest.raises(
        GenerationError, match=rf"of {asked} answers are usable twins; \d+ are not because of: no Question"
    ):
        _run(useless, tmp_path / "cell")
    assert not (tmp_path / "cell" / "result.json").exists()


def test_the_test_points_of_another_dataset_are_read_at_their_own_length(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from littlehuman.training import fit

    seen: list[fit.Settings] = []
    real = fit.fit

    def watched(cells: Sequence[fit.Cell], *rest: Any) -> list[fit.Outcome | Exception]:
        seen.extend(cell.settings for cell in cells)
        return real(cells, *rest)

    monkeypatch.setattr(fit, "fit", watched)
    config = _config("n_train=4", "synth_frac=0")
    other = replace(config.dataset, max_tokens=99, answer_tokens=7)
    _run(config, tmp_path, other)
    assert (seen[0].max_tokens, seen[0].test_max_tokens, seen[0].answer_tokens) == (config.dataset.max_tokens, 99, 7)


def test_the_bill_counts_each_request_once(half: dict[str, Any]) -> None:
    cost = half["result"]["cost"]
    assert (cost["requests"], cost["failed"], cost["usd"]) == (6, 0, 0.0)


def test_human_labels_in_training_and_in_prompts_are_counted_once(half: dict[str, Any]) -> None:
    labels = read_json(half["folder"] / "mixture.json")["human_labels"]
    asked = [e.id for e in (*half["plan"].to_replace, *half["plan"].spares[:2])]
    shown = {i for request in _requests(half["config"]) if request.example_id in asked for i in request.shown}
    human = {e.id for e in half["plan"].human}
    assert labels == {"in_training": 4, "in_prompts": len(shown), "total": len(shown | human)}
    assert half["result"]["human_labels"] == labels


def test_predictions_are_written_with_their_targets_and_scores(half: dict[str, Any]) -> None:
    lines = list(read_jsonl(half["folder"] / "predictions.jsonl"))
    assert len(lines) == 5 and all({"id", "target", "prediction", "scores"} <= set(line) for line in lines)
    dataset = _loaded(half["config"])[0]
    targets = {e.id: e.target for e in dataset.test}
    assert all(targets[line["id"]] == line["target"] for line in lines)
    mean = sum(line["scores"]["squad_f1"] for line in lines) / len(lines)
    assert half["result"]["scores"]["squad_f1"]["value"] == pytest.approx(mean, abs=1e-5)


def test_a_result_has_configuration_counts_versions_and_cost(half: dict[str, Any]) -> None:
    result = read_json(half["folder"] / "result.json")
    assert {
        "scores",
        "headline",
        "knobs",
        "counts",
        "human_labels",
        "cost",
        "seconds",
        "versions",
        "fingerprints",
        "audit",
    } <= set(result)
    for score in result["scores"].values():
        assert {"value", "low", "high", "n", "n_failed"} <= set(score) and 0 <= score["low"] <= score["value"] <= score[
            "high"
        ] <= 1
    assert result["knobs"]["synth_frac"] == 0.5 and result["knobs"]["protocol"]["name"] == "recommended"
    assert {"data", "generation", "training", "evaluation", "scoring"} <= set(result["seconds"])
    assert result["id"] == run_id(half["config"]) and result["training"]["steps"] == 1
    assert list(read_jsonl(half["folder"] / "train.jsonl"))


def test_the_same_cell_computed_again_has_the_same_result(half: dict[str, Any], tmp_path: Path) -> None:
    again = _run(_recorded(half["config"], tmp_path, half["failing"]), tmp_path / "cell")
    same = ("id", "scores", "counts", "human_labels", "fingerprints", "audit")
    assert {key: again[key] for key in same} == {key: half["result"][key] for key in same}
    assert (tmp_path / "cell" / "predictions.jsonl").read_text() == (half["folder"] / "predictions.jsonl").read_text()


def test_a_training_set_that_is_short_of_points_is_logged_as_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = _config("dataset=table", _table(tmp_path, 30), "prompt_model=recorded", "synth_frac=0.5")
    config = replace(config, n_train=len(_loaded(replace(config, n_train=0))[0].train))
    plan = _loaded(config)[1]
    assert plan.spares == ()
    with caplog.at_level(logging.WARNING, "littlehuman.pipeline"):
        result = _run(_recorded(config, tmp_path, [plan.to_replace[0].id]), tmp_path / "cell")
    assert result["counts"]["shortfall"] == 1 and result["counts"]["total"] == config.size - 1
    assert "the training set is 1 points short" in caplog.text


def test_prompts_show_only_owned_points(tmp_path: Path) -> None:
    config = _config("n_train=10", "synth_frac=0.8", "human_budget=6")
    plan = _loaded(config)[1]
    owned = {e.id for e in plan.owned}
    requests = _requests(config)
    assert len(owned) == 6 and {i for request in requests for i in request.shown} <= owned
    assert all(request.example_id not in request.shown for request in requests)
    result = _run(_recorded(config, tmp_path), tmp_path / "cell")
    assert result["human_labels"]["in_training"] == 2 and result["human_labels"]["total"] <= 6


def test_a_human_budget_of_0_is_possible_without_few_shot_examples(tmp_path: Path) -> None:
    config = _config("n_train=4", "synth_frac=1", "human_budget=0", "strategy=zero_shot")
    assert _run(_recorded(config, tmp_path), tmp_path / "cell")["human_labels"] == {
        "in_training": 0,
        "in_prompts": 0,
        "total": 0,
    }
    with pytest.raises(ConfigError, match="human_budget=0"):
        _requests(_config("n_train=4", "synth_frac=1", "human_budget=0"))


def test_the_control_without_twins_sends_no_request(tmp_path: Path) -> None:
    result = _run(
        _config("n_train=10", "synth_frac=0.8", "synthetic=false", "prompt_model=gpt-4-turbo"), tmp_path / "cell"
    )
    assert result["counts"] == {"human": 2, "synthetic": 0, "total": 2, "shortfall": 0}
    assert result["cost"]["requests"] == 0


def test_extra_human_points_are_trained_on(tmp_path: Path) -> None:
    config = _config("n_train=4", "synth_frac=1", "extra_human=3")
    result = _run(_recorded(config, tmp_path), tmp_path / "cell")
    assert result["counts"] == {"human": 3, "synthetic": 4, "total": 7, "shortfall": 0}
    assert result["human_labels"]["in_training"] == 3


def test_an_untrained_model_can_be_evaluated(tmp_path: Path) -> None:
    result = _run(_config("n_train=0", "synth_frac=0.5"), tmp_path / "cell")
    assert (result["training"]["steps"], result["training"]["final_loss"]) == (0, None)
    assert result["scores"]["squad_f1"]["n"] == 5


def test_machine_annotation_keeps_the_human_texts(tmp_path: Path) -> None:
    config = _config(
        "dataset=table", _table(tmp_path), "prompt_model=recorded", "strategy=annotate", "n_train=6", "synth_frac=1"
    )
    config = _recorded(config, tmp_path)
    dataset, plan = _loaded(config)
    twins = write(plan, dataset, config)
    assert {i: twin.text for i, twin in twins.by_id.items()} == {e.id: e.text for e in plan.to_replace}
    assert twins.shown == frozenset()
    audit = _run(config, tmp_path / "cell")["audit"]
    assert (audit["twins_equal_to_their_human_point"], audit["twins_near_their_human_point"]) == (0, 0)


def test_classes_that_only_the_data_names_can_be_learnt_and_scored(tmp_path: Path) -> None:
    rows = [
        [f"Paper {i} on {('filters', 'proofs', 'robots')[i % 3]}", ("ISCAS", "LICS", "ICRA")[i % 3]] for i in range(40)
    ]
    folder = write_csv(tmp_path / "title_conference.csv", ("Title", "Conference"), rows).parent
    result = _run(
        _config("dataset=conference_titles", f"dataset.path={folder}", "n_train=6", "synth_frac=0"), tmp_path / "cell"
    )
    assert {"accuracy", "macro_f1", "majority"} == set(result["scores"])
    assert {line["prediction"] for line in read_jsonl(tmp_path / "cell" / "predictions.jsonl")} <= {
        "ISCAS",
        "LICS",
        "ICRA",
    }


def test_another_dataset_may_be_the_test(tmp_path: Path) -> None:
    other = compose("dataset=table", _table(tmp_path, 30)).dataset
    config = _config("dataset=fieldnotes_fv", "n_train=4", "synth_frac=0", "test_dataset=table", "n_test=null")
    result = _run(config, tmp_path / "cell", other)
    targets = {e.id for e in data.load(other, config.task).test}
    lines = list(read_jsonl(tmp_path / "cell" / "predictions.jsonl"))
    assert len(lines) == len(targets) == result["scores"]["accuracy"]["n"]
    assert any("test points of table" in note for note in result["notes"])


def test_a_subset_of_test_points_is_the_same_for_every_seed_and_nested() -> None:
    dataset = _loaded(_config("n_train=0"))[0]
    few, more, everyone = (pipeline.select_test_points(dataset, n) for n in (5, 10, None))
    assert [e.id for e in few] == [e.id for e in more[:5]] and len(more) == 10
    assert everyone == dataset.test == pipeline.select_test_points(dataset, 10_000)
    turned = replace(dataset, test=dataset.test[::-1])
    assert pipeline.select_test_points(turned, 5) == few


def test_a_seed_changes_the_training_set_but_not_the_test(tmp_path: Path) -> None:
    cells = [_run(_config("n_train=4", "synth_frac=0", f"seed={seed}"), tmp_path / str(seed)) for seed in (0, 1)]
    ids = [[line["id"] for line in read_jsonl(tmp_path / str(seed) / "predictions.jsonl")] for seed in (0, 1)]
    assert ids[0] == ids[1]
    assert cells[0]["fingerprints"]["mixture"] != cells[1]["fingerprints"]["mixture"]
    assert cells[0]["fingerprints"]["dataset"] == cells[1]["fingerprints"]["dataset"]


def test_an_incomplete_recording_is_refused_before_training(tmp_path: Path) -> None:
    config = _recorded(_config("n_train=4", "synth_frac=0.5"), tmp_path)
    with pytest.raises(GenerationError, match="requests were not recorded"):
        _run(replace(config, strategy=replace(config.strategy, seed=1)), tmp_path / "cell")
    assert not (tmp_path / "cell" / "result.json").exists() and not (tmp_path / "cell" / "train.jsonl").exists()


def test_without_test_points_nothing_is_trained(tmp_path: Path) -> None:
    config = _config("dataset=table", _table(tmp_path), "dataset.test_share=0", "n_train=4", "synth_frac=0")
    with pytest.raises(DataError, match="there are no test points"):
        _run(config, tmp_path / "cell")
    assert read_json(tmp_path / "cell" / "status.json")["stage"] == "data"


def test_unknown_metrics_are_refused_before_the_data_is_read(tmp_path: Path) -> None:
    config = _config("dataset=table", "dataset.path=nowhere", "task.metrics=[accuracy,acuracy]")
    with pytest.raises(ConfigError, match="acuracy +is no metric; did you mean 'accuracy'"):
        _run(config, tmp_path / "cell")
