"""Figures: nothing cut, nothing hidden, readable without colour, and the same bytes for the same data."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from study_factory import write_study

from littlehuman import results
from littlehuman.economics.human_worth import worth_draws
from littlehuman.economics.price import Tradeoff, price_of_scores
from littlehuman.errors import DataError
from littlehuman.figures import replacement, style, text_layout, texts, tradeoff
from littlehuman.reporting import gathering
from littlehuman.study import text_comparison
from littlehuman.study.floors import FloorKind
from littlehuman.study.replacement import ReplacementCurve, curves_of_study
from littlehuman.study.scores import ScoredRuns

COMMONEST, UNTRAINED = FloorKind.COMMONEST_LABEL.value, FloorKind.UNTRAINED.value
GAP = {(0.5, 0): "died", (0.5, 1): "died"}


def _lines(study: Path, control: bool = False) -> tuple[ReplacementCurve, ...]:
    return curves_of_study(results.load(study), None, 0.02, control=control)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five datasets, two prompt models, two seeds; nobody finished 50 %."""
    folder = tmp_path_factory.mktemp("study")
    datasets = ("wanli", "fever", "scifact", "ropes", "coqa")
    return write_study(
        folder, datasets=datasets, prompt_models=("a", "b"), seeds=(0, 1), items=40, failing=GAP, control=True, texts=30
    )


@pytest.fixture(scope="module")
def lines(study: Path) -> tuple[ReplacementCurve, ...]:
    return _lines(study)


@pytest.fixture(scope="module")
def figure(study: Path, lines: tuple[ReplacementCurve, ...]) -> Figure:
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
    return _tradeoffs(
        write_study(folder, fractions=(1.0,), seeds=(0,), sizes=sizes, extra_human=(0, 200), items=500, truth=truth)
    )


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
    return " ".join(" ".join(text.get_text().split()) for axes in figure.axes for text in axes.texts)


def _box(artist: Any) -> Bbox:
    return artist.get_window_extent()  # type: ignore[no-any-return]


def _drawn(figure: Figure) -> Figure:
    with style.look():
        figure.draw_without_rendering()
    return figure


def _apart(boxes: Sequence[Bbox], figure: Figure) -> bool:
    """Whether no two of these overlap and all are on the paper."""
    paper = figure.bbox
    on_it = all(b.x0 >= -1 and b.y0 >= -1 and b.x1 <= paper.x1 + 1 and b.y1 <= paper.y1 + 1 for b in boxes)
    return on_it and not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def _ticks(axes: Axes) -> list[Bbox]:
    low, high = sorted(axes.get_xlim())
    ticks = axes.xaxis.get_major_ticks()
    return [_box(tick.label1) for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]


def _titles(figure: Figure) -> list[Bbox]:
    return [_box(axes.title) for axes in figure.axes if axes.get_title()]


def _face(line: Any) -> Any:
    return line.get_markerfacecolor()


def _hollow(axes: Axes) -> list[float]:
    """Where on the axis there are hollow points."""
    return [float(x) for line in axes.lines if _face(line) == "white" for x in np.asarray(line.get_xdata())]


def _with_curve(one: Tradeoff, scores: Sequence[float]) -> Tradeoff:
    """The same series with these scores on 1000, 2000, ... synthetic points alone, and 0.7 with 200 human ones."""
    n = np.tile(1000.0 * np.arange(1, len(scores) + 1), 2)
    human = np.repeat([0.0, 200.0], len(scores))
    scored = ScoredRuns(one.scored.name, n, human, np.concatenate([scores, np.full(len(scores), 0.7)]), "accuracy")
    return replace(one, scored=scored, price=price_of_scores(scored))


def test_series_differ_in_colour_in_dashes_and_in_marker() -> None:
    looks = [style.of_series(i) for i in range(49)]
    for key in ("color", "linestyle", "marker"):
        assert len({str(look[key]) for look in looks[:7]}) == 7
    assert len({str(look) for look in looks}) == 49


def test_facets_are_at_most_four_a_row_and_even() -> None:
    assert [style.shape(n) for n in (1, 4, 5, 7, 9)] == [(1, 1), (1, 4), (2, 3), (2, 4), (3, 3)]


