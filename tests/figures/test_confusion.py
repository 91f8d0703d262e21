"""Confusion matrices of machine labels: counts where they can be read, rows are the classes that people gave."""

from __future__ import annotations

from pathlib import Path

import pytest

from littlehuman.errors import DataError
from littlehuman.figures import style
from littlehuman.figures.confusion import NAMED, SHOWN, confusion
from littlehuman.metrics.agreement import LabelPair, agreement
from littlehuman.study.labelling import Labelling


def _labelling(classes: int = 3, name: str = "wanli labelled by m") -> Labelling:
    names = [f"class {n}" for n in range(classes)]
    pairs = [LabelPair((names[n % classes],), names[n % classes if n % 4 else 0], str(n)) for n in range(40)]
    return Labelling(name, agreement(pairs, names), 0)


def test_each_square_bears_the_points_of_its_human_and_machine_class() -> None:
    one = _labelling()
    (axes,) = confusion([one], "recommended").axes
    drawn = {(int(t.get_position()[1]), int(t.get_position()[0])): int(t.get_text()) for t in axes.texts}
    names = list(one.entry["classes"])
    counts = {
        (names.index(human), names.index(machine)): count
        for human, row in one.entry["confusion"].items()
        for machine, count in row.items()
    }
    assert drawn == counts and sum(drawn.values()) == 40
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("human", "machine")
    assert "kappa" in axes.get_title() and axes.get_title().startswith("wanli labelled by m")


def test_many_classes_have_shades_alone_and_many_labellers_a_number_of_those_left_out(tmp_path: Path) -> None:
    (axes,) = confusion([_labelling(NAMED + 1)], "recommended").axes
    assert not axes.texts and not axes.get_xticklabels()
    figure = confusion([_labelling(name=f"m{n}") for n in range(SHOWN + 2)], "recommended")
    assert len(figure.axes) == SHOWN
    svg = style.save(figure, tmp_path, "confusion")[1].read_bytes()
    again = confusion([_labelling(name=f"m{n}") for n in range(SHOWN + 2)], "recommended")
    assert style.save(again, tmp_path, "again")[1].read_bytes() == svg


def test_answers_have_no_confusion_matrix() -> None:
    of_answers = Labelling("squad labelled by m", agreement([LabelPair(("noon",), "noon", "p")], ()), 0)
    with pytest.raises(DataError, match="machine labels of classes"):
        confusion([of_answers], "recommended")
