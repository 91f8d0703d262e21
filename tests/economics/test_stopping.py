"""When a replacement study needs no more seeds: the fixed grid's choice for fewer cells."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulate import next_cells
from benchmarks.simulate import price_truths as truths
from littlehuman.economics.stopping import Look, Rules, Stop, advise, choices, look_at

RULES = Rules((0.0, 0.5, 0.9, 1.0), delta=2.0)
CLEAR = Look(np.array([0.0, 0.3, 8.0]), np.full(4, 0.5), 8, [False, False, False], seeds=2, number=1)


def test_a_clear_choice_stops_after_two_seeds() -> None:
    advice = advise(RULES, CLEAR)
    assert advice.stop is Stop.DECISION_STANDS and advice.choice == 0.9 and advice.certainty > 0.99


def test_a_close_choice_goes_on() -> None:
    close = replace(CLEAR, loss=np.array([1.0, 2.1, 2.6]), seed_sd=np.full(4, 2.0))
    advice = advise(RULES, close)
    assert advice.stop is Stop.GO_ON and advice.certainty < RULES.certainty


def test_a_look_is_free_of_what_a_seed_does_to_all_shares_and_sees_a_share_that_scatters_more() -> None:
    rng = np.random.default_rng(0)
    means = rng.standard_normal((6, 4)) * np.array([1, 1, 1, 1, 1, 8.0])[:, None]
    look, shifted = (look_at(scores, [False] * 5, 1) for scores in (means, means + 50 * rng.standard_normal(4)))
    assert np.allclose(look.seed_sd, shifted.seed_sd) and np.allclose(look.loss, shifted.loss)
    assert look.loss == pytest.approx(means[0].mean() - means[1:].mean(axis=1)) and look.df == 15
    assert look.seed_sd[-1] > 1.5 * look.seed_sd[:-1].max()


def test_the_scatter_of_a_look_is_that_of_the_seeds() -> None:
    means = 2.0 * np.random.default_rng(1).standard_normal((40, 40))
    assert look_at(means, [False] * 39, 1).seed_sd.mean() == pytest.approx(2.0, rel=0.05)


def test_one_seed_is_never_enough() -> None:
    assert advise(RULES, replace(CLEAR, seeds=1, settled=[True] * 3)).stop is Stop.GO_ON


def test_verdicts_on_all_shares_stop_a_study() -> None:
    wild = replace(CLEAR, seed_sd=np.full(4, 5.0))
    assert advise(RULES, wild).stop is Stop.GO_ON
    assert advise(RULES, replace(wild, settled=[True, True, True])).stop is Stop.ALL_SETTLED


@pytest.mark.parametrize("last", [{"number": 4, "seeds": 4}, {"number": 2, "seeds": 5}])
def test_no_look_or_seed_beyond_what_was_fixed(last: dict[str, int]) -> None:
    wild = replace(CLEAR, loss=np.array([1.0, 2.1, 2.6]), seed_sd=np.full(4, 9.0), **last)
    assert advise(RULES, wild).stop is Stop.LAST_LOOK


def test_the_choice_is_the_largest_share_before_the_first_loss_of_delta() -> None:
    loss = np.array([[0.0, 1.9, 1.0], [0.0, 2.0, -5.0], [3.0, 0.0, 0.0]])
    assert choices(loss, 2.0).tolist() == [3, 1, 0]


def test_scatter_that_is_known_from_few_seeds_makes_less_certain() -> None:
    near = replace(CLEAR, loss=np.array([0.0, 1.2, 3.0]), seed_sd=np.full(4, 1.0))
    assert advise(RULES, replace(near, df=2.0)).certainty < advise(RULES, replace(near, df=200.0)).certainty


def test_the_fixed_grids_choice_is_had_for_at_most_half_of_its_cells() -> None:
    rows = [next_cells.simulate(truth, sd, 30) for truth in truths.LOSS for sd in (0.5, 1.0)]
    # looks after 2, 3, 4 and 5 seeds, 600 studies: the mean of the cells has a standard error of about 0.2
    assert np.mean([row.cells for row in rows]) < 20
    assert np.mean([row.agrees for row in rows]) > 0.92
