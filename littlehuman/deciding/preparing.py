"""Before the first cell: the settings of the study, found again or chosen anew, and what it will take.

In: an `Asked`. Out: `Prepared`; `decide.yaml` is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from littlehuman.config.run_config import RunConfig
from littlehuman.deciding import budget, prompt_model, settings
from littlehuman.deciding.asked import Asked
from littlehuman.deciding.budget import FIXED_GRID, Rates
from littlehuman.deciding.composing import composed, refuse_unknown
from littlehuman.deciding.facts import facts
from littlehuman.deciding.inspecting import TEST_SHARE, Choice, Inspected, inspect
from littlehuman.deciding.settings import PILOT_SEEDS, Settings
from littlehuman.deciding.sizes import FEWEST_TRAIN, SHARES, Affordable, Sizes, sizes_of
from littlehuman.economics.identification import SEEDS
from littlehuman.study.look_design import LOOKS

_FOR_RUNS = 0.8  # of the time: the rest is for imports, the report, and a guess that was too low
_OFF_CURVE = 2 * SEEDS + 1  # cells off the curve: two mixtures, and the first cell


@dataclass(frozen=True, slots=True)
class Prepared:
    """The settings, what cells take, whether twins are paid for, and what is printed before the first cell."""

    settings: Settings
    rates: Rates
    paid: bool
    lines: tuple[str, ...]


def cells_expected() -> tuple[int, int]:
    """Cells up to the first look, and up to the last one."""
    return len(SHARES) * LOOKS[0] + _OFF_CURVE, len(SHARES) * LOOKS[-1] + _OFF_CURVE


def prepare(asked: Asked) -> Prepared:
    """Find the study again, or choose its settings.

    Raises:
        ConfigError: for a prompt model that is not named, unknown, too weak or without a limit; for settings.
        DataError: for data that cannot be used, and for a study with other choices.
    """
    prompt_model.refuse_unnamed(asked)
    refuse_unknown(asked)
    own_words = [word for word in asked.words if word.lstrip("+").startswith("prompt_model")]
    prompt_model.refuse_unlimited(asked, composed(own_words))
    paid = prompt_model.is_paid(composed(own_words).prompt_model)
    if (known := settings.read(asked)) is not None:
        rates = budget.measured(known.folder, Rates(1.0, 1.0, 1.0, 0.0))
        said = f"{known.folder}: goes on; {budget.complete(known.folder)} cells are complete"
        return Prepared(known, rates, paid, (said,))
    return _chosen(asked, paid)


def _chosen(asked: Asked, paid: bool) -> Prepared:
    found = inspect(asked)
    rates = budget.guessed(found)
    sizes = sizes_of(found, asked, affordable(rates, asked, 3600 * asked.hours))
    choices = (*_of_models(found, asked), *_with_share(found.choices, sizes), *sizes.choices)
    words = _words(found.words, sizes)
    own = _settings(asked, found, sizes, words, composed(words))
    estimate = _estimate(own, rates)
    seen = facts(found)
    path = settings.write(own, asked, seen, choices, estimate)
    return Prepared(own, rates, paid, tuple(_said(own, seen, choices, estimate, path)))


def affordable(rates: Rates, asked: Asked, seconds: float) -> Affordable:
    """What so much time and the limit of money allow."""
    paid = asked.max_usd / rates.twin_usd if rates.twin_usd and asked.max_usd is not None else math.inf
    cells, _ = cells_expected()
    return Affordable(_FOR_RUNS * seconds, cells, rates.train_s, rates.test_s, rates.twin_s, paid)


def resize(asked: Asked, own: Settings, rates: Rates, left_s: float) -> Settings:
    """The settings with fewer training points, where the measured rates leave no time for a look at those chosen."""
    if not rates.measured or asked.value("n_train") is not None:
        return own
    fits = affordable(rates, asked, left_s).n_train(own.n_test)
    n_train = max(fits, FEWEST_TRAIN, 2 * own.small)
    return own if n_train >= own.n_train else settings.resized(own, asked, n_train)


def _of_models(found: Inspected, asked: Asked) -> Iterator[Choice]:
    """The models, where they were not chosen by the data."""
    config = found.config
    if all(choice.key != "model" for choice in found.choices):
        yield Choice("model", config.model.name, "typed, or the default: the model that is fine-tuned")
    named, writer = str(asked.value("prompt_model")), config.prompt_model.name
    yield Choice("prompt_model", named, "you named it" if writer == named else f"you named it; it is {writer}")


def _with_share(choices: Sequence[Choice], sizes: Sizes) -> Iterator[Choice]:
    for choice in choices:
        if choice.key != TEST_SHARE or sizes.test_share is None:
            yield choice
        else:
            yield Choice(
                choice.key, round(sizes.test_share, 4), f"{sizes.n_test} points, by the power that the test needs"
            )


def _words(words: Sequence[str], sizes: Sizes) -> tuple[str, ...]:
    """Words of all runs with the share that is held out; sizes are no part of them."""
    kept = [word for word in words if word.partition("=")[0] not in ("n_train", "n_test", "dataset.test_share")]
    share = [] if sizes.test_share is None else [f"dataset.test_share={sizes.test_share:.4f}"]
    return (*kept, *share)


def _settings(asked: Asked, found: Inspected, sizes: Sizes, words: tuple[str, ...], config: RunConfig) -> Settings:
    from littlehuman import data

    read = data.load(config.audited_dataset, config.task) if sizes.test_share is not None else found.dataset
    n_train = min(sizes.n_train, len(read.train))
    return Settings(
        study=settings.name_of(asked),
        data=settings.data_of(asked),
        typed=asked.words,
        words=words,
        n_train=n_train,
        small=min(sizes.small, n_train),
        n_test=min(sizes.n_test, len(read.test)),
        delta=sizes.delta,
        shares=SHARES,
        rehearsal=prompt_model.rehearsed(config, asked),
        dataset=config.dataset.name,
        model=config.model.name,
        writer=config.prompt_model.name,
        pool=len(read.train),
    )


def _estimate(own: Settings, rates: Rates) -> dict[str, Any]:
    """Cells, minutes and money up to the first and the last look; before any cell was measured."""
    first, last = cells_expected()
    twins = min(own.pool, own.n_train * len(PILOT_SEEDS))
    minutes = [_minutes(own, rates, cells, twins) for cells in (first, last)]
    return {
        "cells": f"{first} to {last}; the fixed grid has {FIXED_GRID}",
        "minutes": f"{minutes[0]:.0f} to {minutes[1]:.0f}, a guess by the models' sizes; the first cell corrects it",
        "usd": round(twins * rates.twin_usd, 4),
        "twins": twins,
    }


def _minutes(own: Settings, rates: Rates, cells: int, twins: int) -> float:
    commands = 1 + cells / len(SHARES)
    curve = [(own.n_train, 0)] * (cells - _OFF_CURVE) + [(own.n_train // 2, 0)] * _OFF_CURVE
    return (rates.seconds(curve, own.n_test, twins) + (commands - 1) * rates.start_s) / 60


def _said(
    own: Settings, seen: dict[str, str], choices: Sequence[Choice], estimate: dict[str, Any], path: Path
) -> Iterator[str]:
    """What was seen and assumed; all of it is in `decide.yaml` too."""
    yield f"{own.dataset}:"
    yield from (f"  {name}: {what}" for name, what in seen.items())
    yield "Assumed (KEY=VALUE says it otherwise):"
    yield from (
        f"  {choice.key}={_shown(choice.value)}: {choice.why}" for choice in choices if choice.key not in _PLAIN
    )
    yield f"Cells: {estimate['cells']}. Minutes: {estimate['minutes']}."
    yield f"Twins: {estimate['twins']}, about {estimate['usd']:.2f} US dollars."
    yield f"Written: {path}"


_PLAIN = ("dataset", "dataset.path", "dataset.name")  # the file that was given


def _shown(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ",".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{raw} is {name}" for raw, name in value.items())
    return "null" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
