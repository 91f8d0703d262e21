"""The chat endpoint of the attacks: the servers of `tests/`, and a twin for each request, the same whenever asked."""

from __future__ import annotations

import hashlib
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))  # the endpoints that the tests use; no third one

from fake_endpoint import FakeEndpoint, fails
from fault_server import (
    DROP,
    HALF,
    HANG,
    TRICKLE,
    FaultServer,
    ReplyScript,
    ScriptedReply,
    answer,
    refusal,
)

__all__ = [
    "DROP", "HALF", "HANG", "TRICKLE", "FakeEndpoint", "FaultServer", "ReplyScript", "ScriptedReply", "answer",
    "fails", "healthy", "paid_again", "refusal", "twin",
]  # fmt: skip


def twin(question: str) -> str:
    """A question and an answer in the form that is asked for, made of the request's own words."""
    words = question.split()
    number = int(hashlib.sha256(question.encode("utf-8", "replace")).hexdigest(), 16)
    return f"Question: What stands beside {words[number % len(words)]}? || Answer: {words[number // 7 % len(words)]}"


def healthy(delay: float = 0.005) -> ReplyScript:
    """A server that answers everything, after `delay` seconds."""
    return lambda question, _: answer(twin(question), delay=delay)


def paid_again(paid: Counter[str]) -> int:
    """How many full answers were sent beyond the first for a request."""
    return sum(count - 1 for count in paid.values() if count > 1)
