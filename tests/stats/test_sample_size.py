"""How many seeds and test items find a drop, and how well a pilot knows what seeds differ by."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import special

from benchmarks.simulate.items import Setting, studies
from littlehuman.errors import ConfigError
from littlehuman.stats import analyse, sample_size
from littlehuman.stats.power import Variation, power, smallest_detectable
from littlehuman.stats.sample_size import MOST_SEEDS, SEEDS, Question, SampleSizes, sample_sizes, seed_sd_limits

USUAL = Variation(seed_sd=0.01, stable_sd=0.15, noise_sd=0.2, icc=0.05)
QUESTION = Question(drop=0.03, shares=4, seeds=3, items=800, cluster_size=4)


@pytest.fixture(scope="module")
def usual() -> SampleSizes:
    return sample_sizes(QUESTION, USUAL)


def test_each_cell_is_the_difference_that_its_design_finds(usual: SampleSizes) -> None:
    for column in (usual.columns[0], usual.asked):
        assert column.clusters == QUESTION.clusters(column.items)
        for seeds in (2, 5):
            design = QUESTION.design(seeds, column.items)
            assert column.smallest[seeds] == pytest.approx(smallest_detectable(design, USUAL), rel=0.04)
            assert power(column.smallest[seeds], design, USUAL) == pytest.approx(0.8, abs=0.04)


def test_the_fewest_seeds_find_the_drop_and_one_fewer_do_not(usual: SampleSizes) -> None:
    tried = [column for column in usual.columns if column.fewest is not None and column.fewest > 2]
    assert tried
    for column in tried:
        assert column.fewest is not None
        chances = [
            power(0.03, QUESTION.design(seeds, column.items), USUAL) for seeds in (column.fewest, column.fewest - 1)
        ]
        assert chances[0] > 0.78 and chances[1] < 0.82


def test_more_seeds_and_more_items_find_smaller_differences(usual: SampleSizes) -> None:
    table = np.array([[column.smallest[seeds] for seeds in SEEDS] for column in usual.columns])
    assert (np.diff(table, axis=0) < 0).all() and (np.diff(table, axis=1) < 0).all()
    needed = [column.fewest or MOST_SEEDS + 1 for column in usual.columns]
    assert needed == sorted(needed, reverse=True) and needed[0] > needed[-1]


def test_with_items_alone_the_difference_is_the_textbook_one() -> None:
    """Two shares, nothing new in any run: (z of 95 % + z of 80 %) standard errors."""
    found = sample_sizes(Question(shares=2, items=5_000), Variation(0, 0.3, 0)).asked.smallest[8]
    assert found == pytest.approx((special.ndtri(0.975) + special.ndtri(0.8)) * 0.3 / math.sqrt(5_000), rel=0.02)


def test_where_no_number_of_seeds_is_enough_the_test_items_that_are_stand_beside(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sample_size, "DRAWS", 50)
    found = sample_sizes(Question(shares=3, items=250), Variation(0.005, 0.3, 0))
    assert found.asked.fewest is None and found.enough is not None and found.enough.items > 250


def test_the_upper_end_of_what_a_pilot_allows_needs_more_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sample_size, "DRAWS", 50)
    found = sample_sizes(QUESTION, USUAL, limits=(0.006, 0.02))
    assert found.asked_at_upper is not None and found.asked.fewest is not None
    assert found.asked_at_upper.smallest[3] > found.asked.smallest[3]
    assert found.asked_at_upper.fewest is None or found.asked_at_upper.fewest > found.asked.fewest


@pytest.mark.parametrize(
    ("seed_sd", "seeds", "arms"),
    [
        (0.02, 3, 4),
        pytest.param(0.0, 3, 6, marks=pytest.mark.slow),
        pytest.param(0.01, 2, 6, marks=pytest.mark.slow),
        pytest.param(0.04, 5, 4, marks=pytest.mark.slow),
    ],
)
def test_the_interval_of_the_seed_sd_covers_the_truth(seed_sd: float, seeds: int, arms: int) -> None:
    setting = Setting(clusters=60, sizes=(4, 4), icc=0.1, seed_sd=seed_sd, seeds=seeds, arms=arms, shared=0.0)
    batch, labels = next(studies(setting, 100, np.random.default_rng(2)))
    limits = [seed_sd_limits(analyse(table, labels).parts) for table in batch]
    assert np.mean([low <= seed_sd <= high for low, high in limits]) > 0.89
    assert np.median([high for _, high in limits]) < 0.15  # and says something


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"drop": 2.0}, "delta=2  must lie between 0 and 1; two percentage points are 0.02"),
        ({"drop": math.nan}, "delta=nan"),
        ({"shares": 1}, "shares=1  must be from 2 to 20"),
        ({"seeds": 21}, "seeds=21  must be from 2 to 20"),
        ({"items": 1}, "items=1  must be from 2 to 10,000,000"),
        ({"items": 5, "cluster_size": 4.0}, "items=5  fill fewer than two clusters of 4.0 items"),
    ],
)
def test_studies_that_cannot_be_are_refused(changed: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Question(**changed)
    assert text in str(caught.value)
