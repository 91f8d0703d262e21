"""What each attempt of a run paid: so that money of attempts that were killed or failed is not forgotten.

In: a run's folder, and the bill as it grows. Out: one small file per attempt under `paid/`, written
anew every second at most, and the sum over attempts. A killed attempt's last second is missing.
"""

from __future__ import annotations

import os
import socket
import time
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from littlehuman.store import read_json, slug, write_json

if TYPE_CHECKING:
    from littlehuman.money import Bill

FOLDER = "paid"
EVERY_S = 1.0


class Receipt:
    """The receipt of this attempt; an attempt that paid nothing leaves none."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.file = run / FOLDER / f"{slug(socket.gethostname())}-{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
        self._written = -EVERY_S

    def note(self, bill: Bill, *, now: bool = False) -> None:
        """Write the bill down, unless that was done a moment ago."""
        if bill.usd and (now or time.monotonic() - self._written >= EVERY_S):
            write_json(self.file, asdict(bill))
            self._written = time.monotonic()

    def before(self) -> float:
        """US dollars that earlier attempts of the run paid."""
        return paid(self.run) - float(read_json(self.file).get("usd", 0.0))


def paid(run: Path) -> float:
    """US dollars that all attempts of a run paid."""
    return float(sum(read_json(file).get("usd", 0.0) for file in sorted((run / FOLDER).glob("*.json"))))
