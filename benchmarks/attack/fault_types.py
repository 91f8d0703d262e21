"""What one server fault is: which requests it hits, with what, and what must hold beside what always must."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum

from benchmarks.attack.endpoint import FaultServer, ReplyScript, ScriptedReply, answer, twin

Bad = Callable[[str], ScriptedReply]  # question -> the faulty reply


class Hits(Enum):
    """Which tries meet the fault."""

    SOME = "every third request from the sixth on, whenever it is tried"
    FIRST = "the first try of every request"
    ALL = "everything"


class End(Enum):
    """How the command may end."""

    EITHER = "complete, or with one error that has a mend"
    COMPLETE = "complete"
    ERROR = "with one error that has a mend"


@dataclass(frozen=True)
class Fault:
    """One way in which a server misbehaves.

    `kept`: its answers are paid for and whole, so the same command does not ask for them again. `never`: texts that no
    twin may hold. `words`: further overrides. `away`: seconds for which the server goes away after its sixth request.
    `shown`: the report is made too, before what is left behind is searched. Headers name another origin as `{other}`.
    """

    name: str
    bad: Bad = lambda question: answer(twin(question))
    hits: Hits = Hits.SOME
    end: End = End.EITHER
    kept: bool = False
    never: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    away: float | None = None
    shown: bool = False


class FaultyScript:
    """The script of a server with a fault; remembers whom it hit, and who got a good answer."""

    def __init__(self, fault: Fault, other: str = "") -> None:
        self.fault, self.other = fault, other
        self.hit: set[str] = set()
        self._order: dict[str, int] = {}
        self.server: FaultServer | None = None

    def script(self) -> ReplyScript:
        """For a `FaultServer`."""
        return self._reply

    def good(self, paid: Mapping[str, int]) -> set[str]:
        """The requests whose answers were sent in full and may not be paid for again."""
        kept = {question for question in self.hit if self.fault.kept}
        spared = {q for q in paid if q not in self.hit or self.fault.hits is Hits.FIRST and paid[q] > 0}
        return {question for question in spared | kept if paid.get(question)}

    def _reply(self, question: str, attempt: int) -> ScriptedReply:
        number = self._order.setdefault(question, len(self._order))
        if self.fault.away is not None and len(self._order) == 6 and attempt == 1 and self.server:
            self.server.go_away(self.fault.away)
        if not self._hits(number, attempt):
            return answer(twin(question), delay=0.02)
        self.hit.add(question)
        reply = self.fault.bad(question)
        headers = {k: v.replace("{other}", self.other) for k, v in reply.headers.items()}
        return ScriptedReply(reply.body, reply.status, headers, reply.delay, reply.delivery)

    def _hits(self, number: int, attempt: int) -> bool:
        if self.fault.away is not None:
            return False
        return {Hits.SOME: number % 3 == 2 and number > 4, Hits.FIRST: attempt == 1, Hits.ALL: True}[self.fault.hits]
