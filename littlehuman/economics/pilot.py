"""How large a study must be, from a pilot: how much its scores vary, and what that means for seeds and test items.

In: a study folder, or a stated `Variation`, and what is to be found. Out: a `DesignAnswer` per replacement curve.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from littlehuman import cli
from littlehuman.economics import next_runs
from littlehuman.errors import ConfigError, DataError, Problem, did_you_mean
from littlehuman.stats.curve import DELTA
from littlehuman.stats.power import Variation, variation
from littlehuman.stats.sample_size import Question, SampleSizes, sample_sizes, seed_sd_limits
from littlehuman.study.clusters import ClusterIndex, LoadClusters
from littlehuman.study.load import check_metric, load
from littlehuman.study.replacement import ReplacementCurve, curves_of_study
from littlehuman.study.run_files import predictions_of
from littlehuman.study.series import Series, split

STATED = "stated variation"
_SHARES = "0,0.9"  # of a pilot that has no curve yet


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a study is to find; None is taken from the pilot, or from the defaults of `Question`."""

    drop: float = DELTA
    shares: int | None = None
    seeds: int | None = None
    items: int | None = None

    def given(self) -> dict[str, Any]:
        """The fields of a `Question` that were asked for."""
        asked = {"drop": self.drop, "shares": self.shares, "seeds": self.seeds, "items": self.items}
        return {name: value for name, value in asked.items() if value is not None}


@dataclass(frozen=True, eq=False)
class DesignAnswer:
    """The answer of one curve; `pilot` is None where the variation was stated."""

    name: str
    sizes: SampleSizes
    pilot: ReplacementCurve | None = None


def stated(seed_sd: float, item_sd: float, noise_sd: float = 0.0, icc: float = 0.0) -> Variation:
    """A variation that is known from elsewhere; standard deviations in score units.

    Raises:
        ConfigError: for numbers that scores in 0..1 cannot have; all of them at once.
    """
    given = (("seed-sd", seed_sd, 0.5), ("item-sd", item_sd, 1.0), ("noise-sd", noise_sd, 1.0), ("icc", icc, 1.0))
    problems = [
        Problem(f"{name}={value:g}", f"must be from 0 to {most:g}" + "; one point is 0.01" * (name != "icc"))
        for name, value, most in given
        if not 0 <= value <= most
    ]
    if problems:
        raise ConfigError(problems, "--seed-sd 0.01 --item-sd 0.3")
    return Variation(seed_sd, item_sd, noise_sd, icc)


def of_stated(varies: Variation, wanted: Wanted, clusters: int | None = None) -> DesignAnswer:
    """The answer for a stated variation, with `clusters` in the test items that were asked about.

    Raises:
        ConfigError: for numbers that no study has.
    """
    plain = Question(**wanted.given())
    if clusters is not None and not 2 <= clusters <= plain.items:
        what = f"must be from 2 to the {plain.items:,} test items, or be left out: each item is its own then"
        raise ConfigError([Problem(f"clusters={clusters}", what)], f"--clusters {max(plain.items // 5, 2)}")
    size = 1.0 if clusters is None else plain.items / clusters
    return DesignAnswer(STATED, sample_sizes(replace(plain, cluster_size=size), varies))


def curves_of_pilot(
    study: Path, series: str | None = None, metric: str | None = None, load_clusters: LoadClusters | None = None
) -> tuple[ReplacementCurve, ...]:
    """The replacement curves of a study, or of one of its series.

    Raises:
        DataError: for a folder that is no study, one without a complete cell or without such a curve or metric.
    """
    frame = load(study)
    if not (frame["state"] == "done").any():
        mend = "the sweep's command again; it repeats only what is missing"
        raise DataError(f"{study}: none of the {len(frame)} cells of this study is complete\nTry: {mend}")
    check_metric(study, frame, metric)
    found = curves_of_study(frame, metric, DELTA, index=ClusterIndex(frame, load_clusters))
    if not found:
        raise DataError(_no_curve(study, list(split(frame))))
    kept = tuple(curve for curve in found if series in (None, curve.curve.name, curve.curve.series.name))
    if not kept:
        names = did_you_mean(str(series), (curve.curve.name for curve in found))
        raise DataError(f"{study}: there is no series {series!r} with a curve; {names}")
    return kept


def of_pilot(study: Path, curve: ReplacementCurve, wanted: Wanted) -> DesignAnswer:
    """The answer of one curve; shares and test items are its own where nothing else is asked.

    Raises:
        DataError: for a curve without predictions of test items, two seeds, two clusters, or any variation.
        ConfigError: for numbers that no study has.
    """
    place = f"{study}, series {curve.curve.name}"
    if curve.analysis is None:
        raise DataError(f"{place}: {_no_items(curve)}")
    if not curve.analysis.parts.df_seeds > 0:
        what = "no two shares have two seeds in common, so how much seeds differ is not known"
        raise DataError(f"{place}: {what}\nTry: {_more_seeds(study, curve)}")
    if curve.analysis.parts.clusters < 2:
        what = "all test items share one text, so how scores vary on other texts is not known"
        raise DataError(f"{place}: {what}\nTry: a pilot with a larger n_test")
    parts, varies = curve.analysis.parts, variation(curve.analysis)
    if varies.seed_sd == varies.stable_sd == varies.noise_sd == 0:
        what = "all runs answer every test item alike, so nothing is known of how scores vary"
        raise DataError(f"{place}: {what}\nTry: {cli.command('report', [str(study)])}")
    own = {"shares": max(len(curve.shares), 2), "items": parts.items, "cluster_size": parts.items / parts.clusters}
    question = Question(**{**own, **wanted.given()})
    return DesignAnswer(curve.curve.name, sample_sizes(question, varies, seed_sd_limits(parts)), curve)


def _no_curve(study: Path, series: Sequence[Series]) -> str:
    what = "there is no curve over the synthetic share: two or more values of synth_frac at one n_train, with twins"
    first = series[0].complete
    axes = [f"n_train={int(first['n_train'].iloc[0])}", f"synth_frac={_SHARES}", "extra_human=0", "synthetic=true"]
    return f"{study}: {what}\nTry: {next_runs.sweep(study, _rows(first), [*axes, 'seed=0,1'])}"


def _no_items(curve: ReplacementCurve) -> str:
    what = f"its runs have no scores of single test items for {curve.metric}"
    folders = [str(folder) for folder in curve.curve.cells["folder"]]
    scored = {name for folder in folders if (read := predictions_of(folder)) for name in read.scores}
    if others := sorted(scored - {curve.metric}):
        return f"{what}\nTry: --metric {others[0]}"
    stated = cli.command("plan", ["--seed-sd", "0.01", "--item-sd", "0.3"])
    return f"{what} (predictions.jsonl)\nTry: {stated}, with the variation that you expect"


def _more_seeds(study: Path, curve: ReplacementCurve) -> str:
    """The command that gives every share of a curve a second seed."""
    cells = curve.curve.cells
    used = sorted({int(seed) for seed in cells["seed"]})
    seeds = used if len(used) > 1 else [*used, next(seed for seed in range(2) if seed not in used)]
    axes = [f"n_train={curve.curve.n_train}", f"synth_frac={','.join(f'{f:g}' for f in curve.curve.fractions)}"]
    axes += ["extra_human=0", "synthetic=true", f"seed={','.join(map(str, seeds[:3]))}"]
    return next_runs.sweep(study, _rows(cells), axes)


def _rows(cells: pd.DataFrame) -> list[Mapping[Hashable, Any]]:
    return list(cells.to_dict("records"))
