"""Scores of training runs by what they were trained on: from a table of the user's own, or from a study.

In: a CSV with the columns n_synthetic, n_human and score (one row per run, any order, other
columns ignored), or a study folder. Out: one `Scored` per series; a CSV is one series.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from littlehuman.errors import DataError, did_you_mean
from littlehuman.study import score_csv

if TYPE_CHECKING:
    from littlehuman.study.series import Series

_OUTLYING = 20  # times the median score


@dataclass(frozen=True, eq=False)
class Scored:
    """Runs of one series: float arrays [runs] of equal length; `notes` are sentences that a reader must know.

    `source` is the file, or the study and its series, for messages; `protocol` that of a study's runs.
    """

    name: str
    n_synthetic: NDArray[np.float64]
    n_human: NDArray[np.float64]
    score: NDArray[np.float64]
    metric: str = "score"
    notes: tuple[str, ...] = ()
    source: str = ""
    protocol: str = ""

    @property
    def place(self) -> str:
        """Where the runs are from, for messages."""
        return self.source or self.name


def read_scores(path: str | Path, series: str | None = None) -> list[Scored]:
    """Read a CSV (one series) or a study folder (one per dataset, model, ...; `series` picks one by name).

    Raises:
        DataError: for a file that is absent or has another layout (column, row and value are named), for a
            study without a finished cell, and for a series that is not there.
    """
    path = Path(path).expanduser()
    found = _of_study(path) if path.is_dir() else [_of_csv(path)]
    if series is None:
        return found
    chosen = [scored for scored in found if scored.name == series]
    if not chosen:
        raise DataError(f"{path}: there is no series {series!r}; {did_you_mean(series, (scored.name for scored in found))}")
    return chosen


def _of_csv(path: Path) -> Scored:
    """One series, named as the file is."""
    cells = list(score_csv.cells(path))
    if not cells:
        raise DataError(f"{path}: there are no rows under the header\nTry: {score_csv.EXAMPLE}")
    table = np.array([[score_csv.number(path, *cell) for cell in row] for row in cells], dtype=np.float64)
    notes = _of_scales([row[0][0] for row in cells], table[:, 2])
    return Scored(path.name, table[:, 0], table[:, 1], table[:, 2], notes=notes, source=str(path))


def _of_scales(rows: Sequence[int], score: NDArray[np.float64]) -> tuple[str, ...]:
    """A sentence where one score looks like percent among shares."""
    most, middle = float(score.max()), float(np.median(score))
    if score.min() < 0 or most <= 1 or 1 < middle <= most <= _OUTLYING * middle:
        return ()
    others = "most scores lie in 0..1" if middle <= 1 else f"half of the scores are {middle:g} or less"
    return (f"row {rows[int(score.argmax())]} is {most:g}, {others}: percent and shares mixed?",)


def _of_study(path: Path) -> list[Scored]:
    """One series per curve of a study, from its finished cells."""
    from littlehuman.study import frame, series  # pandas comes with them

    cells = frame.load(path)
    found = [_of_series(path, one) for one in series.split(cells)]
    if not found:
        none = "the only cell of this study is not" if len(cells) == 1 else f"none of the {len(cells)} cells of this study is"
        raise DataError(f"{path}: {none} finished\nTry: the sweep's command again")
    return found


def _of_series(path: Path, series: Series) -> Scored:
    cells = series.complete
    n_synthetic, n_human, score = (cells[column].to_numpy(dtype=np.float64) for column in score_csv.COLUMNS)
    shown = cells["human_in_prompts"].to_numpy(dtype=np.float64)[(n_synthetic > 0) & (n_human == 0)]
    most, absent = int(np.nan_to_num(shown).max(initial=0)), len(series.cells) - len(cells)
    notes = []
    if most:
        notes.append(
            f"the prompts behind the synthetic-only runs showed up to {most} human-labelled points: their curve is not free of human data"
        )
    if absent:
        notes.append(f"{absent} of {len(series.cells)} cells {'is' if absent == 1 else 'are'} not complete and did not count")
    return Scored(series.name, n_synthetic, n_human, score, series.metric, tuple(notes), f"{path}, series {series.name}", series.protocol)
