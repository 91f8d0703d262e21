"""Faults of the transport: HTTP statuses, `Retry-After`, connections that break, hang or trickle, redirects."""

from __future__ import annotations

import time
import zlib
from email.utils import formatdate
from functools import cache

from benchmarks.attack.endpoint import DROP, HALF, HANG, TRICKLE, ScriptedReply, answer, refusal, twin
from benchmarks.attack.fault_types import Bad, End, Fault, Hits
from benchmarks.attack.ground import HOSTILE, SECRET

STATUSES = (400, 401, 402, 403, 404, 408, 409, 413, 422, 429, 500, 502, 503, 529)
FATAL = (401, 402, 403, 404)
WAITS = {"fraction": "0.2", "past": "", "nonsense": "soon", "infinite": "1e999", "a-day": "86400"}
SHORT = ("prompt_model.timeout_s=1",)
BOMB_MB = 512


def faults() -> list[Fault]:
    """All of them."""
    return [*_statuses(), *_waits(), *_deliveries(), *_redirects()]


def _statuses() -> list[Fault]:
    """Each repeats the key that it was asked with, as some gateways do in their messages, and moves the cursor."""
    ends = {status: End.ERROR for status in FATAL}
    return [Fault(f"status-{status}", _refuses(status), end=ends.get(status, End.EITHER)) for status in STATUSES]


def _refuses(status: int) -> Bad:
    return lambda _: refusal(status, f"refused{HOSTILE}, Authorization: Bearer {SECRET}")


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
    return ScriptedReply(_bomb_body(), headers={"content-encoding": "gzip"})


@cache
def _bomb_body() -> bytes:
    """Half a gigabyte of blanks before an answer, as one gzip stream: half a megabyte on the wire."""
    packer = zlib.compressobj(1, wbits=31)
    parts = [packer.compress(b" " * (1 << 20)) for _ in range(BOMB_MB)]
    return b"".join(parts) + packer.compress(answer("x").body) + packer.flush()


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
