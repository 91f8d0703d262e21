"""What a run leaves behind, and how it is read again.

In: the records of a finished run; the folders of a study. Out: `mixture.json`,
`predictions.jsonl`, `result.json` (written last: its presence means complete); a row per cell, and
under the name `load(study)` the tidy frame of `study.frame`.

"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load(study: Path | str) -> pd.DataFrame:
    """The tidy frame of a study: `study.frame.load`, which says what its columns are.

    Its name is here for notebooks and users; it is imported late because `study` stands on this file.
    """
    from littlehuman.study.load import load

    return load(study)