@pytest.mark.slow
def test_a_figure_is_the_same_bytes_twice(lines: tuple[ReplacementCurve, ...], tmp_path: Path) -> None:
    first, second = (
        style.save(replacement.replacement(lines[:1], [], 0.02), tmp_path / str(turn), "same", dpi=30)
        for turn in (1, 2)
    )
    assert [path.suffix for path in first] == [".png", ".svg"]
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_one_facet_a_dataset_with_two_panels_and_one_legend(figure: Figure) -> None:
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert sorted(titles) == [f"{name}, n = 5,000" for name in ("coqa", "fever", "ropes", "scifact", "wanli")]
    assert len(figure.axes) == 10
    assert _legend(figure) == ["human points alone", "twins by a", "twins by b", COMMONEST, UNTRAINED]


def test_the_caption_names_protocol_seeds_and_what_the_bars_are(
    figure: Figure, lines: tuple[ReplacementCurve, ...], tmp_path: Path
) -> None:
    caption = " ".join(figure.get_supxlabel().split())
    assert caption.startswith("protocol recommended; mean of 2 seeds; bars: 95 % interval over seeds and test items")
    assert "grey band: within 2 percentage points" in caption and "crosses: no run is complete there" in caption
    one = _lines(write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0,), protocol="paper"))
    assert replacement.caption(one, 0.01).startswith(
        "protocol paper; one seed; bars: 95 % interval over test items alone"
    )


@pytest.mark.slow
def test_no_word_of_a_figure_is_cut_off(
    figure: Figure, lines: tuple[ReplacementCurve, ...], rising: list[Tradeoff], flat: list[Tradeoff], study: Path
) -> None:
    closer = replacement.zoom(lines, 0.02)
    assert closer is not None
    for drawn in (
        figure,
        closer,
        tradeoff.tradeoff([*rising, *flat]),
        texts.texts(text_comparison.compare(study), "recommended"),
    ):
        assert _overhang(drawn) < 0.02


def test_a_condition_without_any_result_is_a_gap_with_a_cross(figure: Figure) -> None:
    upper = next(axes for axes in figure.axes if axes.get_title().startswith("wanli"))
    curve = next(
        line
        for line in upper.lines
        if to_hex(line.get_color()) == style.COLOURS[0].lower() and len(line.get_xdata()) > 2
    )  # type: ignore[arg-type]
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
    changes: Any = next(artist for artist in lower.lines if artist.get_marker() == "o")
    assert np.allclose(changes.get_ydata()[1:], 100 * line.table["change"].to_numpy(float)[1:])
    (band,) = (patch for patch in lower.patches if patch.get_height() > 0)
    assert math.isclose(band.get_y(), -3) and math.isclose(band.get_height(), 6)


def test_each_seed_is_a_dot_in_both_panels_and_the_last_tenth_has_room(tmp_path: Path) -> None:
    (line,) = _lines(write_study(tmp_path, fractions=(0.0, 0.9, 0.95, 1.0), items=200))
    upper, lower = replacement.replacement([line], [], 0.02).axes
    for axes in (upper, lower):
        assert any(len(np.asarray(dots.get_offsets())) == 4 * 3 for dots in axes.collections)
    places = upper.transData.transform([(x, 50.0) for x in (0, 90, 95, 100)])[:, 0]
    assert (places[3] - places[1]) / (places[3] - places[0]) > 0.3


def test_zoom_shows_the_last_tenth_with_its_human_points(lines: tuple[ReplacementCurve, ...], tmp_path: Path) -> None:
    closer = replacement.zoom(lines, 0.02)
    assert closer is not None
    ticks = [tick.get_text() for tick in closer.axes[1].get_xticklabels() if tick.get_text()]
    ticks = ticks or [
        tick.get_text() for axes in closer.axes for tick in axes.get_xticklabels() if "%" in tick.get_text()
    ]
    assert "97.5 %\n125" in ticks and "100 %\n0" in ticks and "90 %\n500" in ticks
    assert replacement.zoom(_lines(write_study(tmp_path, fractions=(0.0, 1.0), seeds=(0,))), 0.02) is None


