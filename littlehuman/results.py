"""The results of a study, for notebooks: `results.load("multirun/STUDY")` is a data frame with one row per cell."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load(study: Path | str) -> pd.DataFrame:
    """The data frame of a study; `study.load.load` describes its columns. Imported late: pandas is slow to import."""
    from littlehuman.study.load import load

    return load(study)
