"""What can be seen to be wrong before any data is read or any twin is paid for.

In: a `RunConfig`. Out: every problem at once, each with its key, its value and the mend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from operator import attrgetter
from typing import TYPE_CHECKING

from littlehuman.errors import Problem, did_you_mean
from littlehuman.groups import ALL_LINEAR, Architecture, Head

if TYPE_CHECKING:
    from littlehuman.config import RunConfig

_LIMITS = {  # key -> smallest and largest value
    "synth_frac": (0, 1),
    "n_train": (0, math.inf),  # 0: the untrained model
    "n_test": (1, math.inf),
    "extra_human": (0, math.inf),
    "dataset.max_tokens": (16, math.inf),
    "dataset.answer_tokens": (1, math.inf),
    "strategy.shots": (0, math.inf),
    "strategy.max_tokens": (1, math.inf),
    "strategy.max_evidence_words": (1, math.inf),
    "prompt_model.temperature": (0, math.inf),
    "prompt_model.top_p": (0, 1),
    "prompt_model.batch_size": (1, math.inf),
    "metrics.bootstrap": (100, math.inf),
    "launch.micro_batch": (1, math.inf),
    "launch.eval_batch": (1, math.inf),
    "fine_tuning.epochs": (1, math.inf),
    "fine_tuning.batch_size": (1, math.inf),
    "fine_tuning.warmup_ratio": (0, 1),
    "fine_tuning.weight_decay": (0, math.inf),
    "fine_tuning.max_grad_norm": (0, math.inf),  # 0: gradients are not clipped
    "fine_tuning.lora_r": (1, math.inf),
    "fine_tuning.lora_alpha": (1, math.inf),
    "fine_tuning.lora_dropout": (0, 1),
}


def problems(config: RunConfig) -> Iterator[Problem]:
    """Everything that is wrong with a cell, as far as the config alone tells."""
    yield from _outside_limits(config)
    yield from _contradictions(config)
    yield from _training_problems(config)


def _outside_limits(config: RunConfig) -> Iterator[Problem]:
    for key, (low, high) in _LIMITS.items():
        value = attrgetter(key)(config)
        if value is not None and not low <= value <= high:  # nan is outside too
            must = f"must be between {low} and {high}" if high < math.inf else f"must be {low} or more"
            yield Problem(f"{key.replace('fine_tuning', 'training')}={value:g}", must)


def _contradictions(config: RunConfig) -> Iterator[Problem]:
    task, strategy, model = config.task, config.strategy, config.model
    if config.n_train is None and not config.dataset.sizes:
        yield Problem("dataset.sizes=[]", "names no size; say n_train=NUMBER")
    if not _is_budget(config.human_budget):
        yield Problem(f"human_budget={config.human_budget!r}", "must be all, or a number of points")
    if config.test_path is not None and config.test_dataset is None:
        yield Problem(f"test_path={config.test_path}", "needs test_dataset=NAME")
    if config.synthetic and config.synth_frac != 0 and task.name not in strategy.tasks:
        yield Problem(f"strategy={strategy.name}", f"has no words for task={task.name}; it has: {', '.join(strategy.tasks) or 'none'}")
    if task.headline not in task.metrics:
        yield Problem(f"task.headline={task.headline}", f"must be one of task.metrics: {', '.join(task.metrics) or 'none'}")
    if task.headline == "bert_score" and config.metrics.bert_score_model is None:
        yield Problem("task.headline=bert_score", "needs metrics.bert_score_model")
    if what := _wrong_input(task.model_input):
        yield Problem("task.model_input", what)
    if task.head is Head.generation and model.architecture is Architecture.encoder:
        what = f"is an encoder and cannot write answers, which task={task.name} needs; a decoder can: model=smollm2"
        yield Problem(f"model={model.name}", what)


def _training_problems(config: RunConfig) -> Iterator[Problem]:
    tuning, model = config.fine_tuning, config.model
    for name in (f.name for f in fields(tuning) if getattr(tuning, f.name) is None):
        yield Problem(f"training.{name}=null", f"set by neither protocol={config.protocol.name} nor model={model.name}")
    if tuning.learning_rate is not None and not 0 < tuning.learning_rate < math.inf:
        yield Problem(f"training.learning_rate={tuning.learning_rate:g}", "must be above 0")
    roles = [ALL_LINEAR, *model.lora_targets]
    if tuning.lora_targets is not None and tuning.lora_targets not in roles:  # known here, so that no twin is paid for first
        what = f"model={model.name} does not name these; {did_you_mean(tuning.lora_targets, roles)}"
        yield Problem(f"training.lora_targets={tuning.lora_targets}", what)


def _wrong_input(template: str) -> str:
    try:
        template.format(evidence="", text="")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        return f"may name {{evidence}} and {{text}} alone; write other braces twice ({error})"
    return ""


def _is_budget(value: int | str) -> bool:
    return value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
