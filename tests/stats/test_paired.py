"""Two runs on the same items."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from littlehuman.errors import DataError
from littlehuman.stats.paired import mcnemar


def test_mcnemar_counts_only_items_on_which_two_runs_disagree() -> None:
    new, base = np.zeros(100), np.zeros(100)
    new[:9], base[9:11], new[50:], base[50:] = 1, 1, 1, 1
    assert mcnemar(new, base) == mcnemar(base, new) == pytest.approx(stats.binomtest(9, 11).pvalue)
    assert mcnemar(new, new) == 1


def test_mcnemar_keeps_its_level_where_neither_run_is_better() -> None:
    rng = np.random.default_rng(20)
    chances = rng.beta(2, 1, (2_000, 1, 230))
    new, base = (rng.random((2_000, 2, 230)) < chances).astype(float).transpose(1, 0, 2)
    rate = np.mean([mcnemar(*study) < 0.05 for study in zip(new, base, strict=True)])
    assert 0.02 < rate < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2_000)


def test_runs_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(DataError, match=r"new scores have the shape \(10,\), base scores \(11,\)"):
        mcnemar(np.ones(10), np.ones(11))
    with pytest.raises(DataError, match="base scores: 0.5 is neither 0 nor 1"):
        mcnemar([1, 0], [1, 0.5])
