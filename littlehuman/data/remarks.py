"""Remarks on what was read: counts of what is odd but readable, each with the place where it stands first."""

from __future__ import annotations

from collections import Counter


class Remarks:
    """Counts by sentence, in the order in which each was first made."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._first: dict[str, str] = {}

    def add(self, what: str, place: str) -> None:
        """Count one case of `what`, a sentence that follows a number, such as `rows are short`."""
        self._counts[what] += 1
        self._first.setdefault(what, place)

    def lines(self) -> list[str]:
        """One line per sentence: `<count> <what> (first: <place>)`."""
        return [f"{count} {what} (first: {self._first[what]})" for what, count in self._counts.items()]
