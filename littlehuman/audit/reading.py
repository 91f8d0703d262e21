"""`audit.json` of run folders, as other packages read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from littlehuman.runs.artifacts import AUDIT
from littlehuman.store import read_json


def read(cell: Path) -> dict[str, Any]:
    """What the audit of a cell found; empty where there is none, a torn one, or one of another form."""
    found = read_json(cell / AUDIT)
    parts = ("contamination", "copies", "diversity", "fidelity")
    whole = all(isinstance(found.get(name), dict) for name in parts) and isinstance(found.get("alarms"), list)
    return found if whole else {}
