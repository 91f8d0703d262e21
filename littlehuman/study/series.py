"""Which cells of a study belong together.

In: the frame of `results.load`. Out: its column `series`: one readable name for all cells that
differ in seed, size and fraction alone; and the series one by one, each with the cells without
twins that it shares with others (they are computed once for all prompt models).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from littlehuman.config.identity import TWIN_GROUPS
from littlehuman.runs.artifacts import RESULT, STATUS, knobs
from littlehuman.store import digest, read_json

AXES = ("seed", "synth_frac", "n_train", "extra_human", "synthetic")
_SAID = {
    "prompt_model": "twins by {}",
    "human_budget": "human budget {}",
    "protocol": "protocol {}",
    "filter": "filter {}",
}
_LONGEST = 40  # characters of a value in a name
_TELLING = ("model", "prompt_model", "strategy", "filter", "human_budget", "protocol")


@dataclass(frozen=True)
class Series:
    """The cells of one curve family, complete or not, in the order of their axes."""

    name: str
    cells: pd.DataFrame

    @property
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
    """Add `series`, and `kin`: the hash that a cell without twins shares with the series that it serves."""
    trees = [_tree(Path(folder)) for folder in frame["folder"]]
    frame["kin"] = [_hash(tree, (*AXES, *TWIN_GROUPS)) for tree in trees]
    key = [_hash(tree, AXES) for tree in trees]
    twinless = [bool(tree) and "prompt_model" not in tree for tree in trees]
    homes = _homes(frame["kin"], key, twinless)
    key = [homes.get(kin, own) if alone else own for kin, own, alone in zip(frame["kin"], key, twinless, strict=True)]
    names = _names(
        {
            k: tree
            for k, tree, alone in sorted(zip(key, trees, twinless, strict=True), key=lambda row: not row[2])
            if tree
        }
    )
    frame["series_id"] = key
    frame["series"] = [names.get(k) for k in key]
    frame["twinless"] = twinless
    return frame


def split(frame: pd.DataFrame) -> Iterator[Series]:
    """The series of a study; cells that never got as far as a config belong to none."""
    placed = frame[frame["series"].notna()]
    twins = placed[~placed["twinless"]]
    alone = placed[placed["twinless"] & ~placed["kin"].isin(twins["kin"])]
    for _, cells in pd.concat([twins, alone]).groupby(["series", "series_id"], sort=True):
        shared = placed[placed["twinless"] & placed["kin"].isin(cells["kin"]) & ~placed["cell"].isin(cells["cell"])]
        family = pd.concat([cells, shared]).sort_values(["synthetic", "n_train", "extra_human", "synth_frac", "seed"])
        if (family["state"] == "done").any():
            yield Series(str(cells["series"].iloc[0]), family.reset_index(drop=True))


def _homes(kin: pd.Series, key: list[str], twinless: list[bool]) -> dict[str, str]:
    """Kin -> the one series with twins that it has; a kin with several series stays by itself."""
    with_twins: dict[str, set[str]] = {}
    for family, own, alone in zip(kin, key, twinless, strict=True):
        if not alone:
            with_twins.setdefault(family, set()).add(own)
    return {family: next(iter(keys)) for family, keys in with_twins.items() if len(keys) == 1}


def _tree(folder: Path) -> dict[str, Any]:
    tree: dict[str, Any] = (read_json(folder / RESULT) or read_json(folder / STATUS)).get("knobs", {})
    return tree


def _hash(tree: Mapping[str, Any], without: tuple[str, ...]) -> str:
    return digest({key: value for key, value in tree.items() if key not in without}) if tree else ""


def _names(trees: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Dataset and the knobs that differ; where two would still be called the same, the keys that tell them apart."""
    shown = {key: knobs(tree) for key, tree in trees.items()}
    differing = [k for k in _TELLING if len({str(row[k]) for row in shown.values() if k in row}) > 1]
    names = {key: _join(row, differing) for key, row in shown.items()}
    for name in {n for n in names.values() if list(names.values()).count(n) > 1}:
        same = [key for key, own in names.items() if own == name]
        names |= {key: ", ".join([name, *told]) for key, told in _apart({key: trees[key] for key in same}).items()}
    return names


def _apart(trees: Mapping[str, Mapping[str, Any]]) -> dict[str, list[str]]:
    """As many of the keys in which trees differ as tell them all apart; a tree without twins lacks some."""
    values = {key: dict(leaves({k: v for k, v in tree.items() if k not in AXES})) for key, tree in trees.items()}
    every = dict.fromkeys(leaf for own in values.values() for leaf in own)
    told: dict[str, list[str]] = {key: [] for key in trees}
    for leaf in every:
        if len({tuple(words) for words in told.values()}) == len(told):
            break
        if len({str(own[leaf]) for own in values.values() if leaf in own}) > 1:
            told = {
                key: [*words, *([f"{leaf}={_short(values[key][leaf])}"] if leaf in values[key] else [])]
                for key, words in told.items()
            }
    return told


def _short(value: Any) -> str:
    """A value on one line; a long one is cut, and told from others like it by its hash."""
    line = " ".join(str(value).split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 5]}… {digest(str(value))[:4]}"


def _place(row: Mapping[str, Any]) -> str:
    tested = row.get("test_dataset")
    return str(row["dataset"]) if tested is None or tested != tested else f"{row['dataset']} tested on {tested}"


def _join(row: Mapping[str, Any], differing: list[str]) -> str:
    parts = {k: row[k] for k in differing if row.get(k) is not None}
    return ", ".join([_place(row), *(_SAID.get(key, "{}").format(value) for key, value in parts.items())])


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested mapping under dotted keys."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