def test_an_arrow_from_every_size_with_human_points_ends_at_the_worth_that_is_reported(rising: list[Tradeoff]) -> None:
    price = rising[0].price
    assert price is not None
    axes = tradeoff.tradeoff(rising).axes[0]
    arrows = [text for text in axes.texts if isinstance(text, Annotation)]
    assert [arrow.xyann[0] for arrow in arrows] == [1000, 2000, 4000, 8000, 16_000]
    sizes = np.array([arrow.xyann[0] for arrow in arrows])
    ends = sizes + 200 * worth_draws(price.model.response, sizes, 200).limits()[0]
    right = axes.get_xlim()[1]
    assert [arrow.xy[0] for arrow in arrows] == pytest.approx(np.minimum(ends, right))
    assert [text.get_text() for text in axes.texts].count(">") == np.sum(ends >= right)
    assert axes.get_xscale() == "log"


def test_where_more_synthetic_data_does_not_help_there_are_words_and_no_arrows(flat: list[Tradeoff]) -> None:
    drawn = tradeoff.tradeoff(flat)
    assert "no finite equivalent" in _words(drawn)
    assert not any(isinstance(text, Annotation) for text in drawn.axes[0].texts)
    assert drawn.get_supxlabel().startswith("protocol recommended")


def test_twins_are_told_from_human_texts_without_colour(study: Path) -> None:
    groups = text_comparison.compare(study)
    drawn = texts.texts(groups, "recommended")
    assert len(groups) == 10 and len(drawn.axes) == 4 * texts.SHOWN
    bars = [axes for axes in drawn.axes if axes.patches]
    assert {bool(patch.get_hatch()) for axes in bars for patch in axes.patches} == {True, False}
    assert all(
        len({str(line.get_linestyle()) for line in axes.lines}) == 2 for axes in drawn.axes if len(axes.lines) == 2
    )
    caption = " ".join(drawn.get_supxlabel().split())
    assert caption.startswith("protocol recommended") and "2 more groups are in the table" in caption


def test_points_of_fewer_seeds_are_hollow_and_the_caption_says_so(
    tmp_path: Path, lines: tuple[ReplacementCurve, ...]
) -> None:
    thin = write_study(tmp_path, fractions=(0.0, 0.5, 0.9, 1.0), absent=[(0.5, 1), (0.5, 2), (0.9, 2)], items=60)
    upper, lower = (figure := replacement.replacement(_lines(thin), [], 0.02)).axes
    assert _hollow(upper) == _hollow(lower) == [50, 90]
    caption = " ".join(figure.get_supxlabel().split())
    assert (
        "mean of 1 to 3 seeds" in caption
        and "hollow: fewer seeds; of one seed the bar is over test items alone;" in caption
    )
    full = replacement.replacement(lines, [], 0.02)
    assert not any(_hollow(axes) for axes in full.axes) and "hollow" not in full.get_supxlabel()


def test_a_change_is_hollow_where_few_seeds_have_both_shares(tmp_path: Path) -> None:
    thin = write_study(tmp_path, fractions=(0.0, 0.9, 1.0), absent=[(0.0, 2)], items=60)
    upper, lower = replacement.replacement(_lines(thin), [], 0.02).axes
    assert _hollow(upper) == [0] and _hollow(lower) == [0, 90, 100]
    assert "of one seed" not in replacement.caption(_lines(thin), 0.02)


def test_the_zoom_speaks_of_hollow_points_only_where_it_shows_them(tmp_path: Path) -> None:
    few = write_study(tmp_path, fractions=(0.0, 0.5, 0.9, 1.0), absent=[(0.5, 1), (0.5, 2)], items=60)
    closer = replacement.zoom(_lines(few), 0.02)
    assert closer is not None and "hollow" not in closer.get_supxlabel()
    assert "hollow" in replacement.caption(_lines(few), 0.02)


def test_words_tell_a_curve_that_falls_from_one_that_is_not_shown_to_rise(flat: list[Tradeoff]) -> None:
    falling, unsure, rising = (
        [0.7, 0.69, 0.68, 0.665, 0.66, 0.65],
        [0.6, 0.7, 0.58, 0.68, 0.6, 0.66],
        [0.6, 0.64, 0.66, 0.68, 0.688, 0.7],
    )
    told = [_words(tradeoff.tradeoff([_with_curve(flat[0], scores)])) for scores in (falling, unsure, rising)]
    assert "more synthetic data does not help here: no finite equivalent" in told[0]
    assert "not shown to help here: no finite equivalent is named" in told[1]
    assert "help here" not in told[2]


