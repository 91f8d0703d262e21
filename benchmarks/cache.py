"""The completion cache at full size: `python -m benchmarks.cache [--lines N] [--requests N]`.

Builds a synthetic cache of N lines in a temporary folder, and prints seconds and memory of a lookup of 5,000 keys, and
of a run of 100,000 requests that are answered in this process, so that only our own overhead is measured.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from unittest.mock import patch

import psutil

from littlehuman.generation import completions
from littlehuman.prompt_models.cache import cache_path, lookup
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PromptModelConfig, Provider

FILES = 4
ANSWER = 2 * (
    "Claim: The keepers of the Hallam terraces lost nine of their hives in the wet spring, before the move. "
    "|| Label: True "
)
CONTEXT = (
    "The tide mill at Orrel Staithe ground barley for two centuries, until a storm broke the sea wall in 1911. " * 10
)
MODEL = PromptModelConfig(name="benchmark", provider=Provider.openai)


def key_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def build(folder: Path, lines: int) -> float:
    """Write a cache and return its size in megabytes."""
    folder.mkdir(parents=True)
    for part in range(FILES):
        with (folder / f"host-{part}.jsonl").open("w") as handle:
            for i in range(part, lines, FILES):
                counts = '"prompt_tokens": 900, "completion_tokens": 60'
                handle.write(f'{{"key": "{key_of(i)}", "text": "{ANSWER}", "finish": "stop", {counts}}}\n')
    return sum(file.stat().st_size for file in folder.iterdir()) / 1e6


class Requests:
    """Requests that are created on each iteration, like those for twins; none of them is in the cache."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __iter__(self) -> Iterator[Prompt]:
        for i in range(self.count):
            yield Prompt(
                f"e{i}",
                ({"role": "system", "content": CONTEXT}, {"role": "user", "content": f"{i} {CONTEXT}"}),
                key_of(-1 - i),
            )


class InstantModel:
    """A prompt model that answers immediately."""

    batched, undelivered = False, ()

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        return (Completion(prompt.key, ANSWER, "stop", 900, 60) for prompt in prompts)


def megabytes() -> float:
    """Resident set size of this process."""
    return float(psutil.Process().memory_info().rss) / 1e6


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Seconds, and by how many megabytes memory grew while the result is held."""
    before, start = megabytes(), time.perf_counter()
    outcome = work()
    seconds, grown = time.perf_counter() - start, megabytes() - before
    del outcome
    return seconds, grown


def run_requests(count: int) -> int:
    """Send requests as a run does, and drop the answers."""
    return sum(1 for _ in completions.complete(Requests(count), MODEL, 100, progress=False))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000, help="completions in the cache")
    parser.add_argument("--keys", type=int, default=5_000, help="keys that are looked up")
    parser.add_argument("--requests", type=int, default=100_000, help="requests of the run")
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(completions, "open_model", lambda config: InstantModel()),
    ):
        os.environ["LITTLEHUMAN_CACHE"] = folder
        size = build(cache_path(MODEL), given.lines)
        print(f"cache: {given.lines:,} completions, {size:,.0f} MB in {FILES} files")
        keys = [key_of(i * (given.lines // given.keys)) for i in range(given.keys)]
        for turn in ("first", "second"):
            seconds, grown = timed(lambda: lookup(cache_path(MODEL), keys))
            print(f"lookup of {given.keys:,} keys, {turn} time: {seconds:.2f} s, memory +{grown:.1f} MB")
        for count in (given.requests // 20, given.requests):
            seconds, grown = timed(lambda count=count: run_requests(count))  # type: ignore[misc]
            each = f"{1e6 * seconds / count:.0f} us each"
            print(f"run of {count:,} requests with it: {seconds:.1f} s ({each}), memory +{grown:.1f} MB")
            for file in cache_path(MODEL).glob("*-[0-9]*.jsonl"):
                if not file.name.startswith("host-"):
                    file.unlink()


if __name__ == "__main__":
    main()
