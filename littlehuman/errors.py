"""Exceptions for what the user can fix: bad configuration, bad data, an endpoint that does not answer.

Their text is the whole explanation: the place, the value, and what to try. Commands print it without a traceback; any
other exception is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from littlehuman.formatting import plain_text, without_password

MOST_LISTED = 40  # options in a message


class LittlehumanError(Exception):
    """A failure that the user can fix; its text names the place, the value and what to try.

    Labels, columns and answers of strangers may stand in it: escape sequences of a terminal and passwords of addresses
    are taken out.
    """

    def __str__(self) -> str:
        return plain_text(without_password(super().__str__()))

    @property
    def one_line(self) -> str:
        """The first line, for tables."""
        return str(self).split("\n", 1)[0]

    @property
    def rest(self) -> str:
        """The lines that `one_line` leaves out: what was looked for, and what to try."""
        return str(self).partition("\n")[2]


@dataclass(frozen=True, slots=True)
class Problem:
    """One error in a configuration: `where` is a key with its value, a file or a row."""

    where: str
    what: str


class ConfigError(LittlehumanError):
    """An invalid configuration; all problems are listed at once. `hint` is what to try: a command, or a sentence."""

    def __init__(self, problems: Sequence[Problem], hint: str = "") -> None:
        self.problems = tuple(problems)
        self.hint = hint
        super().__init__(self._text())

    def __reduce__(self) -> tuple[type[ConfigError], tuple[Sequence[Problem], str]]:
        return ConfigError, (self.problems, self.hint)  # pickle would pass the text alone

    @property
    def one_line(self) -> str:
        """All problems on one line, for tables."""
        return plain_text(without_password("; ".join(f"{p.where} {p.what}" for p in self.problems)))

    @property
    def rest(self) -> str:
        """What to try."""
        return f"Try: {self.hint}" if self.hint else ""

    def _text(self) -> str:
        count = len(self.problems)
        width = max((len(problem.where) for problem in self.problems), default=0)
        lines = [f"{count} problem{'s' * (count != 1)} in this configuration"]
        lines += [f"  {p.where:<{width}}  {p.what}" for p in self.problems]
        return "\n".join(lines + ([f"Try: {self.hint}"] if self.hint else []))


class DataError(LittlehumanError):
    """A dataset that is missing, has another layout, or holds values that the config does not allow."""


class GenerationError(LittlehumanError):
    """Synthetic data could not be generated: endpoint down, key missing, recording incomplete."""


class WeightsError(LittlehumanError):
    """Model weights that are not installed, cannot be loaded, or have another checksum."""


def nearest(name: str, options: Iterable[str]) -> str:
    """The option that is spelled most alike (difflib); empty where none is."""
    return next(iter(difflib.get_close_matches(name, sorted(options), n=1)), "")


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """`did you mean 'x'?` where an option is spelled alike, else the list of the options, which is cut off."""
    known = sorted(options)
    if near := nearest(name, known):
        return f"did you mean '{near}'?"
    more = f" and {len(known) - MOST_LISTED} more" if len(known) > MOST_LISTED else ""
    return f"there is: {', '.join(known[:MOST_LISTED]) or 'nothing'}{more}"