def test_runs_that_cannot_tell_the_worth_are_drawn_with_the_reason_and_without_a_curve(rising: list[Tradeoff]) -> None:
    without = replace(rising[0], price=None, why="no run has human points")
    figure = tradeoff.tradeoff([without])
    assert "no worth can be told: no run has human points" in _words(figure)
    assert "band" not in figure.get_supxlabel() and tradeoff.CURVE not in _legend(figure)


def test_words_on_a_flat_curve_stand_between_title_and_axes_and_cover_nothing(flat: list[Tradeoff]) -> None:
    figure = _drawn(tradeoff.tradeoff(flat * 3))
    notes = [_box(text) for axes in figure.axes for text in axes.texts if "finite" in text.get_text()]
    assert len(notes) == 3 and _apart([*notes, *_titles(figure)], figure)
    assert all(note.y0 >= _box(axes.patch).y1 for note, axes in zip(notes, figure.axes, strict=True))


def test_a_dollar_in_a_name_is_a_dollar(lines: tuple[ReplacementCurve, ...]) -> None:
    (line,) = [replace(line, label=r"a$\nonsense$b") for line in lines[:1]]
    figure = _drawn(replacement.replacement([line], [], 0.02))  # as mathematics this cannot be drawn
    assert _legend(figure)[0] == r"a$\nonsense$b"


def test_nothing_to_draw_is_said_with_what_to_run() -> None:
    draws: list[Callable[[], Figure]] = [
        lambda: replacement.replacement([], [], 0.02),
        lambda: tradeoff.tradeoff([]),
        lambda: texts.texts([], "paper"),
    ]
    for draw in draws:
        with pytest.raises(DataError, match=r"nothing to draw: (.|\n)*Try: .*synth_frac"):
            draw()
    assert replacement.zoom([], 0.02) is None


def test_names_are_wrapped_between_their_parts_and_cut_only_where_nothing_else_helps() -> None:
    assert text_layout.wrapped("wanli / gpt-4-turbo / few_shot", 25).split("\n") == [
        "wanli / gpt-4-turbo /",
        "few_shot",
    ]
    assert text_layout.wrapped("another-long-one, n = 5,000", 12).split("\n") == ["another-", "long-one,", "n = 5,000"]
    assert text_layout.wrapped("x" * 25, 10).split("\n") == ["x" * 10, "x" * 10, "x" * 5]
    assert text_layout.wrapped("short", 10) == "short"


@pytest.mark.slow
def test_long_titles_neither_overlap_nor_leave_the_paper(tmp_path: Path, rising: list[Tradeoff]) -> None:
    names = ("a_very_long_dataset_name_of_my_company_2026_revision_b", "another-long-one-with-many-words-in-it")
    study = write_study(
        tmp_path, datasets=names, sizes=(1000, 5000), fractions=(0.0, 1.0), seeds=(0,), items=20, texts=3
    )
    four = _drawn(replacement.replacement(_lines(study), [], 0.02))
    assert len(_titles(four)) == 4 and _apart(_titles(four), four)
    scored = replace(rising[0].scored, name=f"{names[0]}, twins by gpt-4-turbo-preview")
    three = _drawn(tradeoff.tradeoff([replace(rising[0], scored=scored)] * 3))
    assert _apart(_titles(three), three)
    groups = [replace(group, name=f"{group.name} / {names[0]} / none") for group in text_comparison.compare(study)]
    described = _drawn(texts.texts(groups, "paper"))
    assert _apart([_box(part._suptitle) for part in described.subfigs], described)  # type: ignore[attr-defined]


@pytest.mark.slow
def test_axes_keep_their_height_beside_a_legend_of_nine_and_titles_of_many_lines(
    lines: tuple[ReplacementCurve, ...], rising: list[Tradeoff]
) -> None:
    nine = [replace(lines[0], label=f"a model with a name of some length, twins by number {i}") for i in range(9)]
    few, many = (_drawn(replacement.replacement(drawn, [], 0.02)) for drawn in (lines[:1], nine))
    assert len(_legend(many)) == 9 + 2  # and the floors
    for one, other in zip(few.axes, many.axes, strict=True):
        assert math.isclose(_box(one.patch).height, _box(other.patch).height, rel_tol=0.06)
    named = [replace(one, scored=replace(one.scored, name="a long name, " * 6)) for one in rising]
    short, long = (_drawn(tradeoff.tradeoff(drawn * 3)) for drawn in (rising, named))
    assert math.isclose(_box(short.axes[0].patch).height, _box(long.axes[0].patch).height, rel_tol=0.06)


