"""Level of one comparison, so that all comparisons with a shared base keep a family-wise level together.

Many-to-one comparisons (Dunnett 1955, JASA 50; heteroscedastic: Hasler and Hothorn 2008, Biometrical Journal
50). Test statistics of arms that share a base are correlated; with correlations of product form
`loadings[a] * loadings[b]` the probability that none leaves its limits is a one-dimensional integral over
the shared part, computed by the trapezoidal rule. Each comparison is then read from its own Student t at the
level found here (a Gaussian copula), so that test, adjusted p and simultaneous interval are one thing.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

from littlehuman.stats.clusters import Floats

_STEP, _END = 0.25, 6.0  # of the shared normal
_LARGEST = 0.95  # of a squared loading: beyond it the step is too coarse; less correlation is the safe side
_STEPS = 8


def family_p(local: Floats, loadings: Floats) -> Floats:
    """Adjusted p values `[..., comparisons]` of single-step tests from two-sided unadjusted ones.

    The probability, when no arm differs, that the smallest p of the family is as small as this one.
    """
    z = -special.ndtri(np.clip(local, 1e-300, 1) / 2)
    return np.asarray(np.maximum(_any_beyond(z, loadings[..., None, :]), local))


def local_level(alpha: float, loadings: Floats) -> Floats:
    """Two-sided level `[...]` of each comparison at which the family keeps `alpha`; loadings `[..., comparisons]`."""
    count = loadings.shape[-1]
    if count < 2:
        return np.full(loadings.shape[:-1], alpha)
    goal = np.log(alpha)
    one = np.full(loadings.shape[:-1], float(special.ndtri(alpha / 2 / count)) ** 2)
    other = np.full(one.shape, float(special.ndtri(alpha / (1 + 0.5 * (count - 1)) / 2)) ** 2)
    at_one, at_other = (np.log(_any_beyond(np.sqrt(z2), loadings)) - goal for z2 in (one, other))
    for _ in range(_STEPS):  # log p is nearly linear in z^2: the secant method converges at once
        slope = at_other - at_one
        step = np.where(np.abs(slope) > 1e-13, at_other * (other - one) / np.where(slope == 0, 1, slope), 0)
        one, at_one, other = other, at_other, np.maximum(other - step, 0.1)
        at_other = np.log(_any_beyond(np.sqrt(other), loadings)) - goal
        if np.abs(at_other).max(initial=0) < 1e-12:
            break
    return np.asarray(2 * special.ndtr(-np.sqrt(other)))


def _any_beyond(z: Floats, loadings: Floats) -> Floats:
    """Probability `[...]` that any of the correlated normals `[..., comparisons]` lies beyond +-z `[...]`."""
    at, weights = _nodes()
    shift = np.minimum(np.abs(loadings), np.sqrt(_LARGEST))
    spread = np.sqrt(1 - shift**2)[..., None]
    inside = special.ndtr((z[..., None, None] - shift[..., None] * at) / spread)
    inside -= special.ndtr((-z[..., None, None] - shift[..., None] * at) / spread)
    return np.asarray(np.maximum(1 - (inside.prod(-2) * weights).sum(-1), 1e-300))


@lru_cache(maxsize=1)
def _nodes() -> tuple[Floats, Floats]:
    """Half of them: the integrand is even."""
    at = np.arange(0, _END + _STEP / 2, _STEP)
    weights = np.exp(-(at**2) / 2)
    weights[1:] *= 2
    return at, weights / weights.sum()
