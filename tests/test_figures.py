"""Figures: nothing cut, nothing hidden, readable without colour, and the same bytes for the same data."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from study_factory import write_study

from littlehuman import results
from littlehuman.figures import replacement, style, texts, tradeoff
from littlehuman.reporting import gathering
from littlehuman.reporting.gathering import Tradeoff
from littlehuman.reporting.lines import Line, lines_of
from littlehuman.study import analysis

GAP = {(0.5, 0): "died", (0.5, 1): "died"}


def _lines(study: Path, control: bool = False) -> tuple[Line, ...]:
    return lines_of(results.load(study), None, 0.02, control=control)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five datasets, two prompt models, two seeds; nobody finished 50 %."""
    folder = tmp_path_factory.mktemp("study")
    datasets = ("wanli", "fever", "scifact", "ropes", "coqa")
    return write_study(folder, datasets=datasets, prompt_models=("a", "b"), seeds=(0, 1), items=40, failing=GAP, control=True, texts=30)


@pytest.fixture(scope="module")
def lines(study: Path) -> tuple[Line, ...]:
    return _lines(study)


@pytest.fixture(scope="module")
def figure(study: Path, lines: tuple[Line, ...]) -> Figure:
    return replacement.replacement(lines, _lines(study, control=True), 0.02)


def _tradeoffs(study: Path) -> list[Tradeoff]:
    return list(gathering.gather(study, delta=0.02).tradeoffs)


@pytest.fixture(scope="module")
def rising(tmp_path_factory: pytest.TempPathFactory) -> list[Tradeoff]:
    sizes = (1000, 2000, 4000, 8000, 16_000)
    folder = tmp_path_factory.mktemp("rising")
    return _tradeoffs(write_study(folder, fractions=(1.0,), seeds=(0,), sizes=sizes, extra_human=(0, 200), items=2000))


@pytest.fixture(scope="module")
def flat(tmp_path_factory: pytest.TempPathFactory) -> list[Tradeoff]:
    sizes, folder = (1000, 2000, 4000, 8000), tmp_path_factory.mktemp("flat")
    truth = lambda human, _: 0.7 if human else 0.6  # noqa: E731
    return _tradeoffs(write_study(folder, fractions=(1.0,), seeds=(0,), sizes=sizes, extra_human=(0, 200), items=500, truth=truth))


def _overhang(figure: Figure) -> float:
    """Inches by which anything drawn reaches beyond the paper."""
    with style.look():
        figure.draw_without_rendering()
        drawn = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    return float(max(-drawn.x0, -drawn.y0, drawn.x1 - width, drawn.y1 - height))


def _legend(figure: Figure) -> list[str]:
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def _words(figure: Figure) -> str:
    return " ".join(text.get_text() for axes in figure.axes for text in axes.texts)


def test_series_differ_in_colour_in_dashes_and_in_marker() -> None:
    looks = [style.of_series(i) for i in range(49)]
    for key in ("color", "linestyle", "marker"):
        assert len({str(look[key]) for look in looks[:7]}) == 7
    assert len({str(look) for look in looks}) == 49


def test_facets_are_at_most_four_a_row_and_even() -> None:
    assert [style.shape(n) for n in (1, 4, 5, 7, 9)] == [(1, 1), (1, 4), (2, 3), (2, 4), (3, 3)]


def test_a_figure_is_the_same_bytes_twice(lines: tuple[Line, ...], tmp_path: Path) -> None:
    first, second = (style.save(replacement.replacement(lines[:1], [], 0.02), tmp_path / str(turn), "same", dpi=30) for turn in (1, 2))
    assert [path.suffix for path in first] == [".png", ".svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_one_facet_a_dataset_with_two_panels_and_one_legend(figure: Figure) -> None:
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert sorted(titles) == [f"{name}, n = 5,000" for name in ("coqa", "fever", "ropes", "scifact", "wanli")]
    assert len(figure.axes) == 10
    assert _legend(figure) == ["human points alone", "twins by a", "twins by b"]


def test_the_caption_names_protocol_seeds_and_what_the_bars_are(figure: Figure, lines: tuple[Line, ...], tmp_path: Path) -> None:
    caption = " ".join(figure.get_supxlabel().split())
    assert caption.startswith("protocol recommended; mean of 2 seeds; bars: 95 % interval over seeds and test items")
    assert "a loss of 2 percentage points" in caption and "crosses: no run of the same seeds was completed there" in caption
    one = _lines(write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0,), protocol="paper"))
    assert replacement.caption(one, 0.01).startswith("protocol paper; one seed; bars: 95 % interval over test items alone")


