"""The model of a curve: arms x seeds x clusters, its variances, degrees of freedom and tests, for many studies at once.

    score[arm, seed, item] = arm + seed + arm x seed + item parts (cluster-robust, correlated between all cells).

Seeds and items are crossed random factors. The variance of a mean or of a paired difference is the part of the items
(from the covariance of the cell means) plus the between-seed variance divided by the seeds. What the scatter between
seeds holds of items (seed x cluster interaction) is known from that covariance, and taken off.

Each arm's between-seed variance is moderated: a weighted mean of its own (from the residuals of the additive
arms x seeds table; Grubbs 1948, JASA 43) and of the one common to all arms, as if the latter had `layout.PRIOR` degrees
of freedom (Smyth 2004, limma), and in comparisons never below its own times `layout.AT_LEAST`: an arm that scatters
more than the others is taken at its word, one whose seeds happen to agree is not. The base stands in every
comparison and is drawn to the common variance with half the weight. There is no pre-test. These constants and the two
below were set by simulated false alarms, coverage and power (`make simulate`). Degrees of freedom follow from the
quadratic form that the estimate is (Satterthwaite 1946).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import special

from littlehuman.stats.cells import Cells
from littlehuman.stats.clusters import Floats
from littlehuman.stats.interval import LEVEL
from littlehuman.stats.layout import ComparisonForms, comparison_forms, score_forms
from littlehuman.stats.multiplicity import family_p, local_level
from littlehuman.stats.tails import Known, half_width, two_sided

ITEMS_IN_OWN = 1.5  # times the items' part is taken off an arm's own scatter before it limits the variance from below
ITEMS_IN_DOUBT = 0.65  # of the items' part of that scatter counts as known with the seeds' few degrees of freedom only
NO_VARIANCE = 1e-14  # below: rounding; one item of 10,000 that differs makes 1e-8
_Z2 = float(special.ndtri((1 + LEVEL) / 2)) ** 2


@dataclass(frozen=True, slots=True)
class Family:
    """All comparisons with one base, tested as one family at level `alpha`.

    `loadings` `[..., usable]`: roots of the part of each variance that all share with the base; `usable`: comparisons
    that share a seed with it; `by_arm`: moderated between-seed variance of each arm `[..., arms]`, net of items;
    `common`: that of all arms.
    """

    rows: Known
    alpha: float
    loadings: Floats
    usable: npt.NDArray[np.bool_]
    by_arm: Floats
    common: Floats

    @property
    def local(self) -> Floats:
        """Level `[...]` of each single comparison at which the family keeps its own."""
        return local_level(self.alpha, self.loadings)

    @property
    def p(self) -> Floats:
        """Adjusted p values."""
        p = two_sided(self.rows, np.abs(self.rows.value))
        p[..., self.usable] = family_p(p[..., self.usable], self.loadings)
        return p

    @property
    def half_width(self) -> Floats:
        """Half width of the simultaneous intervals, which leave out 0 exactly where the adjusted p is below the
        level."""
        return half_width(self.rows, self.local)


def scores(cells: Cells) -> Known:
    """Mean of each arm over its seeds, for a new draw of seeds and of clusters."""
    forms = score_forms(cells.present)
    y, x = cells.flat, cells.covariance
    items = _items(forms.weights, x)
    if not forms.df_common:
        return _added(
            cells,
            y @ forms.weights.T,
            items,
            np.zeros_like(items),
            items,
            np.full(items.shape[-1], np.nan),
            forms.seeds,
        )
    own, noise = _squares(forms.own, y), _traces(forms.own, x)
    common = own @ forms.common
    net = forms.prior * (common - noise @ forms.common)[..., None] + (1 - forms.prior) * (own - noise)
    df = _df_of_scores(cells, common, forms.traces)
    return _added(cells, y @ forms.weights.T, items, net, np.maximum(net, 0) + noise, df, forms.seeds)


def compare(cells: Cells, alpha: float, base: int = 0) -> Family:
    """Each other arm against `base` over the seeds that both have, at the family-wise level `alpha`.

    An arm that shares no seed with the base has nan.
    """
    forms = comparison_forms(cells.present, base)
    together = forms.weights @ cells.covariance @ forms.weights.T
    rows, by_arm, common = _rows(cells, forms, np.einsum("...aa->...a", together), base)
    rows = _floored(cells, rows)
    usable = ~np.isnan(forms.seeds)
    loadings = _loadings(together, by_arm[..., base], rows)[..., usable]
    return Family(rows, alpha, loadings, usable, by_arm, common)


def seed_variance(cells: Cells) -> float:
    """Variance between the seeds of an arm, net of items, what all arms share included; of one study, 0 where no arm
    has two seeds."""
    forms = score_forms(cells.present)
    net = (_squares(forms.own, cells.flat) - _traces(forms.own, cells.covariance)) @ forms.common
    return max(float(net), 0.0)


def _rows(cells: Cells, forms: ComparisonForms, items: Floats, base: int) -> tuple[Known, Floats, Floats]:
    """The comparisons; moderated variance between seeds of each arm, and of all."""
    y, x = cells.flat, cells.covariance
    value = y @ forms.weights.T
    if not forms.df_table:
        nothing = np.zeros((*value.shape[:-1], cells.arms))
        return _added(cells, value, items, np.zeros_like(items), items, forms.df, forms.seeds), nothing, nothing[..., 0]
    noise = _traces(forms.own, x)
    own = _squares(forms.own, y) - noise
    common = (_squares(forms.table[None], y) - _traces(forms.table[None], x))[..., 0]
    shrunk = forms.prior * common[..., None] + (1 - forms.prior) * own
    least = forms.at_least * (own - (ITEMS_IN_OWN - 1) * noise)
    by_arm = np.maximum(shrunk, np.where(forms.at_least > 0, least, -np.inf))
    others = list(forms.others)
    net = by_arm[..., others] + by_arm[..., [base]]
    gross = np.maximum(net, 0) + noise[..., others] + noise[..., [base]]
    return _added(cells, value, items, net, gross, forms.df, forms.seeds), np.maximum(by_arm, 0), np.maximum(common, 0)


def _added(
    cells: Cells, value: Floats, items: Floats, net: Floats, gross: Floats, df_seeds: Floats, seeds: Floats
) -> Known:
    """Both parts of the variance added up; Satterthwaite's degrees of freedom of the sum."""
    items, net = np.maximum(items, 0), np.maximum(net, 0)
    df_items = np.broadcast_to(cells.clusters.df[..., None], items.shape)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = items + net / seeds
        doubtful = (net + ITEMS_IN_DOUBT * (gross - net)) / seeds
        doubt = np.nan_to_num(doubtful**2 / df_seeds) + items**2 / df_items
        df = np.where(variance > NO_VARIANCE, np.maximum(variance**2 / doubt, np.fmin(df_seeds, df_items)), df_items)
    shape = variance.shape
    df_items, value = np.broadcast_to(df_items, shape), np.broadcast_to(value, shape)
    return Known(value, variance, items, net, gross, seeds, df, df_items, df_seeds)


