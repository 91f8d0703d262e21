"""`littlehuman next`: the design is fixed before the first look; each call says what may be said and what to run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import compose
from study_factory import write_study

from littlehuman import next as command
from littlehuman.errors import DataError
from littlehuman.stats.looks import Looks
from littlehuman.store import read_json, write_json
from littlehuman.study import look_design
from littlehuman.study.look_design import SPENT

SHARES = (0.0, 0.5, 0.9, 1.0)
TYPED = ("dataset=wanli", "training.epochs=3")


def clear(human: int, synthetic: int) -> float:
    """Twins cost nothing up to 90 %, and 30 points where no human point is left."""
    return 0.8 if human else 0.5


@pytest.fixture
def study(multirun: Path) -> Callable[..., Path]:
    def write(seeds: Sequence[int] = (0, 1, 2), name: str = "s", **options: Any) -> Path:
        made = write_study(multirun / name, fractions=SHARES, seeds=seeds, **{"truth": clear, "items": 200, **options})
        for cell in made.glob("*/status.json"):
            hydra = cell.parent / ".hydra"
            hydra.mkdir(exist_ok=True)
            knobs = read_json(cell)["knobs"]
            axes = [f"{key}={knobs[key]}" for key in ("synth_frac", "seed")]
            (hydra / "overrides.yaml").write_text(json.dumps([*TYPED, *axes]))
        return made

    return write


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    def call(study: Path, *options: str, code: int = 0) -> str:
        assert command.main([str(study), *options]) == code
        got = capsys.readouterr()
        return got.err if code else got.out

    return call


@pytest.fixture
def asked(said: Callable[..., str]) -> Callable[..., dict[str, Any]]:
    return lambda study, *options: json.loads(said(study, *options, "--json"))


OPEN = {"truth": lambda human, _: 0.7 - 0.02 * (human < 5000), "scatter": 0.9, "items": 100, "seed_sd": 0.04}


def fixed(study: Path) -> dict[str, Any]:
    (design,) = read_json(study / look_design.FILE)["designs"]
    return dict(design)


def test_the_first_call_fixes_all_rules_before_the_first_look(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]]
) -> None:
    made = study(seeds=(0,))
    answer = asked(made, "--delta", "0.03", "--looks", "2,4", "--alpha", "0.1")
    design = fixed(made)
    assert answer["newly_fixed"] and answer["look"] is None and answer["advice"] is None
    assert (design["shares"], design["base"], design["delta"], design["alpha"]) == (list(SHARES), 0.0, 0.03, 0.1)
    assert (design["looks"], design["cost_unit"], design["metric"]) == ([2, 4], "cells", "accuracy")
    assert (
        design["levels"] == pytest.approx(Looks((2, 4), SPENT * 0.1).levels, abs=1e-6) and design["fixed"][:2] == "20"
    )
    study(seeds=(1,))
    assert not asked(made)["newly_fixed"] and fixed(made) == design


def test_the_design_is_written_before_any_score_is_analysed(
    study: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = study()

    def analysed(*_: Any) -> None:
        assert (made / look_design.FILE).exists()
        raise DataError("analysed")

    monkeypatch.setattr("littlehuman.study.replacement.replacement_curve", analysed)
    assert command.main([str(made)]) == 1
    assert fixed(made)["looks"] == [3, 4, 5]


def test_the_printed_command_adds_one_new_seed_on_all_shares_with_the_settings_of_the_study(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]]
) -> None:
    answer = asked(study(seeds=(1,)))
    words = shlex.split(answer["to_run"]["command"])
    assert words[:2] == ["littlehuman", "-m"] and "study=s" in words and set(TYPED) <= set(words)
    assert "synth_frac=0,0.5,0.9,1" in words and "seed=0" in words and answer["to_run"]["seeds"] == [0]
    swept = [word for word in words[2:] if not word.startswith(("synth_frac=", "seed="))]
    composed = compose(*swept, "synth_frac=0.9", "seed=1")
    assert (composed.n_train, composed.extra_human, composed.synthetic) == (5000, 0, True)


def test_one_seed_alone_is_no_ground_for_a_choice(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]]
) -> None:
    answer = asked(study(seeds=(0,)))
    assert answer["to_run"]["seeds"] == [1] and answer["advice"] is None


def test_a_clear_choice_stops_the_study_after_two_seeds_and_gives_no_verdict(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]], said: Callable[..., str]
) -> None:
    made = study(seeds=(0, 1), items=2000)
    answer, text = asked(made), said(made)
    assert (answer["advice"]["stop"], answer["look"], answer["to_run"]["command"]) == ("decision_stands", None, None)
    assert "It is a choice, no finding: verdicts come at the look after 3 seeds." in text


def test_a_choice_that_would_rest_on_broken_runs_is_not_made_between_looks_either(
    study: Callable[..., Path], said: Callable[..., str]
) -> None:
    text = said(study(seeds=(0, 1), items=2000, empty=[(0.9, 0), (0.9, 1)]))
    assert "No choice is made: it would rest on 90 %" in text


def test_an_unfinished_block_is_named_and_only_its_cells_are_asked_for(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]], said: Callable[..., str]
) -> None:
    made = study(seeds=(0, 1, 2), absent=[(0.9, 2)], failing={(1.0, 2): "RuntimeError: boom"})
    text, answer = said(made), asked(made)
    assert "seed 2 at 90 % and 100 % (failed) are missing" in text
    assert answer["look"] is None and [cell["share"] for cell in answer["missing"]] == [0.9, 1.0]
    words = shlex.split(answer["to_run"]["command"])
    assert "synth_frac=0.9,1" in words and "seed=2" in words


def test_a_clear_decision_stops_the_study_at_its_first_look(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]], said: Callable[..., str]
) -> None:
    made = study()
    answer, text = asked(made), said(made)
    assert answer["look"]["number"] == 1 and answer["look"]["level"] == pytest.approx(
        Looks((3, 4, 5), SPENT * 0.05).level(3)
    )
    assert answer["advice"]["stop"] == "decision_stands" and answer["advice"]["certainty"] > 0.85
    assert (answer["advice"]["choice"], answer["to_run"]["command"]) == (0.9, None)
    assert answer["cost"] == {"unit": "cells", "spent": 12, "block": 4, "full": 20}
    assert "Choice: 90 % synthetic" in text and "Stop: this choice stands" in text and "Run seed" not in text


def test_shares_that_all_have_a_verdict_stop_the_study(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]]
) -> None:
    answer = asked(study(truth=lambda human, _: 0.2 + 0.7 * (human == 5000), items=1000))
    assert [row["verdict"] for row in answer["look"]["shares"]] == ["worse"] * 3
    assert (answer["advice"]["stop"], answer["advice"]["choice"]) == ("all_settled", 0.0)


def test_an_open_decision_goes_on_until_the_last_look(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]]
) -> None:
    made = study(**OPEN)
    first = asked(made, "--looks", "3,5")
    assert first["advice"]["stop"] == "go_on" and first["to_run"]["seeds"] == [3]
    study(seeds=(3, 4), **OPEN)
    last = asked(made)
    assert last["advice"]["stop"] == "last_look" and last["to_run"]["command"] is None
    assert last["look"]["level"] == pytest.approx(Looks((3, 5), SPENT * 0.05).level(5))


@pytest.mark.parametrize(
    ("option", "key", "before", "after"),
    [
        ("--delta", "delta", "0.02", "0.01"),
        pytest.param("--looks", "looks", "3,4,5", "3,4", marks=pytest.mark.slow),
        pytest.param("--alpha", "alpha", "0.05", "0.1", marks=pytest.mark.slow),
    ],
)
def test_other_rules_than_the_fixed_ones_are_refused(
    study: Callable[..., Path], said: Callable[..., str], option: str, key: str, before: str, after: str
) -> None:
    made = study()
    said(made, option, before)
    error = said(made, option, after, code=1)
    assert f"next.json: {key} is fixed at {before}, and {option} {after} was asked for" in error
    mend = error.split("Try: ")[1]
    said(Path(shlex.split(mend)[2]))


def test_cells_that_the_design_does_not_ask_for_are_named_and_end_the_guarantee(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]], said: Callable[..., str], multirun: Path
) -> None:
    made = study()
    before = asked(made, "--looks", "3")
    write_study(made, fractions=(0.6,), seeds=(0,), items=200)
    write_study(made, fractions=(0.5,), seeds=(9,), items=200)
    answer, text = asked(made), said(made)
    assert before["guaranteed"] and not answer["guaranteed"]
    assert answer["added"] == [{"share": 0.5, "seed": 9}, {"share": 0.6, "seed": 0}]
    assert answer["look"] == before["look"] and answer["advice"] == before["advice"]
    assert "2 cells were added that next.json does not ask for (50 % seed 9, 60 % seed 0)" in text
    assert "no longer guaranteed" in text


def test_a_study_that_has_passed_its_first_look_cannot_fix_it_any_more(
    study: Callable[..., Path], said: Callable[..., str]
) -> None:
    made = study(seeds=range(5))
    error = said(made, "--delta", "0.03", code=1)
    assert "has 5 complete seeds, and the first look was to be after 3" in error
    assert not (made / look_design.FILE).exists()
    said(*[Path(made), *shlex.split(error.split("Try: ")[1])[3:]])
    assert (fixed(made)["looks"], fixed(made)["delta"]) == ([5, 6, 7], 0.03)


def test_looks_that_are_proposed_start_at_the_seeds_that_there_are(
    study: Callable[..., Path], said: Callable[..., str]
) -> None:
    assert "--looks 4,5,6" in said(study(seeds=range(4), items=20), "--looks", "2,3", code=1)


def test_a_design_of_another_study_is_refused(study: Callable[..., Path], said: Callable[..., str]) -> None:
    said(study())
    other = study(name="other", datasets=("fever",))
    (other / look_design.FILE).write_text((study() / look_design.FILE).read_text())
    error = said(other, code=1)
    assert "next.json: fixes the looks at wanli, n = 5,000; this study has no cell of it" in error
    assert f"Try: rm {other / look_design.FILE}" in error


def test_a_design_with_shares_that_the_study_lacks_is_refused_with_the_command_that_adds_them(
    study: Callable[..., Path], said: Callable[..., str]
) -> None:
    made = study()
    said(made)
    write_json(made / look_design.FILE, {"version": 1, "designs": [fixed(made) | {"shares": [0.0, 0.5, 0.75, 1.0]}]})
    error = said(made, code=1)
    assert "fixes the shares 0,0.5,0.75,1; this study has no cell at 0.75" in error
    words = shlex.split(error.split("Try: ")[1])
    assert "synth_frac=0.75" in words and "seed=0,1,2" in words


def test_a_study_of_sizes_alone_is_refused_with_a_sweep_over_shares(multirun: Path, said: Callable[..., str]) -> None:
    made = write_study(multirun / "sizes", fractions=(1.0,), sizes=(100, 200))
    error = said(made, code=1)
    assert "has no replacement curve" in error
    assert "synth_frac=0,0.5,0.9,1" in error and "n_train=200" in error and "study=sizes" in error


def test_each_curve_of_a_study_has_a_design_of_its_own(
    study: Callable[..., Path], said: Callable[..., str], asked: Callable[..., dict[str, Any]]
) -> None:
    made = study(datasets=("wanli", "fever"))
    error = said(made, code=1)
    assert "has 2 curves" in error
    said(made, *shlex.split(error.split("Try: ")[1])[3:])
    assert asked(made)["design"]["series"] == "fever"  # the one that is fixed
    assert asked(made, "--series", "wanli", "--delta", "0.01")["newly_fixed"]
    assert {design.series: design.delta for design in look_design.read(made)} == {"fever": 0.02, "wanli": 0.01}
    assert "did you mean 'wanli'" in said(made, "--series", "wanly", code=1)


DESIGN = look_design.LookDesign(
    *("wanli", "0123", 5000, "accuracy", SHARES, 0.0, 0.02, 0.05, "pocock", (3, 4, 5), "cells", "2026-11-29")
)
DAMAGE: dict[str, object] = {
    "version": 9,
    "designs": [],
    "looks": [5, 3],
    "delta": "2 points",
    "alpha": 2,
    "shares": [0.5, 0.0],
    "base": 0.5,
    "n_train": None,
    "cost_unit": "florins",
}


def test_a_design_is_read_as_it_was_written(tmp_path: Path) -> None:
    look_design.write(tmp_path, [DESIGN])
    assert look_design.read(tmp_path) == (DESIGN,)


@pytest.mark.parametrize("what", [*DAMAGE, "cut off"])
def test_a_damaged_design_is_one_error_with_its_mend(what: str, tmp_path: Path) -> None:
    look_design.write(tmp_path, [DESIGN])
    file = tmp_path / look_design.FILE
    value = read_json(file)
    (value if what in value else value["designs"][0]).update({what: DAMAGE.get(what)})
    file.write_text(file.read_text()[:40] if what == "cut off" else json.dumps(value))
    with pytest.raises(DataError, match="cannot be read as a design") as error:
        look_design.read(tmp_path)
    assert f"Try: rm {file} && littlehuman next {tmp_path}" in str(error.value)


def test_no_choice_is_made_where_it_would_rest_on_broken_runs(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]], said: Callable[..., str]
) -> None:
    made = study(qa=True, truth=lambda *_: 0.8, empty=[(1.0, seed) for seed in range(3)])
    answer = asked(made)
    assert answer["advice"] is None and answer["withheld"] == [1.0]
    assert "No choice is made: it would rest on 100 %" in said(made)


def test_cost_is_counted_in_what_was_paid_for_twins_where_that_was_fixed(
    study: Callable[..., Path], asked: Callable[..., dict[str, Any]]
) -> None:
    cost = asked(study(), "--cost-unit", "usd")["cost"]
    block = 1e-4 * sum(share * 5000 for share in SHARES)
    assert cost["unit"] == "usd"
    assert (cost["block"], cost["spent"], cost["full"]) == pytest.approx((block, 3 * block, 5 * block))


@pytest.mark.parametrize("looks", ["1,2", "5,3", "2,3,4,5,6", "three", ""])
def test_looks_that_cannot_be_are_wrong_usage(looks: str, multirun: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        command.main([str(multirun), "--looks", looks])
    assert "write 3,4,5" in capsys.readouterr().err
