"""The learning curve over human labels: what they reach, what twice as many bring, and what a purchase of them gets."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from report_pages import document_of, texts_of
from study_factory import write_study

from littlehuman import plan, price, report
from littlehuman.economics.human_alone import fit_alone
from littlehuman.economics.human_worth import estimate
from littlehuman.economics.learning_curve import LearningCurve, learning_curve
from littlehuman.study.human_labels import curves_over_labels
from littlehuman.study.load import load

SIZES = (15, 30, 60, 120, 240, 480)
Truth = Callable[[Any], Any]


def _power(human: Any) -> Any:
    return 0.85 - 1.6 * human**-0.5


def _study(path: Path, truth: Truth = _power, *, sizes: tuple[int, ...] = SIZES, **planted: Any) -> Path:
    planted = {"items": 300, "passage": 3, **planted}
    return write_study(path, fractions=(0.0,), sizes=sizes, truth=lambda human, _: float(truth(human)), **planted)


def _curve(path: Path) -> LearningCurve:
    (measured,) = curves_over_labels(load(path), None, 0.02)
    return learning_curve(measured, 0.02)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Human labels alone, six sizes, three seeds."""
    return _study(tmp_path_factory.mktemp("multirun") / "labels")


def test_the_report_begins_with_what_the_labels_reach_and_what_twice_as_many_bring(study: Path) -> None:
    made = report.write(study, dpi=30)
    (told,) = json.loads(made.answers)["learning_curves"]
    reached, gain = told["sizes"][-1]["score"], told["doubling"]["change"]
    assert told["n_human"] == 480 and told["doubling"]["n_human"] == 960
    assert [size["n_human"] for size in told["sizes"]] == list(SIZES)
    assert made.findings[0] == (
        f"On wanli, 480 human labels reach {100 * reached['value']:.1f} % "
        f"[{100 * reached['low']:.1f}, {100 * reached['high']:.1f}] (accuracy); doubling them would bring "
        f"{100 * gain['value']:.1f} percentage points [{100 * gain['low']:.1f}, {100 * gain['high']:.1f}]."
    )
    assert made.findings[0] in set(texts_of(document_of(study)))
    assert (study / "figures" / "learning_curve.svg").is_file()
    ends = [point["n_human"] for point in told["curve"]]
    assert ends[0] == pytest.approx(15) and ends[-1] == pytest.approx(960)


def test_the_curve_is_not_read_beyond_twice_the_most_labels(study: Path) -> None:
    found = _curve(study)
    assert found.scores([960]).shape[0] == 1
    with pytest.raises(ValueError, match="no curve is read"):
        found.scores([961])


def test_the_fewest_labels_that_are_enough_lie_within_the_margin_of_the_most(study: Path) -> None:
    found = _curve(study)
    assert found.enough is not None and 15 <= found.enough.low <= found.enough.value <= found.enough.high <= 480
    least = found.enough.value
    assert np.median(found.scores([least])) > np.median(found.scores([480])) - 0.03


def _flat(_: Any) -> float:
    return 0.15


def _step(human: Any) -> float:
    return 0.5 + 0.35 / (1 + math.exp(-3 * (math.log(human) - 4.5)))


@pytest.mark.parametrize(
    ("truth", "planted", "says"),
    [
        (_flat, {}, "it is not known how many human labels are needed: no score is shown to lie above"),
        (_power, {"sizes": (30, 120, 480), "seeds": (0, 1)}, "not known: there are 6 runs, at least 8 are needed"),
        (_step, {"items": 4000}, "not known: the scores follow none of the curves"),
        (_power, {"empty": [(0.0, 0), (0.0, 1), (0.0, 2)]}, "not known"),
    ],
    ids=["nothing learnt", "too few runs", "no curve fits", "empty answers"],
)
def test_what_the_runs_do_not_say_is_called_not_known(
    truth: Truth, planted: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "_figures", lambda data: iter(()))  # drawing takes longest
    _study(tmp_path, truth, **planted)
    found = _curve(tmp_path)
    assert found.doubled is None and found.enough is None
    assert says in report.write(tmp_path).findings[0]


@pytest.mark.slow
@pytest.mark.parametrize("truth", [_power, lambda n: 0.3 + 0.06 * np.log(n), lambda n: 0.8 - 0.4 * np.exp(-n / 150)])
def test_the_interval_of_a_doubling_holds_the_truth(truth: Truth) -> None:
    n, seed, rng = np.repeat(SIZES, 3).astype(float), np.tile([0, 1, 2], 6), np.random.default_rng(0)
    held = []
    for _ in range(100):
        drawn = fit_alone(n, truth(n) + rng.normal(0, 0.015, 18) + rng.normal(0, 0.007, 3)[seed], seed)
        twice, now = drawn.score(np.zeros(2), np.array([960.0, 480.0]))
        gain = estimate(twice - now)
        held.append(gain.low <= float(truth(960.0) - truth(480.0)) <= gain.high)
    assert np.mean(held) >= 0.85


def test_a_plan_on_human_labels_alone_says_what_a_target_takes(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = [str(study), "--human-price", "0.8", "--owned-human", "0", "--json"]
    assert plan.main([*asked, "--target", "0.7"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["series"]
    bought = found["plan"]
    assert bought["n_synthetic"] == 0 and found["synthetic_price"] is None
    assert abs(float(_power(bought["n_human"])) - 0.7) < 0.04 and bought["cost"] == pytest.approx(
        0.8 * bought["n_human"]
    )
    assert plan.main([*asked[:-1], "--budget", "200"]) == 0
    text = capsys.readouterr().out
    assert "250 human points alone, cost 200.00" in text and "synthetic point 0" not in text


def test_price_on_human_labels_alone_gives_the_commands_of_the_missing_runs(
    study: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", str(study.parent))
    assert price.main([str(study), "--human-price", "0.8", "--synthetic-price", "0.002"]) == 1
    said = capsys.readouterr().err
    tries = [shlex.split(line.removeprefix("Try: ")) for line in said.splitlines() if line.startswith("Try: ")]
    assert "no run has synthetic points" in said and len(tries) == 2
    assert all("study=labels" in words and "-m" in words for words in tries)
    assert any("synth_frac=1" in words for words in tries)
