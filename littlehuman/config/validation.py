"""Validation of a configuration, before any data is read or any twin is paid for.

All problems are found at once. Each is a `Problem` with key, value, and how to correct it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

from littlehuman.config import annotator, audit_validation, compatibility, writers
from littlehuman.errors import Problem, did_you_mean
from littlehuman.languages import code_problem
from littlehuman.prompt_models import settings
from littlehuman.prompting.templates import form_fields, unknown_fields
from littlehuman.schema import (
    ALL_LINEAR,
    FilterStep,
    JudgeConfig,
    Method,
    RoundTripConfig,
    Tracker,
    devices,
)

if TYPE_CHECKING:
    from littlehuman.config.run_config import RunConfig


MAX_NAME_BYTES = 150  # of a folder's name: file systems take 255, and a cell's name adds its settings
_LIMITS = {  # key -> minimum and maximum
    "synth_frac": (0, 1),
    "n_train": (0, math.inf),  # 0: the untrained model
    "n_test": (1, math.inf),
    "extra_human": (0, math.inf),
    "dataset.max_tokens": (16, math.inf),
    "dataset.answer_tokens": (1, math.inf),
    "strategy.shots": (0, math.inf),
    "strategy.max_tokens": (1, math.inf),
    "strategy.max_evidence_words": (1, math.inf),
    "strategy.attempts": (1, math.inf),
    "filter.rules.min_words": (1, math.inf),
    "filter.rules.max_words": (1, math.inf),
    "filter.rules.max_answer_words": (1, math.inf),
    "filter.rules.near_duplicates": (0.1, 1),
    "filter.round_trip.min_f1": (0, 1),
    "filter.round_trip.max_tokens": (1, math.inf),
    "filter.judge.min_score": (1, 5),
    "filter.judge.max_tokens": (1, math.inf),
    "metrics.bootstrap": (100, math.inf),
    "metrics.bleu_threshold": (0, 1),
    "launch.micro_batch": (1, math.inf),
    "launch.eval_tokens": (1, math.inf),
    "launch.cells": (1, math.inf),
    "launch.group": (1, math.inf),
    "launch.processes": (1, math.inf),
    "launch.save_every_s": (0, math.inf),
    "launch.max_usd": (0, math.inf),
    "audit.near": (0.5, 1),
    "audit.ngram": (2, math.inf),
    "audit.judge_sample": (20, math.inf),
    "generation.round": (0, math.inf),
    "fine_tuning.epochs": (1, math.inf),
    "fine_tuning.batch_size": (1, math.inf),
    "fine_tuning.warmup_ratio": (0, 1),
    "fine_tuning.weight_decay": (0, math.inf),
    "fine_tuning.max_grad_norm": (0, math.inf),  # 0: gradients are not clipped
    "fine_tuning.lora_r": (1, math.inf),
    "fine_tuning.lora_alpha": (1, math.inf),
    "fine_tuning.lora_dropout": (0, 1),
}
_LIMITS |= {f"writer{key[11:]}": limits for key, limits in _LIMITS.items() if key.startswith("fine_tuning.")}
_LIMITS |= {
    f"{group}.{key}": limits for group in ("prompt_model", "filter.model") for key, limits in settings.LIMITS.items()
}


def problems(config: RunConfig) -> Iterator[Problem]:
    """All problems of a cell that the config alone shows."""
    yield from _outside_limits(config)
    yield from _contradictions(config)
    yield from _training_problems(config)
    yield from compatibility.problems(config)
    yield from devices.problems(config.launch)
    yield from devices.revision("model", config.model.weights, config.model.revision)
    if config.method is Method.annotator or (config.synthetic and config.synth_frac != 0):
        yield from settings.contradictions(config.prompt_model)
    else:
        yield from settings.key_name_problems(config.prompt_model)
    yield from _filter_problems(config)
    yield from audit_validation.problems(config.audit, config.task.name, config.stand_ins_by)
    yield from writers.problems(config)
    if config.tracker.name is not Tracker.none and not find_spec(config.tracker.name):
        hint = f"python -m pip install {config.tracker.name}, or tracker=none"
        yield Problem(f"tracker={config.tracker.name}", f"is not installed; try: {hint}")


def unknown_keys(values: Mapping[str, Any], kind: type, path: str = "") -> Iterator[Problem]:
    """Keys of a composed config, at any depth, for which dataclass `kind` has no field (a typo in `+key=value`).

    `values` is its container, unresolved. Dictionaries with free keys (labels, splits, tasks, ...) are not checked.
    `path` is the prefix of each name.
    """
    known = _fields_of(kind)
    for key, value in values.items():
        if key in known:
            yield from _unknown_inside(value, known[key], f"{path}{key}")
        else:
            yield Problem(f"{path}{key}{_value(key, value)}", f"is no key; {did_you_mean(key, known)}")


def is_study(name: str) -> bool:
    """Whether a name is a folder below that of all results."""
    path = PurePath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and is_file_name(name)


def is_file_name(name: str) -> bool:
    """Whether a file system takes a name, or several with / between them: not too long, and printable."""
    sizes = [len(part.encode("utf-8", "surrogatepass")) for part in PurePath(name).parts]
    return max(sizes, default=0) <= MAX_NAME_BYTES and name.isprintable()


def _outside_limits(config: RunConfig) -> Iterator[Problem]:
    for problem in settings.outside_limits(config, _LIMITS):
        yield Problem(problem.where.replace("fine_tuning", "training"), problem.what)


def _contradictions(config: RunConfig) -> Iterator[Problem]:
    task, strategy, launch = config.task, config.strategy, config.launch
    if launch.processes > 1 and ":" in launch.device:
        yield Problem(
            f"launch.device={launch.device}",
            f"names one device for launch.processes={launch.processes}; say cuda or auto",
        )
    if (code := config.dataset.language) is not None and (what := code_problem(code)):
        yield Problem(f"dataset.language={code}", what)
    if not is_study(config.study):
        yield Problem(
            f"study={config.study}",
            "must be a folder under multirun/: a name, or several with / between them, without .., "
            f"printable and of at most {MAX_NAME_BYTES} bytes each",
        )
    if not is_file_name(config.dataset.name):
        what = f"must be printable and of at most {MAX_NAME_BYTES} bytes: the folders of its cells begin with it"
        yield Problem(f"dataset.name={config.dataset.name}", what)
    if not _is_budget(config.human_budget):
        yield Problem(f"human_budget={config.human_budget!r}", "must be all, or a number of points")
    if config.test_path is not None and config.test_dataset is None:
        yield Problem(f"test_path={config.test_path}", "needs test_dataset=NAME")
    asks = config.method is Method.annotator or (config.synthetic and config.synth_frac != 0)
    if asks and task.name not in strategy.tasks:
        yield Problem(
            f"strategy={strategy.name}",
            f"has no words for task={task.name}; it has: {', '.join(strategy.tasks) or 'none'}",
        )
    if task.headline not in task.metrics:
        yield Problem(
            f"task.headline={task.headline}", f"must be one of task.metrics: {', '.join(task.metrics) or 'none'}"
        )
    if task.headline == "bert_score" and config.metrics.bert_score_model is None:
        yield Problem("task.headline=bert_score", "needs metrics.bert_score_model")
    if what := _model_input_problem(task.model_input):
        yield Problem("task.model_input", what)
    if config.method is Method.annotator:
        yield from annotator.problems(config)


def _training_problems(config: RunConfig) -> Iterator[Problem]:
    tuning, model = config.fine_tuning, config.model
    for name in (f.name for f in fields(tuning) if getattr(tuning, f.name) is None):
        yield Problem(f"training.{name}=null", f"set by neither protocol={config.protocol.name} nor model={model.name}")
    if tuning.learning_rate is not None and not 0 < tuning.learning_rate < math.inf:
        yield Problem(f"training.learning_rate={tuning.learning_rate:g}", "must be above 0")
    roles = [ALL_LINEAR, *model.lora_targets]
    if tuning.lora_targets is not None and tuning.lora_targets not in roles:
        what = f"model={model.name} does not name these; {did_you_mean(tuning.lora_targets, roles)}"
        yield Problem(f"training.lora_targets={tuning.lora_targets}", what)


def _filter_problems(config: RunConfig) -> Iterator[Problem]:
    chosen = config.filter
    for step in FilterStep:
        part = getattr(chosen, step)
        if step not in chosen.steps and part != type(part)():
            used = ", ".join(chosen.steps) or "nothing"
            yield Problem(
                f"filter.{step}",
                f"is set, and filter={chosen.name} uses {used}; try filter={step} or filter.steps=[...]",
            )
    model_steps: dict[FilterStep, JudgeConfig | RoundTripConfig] = {
        FilterStep.round_trip: chosen.round_trip,
        FilterStep.judge: chosen.judge,
    }
    if chosen.has_own_model and model_steps.keys().isdisjoint(chosen.steps):
        yield Problem(
            f"filter.model={chosen.model.name}",
            f"filter={chosen.name} asks nobody; try filter=judge or filter=round_trip",
        )
    elif chosen.has_own_model:
        yield from settings.contradictions(chosen.model, "filter.model")
    else:
        yield from settings.key_name_problems(chosen.model, "filter.model")
    if chosen.model.json_schema:
        yield Problem(
            "filter.model.json_schema=true",
            "verdicts are asked for in a plain form; try filter.model.json_schema=false",
        )
    if chosen.model.max_usd is not None:
        what = (
            "a command has one limit, for twins and filters together; "
            "try launch.max_usd=NUMBER, and filter.model.max_usd=null"
        )
        yield Problem(f"filter.model.max_usd={chosen.model.max_usd:g}", what)
    for step, part in model_steps.items() if config.synthetic and config.synth_frac != 0 else ():
        if step in chosen.steps:
            yield from _template_problems(config, step, part, ("label",) if step is FilterStep.judge else ())


def _template_problems(
    config: RunConfig, name: FilterStep, step: JudgeConfig | RoundTripConfig, extra_fields: tuple[str, ...]
) -> Iterator[Problem]:
    """Problems of a filter's prompt templates. `extra_fields` may be in the user turn: `{label}`, for a judge only."""
    task = config.task.name
    words = step.tasks.get(task)
    if words is None:
        yield Problem(
            f"filter={config.filter.name}",
            f"{name} has no words for task={task}; it has: {', '.join(step.tasks) or 'none'}",
        )
        return
    problems = [
        *unknown_fields("system", words.system, ("classes",)),
        *unknown_fields("user", words.user, ("evidence", "text", "classes", *extra_fields)),
        *unknown_fields("assistant", words.assistant, ("target",)),
    ]
    if "target" not in form_fields(words.assistant).values():
        problems.append(
            "assistant needs a word and a colon before {target}, as in `Score: {target}`: so it is found in an answer"
        )
    yield from (Problem(f"filter={config.filter.name}", f"{name}.tasks.{task}.{what}") for what in problems)


def _model_input_problem(template: str) -> str:
    try:
        template.format(evidence="", text="")
    except (KeyError, IndexError, ValueError, AttributeError) as error:
        return f"may only have {{evidence}} and {{text}}; write other braces twice ({error})"
    return ""


def _is_budget(value: int | str) -> bool:
    return value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)


_fields_of = cache(get_type_hints)  # names and types of a dataclass: slow, and asked for in each cell of a sweep


def _unknown_inside(value: Any, kind: Any, path: str) -> Iterator[Problem]:
    """Unknown keys inside a value that is a dataclass, or a collection of dataclasses."""
    if is_dataclass(kind) and isinstance(kind, type) and isinstance(value, Mapping):
        yield from unknown_keys(value, kind, f"{path}.")
    elif items := [item for item in get_args(kind) if is_dataclass(item)]:
        inside = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
        for key, item in inside:
            yield from _unknown_inside(item, items[0], f"{path}.{key}")


def _value(key: str, value: Any) -> str:
    """`=value` as it was typed, masked where it may be secret; empty for a mapping or list."""
    if isinstance(value, Mapping | list):
        return ""
    return "=***" if re.search("key|token|secret|password", key, re.IGNORECASE) else f"={value}"
