"""The response model: draws hold the curve that made the scores, and layouts that cannot answer say so."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.simulate import price_truths as truths
from littlehuman.economics import identification, response
from littlehuman.economics.reasons import Kind
from littlehuman.economics.response_design import Design
from littlehuman.economics.response_shapes import Shapes


def runs(
    layout: truths.Layout, truth: str, sds: tuple[float, float, float], seeds: int = 3, salt: int = 0
) -> tuple[np.ndarray, ...]:
    s, h, seed = layout.runs(seeds)
    y = truths.scores(truths.PRICE[truth], layout, seeds, sds, 1, np.random.default_rng(salt))[:, 0]
    return s, h, y, seed


@pytest.mark.parametrize("truth", ["log", "power", "saturating", "constant lift", "falling"])
def test_with_little_noise_the_draws_lie_on_the_curve_that_made_the_scores(truth: str) -> None:
    s, h, y, seed = runs(truths.LAYOUTS["20 sizes"], truth, (0.05, 0, 0))
    at = np.array([[1000.0, 0], [4000, 200], [20000, 0], [20000, 200]]).T
    found = np.median(response.fit(s, h, y, seed, draws=500).score(*at), axis=1)
    assert found == pytest.approx(truths.PRICE[truth](*at), abs=0.15)


def test_a_size_is_found_again_from_its_place_on_every_curve() -> None:
    shapes = Shapes(
        curve=np.array([0, 1, 1, 2]),
        value=np.array([1.0, 0.4, -0.5, 5000.0]),
        rate=np.zeros(4),
        offset=np.zeros(4),
        bend=np.ones(4),
        family=np.zeros(4, dtype=np.intp),
        prior=np.zeros(4),
    )
    scale = Design(np.array([1000.0, 20000]), np.array([0.0, 200])).scale
    sizes = np.array([[500.0], [1000], [7000], [15000]]) * np.ones(4)
    assert shapes.size(shapes.z(sizes, scale), scale) == pytest.approx(sizes, rel=1e-6)


def test_the_same_runs_give_the_same_draws_whatever_their_order_of_calls() -> None:
    data = runs(truths.LAYOUTS["4 sizes"], "log", (1.0, 0.5, 0.5))
    one, other = (response.fit(*data, draws=200) for _ in range(2))
    assert np.array_equal(one.coefficients, other.coefficients)


def test_adding_a_constant_to_all_scores_only_shifts_the_draws() -> None:
    s, h, y, seed = runs(truths.LAYOUTS["4 sizes"], "power", (1.0, 0.5, 0.5))
    one, other = (response.fit(s, h, y + by, seed, draws=200) for by in (0.0, 1000.0))
    assert other.score(8000, 200) == pytest.approx(one.score(8000, 200) + 1000, abs=1e-3)


def test_shares_instead_of_points_give_the_same_answer() -> None:
    s, h, y, seed = runs(truths.LAYOUTS["4 sizes"], "log", (1.0, 0.5, 0.5))
    points, shares = (response.fit(s, h, y * by, seed, draws=200).score(8000, 200) / by for by in (1.0, 0.01))
    assert shares == pytest.approx(points, rel=1e-4)


def test_scattered_draws_of_human_points_widen_the_interval_of_their_gain() -> None:
    def width(by_draw: float) -> float:
        found = []
        for salt in range(6):
            fitted = response.fit(
                *runs(truths.LAYOUTS["20 sizes"], "constant lift", (1.0, 0, by_draw), salt=salt), draws=500
            )
            gain = fitted.score(20000, 200) - fitted.score(20000, 0)
            found.append(np.diff(np.quantile(gain, [0.025, 0.975]))[0])
        return float(np.median(found))

    assert width(2.0) > 1.8 * width(0.0)


def test_runs_without_known_seeds_are_independent() -> None:
    s, h, y, _ = runs(truths.LAYOUTS["4 sizes"], "log", (1.0, 0, 0))
    assert Design(s, h).effects.shape == (len(s), 0)
    assert np.isfinite(response.fit(s, h, y, draws=100).score(8000, 200)).all()


def test_missing_cells_and_a_seed_with_one_run_are_no_obstacle() -> None:
    s, h, y, seed = runs(truths.LAYOUTS["20 sizes"], "log", (1.0, 0.5, 0.5))
    keep = np.random.default_rng(0).random(len(s)) < 0.4
    keep[seed == 2] = False
    keep[-1] = True
    fitted = response.fit(s[keep], h[keep], y[keep], seed[keep], draws=500)
    low, high = np.quantile(fitted.score(10000, 0), [0.001, 0.999])
    assert low < truths.PRICE["log"](np.array(10000.0), np.array(0.0)) < high


@pytest.mark.parametrize(
    ("layout", "kind"),
    [
        (truths.replacement(500), Kind.ALL_ON_ONE_TOTAL),
        (truths.Layout(np.array([100.0, 300, 1000]), np.zeros(3)), Kind.ONLY_SYNTHETIC),
        (truths.Layout(np.zeros(3), np.array([100.0, 300, 1000])), Kind.ONLY_HUMAN),
        (truths.Layout(np.array([100.0, 200, 400]), np.array([10.0, 20, 40])), Kind.ALL_ON_ONE_LINE),
    ],
)
def test_runs_on_one_line_cannot_answer_and_two_cells_mend_that(layout: truths.Layout, kind: Kind) -> None:
    s, h, seed = layout.runs(3)
    reason = identification.obstacle(s, h)
    assert reason is not None and reason.kind is kind
    y = 50 + np.random.default_rng(0).normal(size=len(s))
    cells = identification.mend(response.fit(s, h, y, seed, draws=500), s, h)
    mended_s, mended_h = (
        np.append(x, [getattr(cell, name) for cell in cells]) for x, name in ((s, "n_synthetic"), (h, "n_human"))
    )
    assert identification.obstacle(mended_s, mended_h) is None
    assert all(0 < cell.n_synthetic + cell.n_human <= (s + h).max() for cell in cells)


def test_a_replacement_line_with_a_few_twins_short_is_still_a_line() -> None:
    s, h, _ = truths.replacement(500).runs(3)
    short = np.where(s > 400, s - 3, s)
    reason = identification.obstacle(short, h)
    assert reason is not None and reason.kind is Kind.ALL_ON_ONE_TOTAL


def test_too_few_runs_say_how_many_are_needed_and_still_get_two_cells() -> None:
    s, h = np.array([500.0, 1000, 1000]), np.array([0.0, 0, 50])
    reason = identification.obstacle(s, h)
    assert reason is not None and reason.kind is Kind.TOO_FEW_RUNS and reason.parts["runs"] == 3
    assert len({(cell.n_synthetic, cell.n_human) for cell in identification.mend(None, s, h)}) == 2


def test_the_two_cells_tell_more_than_two_others_would() -> None:
    layout, rng = truths.replacement(1000), np.random.default_rng(3)
    s, h, seed = layout.runs(3)
    y = truths.scores(truths.PLAN["log exchange"], layout, 3, (1.0, 0.5, 0.5), 1, rng)[:, 0]

    def doubt(extra: list[tuple[float, float]]) -> float:
        more = np.array(extra * 3).T
        score = truths.PLAN["log exchange"](*more) + rng.normal(size=more.shape[1])
        seeds = np.repeat(np.arange(3), len(extra))
        fitted = response.fit(
            np.append(s, more[0]), np.append(h, more[1]), np.append(y, score), np.append(seed, seeds), draws=1000
        )
        drawn = fitted.score([200.0, 0, 600, 1000], [0.0, 200, 200, 0])
        return float(np.sum(np.subtract(*np.quantile(drawn - drawn.mean(axis=0), [0.9, 0.1], axis=1))))

    told = [
        (float(c.n_synthetic), float(c.n_human))
        for c in identification.mend(response.fit(s, h, y, seed, draws=1000), s, h)
    ]
    assert doubt(told) < 0.5 * doubt([(500.0, 500.0), (750.0, 250.0)])
