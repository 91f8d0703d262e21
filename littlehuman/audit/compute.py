"""The audit of one training set: all measures that need texts, as JSON without texts.

In: `AuditSets`. Out: `Audit`, whose `findings` become `audit.json` once the test points are scored (`artifact`).
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from littlehuman.audit import alarms
from littlehuman.audit import contamination as c
from littlehuman.audit.alarms import Alarm
from littlehuman.audit.collapse import opening, repeated
from littlehuman.audit.copies import copies
from littlehuman.audit.diversity import diversity
from littlehuman.audit.encoding import Encoder
from littlehuman.audit.factuality import NOT_MEASURED
from littlehuman.audit.fidelity import effects
from littlehuman.audit.groups import groupings, of_training
from littlehuman.audit.sets import AuditSets, Pair
from littlehuman.audit.two_sample import TwoSample, of_human_points, two_sample
from littlehuman.mixture import text_features
from littlehuman.records import Origin
from littlehuman.schema import AuditConfig

VERSION = 1
PAIRS = 20  # of a measure that are named


@dataclass
class Audit:
    """What was found: `findings` for `audit.json`, and the test points that training touches, by kind."""

    findings: dict[str, Any] = field(default_factory=dict)
    touched: dict[str, set[str]] = field(default_factory=dict)
    words: tuple[tuple[str, float], ...] = ()  # telling words: text, and so not in the file
    members: dict[str, dict[str, list[str]]] = field(default_factory=dict)  # grouping -> group -> ids of test points
    alarms: list[Alarm] = field(default_factory=list)

    def shares(self) -> dict[str, float]:
        """The shares that `audit.fail_if` may limit, by name."""
        parts = {name: part for name, part in self.findings.items() if isinstance(part, dict)}
        return {name: part["share"] for name, part in parts.items() if "share" in part}


def audit(sets: AuditSets, config: AuditConfig | None = None, profile: Mapping[str, Any] | None = None) -> Audit:
    """Measure contamination, copies, diversity and fidelity.

    Args:
        sets: the points.
        config: thresholds.
        profile: features of twins and originals (`text_features.profile`), where they are known already.
    """
    began, encoder, made = time.perf_counter(), Encoder(), Audit()
    sizes = {"human": sets.human, "synthetic": sets.synthetic, "test": sets.test, "pool": sets.pool}
    made.findings |= {"version": VERSION, "points": {name: len(points) for name, points in sizes.items()}}
    _contamination(sets, encoder, made, config or AuditConfig())
    if sets.synthetic and sets.new_texts:
        _copies(sets, encoder, made)
        _diversity(sets, encoder, made)
        _fidelity(sets, profile, made)
    else:
        why = "there are no twins" if not sets.synthetic else "the twins keep the human texts"
        made.findings |= {name: {NOT_MEASURED: why} for name in ("copies", "diversity", "fidelity")}
    _groups(sets, config or AuditConfig(), made)
    made.findings["alarms"] = [asdict(alarm) for alarm in made.alarms]
    made.findings["seconds"] = round(time.perf_counter() - began, 2)
    return made


def _groups(sets: AuditSets, config: AuditConfig, made: Audit) -> None:
    made.findings["groups"] = {}
    for grouping in groupings(config.groups, sets):
        rows = of_training(grouping, sets)
        made.alarms += alarms.of_groups(grouping.name, rows)
        made.findings["groups"][grouping.name] = rows
        members = made.members.setdefault(grouping.name, {})
        for example in sets.test:
            if name := grouping.of(example):
                members.setdefault(name, []).append(example.id)
    made.findings["test_groups"] = {name: made.members[name] for name in config.groups}


def within(sets: AuditSets, made: Audit) -> None:
    """Compare the rows of one table with each other, in place of training and test rows."""
    found = c.within(sets.human, has_classes=sets.has_classes)
    touched = found.ids(c.SAME_TEXT, c.NEAR_TEXT)
    made.findings["contamination"] = {
        **_share(len(touched), len(sets.human)),
        "of_human_points": {"count": 0, "rows": 0},
        "human": _by_measure(found),
        "pairs": _worst({"human": found}),
    }


def _contamination(sets: AuditSets, encoder: Encoder, made: Audit, config: AuditConfig) -> None:
    if not sets.test:
        made.findings["contamination"] = {NOT_MEASURED: "there are no test points"}
        return
    shared: dict[str, Any] = {"has_classes": sets.has_classes, "near": config.near, "n": config.ngram}
    shared |= {"encoder": encoder}
    sides = {Origin.HUMAN.value: sets.human, Origin.SYNTHETIC.value: sets.synthetic}
    found = {
        origin: c.contamination(points, sets.test, columns=sets.columns, origin=origin, **shared)
        for origin, points in sides.items()
        if points
    }
    everyone = (*sets.human, *sets.synthetic)
    usual = c.background(everyone, sets.pool, **shared) if everyone and sets.pool else c.Contamination(0, {})
    kinds = c.touching(sets.has_classes)
    touched = {i for one in found.values() for i in one.ids(*kinds)}
    evidence = {i for one in found.values() for i in one.ids(*c.on_evidence(sets.columns))}
    human = len(usual.ids(*kinds))
    made.touched = {"contamination": touched, "evidence": evidence}
    made.alarms += alarms.of_contamination(len(touched), len(sets.test), human, usual.rows)
    made.alarms += alarms.of_evidence(len(evidence), len(sets.test))
    made.findings["contamination"] = {
        **_share(len(touched), len(sets.test)),
        "of_human_points": {"count": human, "rows": usual.rows},
        **{origin: _by_measure(one) for origin, one in found.items()},
        "ids": sorted(touched),
        "pairs": _worst(found),
    }
    made.findings["evidence"] = _share(len(evidence), len(sets.test))


def _by_measure(found: c.Contamination) -> dict[str, Any]:
    return {
        name: {"count": len(pairs), "same_label": sum(pair.same_label for pair in pairs.values())}
        for name, pairs in found.found.items()
    }


def _worst(found: Mapping[str, c.Contamination]) -> dict[str, list[list[object]]]:
    """The pairs of each measure that are most alike, of both origins."""
    names = dict.fromkeys(name for one in found.values() for name in one.found)
    return {name: _pairs([p for one in found.values() for p in one.found.get(name, {}).values()]) for name in names}


def _pairs(pairs: Sequence[Pair]) -> list[list[object]]:
    ordered = sorted(pairs, key=lambda pair: (-pair.like, not pair.same_label, pair.left))
    return [pair.as_json() for pair in ordered[:PAIRS]]


def _copies(sets: AuditSets, encoder: Encoder, made: Audit) -> None:
    ours, theirs = copies(sets, encoder)
    made.alarms += alarms.of_copies(ours.count, ours.rows, theirs.count, theirs.rows)
    made.findings["copies"] = {
        **_share(ours.count, ours.rows),
        "same": len(ours.same),
        "near": len(ours.near),
        "of_human_points": {"count": theirs.count, "rows": theirs.rows},
        "pairs": _pairs([*ours.same.values(), *ours.near.values()]),
    }


def _diversity(sets: AuditSets, encoder: Encoder, made: Audit) -> None:
    texts = repeated(sets.synthetic, sets.reference, encoder)
    begins = opening(sets.synthetic, sets.reference, encoder)
    measures = diversity(sets.synthetic, sets.pool or sets.human)
    made.alarms += [*alarms.of_repetition(texts, begins), *alarms.of_diversity(measures)]
    repeats = texts.rows - texts.distinct
    made.findings["repeated_texts"] = _share(repeats, texts.rows)
    made.findings["collapse"] = _share(texts.count, texts.rows) | {
        "texts": [list(one) for one in texts.collapsed[:PAIRS]]
    }
    made.findings["diversity"] = {
        "distinct": texts.distinct,
        "of_human_points": {"distinct": texts.human_distinct, "rows": texts.human_rows, "most": texts.human_most},
        "opening": asdict(begins) if begins else None,
        "measures": {name: _rounded(asdict(found)) for name, found in measures.items()},
    }


def _fidelity(sets: AuditSets, profile: Mapping[str, Any] | None, made: Audit) -> None:
    if profile is None:
        human = {example.id: example for example in sets.pool}
        pairs = [(twin, human[twin.id]) for twin in sets.synthetic if twin.id in human]
        profile = text_features.profile(pairs, has_classes=sets.has_classes)
    features = effects(profile)
    test, reference = two_sample(sets.synthetic, sets.reference), of_human_points(sets.pool or sets.human)
    made.alarms += alarms.of_fidelity(features, test, reference)
    made.words = test.words if test else ()
    made.findings["fidelity"] = {
        "features": {name: _rounded(asdict(effect)) for name, effect in features.items()},
        "two_sample": _two_sample(test),
        "of_human_points": _two_sample(reference),
    }


def _two_sample(found: TwoSample | None) -> dict[str, Any]:
    return (
        {NOT_MEASURED: "too few texts"}
        if found is None
        else {"auc": round(found.auc, 4), "p": round(found.p, 4), "texts": found.texts}
    )


def _share(count: int, rows: int) -> dict[str, Any]:
    return {"count": count, "rows": rows, "share": round(count / rows, 6) if rows else 0.0}


def _rounded(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in values.items()}
