"""The replication: files that hold all its numbers, rules that decide as the design says, a check that sees a digit."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import compose, python
from study_factory import write_study

from benchmarks.replication import check, data, page, results
from benchmarks.replication.__main__ import main
from benchmarks.replication.analysis import Arms, controls, entry, hypotheses, of_set
from benchmarks.replication.design import EXCHANGED, EXCHANGES, OTHERS, STEPS, Set, one_cell, sets, step
from littlehuman.errors import DataError
from littlehuman.prompt_models.cache import lookup
from littlehuman.records import Example
from littlehuman.store import read_jsonl
from littlehuman.study.item_scores import item_scores
from littlehuman.study.load import load

SMALL = Set(
    *("small", ["dataset=fieldnotes_fv"], ["task=fv", "model=tiny"]),
    **{
        "pool": 60,
        "n": 1000,
        "curve": [500, 1000],
        "seeds": 3,
        "margin": 5,
        "detectable": 2,
        "minutes": 1,
        "twin_s": 1,
    },
)


def _planted(folder: Path, fall: float = 0.0, **changes: object) -> Arms:
    """The main study, with what the last tenth of the human points is worth."""
    values = {"items": 1500, "truth": lambda human, _: 0.8 - fall * (human == 0), "sizes": (1000,), **changes}
    return Arms(SMALL, load(write_study(folder, **values)))


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Published files of a planted study."""
    place = tmp_path_factory.mktemp("published")
    results.pack(write_study(place / "study", sizes=(1000,), control=True), place / "results" / "small.json.gz")
    (place / page.README).write_text(f"# Title\n\n{page.BEGIN}\n{page.END}\n\nEnd.\n")
    page.write(place, [SMALL])
    assert list(check.problems(place, [SMALL])) == []
    return place


@pytest.fixture
def docs(published: Path, tmp_path: Path) -> Path:
    """A copy of them, to be changed."""
    return Path(shutil.copytree(published, tmp_path / "docs", ignore=shutil.ignore_patterns("study")))


def test_the_published_numbers_are_those_of_the_committed_files() -> None:
    assert list(check.problems(page.DOCS, list(sets().values()))) == []


@pytest.mark.slow
def test_a_results_file_gives_back_the_scores_settings_and_clusters_of_real_runs(
    real_study: Path, tmp_path: Path
) -> None:
    results.pack(real_study, tmp_path / "small.json.gz")
    before, after = (
        load(folder) for folder in (real_study, results.unpack(tmp_path / "small.json.gz", tmp_path / "s"))
    )
    done = before[before["state"] == "done"].set_index("cell")
    columns = ["score", "synth_frac", "n_train", "seed", "n_human", "n_synthetic", "prompt_model", "synthetic"]
    pd.testing.assert_frame_equal(done[columns], after.set_index("cell")[columns], check_dtype=False)
    for cell in done.index:
        (one,), (other,) = (f[f["cell"] == cell].to_dict("records") for f in (before, after))
        read = [item_scores(pd.DataFrame([row]), row["metric"]) for row in (one, other)]
        assert read[0] is not None and read[1] is not None and read[0].items == read[1].items
        np.testing.assert_allclose(read[0].scores, read[1].scores, atol=0.5 / results.UNIT)
    texts = {row["prediction"] for row in read_jsonl(next(real_study.glob("*/predictions.jsonl")))} - {""}
    held = gzip.decompress((tmp_path / "small.json.gz").read_bytes()).decode()
    assert not [text for text in texts if json.dumps(text) in held]