def test_tick_labels_stand_apart_in_narrow_facets(rising: list[Tradeoff], study: Path) -> None:
    for figure in (tradeoff.tradeoff(rising * 3), texts.texts(text_comparison.compare(study)[:2], "paper")):
        _drawn(figure)
        assert all(len(_ticks(axes)) > 1 and _apart(_ticks(axes), figure) for axes in figure.axes)


def test_sizes_are_labelled_as_densely_as_there_is_room() -> None:
    assert text_layout.sizes(900, 6000, 1.7) == [1000, 2000, 5000]
    assert text_layout.sizes(800, 25_000, 1.7) == [1000, 3000, 10_000]
    assert text_layout.sizes(8, 150_000, 1.7) == [100, 10_000]


def test_the_sign_for_beyond_the_axis_is_on_the_paper(rising: list[Tradeoff]) -> None:
    steep = _with_curve(rising[0], [0.3 + 0.01 * i for i in range(5)])  # so that every run is far beyond
    figure = _drawn(tradeoff.tradeoff([steep] * 3))
    signs = [_box(text) for axes in figure.axes for text in axes.texts if text.get_text() == ">"]
    assert len(signs) == 15 and all(sign.x1 <= figure.bbox.x1 for sign in signs)


def test_that_nothing_can_be_compared_is_said_within_its_facet(tmp_path: Path) -> None:
    apart = {(0.0, 1): "died", (1.0, 0): "died"}  # no seed has both shares
    study = write_study(tmp_path, datasets="abcd", fractions=(0.0, 1.0), seeds=(0, 1), items=20, failing=apart)
    figure = _drawn(replacement.replacement(_lines(study), [], 0.02))
    told = [
        (_box(text), _box(axes.patch)) for axes in figure.axes for text in axes.texts if "no share" in text.get_text()
    ]
    assert len(told) == 4 and all(
        axes.x0 <= text.x0 and text.x1 <= axes.x1 and text.y1 <= axes.y1 for text, axes in told
    )


def test_letters_that_the_font_lacks_are_no_warnings_on_the_console(
    lines: tuple[ReplacementCurve, ...], tmp_path: Path
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        png, _ = style.save(
            replacement.replacement([replace(lines[0], label="数据")], [], 0.02), tmp_path, "named", dpi=30
        )
    assert png.exists()


def test_the_commonest_label_is_a_line_in_every_facet_and_once_in_the_legend(tmp_path: Path) -> None:
    write_study(tmp_path, datasets="a", prompt_models="x", fractions=(0.0, 1.0), seeds=(0,), items=20, majority=0.55)
    study = write_study(
        tmp_path, datasets="b", prompt_models="xy", fractions=(0.0, 1.0), seeds=(0,), items=20, majority=0.55
    )
    figure = replacement.replacement(_lines(study), [], 0.02)
    assert _legend(figure) == ["twins by x", "twins by y", COMMONEST]
    floors = [
        [line for line in axes.lines if np.allclose(np.asarray(line.get_ydata(), float), 55)] for axes in figure.axes
    ]
    assert [len(found) for found in floors] == [1, 1, 0, 0]


def test_runs_with_as_many_human_points_look_alike_in_all_facets(rising: list[Tradeoff]) -> None:
    runs = rising[0].scored
    few = runs.n_human == 200
    more = [np.concatenate([a, a[few]]) for a in (runs.n_synthetic, runs.n_human, runs.score)]
    more[1][len(runs.score) :] = 50
    scored = replace(runs, n_synthetic=more[0], n_human=more[1], score=more[2], seed=None)
    both = replace(rising[0], scored=scored, price=price_of_scores(scored))
    first, second = tradeoff.tradeoff([rising[0], both]).axes
    assert [line.get_marker() for line in first.lines if line.get_marker() in style.MARKERS[1:]] == [style.MARKERS[1]]
    assert [line.get_marker() for line in second.lines if line.get_marker() in style.MARKERS[1:]] == [
        style.MARKERS[2],
        style.MARKERS[1],
    ]
