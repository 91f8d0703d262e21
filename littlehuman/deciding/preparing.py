"""Before the first cell: the settings of the study, found again or chosen anew, and what it will take.

In: an `Asked`. Out: `Prepared`; `decide.yaml` is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from littlehuman.config.run_config import RunConfig
from littlehuman.deciding import budget, prompt_model, settings
from littlehuman.deciding.asked import Asked
from littlehuman.deciding.budget import FIXED_GRID, Rates
from littlehuman.deciding.composing import composed
from littlehuman.deciding.inspecting import Choice, Inspected, inspect
from littlehuman.deciding.settings import PILOT_SEEDS, Settings
from littlehuman.deciding.sizes import SHARES, Sizes, sizes_of
from littlehuman.economics.identification import SEEDS
from littlehuman.formatting import count
from littlehuman.study.look_design import LOOKS

_FOR_CELLS = 0.5  # of the time: the rest is for twins, imports, the report, and a guess that was too low
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
    seconds = _FOR_CELLS * 3600 * asked.hours / cells_expected()[0]
    sizes = sizes_of(found, asked, seconds, rates.train_s, rates.test_s)
    choices = (*_with_share(found.choices, sizes), *sizes.choices)
    words = _words(found.words, sizes)
    own = _settings(asked, found, sizes, words, composed(words))
    estimate = _estimate(own, rates)
    path = settings.write(own, asked, choices, estimate)
    return Prepared(own, rates, paid, tuple(_said(own, choices, estimate, path, found)))


def _with_share(choices: Sequence[Choice], sizes: Sizes) -> Iterator[Choice]:
    for choice in choices:
        if choice.key != "dataset.test_share" or sizes.test_share is None:
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
    own: Settings, choices: Sequence[Choice], estimate: dict[str, Any], path: Path, found: Inspected
) -> Iterator[str]:
    """What was assumed, in a few lines; all of it is in `decide.yaml`."""
    dataset = found.dataset
    classes = f", {len(dataset.classes)} classes" if dataset.classes else ""
    dropped = f", {sum(dataset.dropped.values())} rows left out" if dataset.dropped else ""
    yield f"{own.dataset}: {count(len(found.points))} points that can be used{classes}{dropped}. Assumed:"
    for choice in choices:
        if choice.key not in ("dataset", "dataset.path", "dataset.name", "dataset.valid_share"):
            value = ", ".join(map(str, choice.value)) if isinstance(choice.value, list | tuple) else choice.value
            yield f"  {choice.key}={value}: {choice.why}"
    yield f"Cells {estimate['cells']}; minutes {estimate['minutes']}; twins {estimate['twins']}, {estimate['usd']:.2f} US dollars"
    yield f"Written: {path}"
