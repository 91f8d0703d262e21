"""Whether the points at hand can give as many different twins as are wanted: known before the first one is paid for.

At temperature 0 equal requests have one answer, so points with the same evidence, and the same label where one is
asked for, share one twin. Where a filter drops duplicates, fewer requests than wanted twins cannot fill the set.
"""

from __future__ import annotations

import logging

from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, Problem
from littlehuman.mixture.mixing import MixturePlan
from littlehuman.prompting import distinct_requests
from littlehuman.records import Dataset
from littlehuman.schema import FilterStep

log = logging.getLogger(__name__)


def check_enough(plan: MixturePlan, dataset: Dataset, config: RunConfig) -> None:
    """Compare the twins that are wanted with the requests that differ; spare points count.

    Raises:
        ConfigError: when there are too few, and the filter drops duplicates. Without it, it is a warning.
    """
    wanted = len(plan.to_replace)
    if config.prompt_model.temperature or not wanted:
        return
    possible = distinct_requests(
        (*plan.to_replace, *plan.spares),
        plan.owned,
        config.strategy,
        config.task.name,
        dataset.classes,
        replacement=config.protocol.shots_with_replacement,
        enough=wanted,
    )
    if possible >= wanted:
        return
    why = f"at temperature 0 equal requests have one answer, and {dataset.name} gives {possible} different ones"
    mend = "prompt_model.temperature=1 (each request of equal ones gets its own answer)"
    if FilterStep.rules in config.filter.steps and config.filter.rules.no_duplicates:
        problem = Problem(f"n_train={config.size}", f"wants {wanted} twins; {why}, the others would be dropped")
        raise ConfigError([problem], f"{mend}, a smaller n_train, or filter.rules.no_duplicates=false")
    log.warning("at most %d of %d twins can differ: %s; try %s", possible, wanted, why, mend)
