"""What was typed: the data, the words that go to every run, prices, limits.

In: the options of the command line. Out: an `Asked`, checked as far as no file is needed.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from littlehuman import cli
from littlehuman.errors import ConfigError, DataError, Problem

OWN = (
    "synth_frac",
    "seed",
    "study",
    "extra_human",
    "synthetic",
    "human_budget",
    "method",
    "experiment",
    "launch.max_usd",
)
HOURS = 0.7
DEFAULT_LABELS = 100  # labels that the budget buys where none was given
CHEAP = 1_000  # a twin without a bill counts as this part of a label


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The question. `source`: a file or folder, None where `words` name a dataset; `words`: KEY=VALUE for every run,
    the prompt model among them. Prices and `budget` are in one currency, `max_usd` in US dollars, `hours` of this
    command."""

    source: str | None
    words: tuple[str, ...]
    human_price: float
    synthetic_price: float | None = None
    budget: float | None = None
    target: float | None = None
    evidence: int | None = None
    hours: float = HOURS
    max_usd: float | None = None
    delta: float | None = None
    study: str | None = None
    rehearsal: bool = False

    @property
    def sum_to_spend(self) -> float | None:
        """The budget; where neither it nor a target was given, the price of some labels. None: no limit."""
        assumed = None if self.target is not None else DEFAULT_LABELS * self.human_price
        return assumed if self.budget is None else self.budget

    @property
    def assumed_synthetic_price(self) -> float:
        """What a twin counts as where nothing was billed and no price was given."""
        return self.human_price / CHEAP

    def value(self, key: str) -> str | None:
        """What a word sets; the last one counts."""
        found = [word.partition("=")[2] for word in self.words if word.lstrip("+").partition("=")[0] == key]
        return found[-1] if found else None

    def again(self, *words: str, **other: object) -> str:
        """The command that was typed, with further words or other options, as it can be pasted."""
        changed = replace(self, **other)  # type: ignore[arg-type]
        keys = {word.partition("=")[0] for word in words}
        kept = [word for word in changed.words if word.partition("=")[0] not in keys]
        options = {
            "--human-price": changed.human_price,
            "--synthetic-price": changed.synthetic_price,
            "--budget": changed.budget,
            "--target": changed.target,
            "--evidence": changed.evidence,
            "--hours": None if changed.hours == HOURS else changed.hours,
            "--max-usd": changed.max_usd,
            "--delta": changed.delta,
            "--study": changed.study,
        }
        given = [word for name, value in options.items() if value is not None for word in (name, _shown(value))]
        rehearsal = ["--rehearsal"] if changed.rehearsal else []
        source = [changed.source] if changed.source is not None else []
        return cli.command("decide", [*source, *kept, *words, *given, *rehearsal])


def split_words(words: Sequence[str], prompt_model: Sequence[str]) -> tuple[str | None, tuple[str, ...]]:
    """The file, and the settings of every run: `--prompt-model NAME` is the setting `prompt_model=NAME`.

    Raises:
        ConfigError: for two files, a file beside `dataset=`, neither, or a setting that the command makes itself.
    """
    first, *rest = prompt_model or [""]
    named = [f"prompt_model={first}"] if first and "=" not in first else [first] if first else []
    typed = [*words, *named, *rest]
    settings = [word for word in typed if _is_setting(word)]
    files = [word for word in typed if not _is_setting(word)]
    keys = [word.lstrip("+~").partition("=")[0] for word in settings]
    dataset = "dataset" in keys and "dataset=table" not in settings
    if problems := list(_problems(files, dataset)):
        raise ConfigError(problems)
    if not files and not dataset:
        tried = cli.command("decide", ["data.csv", "--prompt-model", "NAME", "--human-price", "0.8"])
        raise ConfigError([Problem("data", "is missing: a file, or dataset=NAME")], tried)
    if files and not Path(files[0]).expanduser().exists():
        near = _near_files(files[0])
        raise DataError(f"{files[0]}: there is no such file or folder{near and f'; there is {near}'}")
    return (files[0] if files else None), tuple(settings)


def of_options(options: argparse.Namespace) -> Asked:
    """What was typed, checked.

    Raises:
        ConfigError: for words that contradict each other, and numbers that cannot be; with a command that works.
        DataError: for a file that is not there.
    """
    source, words = split_words(options.words, options.prompt_model or ())
    values: dict[str, Any] = {}
    own = [word for word in words if word.lstrip("+~").partition("=")[0] in OWN]
    problems = [Problem(word, "is chosen by this command; leave it out, or run the cells by hand") for word in own]
    words = tuple(word for word in words if word not in own)
    for name, (instead, whole) in _NUMBERS.items():
        text = getattr(options, name)
        value = None if text is None else _number(text, whole)
        if text is not None and (value is None or not _LIMITS[name](value)):
            problems.append(Problem(f"--{name.replace('_', '-')} {text}", _MUST.get(name, "must be a number above 0")))
            value = instead
        values[name] = value
    if options.human_price is None:
        problems.append(Problem("--human-price", "is missing: what one human label costs, in any currency"))
        values["human_price"] = _NUMBERS["human_price"][0]
    values["hours"] = values["hours"] or HOURS
    asked = Asked(source=source, words=words, study=options.study, rehearsal=options.rehearsal, **values)
    if problems:
        tried = asked.again()
        raise ConfigError(problems, tried)
    return asked


_NUMBERS = {  # option -> the value of the command that is proposed in place of a wrong one; whether it is a count
    "human_price": (0.8, False),
    "synthetic_price": (None, False),
    "budget": (None, False),
    "target": (None, False),
    "evidence": (None, True),
    "hours": (HOURS, False),
    "max_usd": (5.0, False),
    "delta": (None, False),
}
_LIMITS: dict[str, Callable[[float], bool]] = {
    **dict.fromkeys(_NUMBERS, lambda value: 0 < value < math.inf),
    "max_usd": lambda value: 0 <= value < math.inf,
    "delta": lambda value: 0 < value < 1,
    "target": lambda value: 0 < value <= 100,
}
_MUST = {
    "max_usd": "must be a number of at least 0",
    "delta": "must be between 0 and 1; two percentage points are 0.02",
    "target": "must be a score, such as 0.85",
    "evidence": "must be a whole number above 0",
}


def _number(text: str, whole: bool) -> float | None:
    try:
        return int(text) if whole else float(text)
    except ValueError:
        return None


def _problems(files: Sequence[str], dataset: bool) -> Iterator[Problem]:
    if len(files) > 1:
        yield Problem(" ".join(files), "are several files; give one, or a folder with one file per split")
    elif files and dataset:
        yield Problem(
            files[0], "stands beside dataset=NAME; give one of them (dataset.path=DIR says where its files are)"
        )


def _is_setting(word: str) -> bool:
    """Whether a word is KEY=VALUE; a file may have = in its name."""
    return re.match(r"[+~]*[\w./@-]+=", word) is not None and not Path(word).expanduser().exists()


def _near_files(name: str) -> str:
    """A file of nearly this name beside it; empty where there is none."""
    from difflib import get_close_matches

    folder = Path(name).expanduser().parent
    others = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    near = get_close_matches(Path(name).name, others, n=1)
    return str(Path(name).parent / near[0]) if near else ""


def _shown(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
