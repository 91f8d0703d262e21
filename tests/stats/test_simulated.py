"""Coverage, false alarms and power by simulation, at a small size; `make simulate` prints the full table."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.simulate import coverage, families, powers, sequences, sums
from benchmarks.simulate.items import Setting, studies
from benchmarks.simulate.means import Design
from littlehuman.stats.looks import Looks

SIX = Design()
BASE = Setting(clusters=48, sizes=(5, 5), icc=0.1)


def _rng(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.SFC64(seed))


@pytest.mark.parametrize(
    "setting",
    [
        BASE,
        replace(BASE, kind="f1", clusters=20, sizes=(1, 33), icc=0.3, between_arms=0.8),
        replace(BASE, clusters=12, icc=0.3),
        *(
            pytest.param(setting, marks=pytest.mark.slow)
            for setting in (
                replace(BASE, seeds=5, seed_sd=0.037, between_arms=0.8),
                replace(BASE, mean=0.93, clusters=100, sizes=(1, 9), icc=0.3, seed_sd=0.0),
                replace(BASE, kind="f1", mean=0.93, clusters=150, sizes=(1, 1), icc=0.0, seed_sd=0.037),
            )
        ),
    ],
    ids=str,
)
def test_intervals_of_scores_and_differences_cover_what_they_say(setting: Setting) -> None:
    assert [row for row in coverage.rows(setting, 300, _rng(1)) if not row.held] == []


@pytest.mark.parametrize(
    "design",
    [
        SIX,
        replace(SIX, seeds=5),
        replace(SIX, wild=5),
        replace(SIX, item_se=0.22, clusters=2_000, wild=5),
        replace(SIX, item_se=0.22, clusters=2_000, seeds=2),
        replace(SIX, arms=2, item_se=0.22, seeds=2),
        replace(SIX, arms=3, wild=2),
    ],
    ids=str,
)
def test_false_alarms_stay_below_their_limit(design: Design) -> None:
    (row,) = families.rows(design, 0.055, 1_500, _rng(2))
    assert row.held, row


@pytest.mark.parametrize(
    ("seeds", "drop", "item_se", "least"),
    [(3, 5.0, 0.5, 0.9), (3, 5.0, 1.0, 0.7), (3, 8.0, 1.0, 0.98), (2, 8.0, 0.5, 0.9), (2, 8.0, 1.0, 0.9)],
)
def test_a_drop_is_found(seeds: int, drop: float, item_se: float, least: float) -> None:
    (row,) = families.rows(replace(SIX, seeds=seeds, drop=drop, item_se=item_se), least, 1_500, _rng(3))
    assert row.held, row


@pytest.mark.parametrize("wild", [None, 5])
def test_four_looks_together_keep_the_level(wild: int | None) -> None:
    design = Design(seeds=6, item_se=0.22, clusters=1_000, wild=wild)
    (row,) = sequences.rows(design, Looks((3, 4, 5, 6)), 0.055, 1_000, _rng(4))
    assert row.held, row


def test_looks_find_a_large_drop_with_fewer_seeds_than_planned() -> None:
    found = list(sequences.rows(Design(seeds=5, drop=8), Looks((2, 3, 4, 5)), None, 300, _rng(5)))
    assert found[0].rate.mean > 0.95 and found[1].rate.mean < 3


def test_the_stated_power_is_the_power() -> None:
    for arms, seeds, se in ((2, 3, 1.0), (6, 2, 0.5), (6, 3, 1.0)):
        (row,) = powers.rows(arms, seeds, se, 2_000, _rng(6))
        assert row.held, row


def test_intervals_of_macro_f1_cover_what_they_say() -> None:
    assert [row for row in sums.rows(sums.Labels(clusters=60), 1_000, _rng(7)) if not row.held] == []


def test_simulated_items_are_what_they_are_said_to_be() -> None:
    setting = Setting("f1", 0.8, 2, 3, 40, (6, 6), 0.25, 0.6, 0.03, shared=0.0)
    table = np.concatenate([batch for batch, _ in studies(setting, 1_000, _rng(8))])
    assert table.mean() == pytest.approx(0.8, abs=0.003)
    means = table.mean(-1)
    across = np.corrcoef(table[:, 0, 0].ravel(), table[:, 1, 0].ravel())[0, 1]
    assert across == pytest.approx(0.6, abs=0.03)
    first, second = table[:, 0, 0].reshape(1_000, 40, 6)[..., :2].reshape(-1, 2).T
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0.25, abs=0.03)
    assert means.shape == (1_000, 2, 3)
