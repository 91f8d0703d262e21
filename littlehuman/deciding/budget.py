"""What cells take: seconds and US dollars, guessed before the first cell and measured on it.

In: the data and the models, later the results of cells. Out: `Rates`, and the time and money of cells to come.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from littlehuman.config.run_config import RunConfig
from littlehuman.deciding.inspecting import CHARACTERS_PER_TOKEN, Inspected
from littlehuman.generation.costs import usd
from littlehuman.runs.artifacts import RESULT
from littlehuman.schema import Head, Provider
from littlehuman.store import read_json

PARAMETERS = {
    "smollm2": 1.35e8,
    "minilm": 2.3e7,
    "bert-base": 1.1e8,
    "tiny": 1e5,
    "qwen-1.5b": 1.5e9,
    "qwen-1.5b-gguf": 1.5e9,
}
LARGE = 8e9  # parameters of a model that is not named above
FIXED_GRID = 8 * 5  # cells of the fixed grid of a replacement study: 8 shares, 5 seeds
START_S = 12.0  # of a command: imports, the model's weights
SPEED_OF_A_CORE = 1.5e11  # operations a second in training, as `make bench` measured them (benchmarks/README.md)
SPEED_OF_A_GPU = 2e13  # a guess, low for a data centre's; no GPU was measured
_MOST_CORES = 16
_WRITING = 5  # times as long for a token that is written one by one as for one that is read
_REMOTE_S, _PROMPT_TOKENS, _ANSWER_TOKENS = 1.0, 250, 60
_SHOTS = 3


@dataclass(frozen=True, slots=True)
class Rates:
    """Seconds per training point, test point and twin, US dollars per twin; `measured` on cells, or guessed."""

    train_s: float
    test_s: float
    twin_s: float
    twin_usd: float
    start_s: float = START_S
    measured: bool = False

    def seconds(self, cells: Sequence[tuple[int, int]], n_test: int, new_twins: int) -> float:
        """Wall time of one command with cells (synthetic, human points), where so many twins are not written yet."""
        points = sum(synthetic + human for synthetic, human in cells)
        return self.start_s + points * self.train_s + len(cells) * n_test * self.test_s + new_twins * self.twin_s


def guessed(found: Inspected) -> Rates:
    """Rates before anything was measured: from the sizes of models and texts."""
    config, tuning = found.config, found.config.fine_tuning
    tokens, speed = _tokens(found), _speed(config.launch.device)
    weights = PARAMETERS.get(config.model.name, LARGE)
    read = 2 * weights * tokens / speed
    answers = 8 if config.task.head is Head.generation else 0
    test = read + answers * _WRITING * 2 * weights / speed
    epochs = float(tuning.epochs or 1)
    return Rates(2 * read * epochs, test, _twin_seconds(config, tokens, speed), _twin_usd(config, tokens))


def measured(study: Path, before: Rates) -> Rates:
    """Rates by all complete cells of a study (fused ones share their seconds); what they do not show stays."""
    results = list(_results(study))
    points = sum(result["counts"]["total"] for result in results)
    tested = sum(next(iter(result["scores"].values()))["n"] for result in results)
    if not points or not tested:
        return before
    costs = [result["cost"] for result in results]
    billed = sum(cost["requests"] for cost in costs)
    twin_s = before.twin_s
    if billed:
        twin_s = _sum(results, "generation") / new if (new := asked(study)) else 0.0
    usd_each = sum(cost.get("usd_without_cache", cost["usd"]) for cost in costs) / billed if billed else before.twin_usd
    return replace(
        before,
        train_s=_sum(results, "training") / points,
        test_s=_sum(results, "evaluation") / tested,
        twin_s=twin_s,
        twin_usd=usd_each,
        measured=True,
    )


def busy_s(study: Path) -> float:
    """Seconds of training, evaluation and writing twins in all complete cells."""
    results = list(_results(study))
    return sum(_sum(results, name) for name in ("training", "evaluation", "generation"))


def asked(study: Path) -> int:
    """Twins that were asked for and did not come from the cache."""
    return sum(int(r["cost"]["requests"] - r["cost"]["from_cache"]) for r in _results(study))


def _sum(results: Iterable[Mapping[str, Any]], name: str) -> float:
    return sum(float(result["seconds"].get(name, 0.0)) for result in results)


def complete(study: Path) -> int:
    """Complete cells of a study."""
    return sum(1 for _ in study.glob(f"*/{RESULT}"))


def _results(study: Path) -> Iterable[Mapping[str, Any]]:
    found = (read_json(file) for file in sorted(study.glob(f"*/{RESULT}")))
    return (result for result in found if {"counts", "scores", "cost", "seconds"} <= result.keys())


def _speed(device: str) -> float:
    """Operations a second in training that this machine may reach."""
    from littlehuman.models import devices

    if devices.device(device).type == "cuda":
        return SPEED_OF_A_GPU
    return SPEED_OF_A_CORE * min(os.cpu_count() or 1, _MOST_CORES)


def _tokens(found: Inspected) -> float:
    """Mean tokens of a row."""
    texts = [len(p.evidence) + len(p.text) + len(p.target) for p in found.points]
    return min(sum(texts) / max(len(texts), 1) / CHARACTERS_PER_TOKEN + 10, float(found.config.dataset.max_tokens))


def _twin_seconds(config: RunConfig, tokens: float, speed: float) -> float:
    model = config.prompt_model
    if model.provider in (Provider.recorded, Provider.provided):
        return 0.0
    if model.provider is Provider.openai:
        return _REMOTE_S / max(model.concurrency, 1)
    weights = PARAMETERS.get(model.name, LARGE)
    prompt = _PROMPT_TOKENS + (_SHOTS + 1) * tokens
    return 2 * weights * (prompt + _WRITING * _ANSWER_TOKENS) / speed


def _twin_usd(config: RunConfig, tokens: float) -> float:
    model = config.prompt_model
    if model.provider is not Provider.openai:
        return 0.0
    return usd(_PROMPT_TOKENS + (_SHOTS + 1) * tokens, _ANSWER_TOKENS, model.price, batched=model.batch_api)
