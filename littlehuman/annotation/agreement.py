"""How a cell's machine labels agree with people's: the entry `agreement` of its result, what is logged and noted.

In: what the prompt model labelled, and the human labels of the same points. Out: entries of `result.json`, and
sentences for its notes. Expected rates are those of the human labels that the cell may know (see
`metrics.label_warnings`); the labels that the machine's are compared with are known to this measurement alone.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from littlehuman.annotation.annotator import TestLabels
from littlehuman.config.run_config import RunConfig
from littlehuman.languages import language_of_points
from littlehuman.metrics import agreement as measured
from littlehuman.metrics import label_warnings
from littlehuman.mixture.rejected_labels import rejected_by_label
from littlehuman.records import Dataset, Example, Mixture, Origin, Rejected
from littlehuman.schema import Shots, Writes
from littlehuman.twins import Twins

log = logging.getLogger(__name__)


def of_twins(synthetic: Twins, mixture: Mixture, dataset: Dataset, config: RunConfig) -> dict[str, Any]:
    """Agreement of the labels that stand for people's in a training set; empty where the twins have own texts."""
    if config.strategy.writes is not Writes.target:
        return {}
    human = {example.id: example for example in dataset.train}
    own = [p.example.id for p in mixture.points if p.origin is Origin.HUMAN]
    labelled = {name: twin.target for name, twin in synthetic.by_id.items()}
    return _entry(labelled, human, synthetic.rejected, {*own, *synthetic.shown}, dataset, config)


def of_test_labels(labels: TestLabels, test: Sequence[Example], dataset: Dataset, config: RunConfig) -> dict[str, Any]:
    """Agreement of an annotator's labels of the test points that could be read."""
    points = {example.id: example for example in (*dataset.train, *test)}
    labelled = {p.id: p.text for p in labels.predictions if p.text}
    return _entry(labelled, points, labels.rejected, labels.shown, dataset, config)


def notes(result: Mapping[str, Any], config: RunConfig) -> list[str]:
    """Sentences about machine labels for the notes of a result, logged: its warnings, and human labels in prompts."""
    strategy, shown = config.strategy, int(result["human_labels"]["in_prompts"])
    said = label_warnings.sentences(result["agreement"])
    spends = strategy.writes is Writes.target and strategy.shots_from is Shots.human and not strategy.shots_fixed
    if spends and shown > 2 * strategy.shots:
        said.append(
            f"the prompts showed {shown} different human points, whose labels count as used (human_labels); "
            f"strategy.shots_fixed=true shows the same {strategy.shots} in every prompt"
        )
    for sentence in said:
        log.warning(sentence)
    return said


def _entry(
    labelled: Mapping[str, str],
    points: Mapping[str, Example],
    rejected: Sequence[Rejected],
    known: Iterable[str],
    dataset: Dataset,
    config: RunConfig,
) -> dict[str, Any]:
    """The entry; `known` are ids of the points whose human labels the cell may know."""
    ids = sorted(labelled)
    pairs = [
        measured.LabelPair(points[i].targets, labelled[i], cluster)
        for i, cluster in zip(ids, measured.clusters_of([points[i] for i in ids]), strict=True)
    ]
    language = language_of_points(config.dataset.language, [points[i] for i in ids])[0]
    entry = measured.agreement(pairs, dataset.classes, language)
    if not entry:
        return {}
    entry |= {"asked": len(labelled) + len(rejected), "rejected": len(rejected)}
    entry |= {"rejected_by_label": rejected_by_label(rejected)}
    if dataset.classes:
        returned = Counter([*labelled.values(), *(r.labels[1] for r in rejected if r.labels)])
        own = [points[i].target for i in known if i in points]
        entry |= {"returned": dict(returned.most_common())}
        entry |= {"expected": label_warnings.expected_rates(own, dataset.classes)}
    _log(entry)
    return entry


def _log(entry: Mapping[str, Any]) -> None:
    read = f"{entry['n']} of {entry['asked']} machine labels could be used"
    score = entry.get("accuracy") or entry["squad_f1"]
    kappa = entry.get("kappa", {}).get("value")
    beyond = "" if kappa is None else f", kappa {kappa:.2f}"
    what = "are the human ones" if "accuracy" in entry else "is their F1 with the human answers"
    log.info("%s; %.1f %% %s%s", read, 100 * score["value"], what, beyond)
