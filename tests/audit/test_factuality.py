from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest
from audit_points import fresh, points, twins_of

from littlehuman.audit.factuality import Passed, corrected, factuality
from littlehuman.audit.sets import AuditSets
from littlehuman.records import Synthetic
from littlehuman.rejections import RejectionKind

POOL = points(400, "human")
TRUE = {e.evidence: e.target for e in POOL}


def judge_with_errors(passes_right: float, passes_wrong: float, seed: int = 0):  # type: ignore[no-untyped-def]
    rng = random.Random(seed)

    def ask(seen: Sequence[Synthetic]) -> Mapping[str, RejectionKind]:
        rates = {e.example_id: passes_right if e.target == TRUE[e.evidence] else passes_wrong for e in seen}
        return {name: RejectionKind.JUDGED_BAD for name, rate in rates.items() if rng.random() >= rate}

    return ask


@pytest.mark.parametrize("right", [1.0, 0.7])
def test_the_share_of_right_twins_is_corrected_for_a_judge_that_errs(right: float) -> None:
    twins = [
        replace(e, targets=(e.target if i < right * 400 else {"supported": "unsupported"}.get(e.target, "supported"),))
        for i, e in enumerate(twins_of(POOL, fresh()))
    ]
    sets = AuditSets((), tuple(twins), (), tuple(POOL), has_classes=True)
    found = factuality(sets, judge_with_errors(0.85, 0.25), 400)
    assert abs(found["synthetic"]["count"] / 400 - (0.25 + 0.6 * right)) < 0.06  # what the judge says of itself
    assert found["share_right"]["low"] <= right <= found["share_right"]["high"]
    assert abs(found["share_right"]["value"] - right) < 0.1


def test_the_interval_holds_the_truth_in_most_samples() -> None:
    rng, hits = random.Random(1), 0
    for _ in range(300):
        counts = [sum(rng.random() < p for _ in range(50)) for p in (0.2 + 0.6 * 0.8, 0.8, 0.2)]
        found = corrected(*(Passed(count, 50, 0) for count in counts))
        hits += float(found["low"]) <= 0.8 <= float(found["high"])
    assert hits / 300 >= 0.91


def test_a_judge_that_passes_wrong_points_like_human_ones_measures_nothing() -> None:
    assert "not measured" in corrected(Passed(40, 50, 0), Passed(40, 50, 0), Passed(45, 50, 0))


def test_verdicts_that_cannot_be_read_are_not_counted_as_wrong() -> None:
    sets = AuditSets((), tuple(POOL[:30]), (), tuple(POOL), has_classes=True)
    found = factuality(sets, lambda seen: {e.example_id: RejectionKind.JUDGE_UNREADABLE for e in seen[:10]}, 30)
    assert found["synthetic"] == {"count": 20, "read": 20, "unread": 10}
