"""`littlehuman plan --pilot`: the answer of planted pilots, what is refused, and stated parts instead of a pilot."""

from __future__ import annotations

import json
import math
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from study_factory import write_study

from littlehuman import plan
from littlehuman.economics import pilot
from littlehuman.economics.pilot import Wanted, curves_of_pilot, of_pilot
from littlehuman.errors import LittlehumanError
from littlehuman.reporting import sample_size_text
from littlehuman.stats import analyse, sample_size
from littlehuman.stats.power import Design, Variation, power, smallest_detectable

TWO = (0.0, 0.9)  # shares of a small pilot
# Items are new draws in every run, so the truth is known: a difference of two of them has the variance 2 p (1 - p).
KNOWN = {
    "truth": lambda human, synthetic: 0.65,
    "scatter": 1.0,
    "seed_sd": 0.03,
    "items": 300,
    "fractions": (0, 0.5, 1),
}


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of words and forms, which need no exact numbers."""
    monkeypatch.setattr(sample_size, "DRAWS", 20)


def level(curve: Any) -> float:
    """The true score of a planted curve, which has a level of its own."""
    return float(curve.table["mean"].mean())


def asked(capsys: pytest.CaptureFixture[str], *words: object) -> Any:
    assert plan.main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_a_planted_pilot_finds_its_variation_and_the_difference_that_follows_from_it(tmp_path: Path) -> None:
    (curve,) = curves_of_pilot(write_study(tmp_path / "pilot", seeds=range(20), **KNOWN))
    answer = of_pilot(tmp_path / "pilot", curve, Wanted(seeds=3))
    mean = level(curve)
    truth = Variation(0.03, 0.0, math.sqrt(2 * mean * (1 - mean)))
    assert answer.sizes.limits is not None
    low, high = answer.sizes.limits
    assert low < 0.03 < high and answer.sizes.varies.noise_sd == pytest.approx(truth.noise_sd, rel=0.05)
    design = Design(3, 3, 300)
    assert answer.sizes.asked.smallest[3] == pytest.approx(smallest_detectable(design, truth), rel=0.15)
    assert power(answer.sizes.asked.smallest[3], design, truth) == pytest.approx(0.8, abs=0.15)


@pytest.mark.slow
def test_of_studies_with_the_difference_that_a_pilot_states_eight_of_ten_find_it(tmp_path: Path) -> None:
    (curve,) = curves_of_pilot(write_study(tmp_path / "pilot", seeds=range(40), **KNOWN))
    drop = of_pilot(tmp_path / "pilot", curve, Wanted(seeds=3)).sizes.asked.smallest[3]
    later = {**KNOWN, "truth": lambda human, synthetic: 0.65 - drop * (human == 0)}
    study = write_study(tmp_path / "later", datasets=[f"data{k}" for k in range(10)], seeds=range(30), **later)
    found = []
    for one in curves_of_pilot(study):
        assert one.statistics is not None
        for first in range(0, 30, 3):
            (_, _, last) = analyse(one.statistics.scores.scores[:, first : first + 3]).differences
            found.append(last is not None and last.interval.high < 0)
    assert sum(found) / len(found) == pytest.approx(0.8, abs=0.12)  # 100 studies, and a pilot that knows 10 % wrong


@pytest.fixture(scope="module")
def clustered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pilot of two series, with test items on passages."""
    return write_study(
        tmp_path_factory.mktemp("studies") / "pilot",
        datasets=("wanli", "squad"),
        fractions=(0.0, 0.5, 0.9),
        seeds=(0, 1, 2),
        items=200,
        passage=5,
        icc=0.3,
        seed_sd=0.02,
    )


