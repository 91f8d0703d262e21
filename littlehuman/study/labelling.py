"""Machine labels of a study: how they agree with people's, by who labelled what.

In: the frame of `results.load`. Out: one `Labelling` for each series whose twins have machine labels (of its cells the
one with most labels), and one for each cell of `method=annotator`. Runs of versions without the entry `agreement` have
none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from littlehuman.metrics.label_warnings import sentences
from littlehuman.study.run_files import is_annotator, result_of


@dataclass(frozen=True, slots=True)
class Labelling:
    """One labeller's labels of one set of points.

    `entry` is `agreement` of a result (`metrics.agreement`). Of an annotator, `metric` and `score` are the headline of
    its result, where what could not be read counts as wrong, and `usd`, `requests` and `seconds` what it took.
    """

    name: str
    entry: Mapping[str, Any]
    human_labels: int
    metric: str = ""
    score: Mapping[str, Any] | None = None
    usd: float = 0.0
    requests: int = 0
    seconds: float = 0.0

    @property
    def warnings(self) -> list[str]:
        """What a reader must know before a model is trained on these labels."""
        return sentences(self.entry)

    @property
    def is_annotator(self) -> bool:
        """Whether these are labels of test points (`method=annotator`), not of training texts."""
        return self.score is not None


def labellings(frame: pd.DataFrame) -> tuple[Labelling, ...]:
    """Those of the complete cells of a study, annotators first."""
    done = frame[frame["state"] == "done"]
    results = {str(folder): result_of(folder) for folder in done["folder"]}
    return (*_annotators(results), *_of_twins(done, results))


def _annotators(results: Mapping[str, Mapping[str, Any]]) -> Iterator[Labelling]:
    found = {folder: result for folder, result in results.items() if is_annotator(result.get("knobs", {}))}
    names = _names(found)
    for folder, result in found.items():
        cost, metric = result["cost"], str(result["headline"])
        yield Labelling(
            names[folder],
            result.get("agreement", {}),
            int(result["human_labels"]["in_prompts"]),
            metric,
            result["scores"][metric],
            float(cost["usd"]) + float(cost.get("usd_before", 0.0)),
            int(cost["requests"]),
            float(sum(result["seconds"].values())),
        )


def _of_twins(done: pd.DataFrame, results: Mapping[str, Mapping[str, Any]]) -> Iterator[Labelling]:
    for name, cells in done[done["series"].notna()].groupby("series", sort=True):
        own = [result for folder in cells["folder"] if (result := results[str(folder)]).get("agreement")]
        if own:
            most = max(own, key=lambda result: int(result["agreement"]["n"]))
            yield Labelling(str(name), most["agreement"], int(most["human_labels"]["total"]))


def _names(found: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Dataset and labeller; shots, and the id, where two would be called the same."""
    names = {folder: _name(result["knobs"]) for folder, result in found.items()}
    twice = {name for name in names.values() if list(names.values()).count(name) > 1}
    return {folder: f"{name} ({found[folder]['id']})" if name in twice else name for folder, name in names.items()}


def _name(knobs: Mapping[str, Any]) -> str:
    tested = knobs.get("test_dataset") or knobs["dataset"]
    strategy = knobs["strategy"]
    shots = f", {strategy['shots']} shots" if strategy.get("shots") else ""
    named = "" if strategy["name"] == "annotate" else f", {strategy['name']}"
    return f"{tested['name']} labelled by {knobs['prompt_model']['name']}{named}{shots}"
