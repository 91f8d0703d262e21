"""Server faults: one command against each, then the same command against a healthy server.

What must hold: it ends in time, complete or with one error that has a mend; no traceback; the key stands nowhere; no
prompt goes to another origin; memory stays small; and what was paid for is not asked for again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow.parquet as pq

from benchmarks.attack import answer_faults, status_faults
from benchmarks.attack.endpoint import FakeEndpoint, FaultServer, fails, healthy
from benchmarks.attack.fault_types import End, Fault, FaultyScript
from benchmarks.attack.ground import CONCURRENCY, TINY, Ground, at, ground
from benchmarks.attack.processes import Ended
from benchmarks.attack.trials import Problems, Trial, guarded, side_by_side

PEAK_MB = 1_000  # a tiny cell alone takes about half of it
WAITS_S = 60.0  # for what a fault may cost beyond four times an undisturbed command
WORDS = ("synth_frac=1", *TINY)


def scenarios() -> list[Fault]:
    """All server faults."""
    return [*status_faults.faults(), *answer_faults.faults()]


def names() -> list[str]:
    """The names of all scenarios."""
    return [fault.name for fault in scenarios()]


def trials(workers: int, only: Sequence[str] | None = None, every: int = 1) -> Iterator[Trial]:
    """Each fault (or every n-th) as one trial."""
    chosen = [fault for fault in scenarios() if only is None or fault.name in only][::every]
    limit_s = WAITS_S + 4 * _undisturbed_seconds() if chosen else 0.0
    return side_by_side([partial(_trial, fault, limit_s) for fault in chosen], workers)


def _undisturbed_seconds() -> float:
    """How long the command takes on this machine, as it is now."""
    with ground() as place, FaultServer(healthy()) as server:
        ended = place.run("run", *WORDS, at(server.url))
        if ended.code:
            raise RuntimeError(f"undisturbed, the command ended with {ended.code}: {ended.said}")
        return ended.seconds


def _trial(fault: Fault, limit_s: float) -> Trial:
    def scenario(problems: Problems) -> None:
        with ground() as place:
            good = _disturbed(fault, place, limit_s, problems)
            _again(fault, place, good, problems)
            _what_is_left(fault, place, problems)

    return guarded("faults", fault.name, scenario)


def _disturbed(fault: Fault, place: Ground, limit_s: float, problems: Problems) -> set[str]:
    """The command against the faulty server; the requests that were answered well."""
    with FakeEndpoint(lambda question, attempt: fails(410)) as other:
        script = FaultyScript(fault, other.url)
        with FaultServer(script.script()) as server:
            script.server = server
            ended = place.run("run", *WORDS, *fault.words, at(server.url), limit_s=limit_s)
            problems.expect(
                bool(script.hit) or fault.away is not None, "the fault was never met: the scenario is wrong"
            )
            _check_end(fault, place, ended, problems)
            problems.expect(not other.requests, f"{len(other.requests)} prompts went to another origin")
            return script.good(server.paid)


def _check_end(fault: Fault, place: Ground, ended: Ended, problems: Problems) -> None:
    if not problems.expect(not ended.timed_out, f"not ended after {ended.seconds:.0f} s: {ended.said}"):
        return
    complete = bool(place.cells())
    problems.expect(ended.code == (0 if complete else 1), f"exit code {ended.code}, complete: {complete}; {ended.said}")
    logs = "".join(path.read_text("utf-8", "replace") for path in place.study.glob("*/run.log"))
    problems.expect("Traceback" not in ended.text + logs, f"a traceback: {_last_error(ended.text + logs)}")
    if not complete:
        mends = ("Try:", "Fix:")
        problems.expect(any(mend in ended.text + logs for mend in mends), f"an error without a mend: {ended.said}")
    problems.expect(fault.end is not End.COMPLETE or complete, f"not complete: {ended.said}")
    problems.expect(fault.end is not End.ERROR or not complete, "complete, though no request could succeed")
    problems.expect(ended.peak_mb < PEAK_MB, f"{ended.peak_mb:.0f} MB of memory, more than {PEAK_MB}")


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if "Error" in line]
    return lines[-1][:200] if lines else ""


def _again(fault: Fault, place: Ground, good: set[str], problems: Problems) -> None:
    """The same command against a healthy server."""
    with FaultServer(healthy()) as server:
        ended = place.run("run", *WORDS, at(server.url))
        problems.expect(ended.code == 0, f"with a healthy server it ended with {ended.code}: {ended.said}")
        again = len(good & set(server.paid))
        allowed = CONCURRENCY if fault.away is not None else 0  # the server broke off what it had just sent
        problems.expect(again <= allowed, f"{again} of {len(good)} paid answers were asked for again")


def _what_is_left(fault: Fault, place: Ground, problems: Problems) -> None:
    if fault.shown:
        ended = place.run("report", str(place.study))
        problems.expect(ended.code == 0, f"report ended with {ended.code}: {ended.said}")
    leaks, escapes = place.leaks(), place.escapes()
    problems.expect(not leaks, f"the key stands in {', '.join(leaks[:4])}")
    problems.expect(not escapes, f"control characters stand in {', '.join(escapes[:4])}")
    if fault.never and not problems.found:
        _twins(fault, place, problems)


def _twins(fault: Fault, place: Ground, problems: Problems) -> None:
    """What became a twin, as `export` writes it."""
    (cell,) = place.cells().values()
    out = place.folder / "exported"
    ended = place.run("export", str(cell), str(out))
    problems.expect(ended.code == 0, f"export ended with {ended.code}: {ended.said}")
    tables = [pq.read_table(path).to_pylist() for path in out.rglob("*.parquet")]
    problems.expect(bool(tables), "export wrote no table")
    for text in fault.never:
        problems.expect(text not in str(tables), f"{text!r} became a twin")
