"""A filter's model may think before its verdict: the verdict is what it says afterwards."""

from __future__ import annotations

import pytest
from config_groups import group

from littlehuman.filters.model_client import FilterRequest, _parse
from littlehuman.records import Completion, Example, Rejected
from littlehuman.schema import FilterConfig, FilterStep

JUDGE = group(FilterConfig, "filter", "judge").judge.tasks["fv"]
REQUEST = FilterRequest(FilterStep.judge, JUDGE, 60)
TWIN = Example("c", "Evidence.", "A claim.", ("supported",))

VERDICTS = {
    "in the form": "<think>Score: 1? No.</think>\nScore: 4",
    "alone": "<think>I would say 1.</think>\n4",
    "alone after a lone closing mark": "I would say 1.</think>4",
    "alone in the final channel": "analysisI would say 1.assistantfinal4",
    "in a box": "I would say 1 at first, but \\boxed{4}",
    "without thoughts": "4",
}


@pytest.mark.parametrize("text", VERDICTS.values(), ids=VERDICTS.keys())
def test_a_verdict_is_read_after_the_thoughts(text: str) -> None:
    found = _parse(Completion("k", text, "stop", 1, 1), TWIN, REQUEST)
    assert not isinstance(found, Rejected) and found.target == "4"


@pytest.mark.parametrize("text", ["<think>Score: 1", "[THINK]1", "analysisScore: 1?\nScore: 1", "Score: 1</think>"])
def test_a_verdict_within_thoughts_is_none(text: str) -> None:
    found = _parse(Completion("k", text, "stop", 1, 1), TWIN, REQUEST)
    assert isinstance(found, Rejected) and found.reason == "no answer after the thoughts"
