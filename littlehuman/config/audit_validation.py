"""Validation of the key `audit`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from littlehuman.errors import Problem, did_you_mean
from littlehuman.schema import FilterStep
from littlehuman.schema.audit import LIMITED, AuditConfig, is_pattern


def problems(audit: AuditConfig, task: str, stand_ins_by: str | None = None) -> Iterator[Problem]:
    """Problems of the keys `audit` and `stand_ins_by` that the config alone shows."""
    for name, share in audit.fail_if.items():
        if name not in LIMITED:
            yield Problem(
                f"audit.fail_if.{name}={share:g}", f"is no measure that can be limited; {did_you_mean(name, LIMITED)}"
            )
        elif not 0 <= share <= 1:
            yield Problem(f"audit.fail_if.{name}={share:g}", "must be a share from 0 to 1: 1 % is 0.01")
    for step in audit.judges:
        part = audit.judge.judge if step is FilterStep.judge else audit.judge.round_trip
        if task not in part.tasks:
            what = f"{step} has no words for task={task}; it has: {', '.join(part.tasks) or 'none'}"
            yield Problem(f"filter@audit.judge={audit.judge.name}", what)
    if audit.judge.name != "none" and len(audit.judges) != 1:
        what = "must ask a model in one way; try filter@audit.judge=judge, or filter@audit.judge=round_trip"
        yield Problem(f"filter@audit.judge={audit.judge.name}", what)
    groups = {f"audit.groups.{name}": value for name, value in audit.groups.items()}
    groups |= {} if stand_ins_by is None else {"stand_ins_by": stand_ins_by}
    for key, value in groups.items():
        if is_pattern(value) and (what := _pattern_problem(value[1:-1])):
            yield Problem(f"{key}={value}", what)


def _pattern_problem(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        return f"is no regular expression: {error}; a literal sign has a backslash before it"
    return ""
