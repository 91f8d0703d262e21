"""The report of a study that is looked at while its seeds come in: its level, and nothing decided between looks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from study_factory import write_study

from littlehuman import next as command
from littlehuman import report
from littlehuman.reporting import findings, gathering
from littlehuman.stats import LEVEL
from littlehuman.stats.looks import Looks
from littlehuman.study import look_design
from littlehuman.study.look_design import SPENT
from littlehuman.webpage.document import document

SHARES = (0.0, 0.5, 1.0)
LOOKS = Looks((3, 4, 5), SPENT * 0.05)


def _drops(human: int, synthetic: int) -> float:
    return 0.8 if human else 0.5


def _study(path: Path, seeds: Sequence[int] = (0, 1, 2)) -> Path:
    return write_study(path / "s", fractions=SHARES, seeds=seeds, truth=_drops, items=200)


@pytest.mark.parametrize("seeds", [3, 4])
def test_differences_have_the_level_of_their_look(seeds: int, tmp_path: Path) -> None:
    study = _study(tmp_path)
    assert command.main([str(study)]) == 0
    _study(tmp_path, range(seeds))
    found = gathering.gather(study)
    (line,) = found.lines
    assert line.analysis is not None and line.analysis.alpha == pytest.approx(LOOKS.level(seeds))
    assert line.table["verdict"].iloc[-1] == "worse"
    said = findings.findings_of_study(found)
    sentence = f"intervals of differences are at {100 * (1 - LOOKS.level(seeds)):.1f} %, so that all looks together"
    assert any(f"looked at after 3, 4 and 5 seeds (next.json); {sentence} keep 5 % false" in text for text in said)


def test_without_a_design_nothing_changes(tmp_path: Path) -> None:
    (line,) = gathering.gather(_study(tmp_path)).lines
    assert line.analysis is not None and line.analysis.alpha == pytest.approx(1 - LEVEL) and line.blocks is None


def test_between_looks_no_verdict_is_given(tmp_path: Path) -> None:
    study = _study(tmp_path, (0, 1))
    assert command.main([str(study)]) == 0
    found = gathering.gather(study)
    assert set(found.lines[0].table["verdict"].dropna()) == {"withheld"}
    answer, *rest = findings.findings_of_study(found)
    assert "no verdict is given: between looks nothing is decided: 2 of 3 seeds are complete" in answer
    assert not [text for text in (answer, *rest) if "worse" in text or "costs" in text]


def test_cells_added_by_hand_are_named_and_end_the_guarantee(tmp_path: Path) -> None:
    study = _study(tmp_path)
    assert command.main([str(study), "--looks", "3"]) == 0
    write_study(study, fractions=(0.6,), seeds=(0, 1), items=200)
    text = " ".join(findings.findings_of_study(gathering.gather(study)))
    assert "(60 % seed 0, 60 % seed 1)" in text and "no longer guaranteed" in text
    assert "keep 5 % false alarms" not in text


def test_the_fixed_margin_is_the_report_s_own(tmp_path: Path) -> None:
    study = _study(tmp_path)
    assert command.main([str(study), "--delta", "0.05"]) == 0
    assert gathering.gather(study).delta == 0.05


def test_the_page_says_the_level_under_the_table_and_names_the_method(tmp_path: Path) -> None:
    study = _study(tmp_path)
    assert command.main([str(study)]) == 0
    found = gathering.gather(study)
    shown = document(found, findings.findings_of_study(found))
    assert any(
        note.startswith("This study is looked at after 3, 4 and 5 seeds") for note in shown["curves"][0]["notes"]
    )
    assert any("Lan and DeMets" in method for method in shown["methods"])


def test_a_damaged_design_stops_the_report_with_the_mend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = _study(tmp_path)
    (study / look_design.FILE).write_text("{")
    assert report.main([str(study)]) == 1
    assert "next.json: cannot be read as a design" in capsys.readouterr().err
