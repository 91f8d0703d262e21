"""Linear and quadratic forms that follow from which cells a curve has (arms x seeds): computed once per pattern.

With y the cell means and X their covariance over items, a mean or a difference is w'y with the items' variance w'Xw,
and a sum of squares between seeds is y'By, of which tr(BX) comes from the items.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from littlehuman.stats.clusters import Floats

PRIOR = 4.0  # degrees of freedom that the common between-seed variance counts for, beside an arm's own
PRIOR_OF_BASE = 2.0
AT_LEAST = 1.2  # times an arm's own between-seed variance
AT_LEAST_OF_BASE = 1.3
ENOUGH = 1.5  # degrees of freedom of an own variance that limits: two seeds cannot show that an arm scatters more
_NONE = 1e-9
Present = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ScoreForms:
    """Of the arms' means: `weights` `[arms, cells]`, variance between an arm's seeds `own` `[arms, cells, cells]`,
    their mean `common` `[arms]`, the `prior` weight of it, and traces `[5, arms]` for the degrees of freedom."""

    weights: Floats
    own: Floats
    common: Floats
    df_common: float
    prior: Floats
    traces: Floats
    seeds: Floats


@dataclass(frozen=True, slots=True)
class ComparisonForms:
    """Of the differences to the base over the seeds that both have: `weights` `[comparisons, cells]`; between-seed
    variance of each arm `own` `[arms, cells, cells]` and of all `table` `[cells, cells]`, from the residuals of arms +
    seeds."""

    weights: Floats
    own: Floats
    table: Floats
    df_table: float
    prior: Floats
    at_least: Floats  # times its own variance, for each arm; 0: no limit
    df: Floats
    seeds: Floats  # nan where an arm and the base share none
    others: tuple[int, ...]


def score_forms(present: Present) -> ScoreForms:
    """Forms of the means of arms over their own seeds."""
    return _score_forms(present.tobytes(), present.shape)


def comparison_forms(present: Present, base: int) -> ComparisonForms:
    """Forms of the differences to arm `base`."""
    return _comparison_forms(present.tobytes(), present.shape, base)


@lru_cache(maxsize=64)
def _score_forms(mask: bytes, shape: tuple[int, int]) -> ScoreForms:
    present = np.frombuffer(mask, bool).reshape(shape)
    picks, counts = _picks(present), present.sum(1).astype(float)
    centre = [np.diag(d) - np.outer(d, d) / n for d, n in zip(picks, counts, strict=True)]
    own = np.array(centre) / np.maximum(counts - 1, 1)[:, None, None]
    common = (counts - 1) / max((counts - 1).sum(), 1)
    prior = np.where(counts > 1, PRIOR / (PRIOR + counts - 1), 1.0)
    same_seed = np.asarray(np.kron(np.ones((shape[0], shape[0])), np.eye(shape[1])), float)
    mean = np.asarray(np.tensordot(common, own, 1), float)
    traces = np.array([_traces(w * mean + (1 - w) * block, same_seed) for w, block in zip(prior, own, strict=True)]).T
    return ScoreForms(picks / counts[:, None], own, common, float((counts - 1).sum()), prior, traces, counts)


@lru_cache(maxsize=64)
def _comparison_forms(mask: bytes, shape: tuple[int, int], base: int) -> ComparisonForms:
    present = np.frombuffer(mask, bool).reshape(shape)
    others = tuple(arm for arm in range(shape[0]) if arm != base)
    both = present & present[base]
    counts = both.sum(1)[list(others)].astype(float)
    table, df_table = _additive_residual(present)
    own, df_own = _own(table, _picks(present))
    start = np.where(np.arange(shape[0]) == base, PRIOR_OF_BASE, PRIOR)
    prior = np.where(df_own > 0, start / (start + df_own), 1.0)
    at_least = np.where(df_own > ENOUGH, np.where(np.arange(shape[0]) == base, AT_LEAST_OF_BASE, AT_LEAST), 0.0)
    df = [_df_of_pair(table, df_table, own, prior, base, arm) for arm in others]
    weights = np.array([_paired_weights(both, base, arm) for arm in others]).reshape(len(others), present.size)
    seeds = np.where(counts > 0, counts, np.nan)
    return ComparisonForms(
        weights, own, table / max(df_table, 1), df_table, prior, at_least, np.array(df), seeds, others
    )


def _paired_weights(both: Present, base: int, arm: int) -> Floats:
    row = np.zeros(both.shape)
    row[arm], row[base] = both[arm], -1.0 * both[arm]
    return np.asarray(row.ravel() / max(both[arm].sum(), 1))


def _own(table: Floats, picks: Floats) -> tuple[Floats, Floats]:
    """Variance of each arm from its residuals in the additive table, unbiased where arms scatter alike; degrees of
    freedom."""
    sizes = picks @ np.diag(table)
    blocks = [
        table @ np.diag(d) @ table / size if size > _NONE else 0 * table for d, size in zip(picks, sizes, strict=True)
    ]
    inside = [table * np.outer(d, d) for d in picks]
    df = [np.trace(m) ** 2 / (m * m).sum() if size > _NONE else 0.0 for m, size in zip(inside, sizes, strict=True)]
    return np.array(blocks), np.array(df)


def _df_of_pair(table: Floats, df_table: float, own: Floats, prior: Floats, base: int, arm: int) -> float:
    """Satterthwaite's degrees of freedom of the two moderated variances' sum, where all arms scatter alike."""
    if df_table < 1:
        return float("nan")
    m = (prior[base] + prior[arm]) * table / df_table + (1 - prior[base]) * own[base] + (1 - prior[arm]) * own[arm]
    return float(np.trace(m) ** 2 / (m * m).sum())


def _additive_residual(present: Present) -> tuple[Floats, float]:
    """Projection onto the residuals of cells = arm + seed, and its degrees of freedom."""
    arms, seeds = present.shape
    design = np.hstack([np.kron(np.eye(arms), np.ones((seeds, 1))), np.kron(np.ones((arms, 1)), np.eye(seeds))])
    design = design * present.reshape(-1, 1)
    project = np.diag(present.ravel().astype(float)) - design @ np.linalg.pinv(design)
    return project, float(np.trace(project).round())


def _traces(m: Floats, same_seed: Floats) -> tuple[float, ...]:
    """Of M, MB, MM, MMB and MBMB for B that links cells of one seed."""
    linked = m @ same_seed
    return (
        float(np.trace(m)),
        float(np.trace(linked)),
        float((m * m).sum()),
        float((m * linked.T).sum()),
        float((linked * linked.T).sum()),
    )


def _picks(present: Present) -> Floats:
    """For each arm its cells `[arms, cells]`, 1 and 0."""
    return np.asarray(np.kron(np.eye(present.shape[0]), np.ones(present.shape[1])) * present.ravel(), float)
