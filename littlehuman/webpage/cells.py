"""The cells of a study as the page lists them, and how far the study is. Cheap: only what changed is read again.

In: the rows of `runs.artifacts.rows`. Out: columns with rows of plain values; counts by state, time and money.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from littlehuman.formatting import absent, plain_text
from littlehuman.runs.artifacts import STATUS
from littlehuman.store import digest, read_json

COLUMNS = (
    *("cell", "state", "dataset", "model", "prompt_model", "strategy", "n_train", "synth_frac", "seed"),
    *("n_human", "n_synthetic", "metric", "score", "low", "high", "usd", "seconds", "error"),
)
_ORDER = ("done", "running", "failed")
_LONGEST = 300  # characters of a cause


def columns_of(rows: Iterable[Mapping[Any, Any]]) -> dict[str, Any]:
    """`columns`, and `rows` with a value for each of them; None where there is none."""
    return {"columns": list(COLUMNS), "rows": [_values(row) for row in rows]}


def _values(row: Mapping[Any, Any]) -> list[Any]:
    metric = row.get("metric")
    own = {**row, "low": row.get(f"{metric}_low"), "high": row.get(f"{metric}_high")}
    return [_plain(own.get(column)) for column in COLUMNS]


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):  # NumPy
        value = value.item()
    if absent(value) or value == "":
        return None
    return plain_text(value)[:_LONGEST] if isinstance(value, str) else value


def stamp(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the complete cells are: aggregates computed for one stamp hold until another one comes."""
    return digest([[row["cell"], row.get("score"), row.get("seconds")] for row in rows if row["state"] == "done"])


def progress(study: Path, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How far a study is.

    `counts` by state (of cells that the last sweep has not begun: `waiting`), `causes` of failures with their numbers,
    `running` [{cell, stage, since}], `eta_s` (None: nothing runs, or nothing is complete), `usd` paid, `seconds` of
    compute in complete cells.
    """
    counts = Counter(str(row["state"]) for row in rows)
    waiting = max(0, planned(study) - len(rows))
    running = [row for row in rows if row["state"] == "running"]
    causes = Counter(str(_plain(row.get("error")) or "no cause is known") for row in rows if row["state"] == "failed")
    ordered = {state: counts[state] for state in (*_ORDER, *sorted(set(counts) - {*_ORDER})) if counts[state]}
    return {
        "counts": ordered | ({"waiting": waiting} if waiting and running else {}),
        "causes": causes.most_common(5),
        "running": [_stage(study, str(row["cell"])) for row in running[:8]],
        "eta_s": _eta(rows, len(running), waiting),
        "usd": sum(float(row["usd"]) for row in rows if not absent(row.get("usd")) and row.get("usd") != ""),
        "seconds": sum(_seconds(rows)),
        "at": time.time(),
    }


def planned(study: Path) -> int:
    """Number of cells of the last sweep in the folder (`multirun.yaml`, by Hydra); 0 where it does not say."""
    file = study / "multirun.yaml"
    try:
        known = _planned.get(study)
        modified = file.stat().st_mtime_ns
        if known is None or known[0] != modified:
            known = _planned[study] = (modified, _product(file))
    except (OSError, ValueError, AttributeError, TypeError):
        return 0
    return known[1]


_planned: dict[Path, tuple[int, int]] = {}


def _product(file: Path) -> int:
    """How many combinations the values of a sweep have."""
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]

    try:
        config = OmegaConf.load(file)
        typed = list(config.hydra.overrides.task)
        axes: Any = OmegaConf.to_container(config.hydra.sweeper, resolve=False)
        params = axes.get("params") or {}
        parsed = OverridesParser.create().parse_overrides([*(f"{key}={params[key]}" for key in params), *typed])
    except (HydraException, YAMLError, OmegaConfBaseException):
        return 0
    by_key = {one.get_key_element(): one for one in parsed}  # what was typed replaces an axis of the experiment
    number = 1
    for one in by_key.values():
        number *= len(list(one.sweep_iterator())) if one.is_sweep_override() else 1
    return number


def _stage(study: Path, cell: str) -> dict[str, Any]:
    status = read_json(study / cell / STATUS)
    return {"cell": cell, "stage": status.get("stage"), "since": status.get("updated")}


def _eta(rows: Sequence[Mapping[str, Any]], running: int, waiting: int) -> float | None:
    """Seconds until the sweep ends, by the median time of a complete cell and the number that run at once."""
    took = _seconds(rows)
    return median(took) * (running + waiting) / running if running and took else None


def _seconds(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    return [float(row["seconds"]) for row in rows if isinstance(row.get("seconds"), int | float)]
