"""The three methods of arXiv 2312.14423 side by side: the annotator itself, a model trained on human labels, and the
same model trained on machine labels.

In: the replacement curves of a study and its frame. Out: a `MethodComparison` for each curve over human texts with
machine labels (`strategy.writes=target`) that has the shares 0 and 1. Whatever else a sweep varies (size, prompt,
epochs, test dataset, filter) makes a curve, and so a comparison, of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from littlehuman.languages import Language, rules_of_result
from littlehuman.metrics.answers import squad_f1
from littlehuman.schema import Head, Writes
from littlehuman.stats.interval import Interval, of_items
from littlehuman.study.replacement import ReplacementCurve
from littlehuman.study.run_files import Predictions, is_annotator, predictions_of, result_of

HUMAN, MACHINE = 0.0, 1.0  # synthetic shares of methods 2 and 3
ONLY = ("dataset", "task", "prompt_model", "strategy", "test_dataset", "test_path")  # of an annotator's knobs


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run's machine labels took: US dollars as if nothing had been cached, tokens, seconds."""

    usd: float
    tokens: int
    seconds: float

    @classmethod
    def of(cls, result: Mapping[str, Any]) -> Cost:
        """The cost of a complete run."""
        bill = result["cost"]
        tokens = int(bill.get("prompt_tokens", 0)) + int(bill.get("completion_tokens", 0))
        return cls(float(bill.get("usd_without_cache", 0.0)), tokens, float(sum(result["seconds"].values())))


@dataclass(frozen=True, slots=True)
class MethodScore:
    """A method's score (0..1) with its 95 % interval, the number of its runs, and its macro F1 where it has one."""

    value: float
    low: float
    high: float
    runs: int
    macro_f1: float | None
    cost: Cost


@dataclass(frozen=True, slots=True)
class MethodComparison:
    """One set of machine labels and what a model makes of them.

    `share`: the score on machine labels as a share of that on human labels, with Fieller's interval for new seeds and
    new test items (nan where there is none). `imitated`: how far the model on machine labels answers what the
    annotator answers (share of equal labels, for answers their SQuAD F1), None without an annotator's cell.
    `n_machine`, `n_human`: labels that methods 3 and 2 were trained on.
    """

    name: str
    metric: str
    annotator: MethodScore | None
    human: MethodScore
    machine: MethodScore
    share: Interval | None
    n_human: int
    n_machine: int
    imitated: Interval | None
    verdict: str

    @property
    def break_even(self) -> float | None:
        """The price of a human label, in US dollars, above which machine labels give more score per dollar.

        Method 2 pays n human labels for its score, method 3 its requests for its own; None where either score is 0.
        """
        if self.human.value <= 0 or self.machine.value <= 0 or not self.n_human:
            return None
        return self.machine.cost.usd / self.n_human * self.human.value / self.machine.value


def compare_methods(lines: Sequence[ReplacementCurve], frame: pd.DataFrame) -> tuple[MethodComparison, ...]:
    """The comparisons of a study, in the order of its curves."""
    done = frame[frame["state"] == "done"]
    annotators = [
        result for folder in done["folder"] if is_annotator((result := _with_folder(folder)).get("knobs", {}))
    ]
    return tuple(found for line in lines if (found := _comparison(line, annotators)) is not None)


def _with_folder(folder: str) -> dict[str, Any]:
    return {**result_of(folder), "folder": folder}


def _comparison(line: ReplacementCurve, annotators: Sequence[Mapping[str, Any]]) -> MethodComparison | None:
    rows = {float(row["synth_frac"]): row for row in line.table.to_dict("records")}
    machine = _runs(line, MACHINE)
    if HUMAN not in rows or MACHINE not in rows or not machine:
        return None
    knobs = machine[0]["knobs"]
    if knobs.get("strategy", {}).get("writes") != Writes.target:
        return None
    annotator = next((found for found in annotators if _same_labels(found["knobs"], knobs)), None)
    human = _runs(line, HUMAN)
    return MethodComparison(
        _name(line),
        line.metric,
        _annotator_score(annotator, line.metric) if annotator else None,
        _score(rows[HUMAN], human),
        _score(rows[MACHINE], machine),
        _share(rows[MACHINE]),
        round(float(rows[HUMAN]["n_human"])),
        round(float(rows[MACHINE]["n_synthetic"])),
        _imitated(annotator, machine) if annotator else None,
        str(rows[MACHINE]["verdict"]),
    )


def _name(line: ReplacementCurve) -> str:
    name = line.label.replace("twins by ", "labels by ")
    return name if line.place in name else f"{line.place}, {name}"


def _runs(line: ReplacementCurve, share: float) -> list[dict[str, Any]]:
    cells = line.curve.cells
    return [_with_folder(folder) for folder in cells.loc[cells["synth_frac"] == share, "folder"]]


def _same_labels(annotator: Mapping[str, Any], knobs: Mapping[str, Any]) -> bool:
    """Whether an annotator's cell is by the prompts and the prompt model of these training labels, on the same data."""
    return all(annotator.get(name) == knobs.get(name) for name in ONLY)


def _annotator_score(result: Mapping[str, Any], metric: str) -> MethodScore | None:
    score = result["scores"].get(metric)
    if score is None:
        return None
    return MethodScore(score["value"], score["low"], score["high"], 1, _macro_f1([result]), Cost.of(result))


def _score(row: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> MethodScore:
    costs = [Cost.of(run) for run in runs]
    cost = Cost(
        float(np.mean([one.usd for one in costs])),
        max(one.tokens for one in costs),  # further seeds read the same labels from the cache
        float(np.mean([one.seconds for one in costs])),
    )
    return MethodScore(row["mean"], row["low"], row["high"], int(row["seeds"]), _macro_f1(runs), cost)


def _macro_f1(runs: Sequence[Mapping[str, Any]]) -> float | None:
    found = [run["scores"]["macro_f1"]["value"] for run in runs if "macro_f1" in run["scores"]]
    return float(np.mean(found)) if found else None


def _share(row: Mapping[str, Any]) -> Interval | None:
    value = row["relative"]
    if value is None or np.isnan(value):
        return None
    ends = (1 + float(value), 1 + float(row["relative_low"]), 1 + float(row["relative_high"]))
    return Interval(*ends, float("nan"), float("nan"), int(row["pairs"]), int(row["items"]))


def _imitated(annotator: Mapping[str, Any], runs: Sequence[Mapping[str, Any]]) -> Interval | None:
    """Agreement with the annotator's own answers on test items that it could answer, over items, mean of the runs."""
    labels = _answers_by_item(predictions_of(annotator["folder"]))
    alike = _equal if annotator["knobs"]["task"]["head"] == Head.classification else _f1(rules_of_result(annotator))
    values: dict[str, list[float]] = {}
    for run in runs:
        for item, answer in _answers_by_item(predictions_of(run["folder"])).items():
            if label := labels.get(item):
                values.setdefault(item, []).append(alike(label, answer))
    return of_items([float(np.mean(found)) for found in values.values()]) if values else None


def _equal(label: str, answer: str) -> float:
    return float(label == answer)


def _f1(language: Language) -> Callable[[str, str], float]:
    return lambda label, answer: squad_f1((label,), answer, language) or 0.0


def _answers_by_item(found: Predictions | None) -> dict[str, str]:
    if found is None or found.answers is None:
        return {}
    texts = (found.answers.texts[code] for code in found.answers.codes)
    return dict(zip(found.ids, texts, strict=True))
