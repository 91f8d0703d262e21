"""Which cells of a study belong together.

In: the frame of `results.load`. Out: its column `series`, one readable name for all cells that differ in seed, size and
synthetic share alone; and the series one by one, each with the cells without twins, which all prompt models share.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from littlehuman.config.identity import TWIN_GROUPS
from littlehuman.runs.artifacts import STATUS, knobs
from littlehuman.store import digest, read_json
from littlehuman.study.run_files import is_annotator, result_of

AXES = ("seed", "synth_frac", "n_train", "extra_human", "synthetic")
_PHRASES = {
    "prompt_model": "twins by {}",
    "human_budget": "human budget {}",
    "protocol": "protocol {}",
    "filter": "filter {}",
}
_MAX_CHARS = 40  # of a value in a name
_NAMED_BY = ("model", "prompt_model", "strategy", "filter", "human_budget", "protocol")


@dataclass(frozen=True)
class Series:
    """Cells that differ in the axes alone, complete or not, in the order of their axes."""

    name: str
    cells: pd.DataFrame

    @cached_property
    def complete(self) -> pd.DataFrame:
        """The cells that have a result."""
        return self.cells[self.cells["state"] == "done"]

    @property
    def metric(self) -> str:
        """The headline metric."""
        return str(self.complete["metric"].iloc[0])

    @property
    def protocol(self) -> str:
        """The protocol that every table and figure names."""
        return str(self.cells["protocol"].iloc[0])

    @property
    def dataset(self) -> str:
        """The dataset that is trained on."""
        return str(self.cells["dataset"].iloc[0])

    @property
    def place(self) -> str:
        """What is trained on, and what is tested on where that is another dataset."""
        return _place(self.cells.iloc[0])


def named(frame: pd.DataFrame) -> pd.DataFrame:
    """Add the columns `series` (name), `series_id`, `without_twins` and `control_id`.

    A cell that trains nothing (`method=annotator`) is in no series: it has no place on a curve (`study.labelling`).
    `control_id` hashes what is left of a config without axes and twins: it links cells without twins to the series that
    they are the baseline of. Where that is a single series they carry its name.
    """
    configs = [_config_of(Path(folder)) for folder in frame["folder"]]
    configs = [{} if is_annotator(config) else config for config in configs]
    control_ids = [_hash(config, (*AXES, *TWIN_GROUPS)) for config in configs]
    own_ids = [_hash(config, AXES) for config in configs]
    without_twins = [bool(config) and "prompt_model" not in config for config in configs]
    single = _single_series(control_ids, own_ids, without_twins)
    ids = [
        single.get(control, own) if alone else own
        for control, own, alone in zip(control_ids, own_ids, without_twins, strict=True)
    ]
    with_twins_last = sorted(zip(ids, configs, without_twins, strict=True), key=lambda row: not row[2])
    names = _names({series: config for series, config, _ in with_twins_last if config})
    absent = {key: None for key in ("protocol", *AXES) if key not in frame}
    return frame.assign(
        **absent,
        control_id=control_ids,
        series_id=ids,
        series=[names.get(series) for series in ids],
        without_twins=without_twins,
    )


Cells: TypeAlias = pd.DataFrame | Sequence[Series]  # the frame of `results.load`, or its series where they are known


def split(cells: Cells) -> Sequence[Series]:
    """The series of a study that have a complete cell; cells that failed before they had a config belong to none."""
    return tuple(_split(cells)) if isinstance(cells, pd.DataFrame) else cells


def frame_of(cells: Cells) -> pd.DataFrame:
    """The cells of all series as one frame."""
    if isinstance(cells, pd.DataFrame):
        return cells
    return pd.concat([pd.DataFrame(columns=["folder", "state"]), *(series.cells for series in cells)])


def _split(frame: pd.DataFrame) -> Iterator[Series]:
    placed = frame[frame["series"].notna()]
    twins = placed[~placed["without_twins"]]
    baselines = placed[placed["without_twins"]]
    alone = baselines[~baselines["control_id"].isin(twins["control_id"])]
    by_control = dict(list(baselines.groupby("control_id", sort=False)))
    for _, cells in pd.concat([twins, alone]).groupby(["series", "series_id"], sort=True):
        shared = [by_control[control] for control in cells["control_id"].unique() if control in by_control]
        every = pd.concat([cells, *shared]).drop_duplicates("cell")
        every = every.sort_values(["synthetic", "n_train", "extra_human", "synth_frac", "seed"])
        if (every["state"] == "done").any():
            yield Series(str(cells["series"].iloc[0]), every.reset_index(drop=True))


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested mapping under dotted keys."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _single_series(control_ids: Sequence[str], own_ids: Sequence[str], without_twins: Sequence[bool]) -> dict[str, str]:
    """Control id -> the series with twins that it belongs to, where that is a single one."""
    found: dict[str, set[str]] = {}
    for control, own, alone in zip(control_ids, own_ids, without_twins, strict=True):
        if not alone:
            found.setdefault(control, set()).add(own)
    return {control: next(iter(ids)) for control, ids in found.items() if len(ids) == 1}


def _config_of(folder: Path) -> dict[str, Any]:
    config = (result_of(folder) or read_json(folder / STATUS)).get("knobs")
    return config if isinstance(config, dict) else {}


def _hash(config: Mapping[str, Any], without: tuple[str, ...]) -> str:
    return digest({key: value for key, value in config.items() if key not in without}) if config else ""


def _names(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Dataset and the settings that differ; where two names are still equal, the keys that tell them apart."""
    shown = {key: knobs(tree) for key, tree in configs.items()}
    differing = [k for k in _NAMED_BY if len({str(row[k]) for row in shown.values() if k in row}) > 1]
    names = {key: _join(row, differing) for key, row in shown.items()}
    for name in {n for n in names.values() if list(names.values()).count(n) > 1}:
        same = [key for key, own in names.items() if own == name]
        names |= {key: ", ".join([name, *words]) for key, words in _apart({key: configs[key] for key in same}).items()}
    return names


def _apart(configs: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """As many `key=value` as tell the configs apart; one without twins lacks some keys."""
    values = {key: dict(leaves({k: v for k, v in tree.items() if k not in AXES})) for key, tree in configs.items()}
    every = dict.fromkeys(leaf for own in values.values() for leaf in own)
    parts: dict[str, list[str]] = {key: [] for key in configs}
    for leaf in every:
        if len({tuple(words) for words in parts.values()}) == len(parts):
            break
        if len({str(own[leaf]) for own in values.values() if leaf in own}) > 1:
            parts = {
                key: [*words, *([f"{leaf}={_short(values[key][leaf])}"] if leaf in values[key] else [])]
                for key, words in parts.items()
            }
    return parts


def _short(value: Any) -> str:
    """A value on one line; a long one is cut, with a hash that tells it from others like it."""
    line = " ".join(str(value).split())
    return line if len(line) <= _MAX_CHARS else f"{line[: _MAX_CHARS - 5]}… {digest(str(value))[:4]}"


def _place(row: Mapping[str, Any]) -> str:
    tested = row.get("test_dataset")
    return str(row["dataset"]) if tested is None or tested != tested else f"{row['dataset']} tested on {tested}"


def _join(row: Mapping[str, Any], differing: list[str]) -> str:
    parts = {k: row[k] for k in differing if row.get(k) is not None}
    return ", ".join([_place(row), *(_PHRASES.get(key, "{}").format(value) for key, value in parts.items())])