@pytest.mark.usefixtures("few_draws")
def test_the_command_prints_the_answer_first_then_table_and_parts_and_draws_them(
    clustered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan.main(["--pilot", str(clustered), "--items", "5000", "--delta", "0.05"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("squad: ") and "\n\nwanli: " in text
    first = text.splitlines()[0]
    assert (
        "a drop of 5 percentage points with 80 % power" in first and "5,000 test items" in first and "3 seeds" in first
    )
    for said in ("texts (clusters)", "40 passages", "95 % interval", "degrees of freedom", "(icc)", "seeds to run"):
        assert said in text
    files = [Path(line) for line in text.splitlines()[-2:]]
    assert files == [clustered / "figures" / f"sample_size.{kind}" for kind in ("png", "svg")]
    assert files[0].read_bytes().startswith(b"\x89PNG") and "<svg" in files[1].read_text()


@pytest.mark.usefixtures("few_draws")
def test_json_has_the_same_numbers_and_a_series_can_be_chosen(
    clustered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = asked(capsys, "--pilot", clustered, "--series", "wanli", "--seeds", 4)
    (one,) = value["series"]
    assert one["name"] == "wanli" and one["metric"] == "accuracy" and one["seeds"] == 4 and one["shares"] == 3
    assert one["items"] == 200 and one["variation"]["cluster_size"] == 5
    assert one["variation"]["seed_sd_low"] <= one["variation"]["seed_sd"] <= one["variation"]["seed_sd_high"]
    own = next(column for column in one["table"] if column["items"] == 200)
    assert own.items() <= one["answer"].items() and own["clusters"] == 40
    assert [cell["seeds"] for cell in own["smallest"]] == [2, 3, 4, 5, 8]
    assert all(Path(file).is_file() for file in value["figure"]) and len(value["figure"]) == 2


def test_stated_parts_answer_without_a_study_and_draw_where_they_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    stated = ("--seed-sd", 0.01, "--item-sd", 0.15, "--icc", 0.05, "--clusters", 200, "--shares", 4)
    value = asked(capsys, *stated)
    expected = smallest_detectable(Design(4, 3, 1_000, 200), Variation(0.01, 0.15, 0, 0.05))
    cells = {cell["seeds"]: cell["difference"] for cell in value["answer"]["smallest"]}
    assert cells[3] == pytest.approx(expected, rel=0.03)
    assert value["figure"] == [] and value["variation"]["seed_sd_high"] is None
    monkeypatch.setattr(sample_size, "DRAWS", 20)  # the numbers were looked at
    drawn = asked(capsys, *stated, "--figure", tmp_path / "new" / "size.png")["figure"]
    assert [Path(file).name for file in drawn] == ["size.png", "size.svg"] and Path(drawn[0]).is_file()


@pytest.mark.usefixtures("few_draws")
def test_the_sentence_says_how_many_seeds_are_enough_and_what_those_asked_about_find() -> None:
    def said(item_sd: float, **wanted: Any) -> str:
        return sample_size_text.sentence(pilot.of_stated(pilot.stated(0.01, item_sd), Wanted(**wanted)).sizes)

    assert said(0.01, drop=0.05, shares=3).startswith(
        "3 seeds on 1,000 test items are enough to find a drop of 5 percentage points"
    )
    assert said(0.1, drop=0.03, shares=3).startswith("To find a drop of 3 percentage points with 80 % power, run ")
    none = said(0.3, drop=0.01, shares=3)
    assert (
        none.startswith("No number of seeds up to 20 finds a drop of 1 percentage point") and ", nor on 5,000" in none
    )


BAD_PILOTS: dict[str, tuple[dict[str, Any], str, str]] = {
    "one seed": ({"seeds": (0,)}, "no two shares have two seeds in common", "seed=0,1"),
    "seeds apart": (
        {"seeds": (0, 1), "absent": [(0.0, 0), (0.9, 1)]},
        "no two shares have two seeds in common",
        "seed=0,1",
    ),
    "one share": ({"fractions": (0.9,)}, "there is no curve over the synthetic share", "synth_frac=0,0.9"),
    "empty answers": (
        {"qa": True, "seeds": (0, 1), "empty": [(share, seed) for share in TWO for seed in (0, 1)]},
        "all runs answer every test item alike",
        "report",
    ),
    "one text": ({"passage": 60, "seeds": (0, 1)}, "all test items share one text", "a larger n_test"),
    "nothing complete": (
        {"seeds": (0,), "failing": {(share, 0): "no memory" for share in TWO}},
        "none of the 2 cells",
        "the sweep's command again",
    ),
}


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize("case", BAD_PILOTS)
def test_a_pilot_that_cannot_answer_is_one_error_with_its_mend(
    case: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    planted, what, mend = BAD_PILOTS[case]
    study = write_study(tmp_path / "pilot", **{"fractions": TWO, "items": 60, **planted})
    assert plan.main(["--pilot", str(study)]) == 1
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("DataError: ") and str(study) in told.err
    problem, tried = re.split("\n(?:Try|Fix): ", told.err.strip())
    assert what in problem and mend in tried and not (study / "figures").exists()
    if "synth_frac" in tried:
        words = shlex.split(tried)
        assert f"study={study.name}" in words and "dataset=wanli" in words and "n_train=5000" in words


@pytest.mark.usefixtures("few_draws")
def test_a_pilot_whose_predictions_are_gone_is_told_to_state_the_variation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path / "pilot", fractions=TWO, seeds=(0, 1), items=60)
    for file in study.glob("*/predictions.jsonl"):
        file.unlink()
    assert plan.main(["--pilot", str(study)]) == 1
    told = capsys.readouterr().err
    assert "no scores of single test items for accuracy" in told
    words = shlex.split(told.split("Try: ")[1].split("\n")[0])
    assert plan.main(words[words.index("plan") + 1 :]) == 0


@pytest.mark.usefixtures("few_draws")
def test_a_series_without_an_answer_stands_beside_those_that_have_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = write_study(tmp_path / "pilot", datasets=("wanli",), fractions=TWO, seeds=(0, 1), items=60)
    write_study(study, datasets=("squad",), fractions=TWO, seeds=(0,), items=60)
    assert plan.main(["--pilot", str(study)]) == 0
    text = capsys.readouterr().out
    assert text.startswith("wanli: ") and "series squad: no two shares have two seeds in common" in text


@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--pilot", "nowhere"), "nowhere: is no folder"),
        (("--pilot", "STUDY", "--series", "wanly"), "did you mean 'wanli'?"),
        (("--pilot", "STUDY", "--metric", "accurac"), "did you mean 'accuracy'?"),
        (("--pilot", "STUDY", "--seeds", "1"), "seeds=1  must be from 2 to 20"),
        (("--pilot", "STUDY", "--delta", "2"), "two percentage points are 0.02"),
        (("--seed-sd", "1", "--item-sd", "-30"), "seed-sd=1    must be from 0 to 0.5; one point is 0.01"),
        (("--seed-sd", "1", "--item-sd", "-30"), "item-sd=-30  must be from 0 to 1"),
        (("--seed-sd", "nan", "--item-sd", "0.3"), "seed-sd=nan"),
        (("--seed-sd", "0.01", "--item-sd", "0.3", "--clusters", "5000"), "clusters=5000  must be from 2 to the 1,000"),
        (("--seed-sd", "0.01", "--item-sd", "0.3", "--figure", "/dev/null/x"), "cannot be written"),
    ],
)
def test_numbers_that_cannot_be_are_one_error(
    words: tuple[str, ...], text: str, clustered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan.main([str(clustered) if word == "STUDY" else word for word in words]) == 1
    told = capsys.readouterr()
    assert told.out == "" and text in told.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--pilot", "x", "--budget", "5"), "--budget: what to buy; --pilot: how large a study must be"),
        (("study", "--delta", "0.05"), "STUDY: what to buy; --delta: how large a study must be (--pilot STUDY)"),
        (("--pilot", "x", "--seed-sd", "0.1"), "--seed-sd: --pilot measures the variation"),
        (("--seed-sd", "0.1"), "give --pilot STUDY, or --seed-sd, --item-sd both"),
        (("--delta", "0.1"), "give --pilot STUDY"),
        (("--seed-sd", "0.1", "--item-sd", "0.3", "--series", "x"), "--series: there is no pilot study to choose from"),
        (("--seed-sd", "0.1", "--item-sd", "0.3", "--icc", "0.3"), "--icc is a correlation within clusters"),
        ((), "give STUDY and --human-price (what to buy), or --pilot STUDY"),
        (("study", "--budget", "5"), "--human-price is missing"),
    ],
)
def test_options_of_two_questions_are_wrong_usage(
    words: tuple[str, ...], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        plan.main(list(words))
    assert end.value.code == 2 and text in capsys.readouterr().err


@pytest.mark.usefixtures("few_draws")
def test_a_collapsed_training_is_named_beside_the_answer(tmp_path: Path) -> None:
    study = write_study(
        tmp_path / "pilot", fractions=TWO, seeds=(0, 1, 2), items=150, qa=True, outlying={(0.9, 1): -0.7}
    )
    (curve,) = curves_of_pilot(study)
    assert "the training collapsed" in sample_size_text.text(of_pilot(study, curve, Wanted()))


@pytest.mark.usefixtures("few_draws")
def test_a_pilot_of_few_items_does_not_pretend_to_know_the_seeds(tmp_path: Path) -> None:
    study = write_study(tmp_path / "pilot", fractions=TWO, seeds=(0, 1), items=60)
    (curve,) = curves_of_pilot(study)
    answer = of_pilot(study, curve, Wanted(items=5_000))
    assert "plan for the upper end" in sample_size_text.text(answer)
    assert answer.sizes.asked_at_upper is not None and answer.sizes.asked_at_upper.fewest is None


def test_what_is_refused_is_an_error_of_ours() -> None:
    with pytest.raises(LittlehumanError, match="icc=2"):
        pilot.stated(0.01, 0.3, 0, 2)
