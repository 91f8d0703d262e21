"""All that the report of a study says, for programs: `answers.json`, `comparisons.csv`, `prices.csv`.

In: `ReportData` and its sentences. Out: a dict that strict JSON can hold, and the two tables made of it. Scores and
differences are in 0..1 and not rounded; null, or an empty cell, is what is not known. Scores of single cells are in
`table.csv` and of all conditions in `over_seeds.csv`; they are not repeated.

Keys of `answers.json` (`SCHEMA` rises when one of them changes its meaning or goes; new ones may come at any time):

- `schema`, `littlehuman` (version), `study`, `delta`, `level`, `answer` (the one line), `findings` (the others);
- `curves`, `controls` (human points alone): see `study/answers.py`. In each `shares[]`: `verdict` (worse, better,
  equal, unknown, withheld; null for the base), `withheld_because[]`, `change` {value, low, high} (the simultaneous
  interval that decides) and `change_speaks_of` ("items": one seed, nothing is decided), `p`, `p_adjusted`,
  `p_loss_of_delta`, `p_items`, `detectable` (80 % power), `power_at_delta`, `seeds_of_both`; beside them `floors[]`,
  `clusters` {level, count, items, icc, effective_items}, `variance`, `warnings[]`, `caveats[]`, `cells[]`;
- `learning_curves`: scores over human labels alone, per series: `n_human` (the most), `sizes[]` (as `shares[]`, against
  the most; `left_out` is the share of the labels that is missing), `curve[]` {n_human, value, low, high,
  extrapolated} (fitted, to twice the most), `doubling` {n_human, change}, `within_delta_from` {value, low, high} (in
  labels), `not_known_because`, `models[]`, `floors[]`, `warnings[]`;
- `prices`: per series with a trade-off what `price --json` says of it; `plans`: what `plan --json` says, with a budget;
- `cells`: state of the study: `counts` by state, `missing[]`, `complete` {cell: {id, dataset, mixture}} (fingerprints
  of the run's configuration, its data and its training set), and `digest`, one hash of these ids;
- `files`: what the report wrote, relative to the study.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from littlehuman import __version__
from littlehuman.stats import LEVEL
from littlehuman.store import digest
from littlehuman.study.answers import as_json, known
from littlehuman.study.run_files import result_of

if TYPE_CHECKING:
    from littlehuman.economics.price import Tradeoff
    from littlehuman.reporting.gathering import ReportData

SCHEMA = 1
_OF_CURVE = ("series", "label", "protocol", "n_train", "human_points_alone", "metric")
_OF_COMPARISON = ("synth_frac", "n_human", "n_synthetic", "seeds_of_both", "verdict", "change_speaks_of")
_TESTS = ("p", "p_adjusted", "p_loss_of_delta", "p_items", "detectable", "power_at_delta")
COMPARISONS = (
    *_OF_CURVE,
    *("against", "base", *_OF_COMPARISON, "withheld_because"),
    *("change", "change_low", "change_high", "relative_change", "relative_change_low", "relative_change_high"),
    *(*_TESTS, "delta", "level", "alpha_of_one_comparison"),
    *("items", "cluster_level", "clusters", "icc", "effective_items"),
)
PRICES = (
    *("series", "protocol", "metric", "human_points_added", "at", "worth", "worth_low", "worth_high"),
    *("human_price", "synthetic_price", "break_even", "break_even_low", "break_even_high", "verdict", "error"),
)


def of_report(found: ReportData, sentences: Sequence[str], files: Sequence[Path]) -> dict[str, Any]:
    """The answers of a study as plain values."""
    value: dict[str, Any] = {
        "schema": SCHEMA,
        "littlehuman": __version__,
        "study": found.study.resolve().name,
        "delta": found.delta,
        "level": LEVEL,
        "answer": sentences[0],
        "findings": list(sentences[1:]),
        "curves": [as_json(line, _added(found, line)) for line in found.lines],
        "controls": [as_json(line) for line in found.controls],
        "learning_curves": [one.as_json() for one in found.learning],
        "prices": [_price(one) for one in found.tradeoffs],
        "plans": [plan.as_json() for plan in found.plans],
        "cells": _cells(found),
        "files": sorted(file.relative_to(found.study).as_posix() for file in files),
    }
    plain: dict[str, Any] = known(value)
    return plain


def text(answers: Mapping[str, Any]) -> str:
    """Strict JSON, indented."""
    return json.dumps(answers, indent=2, ensure_ascii=False, allow_nan=False)


def comparisons(answers: Mapping[str, Any]) -> pd.DataFrame:
    """One row per comparison of a share with its base, of all curves."""
    rows = [row for curve in (*answers["curves"], *answers["controls"]) for row in _comparisons(curve)]
    return pd.DataFrame(rows, columns=list(COMPARISONS))


def prices(answers: Mapping[str, Any]) -> pd.DataFrame:
    """One row per series with a trade-off and number of human points; the verdict is at the first of them."""
    return pd.DataFrame([row for one in answers["prices"] for row in _prices(one)], columns=list(PRICES))


def _added(found: ReportData, line: Any) -> pd.DataFrame:
    """The rows of `found.added` that are of this curve."""
    added = found.added
    if added.empty:
        return added
    mine = (added["line"] == line.curve.name) & (added["label"] == line.label) & (added["facet"] == line.facet)
    return added[mine]


def _price(one: Tradeoff) -> dict[str, Any]:
    return one.price.as_json() if one.price else {"name": one.scored.name, "error": one.why}


def _cells(found: ReportData) -> dict[str, Any]:
    done = found.frame[found.frame["state"] == "done"]
    complete = {cell: _fingerprints(folder) for cell, folder in zip(done["cell"], done["folder"], strict=True)}
    missing = found.missing.astype(object).where(found.missing.notna(), None)
    return {
        "counts": found.frame["state"].value_counts().to_dict(),
        "missing": missing.to_dict("records"),
        "digest": digest(sorted(str(own["id"]) for own in complete.values())),
        "complete": complete,
    }


def _fingerprints(folder: str) -> dict[str, str | None]:
    result = result_of(folder)
    prints = result.get("fingerprints", {})
    return {"id": result.get("id"), "dataset": prints.get("dataset"), "mixture": prints.get("mixture")}


def _comparisons(curve: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    clusters = curve["clusters"] or {}
    shared = {key: curve[key] for key in (*_OF_CURVE, "delta", "level")}
    shared |= {"cluster_level": clusters.get("level"), "clusters": clusters.get("count"), "icc": clusters.get("icc")}
    shared |= {"items": clusters.get("items"), "effective_items": clusters.get("effective_items")}
    of_base = {"against": "smallest share", "base": curve["base"]}
    for share in curve["shares"]:
        if share["verdict"] is not None:
            yield shared | of_base | _comparison(share, curve["alpha_of_one_comparison"])
    alone = curve["against_human_points_alone"] or {"shares": []}
    for share in alone["shares"]:
        yield shared | {"against": "human points alone"} | _comparison(share, alone["alpha_of_one_comparison"])


def _comparison(share: Mapping[str, Any], alpha: float) -> dict[str, Any]:
    row = {key: share[key] for key in (*_OF_COMPARISON, *_TESTS)}
    row |= {"withheld_because": ";".join(share["withheld_because"]), "alpha_of_one_comparison": alpha}
    return row | _spread("change", share["change"]) | _spread("relative_change", share["relative_change"])


def _prices(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    series = {"series": one["name"], "error": one.get("error")}
    if "error" in one:
        yield series
        return
    series |= {"protocol": one["protocol"], "metric": one["metric"], "at": one["at"]}
    asked = one.get("prices", {})
    prices = {
        "human_price": asked.get("human"),
        "synthetic_price": asked.get("synthetic"),
        "verdict": one.get("verdict"),
    }
    first = prices | _spread("break_even", asked.get("break_even"))
    for nth, worth in enumerate(one.get("by_human", [one])):
        row = series | {"human_points_added": worth["human_points_added"]}
        yield row | _spread("worth", worth["price_ratio"]) | (first if nth == 0 else {})


def _spread(name: str, interval: Mapping[str, Any] | None) -> dict[str, Any]:
    """`{value, low, high}` in three columns."""
    found = interval or {}
    return {name: found.get("value"), f"{name}_low": found.get("low"), f"{name}_high": found.get("high")}
