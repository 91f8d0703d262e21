"""What the cells of a study left out or doubted: dropped rows of the data, and the notes of each cell's result.

In: the results of complete cells. Out: a row per dataset and sentence. Sentences that differ in their numbers alone
stand once, with those of the first cell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

COLUMNS = ("dataset", "what", "cells", "varies")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def left_out(results: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Columns `dataset`, `what` (a sentence), `cells` that say so, `varies`: whether with other numbers in some."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for result in results:
        dataset = str(result.get("knobs", {}).get("dataset", {}).get("name", ""))
        for sentence in dict.fromkeys(_sentences(result)):
            row = found.setdefault(
                (dataset, _NUMBER.sub("#", sentence)),
                {"dataset": dataset, "what": sentence, "cells": 0, "varies": False},
            )
            row["cells"] += 1
            row["varies"] |= row["what"] != sentence
    return pd.DataFrame(list(found.values()), columns=list(COLUMNS))


def _sentences(result: Mapping[str, Any]) -> Iterator[str]:
    for reason, rows in dict(result.get("dropped_rows") or {}).items():
        yield f"{rows} rows are left out: {reason}"
    yield from map(str, result.get("notes") or ())