def _floored(cells: Cells, rows: Known) -> Known:
    """No variance at all does not mean certainty: that no cluster differed says that at most z^2 / (m + z^2) of all do
    (Wilson 1927)."""
    most = _Z2 / (1 / (cells.clusters.shares**2).sum() + _Z2)
    least = (most / -special.stdtrit(rows.df, (1 - LEVEL) / 2)) ** 2
    variance = np.where(rows.variance > NO_VARIANCE, rows.variance, np.where(np.isnan(rows.variance), np.nan, least))
    return replace(rows, variance=variance)


def _loadings(together: Floats, base: Floats, rows: Known) -> Floats:
    """Correlations of the comparisons as products: the part of each variance that all share with the base."""
    count = together.shape[-1]
    shared = (together.sum((-1, -2)) - np.einsum("...aa->...", together)) / max(count * (count - 1), 1)
    whole = shared[..., None] + base[..., None] / rows.seeds
    with np.errstate(invalid="ignore"):
        return np.asarray(np.sqrt(np.clip(whole / rows.variance, 0, 1)))


def _df_of_scores(cells: Cells, common: Floats, traces: Floats) -> Floats:
    """Degrees of freedom of the arms' moderated variances: fewer, the more of the seeds' effect all arms share."""
    forms = comparison_forms(cells.present, 0)
    table = _squares(forms.table[None], cells.flat)[..., 0]
    ratio = np.where(
        table > 0, np.maximum(common / np.where(table > 0, table, 1) - 1, 0), 0 if cells.arms == 1 else 1e9
    )[..., None]
    plain, linked, squared, once, twice = traces
    return np.asarray((plain + ratio * linked) ** 2 / (squared + ratio * (2 * once + ratio * twice)))


def _items(weights: Floats, x: Floats) -> Floats:
    return np.asarray(((weights @ x) * weights).sum(-1))


def _squares(blocks: Floats, y: Floats) -> Floats:
    """y'By `[..., blocks]`."""
    return np.asarray(
        np.moveaxis(((y @ blocks.reshape(len(blocks), *([1] * (y.ndim - 2)), *blocks.shape[1:])) * y).sum(-1), 0, -1)
    )


def _traces(blocks: Floats, x: Floats) -> Floats:
    """tr(BX) `[..., blocks]`."""
    return np.asarray(x.reshape(*x.shape[:-2], -1) @ blocks.reshape(len(blocks), -1).T)
