"""What can go wrong, said so that the reader can mend it.

In: what is wrong, where it stands, and the mend. Out: exceptions whose text is the whole
explanation; `run.py` prints that text without a traceback. Anything that is not a
`LittlehumanError` is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class LittlehumanError(Exception):
    """A failure that the user can mend; its text names the place, the value and the mend."""

    @property
    def one_line(self) -> str:
        """What is wrong, for tables."""
        return str(self).split("\n", 1)[0]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong: `where` is a key with its value, a file or a row."""

    where: str
    what: str


class ConfigError(LittlehumanError):
    """The configuration asks for something impossible; all problems are listed at once."""

    def __init__(self, problems: Sequence[Problem], hint: str = "") -> None:
        self.problems = tuple(problems)
        self.hint = hint
        super().__init__(self._text())

    def __reduce__(self) -> tuple[type[ConfigError], tuple[Sequence[Problem], str]]:
        return ConfigError, (self.problems, self.hint)  # so that it crosses process borders

    @property
    def one_line(self) -> str:
        """All problems on one line, for tables."""
        return "; ".join(f"{p.where} {p.what}" for p in self.problems)

    def _text(self) -> str:
        count = len(self.problems)
        width = max((len(problem.where) for problem in self.problems), default=0)
        lines = [f"{count} problem{'s' * (count != 1)} in this configuration"]
        lines += [f"  {p.where:<{width}}  {p.what}" for p in self.problems]
        return "\n".join(lines + ([f"Try: {self.hint}"] if self.hint else []))


class DataError(LittlehumanError):
    """A dataset that is absent, has another layout, or holds values that the config rules out."""


class GenerationError(LittlehumanError):
    """Synthetic data could not be had: endpoint down, key missing, recording incomplete."""


class WeightsError(LittlehumanError):
    """Model weights that are not installed, or are not the ones that they should be."""


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Return `did you mean 'x'?` for a near miss, else the list of what exists."""
    known = sorted(options)
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"there is: {', '.join(known) or 'nothing'}"