def test_no_word_of_a_figure_is_cut_off(
    figure: Figure, lines: tuple[Line, ...], rising: list[Tradeoff], flat: list[Tradeoff], study: Path
) -> None:
    closer = replacement.zoom(lines, 0.02)
    assert closer is not None
    for drawn in (figure, closer, tradeoff.tradeoff([*rising, *flat]), texts.texts(analysis.compare(study), "recommended")):
        assert _overhang(drawn) < 0.02


def test_a_condition_without_any_result_is_a_gap_with_a_cross(figure: Figure) -> None:
    upper = next(axes for axes in figure.axes if axes.get_title().startswith("wanli"))
    curve = next(line for line in upper.lines if to_hex(line.get_color()) == style.COLOURS[0].lower() and len(line.get_xdata()) > 2)  # type: ignore[arg-type]
    x, y = np.asarray(curve.get_xdata(), float), np.asarray(curve.get_ydata(), float)
    assert np.isnan(y[x == 50]).all() and np.isfinite(y[x != 50]).all()
    crosses = [line for line in upper.lines if line.get_marker() == "x"]
    assert len(crosses) == 2 and all(list(np.asarray(line.get_xdata())) == [50] for line in crosses)


def test_drawn_are_the_numbers_of_the_table_and_the_margin(tmp_path: Path) -> None:
    (line,) = _lines(write_study(tmp_path, fractions=(0.0, 0.9, 1.0), items=200))
    upper, lower = replacement.replacement([line], [], 0.03).axes
    drawn: Any = next(artist for artist in upper.lines if artist.get_marker() == "o")
    assert list(drawn.get_xdata()) == [0, 90, 100]
    assert np.allclose(drawn.get_ydata(), 100 * line.table["mean"].to_numpy(float))
    margins: list[Any] = [artist.get_ydata()[0] for artist in lower.lines if len(artist.get_xdata()) == 2]  # type: ignore[arg-type, index]
    assert any(math.isclose(y, -3 / line.table["mean"].iloc[0], rel_tol=1e-3) for y in margins) and 0 in margins


def test_zoom_shows_the_last_tenth_with_its_human_points(lines: tuple[Line, ...], tmp_path: Path) -> None:
    closer = replacement.zoom(lines, 0.02)
    assert closer is not None
    ticks = [tick.get_text() for tick in closer.axes[1].get_xticklabels() if tick.get_text()]
    ticks = ticks or [tick.get_text() for axes in closer.axes for tick in axes.get_xticklabels() if "%" in tick.get_text()]
    assert "97.5 %\n125" in ticks and "100 %\n0" in ticks and "90 %\n500" in ticks
    assert replacement.zoom(_lines(write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0,))), 0.02) is None


def test_an_arrow_from_every_run_with_human_points(rising: list[Tradeoff]) -> None:
    axes = tradeoff.tradeoff(rising).axes[0]
    arrows = [text for text in axes.texts if isinstance(text, Annotation)]
    assert len(arrows) == 5
    curve = rising[0].price.valuation.curve
    for arrow in arrows:
        expected = curve.log.inverse(arrow.xy[1] / 100)
        assert math.isclose(arrow.xy[0], min(expected, axes.get_xlim()[1]), rel_tol=1e-6)
    beyond = sum(curve.log.inverse(arrow.xy[1] / 100) >= axes.get_xlim()[1] for arrow in arrows)
    assert [text.get_text() for text in axes.texts].count(">") == beyond
    assert axes.get_xscale() == "log"


def test_where_more_synthetic_data_does_not_help_there_are_words_and_no_arrows(flat: list[Tradeoff]) -> None:
    drawn = tradeoff.tradeoff(flat)
    assert "no finite equivalent" in _words(drawn)
    assert not any(isinstance(text, Annotation) for text in drawn.axes[0].texts)
    assert drawn.get_supxlabel().startswith("protocol recommended")


def test_twins_are_told_from_human_texts_without_colour(study: Path) -> None:
    groups = analysis.compare(study)
    drawn = texts.texts(groups, "recommended")
    assert len(groups) == 10 and len(drawn.axes) == 4 * texts.SHOWN
    bars = [axes for axes in drawn.axes if axes.patches]
    assert {bool(patch.get_hatch()) for axes in bars for patch in axes.patches} == {True, False}
    assert all(len({str(line.get_linestyle()) for line in axes.lines}) == 2 for axes in drawn.axes if len(axes.lines) == 2)
    caption = " ".join(drawn.get_supxlabel().split())
    assert caption.startswith("protocol recommended") and "2 more groups are in the table" in caption