def test_the_same_runs_give_the_same_bytes(real_study: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        results.pack(real_study, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_item_scores_that_do_not_come_to_the_stated_score_are_refused(docs: Path, tmp_path: Path) -> None:
    file = docs / "results" / "small.json.gz"
    value = results.read(file)
    cell = next(iter(value["cells"].values()))
    cell["item_scores"] = cell["item_scores"].replace("1", "0", 2)
    file.write_bytes(gzip.compress(json.dumps(value).encode()))
    with pytest.raises(DataError, match="do not come to"):
        results.unpack(file, tmp_path / "again")


@pytest.mark.parametrize("name", [page.README, page.NUMBERS, "results/small.json.gz"])
def test_a_changed_digit_in_a_published_file_is_found(docs: Path, name: str) -> None:
    file = docs / name
    packed = name.endswith(".gz")
    text = gzip.decompress(file.read_bytes()).decode() if packed else file.read_text()
    changed = re.sub(r"\d(?=\D*$)", lambda digit: str((int(digit[0]) + 1) % 10), text)
    file.write_bytes(gzip.compress(changed.encode()) if packed else changed.encode())
    assert list(check.problems(docs, [SMALL]))


def test_a_fall_without_the_last_human_points_confirms_the_papers_three_claims(tmp_path: Path) -> None:
    found = dict(hypotheses(_planted(tmp_path, fall=0.2)))
    assert {name: one["state"] for name, one in found.items()} == {"H1": "held", "H2": "held", "H3": "held"}
    assert found["H2"]["value"] == pytest.approx(-0.2, abs=0.05) and found["H3"]["value"] == pytest.approx(
        0.2, abs=0.05
    )


def test_a_fall_up_to_nine_tenths_refutes_the_papers_claims(tmp_path: Path) -> None:
    falling = _planted(tmp_path, truth=lambda human, _: 0.8 - 0.3 * (human <= 100))
    found = dict(hypotheses(falling))
    assert (found["H1"]["state"], found["H2"]["state"]) == ("refuted", "refuted")


def test_where_shares_hardly_differ_the_last_claims_are_not_known(tmp_path: Path) -> None:
    found = dict(hypotheses(_planted(tmp_path, items=200)))
    assert {found["H2"]["state"], found["H3"]["state"]} == {"not known"} and found["H3"]["detectable"] > 0


def test_nothing_is_decided_while_a_seed_is_missing(tmp_path: Path) -> None:
    found = dict(hypotheses(_planted(tmp_path, fall=0.2, absent=[(0.975, 2)])))
    assert found == {name: {"state": "incomplete", "seeds": 2} for name in ("H1", "H2", "H3")}


def test_the_worth_of_a_human_point_needs_its_whole_grid(tmp_path: Path) -> None:
    one = replace(SMALL, human=50)
    grid = {"fractions": (1.0,), "sizes": one.sizes, "extra_human": (0, 50), "items": 400}
    write_study(tmp_path, **grid, truth=lambda human, synthetic: 0.5 + 0.06 * np.log1p(synthetic / 100) + human / 500)
    found = dict(hypotheses(Arms(one, load(tmp_path))))["H4"]
    assert found["at"] == 1000 and found["low"] > 0 and found["state"] in ("held", "not known")
    part = load(tmp_path)
    part = part[(part["seed"] < 2) | (part["n_train"] > 200)]
    assert dict(hypotheses(Arms(one, part)))["H4"] == {"state": "incomplete", "seeds": 2}


def test_the_controls_are_seen_and_not_seen(tmp_path: Path) -> None:
    _planted(tmp_path, control=True)
    falling = {"sizes": (1000,), "items": 1500, "truth": lambda human, synthetic: 0.8 - synthetic / 5000}
    write_study(tmp_path, **falling, fractions=EXCHANGES, prompt_models=(EXCHANGED,))
    arms = _planted(tmp_path, fractions=(1,), prompt_models=(OTHERS,))
    found = dict(controls(arms))
    assert found["positive"]["state"] == "held" and list(found["positive"]["shares"]) == ["0.1", "0.25", "0.5"]
    assert found["negative"]["state"] == "held" and found["negative"]["low"] < 0 < found["negative"]["high"]
    assert of_set(arms)["hypotheses"]["H1"]["state"] == "held"
    assert set(found["alone"]["shares"]) >= {"0.9", "0.95", "0.975"} and "style" not in found


def test_equal_shares_count_for_nothing_where_exchanged_labels_are_not_seen(tmp_path: Path) -> None:
    write_study(
        tmp_path, sizes=(1000,), items=1500, truth=lambda *_: 0.8, fractions=EXCHANGES, prompt_models=(EXCHANGED,)
    )
    found = of_set(_planted(tmp_path))
    assert found["controls"]["positive"]["state"] == "not known" and found["hypotheses"]["H1"]["state"] == "not known"
    assert found["hypotheses"]["H1"]["low"] > -0.05


@pytest.mark.parametrize(("top", "state"), [(0.9, "enters"), (0.3, "does not enter")])
def test_a_set_enters_by_how_far_its_human_learning_curve_rises(tmp_path: Path, top: float, state: str) -> None:
    write_study(
        tmp_path, fractions=(0,), sizes=(0, 500, 1000), truth=lambda human, _: 0.25 + (top - 0.25) * human / 1000
    )
    found = entry(Arms(SMALL, load(tmp_path)), 0.25)
    assert found["state"] == state and found["needed"] == 0.08 and list(found["scores"]) == ["0", "500", "1000"]


def test_the_page_says_so_where_nothing_was_run() -> None:
    assert "no results yet" in page.generated({"files": {}, "sets": {}})


def _points(count: int, classes: int = 4, start: int = 0) -> list[Example]:
    return [Example(f"p{i}", "", f"text {i}", (f"class {i % classes}",)) for i in range(start, start + count)]


def test_exchanged_labels_are_those_of_other_points_and_none_is_the_own_one() -> None:
    points = _points(40)
    rows = data.exchanged(points)
    own = {point.id: point.target for point in points}
    assert sorted(row["target"] for row in rows) == sorted(own.values())
    assert [row for row in rows if row["target"] == own[row["id"]]] == []


def test_other_human_points_are_of_the_same_class_from_outside_the_pool_and_used_once() -> None:
    pool, others = _points(40), _points(80, start=40)
    rows = data.replaced(pool, others, replace(SMALL, n=30), seed=1)
    classes = {point.text: point.target for point in others}
    assert len(rows) == 40 == len({row["text"] for row in rows})
    assert all(classes[row["text"]] == row["target"] for row in rows)


def test_a_recording_answers_the_requests_that_were_asked_and_holds_no_prompt(tmp_path: Path) -> None:
    rows = [
        {"key": f"{i:016x}", "text": f"Label: {i}", "finish": "stop", "prompt_tokens": 9, "completion_tokens": 3}
        for i in range(3)
    ]
    for name, part in (("a", rows[:2]), ("b", rows[1:])):
        (tmp_path / "cache" / name).mkdir(parents=True)
        (tmp_path / "cache" / name / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    assert results.record(tmp_path / "cache", tmp_path / "r.gz") == 3
    (tmp_path / "r.jsonl").write_bytes(gzip.decompress((tmp_path / "r.gz").read_bytes()))
    assert {c.key: c.text for c in lookup(tmp_path / "r.jsonl", [r["key"] for r in rows]).values()} == {
        r["key"]: r["text"] for r in rows
    }


@pytest.mark.parametrize(
    "name", ["squad", *(pytest.param(name, marks=pytest.mark.slow) for name in ("titles", "fever"))]
)
def test_each_step_is_a_valid_command(name: str, tmp_path: Path) -> None:
    for each in STEPS:
        for words in step(sets()[name], each, tmp_path).commands:
            if words[0] == "littlehuman":
                firsts = [word.split(",")[0] for word in words[3:]]
                assert compose(*firsts).study.startswith(f"replication-{name}")


def test_a_cell_is_run_again_by_the_recording_of_the_model_that_wrote_its_twins(tmp_path: Path) -> None:
    prompt_model = {"weights": "package:qwen2.5-coder-1.5b-instruct", "dtype": "bfloat16", "temperature": 0.7}
    knobs = {"synth_frac": 1.0, "n_train": 40, "extra_human": 10, "seed": 2, "prompt_model": prompt_model}
    config = compose(*one_cell(sets()["squad"], tmp_path, knobs, tmp_path / "r.jsonl")[3:])
    written = {name: getattr(config.prompt_model, name) for name in prompt_model}
    assert (config.prompt_model.provider.value, written) == ("recorded", prompt_model)
    assert (config.synth_frac, config.n_train, config.extra_human, config.seed) == (1.0, 40, 10, 2)


def test_steps_come_in_the_order_of_the_designs_cost_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--dry-run"]) == 0
    order = [line.split(":")[0][2:] for line in capsys.readouterr().out.splitlines() if line.startswith("# ")]
    assert order[:2] == ["banking77 curve", "titles curve"] and order.index("squad controls") < order.index(
        "titles worth"
    )
    assert order[-1] == "xquad controls" and len(order) == len(set(order))


@pytest.mark.slow
def test_the_whole_path_from_public_data_to_checked_numbers(tmp_path: Path) -> None:
    twins = tmp_path / "work" / "controls" / "tiny-others-s0.jsonl"
    small = {"source": ["dataset=fieldnotes_fv"], "words": ["task=fv", "model=tiny"], "n_test": 20, "pool": 24, "n": 20}
    small |= {"curve": [10, 20], "seeds": 2, "margin": 5, "detectable": -9, "human": 2, "minutes": 0.1, "twin_s": 1}
    small["writer"] = ["prompt_model=provided", f"prompt_model.path={twins}", "prompt_model.name=qwen-1.5b"]
    (tmp_path / "sets.yaml").write_text(json.dumps({"tiny": small}))
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / page.README).write_text(f"{page.BEGIN}\n{page.END}\n")
    common = ["-m", "benchmarks.replication"]
    places = ["--sets", str(tmp_path / "sets.yaml"), "--docs", str(docs), "--work", str(tmp_path / "work")]
    for action in ("run", "check"):
        ended = python(*common, action, *places, LITTLEHUMAN_MULTIRUN=str(tmp_path / "multirun"))
        assert ended.code == 0, ended.text
    said = json.loads((docs / page.NUMBERS).read_text())["sets"]["tiny"]
    assert {"H1", "H2", "H3", "H4"} == set(said["hypotheses"]) and said["incomplete"] == []
    assert {"positive", "negative", "style", "alone"} == set(said["controls"])
