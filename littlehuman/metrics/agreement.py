"""Agreement of machine labels with the human labels of the same points, which the labeller never saw.

In: per point the accepted human labels (or answers), the machine's, and the point's cluster. Out: the entry `agreement`
of `result.json`. For classes: accuracy, Cohen's kappa with a cluster-robust interval (`stats.kappa`), precision and
recall per class, the confusion matrix (human -> machine -> points). For free answers: SQuAD's exact match and F1, the
paper's sentence BLEU (`answers.py`), and the share of answers that count as right from each BLEU threshold on
(arXiv 2312.14423 takes 0.5).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from littlehuman.languages import ENGLISH, Language
from littlehuman.metrics.answers import sentence_bleu, squad_em, squad_f1
from littlehuman.records import Example
from littlehuman.stats.clusters import coarsest
from littlehuman.stats.interval import Interval, of_items
from littlehuman.stats.kappa import cohens_kappa

THRESHOLDS = tuple(tenths / 10 for tenths in range(1, 11))
_ANSWER_METRICS = (squad_em, squad_f1, sentence_bleu)
_DIGITS = 6


@dataclass(frozen=True, slots=True)
class LabelPair:
    """The accepted human labels of a point, and the machine's; points with one `cluster` are not independent."""

    human: tuple[str, ...]
    machine: str
    cluster: str


def agreement(pairs: Sequence[LabelPair], classes: Sequence[str], language: Language = ENGLISH) -> dict[str, Any]:
    """The entry of a result; empty without pairs.

    Args:
        pairs: the points that the machine gave a label that could be read.
        classes: of the task; empty for free answers.
        language: of free answers: what their words are.
    """
    if not pairs:
        return {}
    return {"n": len(pairs), **(_of_classes(pairs, classes) if classes else _of_answers(pairs, language))}


def clusters_of(points: Sequence[Example]) -> list[str]:
    """The cluster of each point: the coarsest level (document, passage) that leaves 20 of them; else the point."""
    levels: dict[str, list[str]] = {}
    for level in dict.fromkeys(name for point in points for name in point.clusters):
        levels[level] = [point.clusters.get(level, point.id) for point in points]
    chosen = coarsest(levels) if levels else None
    return levels[chosen] if chosen else [point.id for point in points]


def _of_classes(pairs: Sequence[LabelPair], classes: Sequence[str]) -> dict[str, Any]:
    human, machine = [pair.human[0] for pair in pairs], [pair.machine for pair in pairs]
    clusters = [pair.cluster for pair in pairs]
    together = Counter(zip(human, machine, strict=True))
    confusion: dict[str, dict[str, int]] = {}
    for (one, other), count in sorted(together.items()):
        confusion.setdefault(one, {})[other] = count
    by_human, by_machine = Counter(human), Counter(machine)
    return {
        "accuracy": _ends(of_items([float(h == m) for h, m in zip(human, machine, strict=True)])),
        "kappa": _ends(cohens_kappa(human, machine, clusters if len(set(clusters)) > 1 else None)),
        "classes": {
            name: {
                "human": by_human[name],
                "machine": by_machine[name],
                "precision": _share(together[name, name], by_machine[name]),
                "recall": _share(together[name, name], by_human[name]),
            }
            for name in classes
        },
        "confusion": confusion,
    }


def _of_answers(pairs: Sequence[LabelPair], language: Language) -> dict[str, Any]:
    scores = {
        metric.__name__: [metric(pair.human, pair.machine, language) or 0.0 for pair in pairs]
        for metric in _ANSWER_METRICS
    }
    bleu = np.asarray(scores["sentence_bleu"])
    right = {f"{limit:g}": round(float((bleu >= limit - 1e-9).mean()), _DIGITS) for limit in THRESHOLDS}
    return {**{name: _ends(of_items(values)) for name, values in scores.items()}, "right_from_bleu": right}


def _ends(interval: Interval) -> Mapping[str, float | None]:
    """Value and ends; None for what does not exist."""
    return {name: value if value is None else round(value, _DIGITS) for name, value in interval.as_json().items()}


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, _DIGITS) if whole else None
