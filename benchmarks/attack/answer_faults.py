"""Faults of the answers: broken or odd bodies with status 200, absurd usage, huge texts, thoughts, hostile texts."""

from __future__ import annotations

import json
from typing import Any

from benchmarks.attack.endpoint import ScriptedReply, answer, twin
from benchmarks.attack.fault_types import Bad, Fault, Hits
from benchmarks.attack.ground import HOSTILE, SECRET

DRAFT = "Question: What is DRAFTED here? || Answer: DRAFTED"
TAIL = "THE-TAIL-OF-A-LONG-ANSWER"
THOUGHTS = {  # scenario -> notations, each wrapping a draft before the answer
    "marks": (
        "<think>{draft}</think>{answer}",
        "[THINK]{draft}[/THINK]{answer}",
        "<thinking>{draft}</thinking>\n{answer}",
        "<reasoning>{draft}</reasoning>\n{answer}",
    ),
    "harmony": (
        "<|channel|>analysis<|message|>{draft}<|end|><|start|>assistant<|channel|>final<|message|>{answer}",
        "analysis{draft}assistantfinal{answer}",
    ),
}
USAGES: tuple[Any, ...] = (10**400, -5, "many", None, 1.5, [], True)


def faults() -> list[Fault]:
    """All of them."""
    return [*_bodies(), *_odd_messages(), *_texts(), *_thoughts()]


def completion(message: Any, finish: Any = "stop", usage: Any = None) -> ScriptedReply:
    """A chat completion with any message."""
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120} if usage is None else usage
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return ScriptedReply(
        json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    )


def _bodies() -> list[Fault]:
    deep = b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    latin = answer("Question: Wo steht Köln? || Answer: Köln").body.decode("unicode_escape").encode("latin-1")
    refused = json.dumps({"error": {"code": 429, "message": "slow down"}}).encode()
    bodies = {
        "malformed": b'{"choices": [{"message": {"content": "Ques',
        "empty": b"",
        "html": b"<!doctype html><title>Login</title>",
        "deep": deep,
        "not-utf8": latin,
        "no-choices": b'{"choices": [], "usage": {}}',
        "error-in-200": refused,
    }
    return [Fault(f"body-{name}", _says(body)) for name, body in bodies.items()]


def _says(body: bytes) -> Bad:
    return lambda _: ScriptedReply(body)


def _odd_messages() -> list[Fault]:
    return [
        Fault("wrong-types", lambda _: completion({"role": 7, "content": {"a": [1]}}, finish=[3])),
        Fault("null-text", lambda _: completion({"role": "assistant", "content": None}, usage={})),
        Fault("parts", lambda q: completion({"content": _parts(twin(q))}), Hits.ALL, kept=True),
        Fault("usage-absurd", lambda q: completion({"content": twin(q)}, usage=_usage(q)), Hits.ALL, kept=True),
    ]


def _parts(text: str) -> list[dict[str, str]]:
    half = len(text) // 2
    return [{"type": "text", "text": text[:half]}, {"type": "text", "text": text[half:]}]


def _usage(question: str) -> dict[str, Any]:
    value = USAGES[len(question) % len(USAGES)]
    return {"prompt_tokens": value, "completion_tokens": value, "total_tokens": value}


def _texts() -> list[Fault]:
    long = "Question: " + "long " * 3_000 + f"{TAIL}? || Answer: {TAIL}"
    named = f"Question: What is {SECRET} beside "
    hostile = f" {HOSTILE} || "
    return [
        Fault("huge-body", lambda _: answer(long + "\n" + "x" * 10_000_000), never=(TAIL,)),
        Fault("ignores-max-tokens", lambda _: answer(long, tokens=(100, 3_100)), never=(TAIL,)),
        Fault("surrogates", lambda q: answer(twin(q) + " \ud83d"), Hits.ALL, kept=True),
        Fault("escapes", lambda q: answer(twin(q).replace(" || ", hostile) + HOSTILE), Hits.ALL, kept=True, shown=True),
        Fault(
            "key-in-answer",
            lambda q: answer(twin(q).replace("Question: What ", named)),
            Hits.ALL,
            kept=True,
            shown=True,
        ),
    ]


def _thoughts() -> list[Fault]:
    never = ("DRAFTED",)
    closed = [
        Fault(f"thoughts-{name}", _thinks(forms), Hits.ALL, kept=True, never=never) for name, forms in THOUGHTS.items()
    ]
    return [*closed, Fault("thoughts-open", lambda _: answer(f"<think>{DRAFT}"), kept=True, never=never)]


def _thinks(forms: tuple[str, ...]) -> Bad:
    def bad(question: str) -> ScriptedReply:
        form = forms[len(question) % len(forms)]
        return answer(form.format(draft=f"\n{DRAFT}\nNo, rather:\n", answer=twin(question)))

    return bad
