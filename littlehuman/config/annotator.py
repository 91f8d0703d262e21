"""Settings that contradict `method=annotator`, where the prompt model labels the test inputs and nothing is trained.

What belongs to a training set and has a default (`n_train`, `model`, `seed`) is passed over: it is no part of the cell.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from littlehuman.errors import Problem
from littlehuman.schema import Provider, Writes

if TYPE_CHECKING:
    from littlehuman.config.run_config import RunConfig


def problems(config: RunConfig) -> Iterator[Problem]:
    """What is set and cannot be meant."""
    if config.synth_frac != 0:
        what = "method=annotator trains nothing, so it has no synthetic share; leave it out"
        yield Problem(f"synth_frac={config.synth_frac:g}", what)
    if config.strategy.writes is not Writes.target:
        what = "writes new texts, and method=annotator asks for labels of given ones; try strategy=annotate"
        yield Problem(f"strategy={config.strategy.name}", what)
    if config.prompt_model.provider is Provider.provided:
        what = "has labels of training points, and method=annotator asks for those of test points; name another one"
        yield Problem("prompt_model=provided", what)
    if config.filter.steps:
        what = "drops points of a training set, and method=annotator has none; leave it out, or filter=none"
        yield Problem(f"filter={config.filter.name}", what)


def mend(config: RunConfig) -> str:
    """The settings of a run without a synthetic share, where one was given."""
    recorded = config.prompt_model.provider is Provider.recorded  # recordings hold twins
    return "synth_frac=0" + " prompt_model=smollm2" * recorded if config.synth_frac != 0 else ""
