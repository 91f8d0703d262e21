"""What a cell's training set is made of: the counts of its result, and the lines of its log."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from littlehuman.config.run_config import RunConfig
from littlehuman.mixture.origin_counts import OriginCounts, count_origins
from littlehuman.records import Dataset, Example, Mixture
from littlehuman.schema import Writes
from littlehuman.twins.writing import Twins

log = logging.getLogger(__name__)


def log_mixture(mixture: Mixture, synthetic: Twins, found: OriginCounts) -> None:
    """Log what the training set is made of; warn of repeated twins and of missing points."""
    counts = mixture.counts
    log.info("training set: %d human + %d synthetic points", counts["human"], counts["synthetic"])
    if synthetic.rejected:
        log.info("%d answers were no usable twins (first: %s)", len(synthetic.rejected), synthetic.rejected[0].reason)
    if repeated := counts["synthetic"] - found.distinct_twins:
        log.warning("%d of %d twins repeat another one", repeated, counts["synthetic"])
    if short := counts["shortfall"]:
        log.warning("the training set is %d points short: no spare points are left to replace failed twins", short)


def count_mixture(
    mixture: Mixture, synthetic: Twins, dataset: Dataset, test: Sequence[Example], config: RunConfig
) -> OriginCounts:
    """Copies and contamination of a training set, as its result counts them."""
    human = {example.id: example for example in dataset.train}
    text_is_synthetic = config.strategy.writes is Writes.pair
    return count_origins(mixture, human, test, new_texts=text_is_synthetic, copies=synthetic.copies)
