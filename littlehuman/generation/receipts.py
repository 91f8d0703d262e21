"""What each attempt of a run paid: so that money of attempts that were killed or failed is not forgotten.

In: a run's folder, and the bill as it grows. Out: one small file per attempt under `paid/`, written
over in place with each answer, and the sum over attempts. A killed attempt misses at most the one
answer that was just being put on the shelf.
"""

from __future__ import annotations

import json
import os
import socket
import uuid
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from littlehuman.store import read_json, slug

if TYPE_CHECKING:
    from littlehuman.generation.money import Bill

FOLDER = "paid"


class Receipt:
    """The receipt of this attempt; an attempt that paid nothing leaves none."""

    def __init__(self, run: Path) -> None:
        self.run = run
        self.file = run / FOLDER / f"{slug(socket.gethostname())}-{os.getpid()}-{uuid.uuid4().hex[:8]}.json"
        self._handle: BinaryIO | None = None
        self._width = 0

    def note(self, bill: Bill) -> None:
        """Write the bill down; what was handed to the system outlives a killed process."""
        if not bill.usd:
            return
        if self._handle is None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._handle = self.file.open("r+b" if self.file.exists() else "wb", buffering=0)
        text = json.dumps(asdict(bill)).encode()
        self._width = max(self._width, len(text))
        self._handle.seek(0)
        self._handle.write(text.ljust(self._width))  # one write of about 250 bytes: no reader meets half of it

    def close(self) -> None:
        """Let go of the file; a later note takes it up again."""
        if self._handle is not None:
            self._handle.close()
            self._handle = None

    def before(self) -> float:
        """US dollars that earlier attempts of the run paid."""
        return paid(self.run) - float(read_json(self.file).get("usd", 0.0))


def paid(run: Path) -> float:
    """US dollars that all attempts of a run paid."""
    return float(sum(read_json(file).get("usd", 0.0) for file in sorted((run / FOLDER).glob("*.json"))))
