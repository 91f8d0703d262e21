"""Faults of the transport: HTTP statuses, `Retry-After`, connections that break, hang or trickle, redirects."""

from __future__ import annotations

import gzip
import time
from email.utils import formatdate

from benchmarks.attack.endpoint import DROP, HALF, HANG, TRICKLE, ScriptedReply, answer, refusal, twin
from benchmarks.attack.fault_types import Bad, End, Fault, Hits
from benchmarks.attack.ground import SECRET

STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529)
FATAL = (401, 402, 403, 404)
WAITS = {"fraction": "0.2", "past": "", "nonsense": "soon", "infinite": "1e999", "a-day": "86400"}
SHORT = ("prompt_model.timeout_s=1",)
BOMB_MB = 512


def faults() -> list[Fault]:
    """All of them."""
    return [*_statuses(), *_waits(), *_deliveries(), *_redirects()]


def _statuses() -> list[Fault]:
    """Each repeats the key that it was asked with, as some gateways do in their messages."""
    ends = {status: End.ERROR for status in FATAL}
    return [Fault(f"status-{status}", _refuses(status), end=ends.get(status, End.EITHER)) for status in STATUSES]


def _refuses(status: int) -> Bad:
    return lambda _: refusal(status, f"refused, Authorization: Bearer {SECRET}")


def _waits() -> list[Fault]:
    past = formatdate(time.time() - 3600, usegmt=True)
    ends = {"fraction": End.COMPLETE, "past": End.COMPLETE, "a-day": End.ERROR}
    return [
        Fault(f"retry-after-{name}", _later(wait or past), Hits.FIRST, ends.get(name, End.EITHER))
        for name, wait in WAITS.items()
    ]


def _later(wait: str) -> Bad:
    return lambda _: refusal(429, "slow down", retry_after=wait)


def _deliveries() -> list[Fault]:
    return [
        Fault("drop", lambda _: DROP, Hits.FIRST, End.COMPLETE),
        Fault("half", lambda _: HALF),
        Fault("hang", lambda _: HANG, words=SHORT),
        Fault("trickle", lambda _: TRICKLE, words=SHORT),
        Fault("away", away=2.0, end=End.COMPLETE),
        Fault("gzip-bomb", _bomb),
        Fault("gzip-broken", lambda _: ScriptedReply(b"\x1f\x8b broken", headers={"content-encoding": "gzip"})),
    ]


def _bomb(question: str) -> ScriptedReply:
    return ScriptedReply(_BOMB.body(), headers={"content-encoding": "gzip"})


class _Bomb:
    """Half a gigabyte of blanks before an answer, compressed once."""

    def __init__(self) -> None:
        self._body = b""

    def body(self) -> bytes:
        if not self._body:
            parts = [b" " * (1 << 20)] * BOMB_MB
            self._body = b"".join(gzip.compress(part, 6) for part in parts) + gzip.compress(answer("x").body)
        return self._body


_BOMB = _Bomb()


def _redirects() -> list[Fault]:
    away = ScriptedReply(b"{}", 307, {"location": "{other}/chat/completions"})
    loop = ScriptedReply(b"{}", 308, {"location": "/v1/chat/completions"})
    return [
        Fault("redirect-elsewhere", lambda _: away),
        Fault("redirect-loop", lambda _: loop),
        Fault(
            "content-type-html", lambda q: ScriptedReply(answer(twin(q)).body, headers={"content-type": "text/html"})
        ),
    ]
