"""Datasets for `benchmarks.audit`: public ones from a folder, and points of invented words."""

from __future__ import annotations

import random
from functools import cache
from pathlib import Path
from typing import Any

import hydra

from littlehuman import data, run
from littlehuman.config import run_config
from littlehuman.config.run_config import RunConfig
from littlehuman.records import Dataset, Example

_FOLDERS = {"conference_titles": "title_conference/title_conference.csv"}


@cache
def config_of(name: str, place: Path) -> RunConfig:
    """The configuration of a dataset whose files are in a folder."""
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        path = (place / _FOLDERS.get(name, name)).absolute()
        composed: Any = hydra.compose("config", overrides=[f"dataset={name}", f"dataset.path={path}"])
    return run_config.from_hydra(composed)


def load(name: str, place: Path) -> Dataset:
    """A public dataset."""
    config = config_of(name, place)
    return data.load(config.dataset, config.task)


def columns(name: str, place: Path) -> tuple[str, ...]:
    """The columns of a dataset's evidence, where there are several."""
    found = config_of(name, place).dataset.columns.evidence
    return tuple(found) if not isinstance(found, str | None) else ()


def invented(count: int, name: str, words: int = 12, evidence: int = 120) -> list[Example]:
    """Claims of random words on evidence of random words, two claims on each."""
    rng = random.Random(name)
    vocabulary = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in ("a", "el", "in", "or", "u") for c in range(60)]
    passages = [" ".join(rng.choices(vocabulary, k=evidence)) for _ in range(count // 2 + 1)]
    texts = (" ".join(rng.choices(vocabulary, k=words)) for _ in range(count))
    return [Example(f"{name}{i}", passages[i // 2], text, (str(i % 2),)) for i, text in enumerate(texts)]
