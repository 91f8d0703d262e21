"""Twins that were made elsewhere: who gets which row, what is wrong with a file, and what becomes of missing twins."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from config_groups import strategy
from conftest import TINY, Cli, claims, compose, write_csv

from littlehuman import data, pipeline, twins
from littlehuman.config.identity import run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, DataError, GenerationError
from littlehuman.mixture import mixing
from littlehuman.prompt_models.provided import Provided
from littlehuman.records import Dataset, Example, Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import PromptModelConfig, Provider
from littlehuman.store import read_json
from littlehuman.twins import Twins

FACTS = ("unsupported", "supported")
FEW, FREE, ANNOTATE = (strategy(name) for name in ("few_shot", "few_shot_free", "annotate"))
# Two passages with two claims of each label.
POINTS = tuple(
    Example(f"{place}-{label[0]}{number}", f"About the {place}.", f"A {label} claim {number}.", (label,))
    for place in ("mill", "quay")
    for label in FACTS
    for number in (1, 2)
)
DATASET = Dataset("places", POINTS, (), (), FACTS)


def file(folder: Path, *rows: Mapping[str, Any]) -> Path:
    path = folder / "twins.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def provided(
    path: Path, how: Any = FEW, dataset: Dataset = DATASET, task: str = "fv", labels: Any = None, **columns: str
) -> Provided:
    model = PromptModelConfig(name="provided", provider=Provider.provided, path=str(path))
    return Provided(replace(model, columns=replace(model.columns, **columns)), dataset, how, task, labels)


def texts(given: Provided, points: Sequence[Example] = POINTS) -> dict[str, str]:
    found = {point.id: given.twin_of(point) for point in points}
    return {name: twin.text for name, twin in found.items() if isinstance(twin, Synthetic)}


# --- who gets which row ------------------------------------------------------------------------


def test_a_row_stands_for_the_point_whose_id_it_has(tmp_path: Path) -> None:
    given = provided(file(tmp_path, {"id": "quay-s1", "text": "New.", "target": "supported"}))
    twin = given.twin_of(POINTS[6])
    assert isinstance(twin, Synthetic)
    assert (twin.example_id, twin.evidence, twin.text, twin.target) == (
        "quay-s1",
        "About the quay.",
        "New.",
        "supported",
    )
    assert given.twin_of(POINTS[0]) == Rejected(POINTS[0].id, RejectionCause(RejectionKind.NOT_PROVIDED), "", asked=0)
    assert given.has(POINTS[6]) and not given.has(POINTS[0])


def test_a_row_without_id_stands_for_a_point_on_its_evidence_with_its_label_and_is_used_once(tmp_path: Path) -> None:
    rows = [{"evidence": "about  the MILL.", "claim": f"New {n}.", "label": "True"} for n in (1, 2, 3)]
    given = provided(file(tmp_path, *rows, {"evidence": "About the mill.", "claim": "Wrong.", "label": "False"}))
    assert texts(given) == {"mill-s1": "New 1.", "mill-s2": "New 2.", "mill-u1": "Wrong."}
    assert [row.text for row in given.unmatched] == ["New 3."]


def test_a_label_that_was_not_requested_goes_to_any_point_on_the_evidence(tmp_path: Path) -> None:
    rows = [{"evidence": "About the mill.", "text": f"New {n}.", "target": "True"} for n in range(4)]
    assert sorted(texts(provided(file(tmp_path, *rows), FREE)).values()) == [f"New {n}." for n in range(4)]
    assert len(texts(provided(file(tmp_path, *rows)))) == 2


def test_an_id_goes_before_the_evidence(tmp_path: Path) -> None:
    rows = [
        {"evidence": "About the mill.", "text": "By evidence.", "target": "supported"},
        {"id": "mill-s1", "evidence": "About the mill.", "text": "By id.", "target": "supported"},
    ]
    assert texts(provided(file(tmp_path, *rows))) == {"mill-s1": "By id.", "mill-s2": "By evidence."}


def test_ids_of_somebody_elses_do_not_matter_where_the_evidence_is_known(tmp_path: Path) -> None:
    given = provided(file(tmp_path, {"id": 7, "evidence": "About the mill.", "text": "New.", "target": "supported"}))
    assert texts(given) == {"mill-s1": "New."}


def test_who_gets_which_row_does_not_depend_on_the_order_of_the_points(tmp_path: Path) -> None:
    path = file(
        tmp_path, *({"evidence": "About the mill.", "text": f"New {n}.", "target": "supported"} for n in range(2))
    )
    assert texts(provided(path)) == texts(provided(path, dataset=replace(DATASET, train=POINTS[::-1])))


def test_rows_that_match_no_point_are_counted_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    rows = [
        {"id": "mill-s1", "text": "New.", "target": "supported"},
        {"id": "mill-s1", "text": "Again.", "target": "supported"},
    ]
    given = provided(file(tmp_path, *rows, {"evidence": "About the moon.", "text": "Far.", "target": "supported"}))
    assert texts(given) == {"mill-s1": "New."}
    assert "3 rows, 1 of which stand for a training point of places" in caplog.text
    assert (
        f"2 rows match no training point that another row does not stand for (first: {given.path}: row 2)"
        in caplog.text
    )


@pytest.mark.parametrize("label", ["supported", "True", "true.", "SUPPORTS", "supports"])
def test_a_label_is_a_class_or_the_strategys_word_or_the_datasets_own(tmp_path: Path, label: str) -> None:
    given = provided(
        file(tmp_path, {"id": "mill-s1", "text": "New.", "target": label}), labels={"SUPPORTS": "supported"}
    )
    twin = given.twin_of(POINTS[2])
    assert isinstance(twin, Synthetic) and twin.target == "supported"


UNUSABLE = {
    "another label": (
        {"target": "False"},
        "label unsupported returned, supported requested",
        ("supported", "unsupported"),
    ),
    "an unknown label": ({"target": "perhaps"}, "unknown label: perhaps", ()),
    "no label": ({"target": None}, "no target", ()),
    "no text": ({"text": " "}, "no text", ("supported", "supported")),
    "other evidence": (
        {"evidence": "About the moon."},
        "made for other evidence than that of its point",
        ("supported", "supported"),
    ),
}


@pytest.mark.parametrize(("values", "reason", "labels"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_a_row_that_is_no_twin_is_rejected_with_its_reason(
    tmp_path: Path, values: dict[str, Any], reason: str, labels: tuple[str, ...]
) -> None:
    given = provided(file(tmp_path, {"id": "mill-s1", "text": "New.", "target": "supported", **values}))
    read = given.twin_of(POINTS[2])
    assert isinstance(read, Rejected) and (read.reason, read.labels) == (reason, labels)


def test_a_free_label_is_kept_whatever_the_human_one_is(tmp_path: Path) -> None:
    twin = provided(file(tmp_path, {"id": "mill-s1", "text": "New.", "target": "False"}), FREE).twin_of(POINTS[2])
    assert isinstance(twin, Synthetic) and twin.target == "unsupported"


def test_annotated_points_keep_the_human_text(tmp_path: Path) -> None:
    rows = [
        {"id": "mill-s1", "target": "False"},
        {"evidence": POINTS[3].evidence, "text": POINTS[3].text, "target": "True"},
    ]
    given = provided(file(tmp_path, *rows), ANNOTATE)
    assert texts(given) == {"mill-s1": POINTS[2].text, POINTS[3].id: POINTS[3].text}


def test_questions_take_the_first_answer_of_a_list(tmp_path: Path) -> None:
    questions = Dataset("q", (Example("q1", "About the mill.", "Who?", ("Ann",)),), (), ())
    given = provided(
        file(tmp_path, {"id": "q1", "question": "When?", "answer": ["at noon", "noon"]}), dataset=questions, task="qa"
    )
    twin = given.twin_of(questions.train[0])
    assert isinstance(twin, Synthetic) and (twin.text, twin.target) == ("When?", "at noon")


# --- the file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_the_kinds_of_files(tmp_path: Path, suffix: str) -> None:
    path, row = tmp_path / f"twins.{suffix}", {"id": "mill-s1", "text": "New, and newer.", "target": "supported"}
    if suffix == "parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist([row]), path)
    elif suffix == "csv":
        path.write_text('id,text,target\nmill-s1,"New, and newer.",supported\n')
    else:
        path = file(tmp_path, row)
    assert texts(provided(path)) == {"mill-s1": "New, and newer."}


def test_a_setting_names_other_columns(tmp_path: Path) -> None:
    path = file(tmp_path, {"point": "mill-s1", "hypothesis": "New.", "gold": {"label": "supported"}})
    assert texts(provided(path, id="point", text="hypothesis", target="gold.label")) == {"mill-s1": "New."}


def test_human_points_in_an_export_are_left_out(tmp_path: Path) -> None:
    human = {"id": "mill-s2", "text": "Human.", "target": "supported", "origin": "human"}
    path = file(tmp_path, human, {"id": "mill-s1", "text": "New.", "target": "supported", "origin": "synthetic"})
    assert texts(provided(path)) == {"mill-s1": "New."}


WRONG = {
    "no text": (
        {"id": "a", "target": "x"},
        "row 1: no column text or claim or question; there is: id, target",
        "columns.text=NAME",
    ),
    "no target": (
        {"id": "a", "text": "x"},
        "row 1: no column target or label or answer; there is: id, text",
        "columns.target=NAME",
    ),
    "no point": ({"text": "x", "target": "y"}, "row 1: neither an id nor an evidence says which", "columns.id=NAME"),
    "an empty point": (
        {"id": "", "text": "x", "target": "y"},
        "row 1: neither an id nor an evidence says which",
        "columns.id=NAME",
    ),
}


@pytest.mark.parametrize(("row", "what", "mend"), WRONG.values(), ids=WRONG.keys())
def test_an_error_names_file_row_and_mend(tmp_path: Path, row: dict[str, Any], what: str, mend: str) -> None:
    path = file(tmp_path, row)
    with pytest.raises(DataError) as error:
        provided(path)
    assert str(error.value).startswith(f"{path}: {what}") and f"prompt_model.{mend}" in str(error.value)


def test_a_column_that_a_setting_names_and_the_file_lacks(tmp_path: Path) -> None:
    path = file(tmp_path, {"id": "a", "text": "x", "target": "y"})
    with pytest.raises(
        DataError, match=r"row 1: no column 'txt'; did you mean 'text'\?.*\nTry: prompt_model.columns.text=NAME"
    ):
        provided(path, text="txt")


def test_a_torn_line_is_said_with_its_number(tmp_path: Path) -> None:
    path = file(tmp_path, {"id": "a", "text": "x", "target": "y"})
    path.write_text(path.read_text() + '{"id": "b"')
    with pytest.raises(DataError, match=r"twins.jsonl: line 2 is no json"):
        provided(path)


def test_a_file_that_is_not_there_or_not_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"prompt_model.path=.*none.jsonl: there is no such file or folder"):
        provided(tmp_path / "none.jsonl")
    with pytest.raises(DataError, match="holds no table; known are .csv"):
        provided(tmp_path)
    with pytest.raises(ConfigError, match=r"prompt_model.path=null  names no file of twins"):
        Provided(PromptModelConfig(provider=Provider.provided), DATASET, FEW, "fv")


# --- in a run ----------------------------------------------------------------------------------


@pytest.fixture
def config(tmp_path: Path) -> RunConfig:
    """Eight points of forty claims, half of them synthetic; the file is still to be written."""
    table = write_csv(tmp_path / "claims.csv", ("evidence", "text", "target"), claims(40))
    data_is = (
        "dataset=table",
        "task=fv",
        f"dataset.path={table}",
        "dataset.labels={supported: supported, unsupported: unsupported}",
    )
    found: RunConfig = compose(
        *TINY,
        *data_is,
        "prompt_model=provided",
        f"prompt_model.path={tmp_path / 'twins.jsonl'}",
        "n_train=8",
        "synth_frac=0.5",
    )
    return found


def written(config: RunConfig) -> tuple[Dataset, mixing.MixturePlan, Twins]:
    dataset = data.load(config.dataset, config.task)
    plan = mixing.plan_mixture(dataset.train, pipeline.mixture_spec(config))
    return dataset, plan, twins.write(plan, dataset, config)


def rows_for(points: Sequence[Example], **values: Any) -> list[dict[str, Any]]:
    return [{"id": e.id, "text": f"A new claim about {e.id}.", "target": e.target, **values} for e in points]


def planned(config: RunConfig) -> mixing.MixturePlan:
    return mixing.plan_mixture(data.load(config.dataset, config.task).train, pipeline.mixture_spec(config))


def test_provided_twins_cost_nothing_and_what_their_prompts_showed_is_said_to_be_unknown(
    config: RunConfig, tmp_path: Path
) -> None:
    file(tmp_path, *rows_for(planned(config).to_replace))
    _, plan, found = written(config)
    assert list(found.by_id) == [e.id for e in plan.to_replace] and not found.rejected
    assert (found.bill.requests, found.bill.usd, found.shown) == (0, 0.0, frozenset())


def test_missing_twins_are_topped_up_by_spare_points_that_have_one(config: RunConfig, tmp_path: Path) -> None:
    plan = planned(config)
    spares = plan.spares[-4:]  # the last ones in line
    file(tmp_path, *rows_for([*plan.to_replace[1:], *spares]))
    _, plan, found = written(config)
    missing = plan.to_replace[0]
    stand_in = next((e for e in spares if e.target == missing.target), spares[0])
    assert [(r.example_id, r.reason) for r in found.rejected] == [(missing.id, "not provided")]
    assert list(found.by_id) == [*(e.id for e in plan.to_replace[1:]), stand_in.id]


def test_too_few_provided_twins_are_a_shortfall_and_no_error(config: RunConfig, tmp_path: Path) -> None:
    config = replace(config, n_train=24, synth_frac=1.0)
    file(tmp_path, *rows_for(planned(config).to_replace[:1]))  # fewer than one in ten
    _, plan, found = written(config)
    assert mixing.mix(plan, found.by_id).counts["shortfall"] == 23 and len(found.rejected) == 23


def test_a_file_without_one_usable_twin_is_an_error_that_says_why(config: RunConfig, tmp_path: Path) -> None:
    file(tmp_path, {"id": "nobody", "text": "x", "target": "supported"})
    with pytest.raises(
        GenerationError, match=r"none of its 1 rows is a usable twin of table: no row stands for a point"
    ):
        written(config)
    file(tmp_path, *rows_for(planned(config).to_replace, target="perhaps"))
    with pytest.raises(GenerationError, match=r"none of its 4 rows is a usable twin of table: unknown label: perhaps"):
        written(config)


def test_smaller_sets_are_part_of_larger_ones(config: RunConfig, tmp_path: Path) -> None:
    dataset = data.load(config.dataset, config.task)
    file(
        tmp_path,
        *({"evidence": e.evidence, "text": f"About {e.id}, newly.", "target": e.target} for e in dataset.train),
    )
    few, many = written(config)[2].by_id, written(replace(config, synth_frac=1.0))[2].by_id
    assert few.items() <= many.items() and len(many) == 8


def test_filters_and_the_label_count_see_provided_twins_as_any_others(
    config: RunConfig, tmp_path: Path, cli: Cli, multirun: Path
) -> None:
    plan = planned(config)
    first, second, *rest = rows_for([*plan.to_replace, *plan.spares])
    other = {"supported": "unsupported", "unsupported": "supported"}
    file(tmp_path, {**first, "text": "Copy"}, {**second, "target": other[second["target"]]}, *rest)
    table = ("dataset=table", "task=fv", f"dataset.path={tmp_path / 'claims.csv'}")
    given = ("prompt_model=provided", f"prompt_model.path={tmp_path / 'twins.jsonl'}")
    rules = ("filter=rules", "filter.rules.no_copies=false", "filter.rules.near_duplicates=null")
    ended = cli(*TINY, *table, *given, *rules, "n_train=8", "synth_frac=0.5")
    assert ended.code == 0, ended.text
    result = read_json(next((multirun / "default").glob("*/result.json")))
    assert result["rejected_because"]["another label than requested"] == 1
    assert sum(count for reason, count in result["rejected_because"].items() if reason.startswith("rules: ")) == 1
    assert result["counts"] == {"human": 4, "synthetic": 4, "total": 8, "shortfall": 0}
    assert result["labels"][second["target"]][other[second["target"]]] == 1
    assert any("how many human points their prompts showed is not known" in note for note in result["notes"])
    assert result["cost"]["usd"] == 0 and result["audit"]["twins_equal_to_their_human_point"] == 0


def test_the_files_content_and_its_columns_are_part_of_the_run_and_its_place_is_not(
    config: RunConfig, tmp_path: Path
) -> None:
    path = file(tmp_path, {"id": "a", "text": "x", "target": "y"})
    before = run_id(config)
    moved = path.rename(tmp_path / "elsewhere.jsonl")
    model = replace(config.prompt_model, path=str(moved))
    assert run_id(replace(config, prompt_model=model)) == before
    assert run_id(replace(config, prompt_model=replace(model, columns=replace(model.columns, text="claim")))) != before
    file(tmp_path, {"id": "a", "text": "another", "target": "y"})
    assert run_id(config) != before


def test_a_filter_that_asks_needs_a_model_of_its_own(config: RunConfig, tmp_path: Path) -> None:
    from littlehuman.prompt_models import open_model

    with pytest.raises(ConfigError, match="prompt_model=provided  has its twins in a file and answers no requests"):
        open_model(config.prompt_model)
