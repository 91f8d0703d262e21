"""`python -m benchmarks.decoding`: speed-up of a prompt model of this process by prefix caching.

Prints completions per second with and without, the ratio of each round, and how many answers differ. Both ways take
turns in one process, with the same requests and batches.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import machine
from benchmarks.harness import WARM_UP, interleave, spread, times_as_fast
from benchmarks.harness import Comparison as Measured
from littlehuman import data
from littlehuman.config.run_config import RunConfig
from littlehuman.prompting import build_prompts
from littlehuman.records import Prompt

ONCE, EACH = "prefix read once", "prefix read by each"
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Asked:
    """Requests of one strategy, and their config."""

    config: RunConfig
    prompts: tuple[Prompt, ...]
    clock: Callable[[], float] = time.perf_counter

    def answers(self, *, share: bool, count: int | None = None) -> tuple[float, list[Any]]:
        """Seconds, and the answers in the order of the requests."""
        from littlehuman.models.chat import chat

        model, chosen = self.config.prompt_model, self.prompts[:count]
        started = self.clock()
        found = chat(
            str(model.weights),
            model.dtype,
            [prompt.messages for prompt in chosen],
            max_tokens=self.config.strategy.max_tokens,
            batch_size=model.batch_size,
            temperature=model.temperature or 0.0,
            top_p=model.top_p or 1.0,
            seeds=[int(prompt.key, 16) for prompt in chosen],
            share_prefixes=share,
        )
        done = sorted(found, key=lambda answer: answer.index)
        return self.clock() - started, done


def asked(arguments: Sequence[str], count: int, clock: str = "wall") -> Asked:
    """The first distinct requests of a composed config."""
    from benchmarks.jobs import compose

    config = compose(*arguments)
    dataset = data.load(config.dataset, config.task)
    found = build_prompts(
        dataset.train, dataset.train, config.strategy, config.task.name, config.prompt_model, dataset.classes
    )
    # Questions on one passage are the same request, unless each has its own few-shot examples.
    distinct = {prompt.key: prompt for prompt in found}
    return Asked(config, tuple(distinct.values())[:count], CLOCKS[clock])


def compare(requests: Asked, rounds: int) -> Measured:
    """Completions per second of both ways, and the largest share of answers that differ."""
    texts: dict[str, list[str]] = {}
    differing: list[float] = []
    tokens: list[int] = []

    def way(name: str, share: bool, turn: int) -> float:
        seconds, done = requests.answers(
            share=share, count=requests.config.prompt_model.batch_size if turn == WARM_UP else None
        )
        texts[name] = [answer.text for answer in done]
        tokens[:] = [answer.prompt_tokens for answer in done]
        if name == EACH and turn != WARM_UP:
            pairs = zip(texts[ONCE], texts[EACH], strict=True)
            differing.append(sum(a != b for a, b in pairs) / len(done))
        return len(done) / seconds

    ways = {ONCE: lambda turn: way(ONCE, True, turn), EACH: lambda turn: way(EACH, False, turn)}
    values, _ = interleave(ways, rounds)
    facts = {
        "requests": len(tokens),
        "mean prompt tokens": round(sum(tokens) / len(tokens)),
        "share of texts that differ": max(differing),
    }
    return Measured(title=ONCE, unit="completions/s", values=values, ours=ONCE, facts=facts)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.decoding", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="cpu: processor time of this process, for a machine that others use too",
    )
    parser.add_argument(
        "overrides",
        nargs="*",
        help="as for littlehuman; default: dataset=fieldnotes_qa strategy=cot prompt_model=smollm2",
    )
    options = parser.parse_args()
    chosen = options.overrides or ["dataset=fieldnotes_qa", "strategy=cot", "prompt_model=smollm2"]
    found = compare(asked(chosen, options.requests, options.clock), options.rounds)
    ratio = times_as_fast(found, EACH)
    print(
        json.dumps(
            machine.describe("cpu")
            | {"commit": machine.commit(), "clock": options.clock, "overrides": " ".join(chosen)}
            | found.facts,
            indent=1,
        )
    )
    for name, values in found.values.items():
        print(f"{name}: {spread(values).median:.3g} completions/s")
    print(f"{ratio.median:.2f} times as fast ({ratio.low:.2f} to {ratio.high:.2f} of {ratio.rounds} rounds)")


if __name__ == "__main__":
    main()
