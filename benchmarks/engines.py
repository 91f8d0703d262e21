"""`python -m benchmarks.engines`: completions per second of engines for a local prompt model, on the same requests.

Each way is a prompt model of `conf/`, asked as a cell asks it, without the cache. Printed: its rate, mean tokens
of prompts and answers, the share of answers that can be parsed and, where the strategy asks for the target alone, the
share whose target is the human one; and how many answers read as those of the first way. Ways take turns; loading is
not timed. `--answers FILE` keeps every answer.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks import machine
from benchmarks.harness import WARM_UP, Comparison, Way, interleave, spread, times_as_fast
from benchmarks.jobs import compose
from littlehuman import data
from littlehuman.config.run_config import RunConfig
from littlehuman.prompt_models import Answer, open_model
from littlehuman.prompting import build_prompts
from littlehuman.prompting.parsing import parse
from littlehuman.records import Completion, Example, Prompt, Synthetic
from littlehuman.schema import Writes

WAYS = {  # the first one is compared with the others
    "llama.cpp": "prompt_model=qwen-1.5b-gguf",
    "hf bfloat16": "prompt_model=qwen-1.5b",
    "hf float32": "prompt_model=qwen-1.5b prompt_model.dtype=float32",
}


@dataclass
class Asked:
    """The requests of one way, and what it answered in the last round."""

    config: RunConfig
    points: tuple[Example, ...]
    prompts: tuple[Prompt, ...]
    classes: tuple[str, ...]
    clock: Callable[[], float] = time.perf_counter
    answers: list[Answer] = field(default_factory=list)

    def rate(self, turn: int) -> float:
        """Completions per second; the model is loaded before."""
        model, most = open_model(self.config.prompt_model), self.config.strategy.max_tokens
        list(model.complete(self.prompts[:1], 1))
        if turn == WARM_UP:
            return 0.0
        started = self.clock()
        found = {answer.key: answer for answer in model.complete(self.prompts, most)}
        seconds = self.clock() - started
        self.answers = [found[prompt.key] for prompt in self.prompts]
        return len(found) / seconds

    def targets(self) -> list[str | None]:
        """What was read of each answer; None where it cannot be parsed."""
        strategy, template = self.config.strategy, self.config.strategy.tasks[self.config.task.name]
        alone = strategy.writes is Writes.target
        pairs = zip(self.answers, self.points, strict=True)
        read = [parse(answer, point, template, self.classes, target_alone=alone) for answer, point in pairs]
        return [twin.target if isinstance(twin, Synthetic) else None for twin in read]

    def facts(self) -> dict[str, Any]:
        """Tokens, and what the answers are worth."""
        done = [answer for answer in self.answers if isinstance(answer, Completion)]
        targets, count = self.targets(), len(self.points)
        right = sum(t is not None and t in p.targets for t, p in zip(targets, self.points, strict=True)) / count
        return {
            "answered": len(done),
            "prompt tokens": round(sum(answer.prompt_tokens for answer in done) / len(done), 1),
            "answer tokens": round(sum(answer.completion_tokens for answer in done) / len(done), 1),
            "parsed": round(sum(target is not None for target in targets) / count, 3),
        } | ({"target is the human one": round(right, 3)} if self.config.strategy.writes is Writes.target else {})


def processor_seconds() -> float:
    """Processor time of this process and of the servers that it started."""
    import psutil

    children = [child.cpu_times() for child in psutil.Process().children()]
    return time.process_time() + float(sum(times.user + times.system for times in children))


CLOCKS = {"wall": time.perf_counter, "cpu": processor_seconds}


def asked(words: Sequence[str], count: int, clock: str = "wall") -> Asked:
    """The first distinct requests of a composed config, spread over the training points."""
    config = compose(*words)
    dataset = data.load(config.dataset, config.task)
    points = dataset.train[:: max(1, len(dataset.train) // (2 * count))]
    made = build_prompts(points, dataset.train, config.strategy, config.task.name, config.prompt_model, dataset.classes)
    distinct = {prompt.key: (point, prompt) for point, prompt in zip(points, made, strict=True)}
    pairs = list(distinct.values())[:count]
    shown, prompts = tuple(point for point, _ in pairs), tuple(prompt for _, prompt in pairs)
    return Asked(config, shown, prompts, dataset.classes, CLOCKS[clock])


def compare(ways: dict[str, Asked], rounds: int) -> Comparison:
    """Completions per second of each way, and the facts about its answers."""
    first = next(iter(ways))
    prompts = {tuple(map(str, (m for p in one.prompts for m in p.messages))) for one in ways.values()}
    assert len(prompts) == 1, "all ways are asked the same"
    runs: dict[str, Way] = {name: one.rate for name, one in ways.items()}
    values, failed = interleave(runs, rounds, may_fail=[name for name in ways if name != first])
    facts: dict[str, Any] = {name: ways[name].facts() for name in values}
    texts = {name: [getattr(a, "text", "") for a in ways[name].answers] for name in values}
    targets = {name: ways[name].targets() for name in values}
    for name in values:
        for what, of in (("texts", texts), ("targets", targets)):
            same = sum(a == b for a, b in zip(of[name], of[first], strict=True)) / len(of[first])
            facts[name] |= {f"{what} as {first}": round(same, 3)}
    return Comparison(title=first, unit="completions/s", values=values, ours=first, failed=failed, facts=facts)


def main() -> None:
    options = _options()
    chosen = options.overrides or ["dataset=fieldnotes_qa", "strategy=few_shot"]
    named = dict(way.split(":", 1) for way in options.way) or WAYS
    ways = {name: asked([*chosen, *words.split()], options.requests, options.clock) for name, words in named.items()}
    found = compare(ways, options.rounds)
    about = machine.describe("cpu") | {"commit": machine.commit(), "clock": options.clock, "requests": options.requests}
    print(json.dumps(about | {"overrides": chosen, "ways": named}, indent=1))
    for name, values in found.values.items():
        rate, ratio = spread(values), times_as_fast(found, name)
        print(f"{name:14s} {rate.median:.3f} completions/s ({rate.low:.3f} to {rate.high:.3f})", end=", ")
        print(f"{found.title} is {ratio.median:.2f} times as fast ({ratio.low:.2f} to {ratio.high:.2f}); ", end="")
        print(", ".join(f"{what}: {value}" for what, value in found.facts[name].items()))
    for name, why in found.failed.items():
        print(f"{name:14s} failed: {why}")
    if options.answers:
        _keep(options.answers, {name: ways[name] for name in found.values})


def _keep(file: Path, ways: dict[str, Asked]) -> None:
    first = next(iter(ways.values()))
    with file.open("w", encoding="utf-8") as out:
        for i, point in enumerate(first.points):
            said = {name: getattr(one.answers[i], "text", "") for name, one in ways.items()}
            out.write(json.dumps({"id": point.id, "human": point.target, **said}, ensure_ascii=False) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--requests", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--way", action="append", default=[], help="NAME:OVERRIDES, such as 'f32:prompt_model=qwen-1.5b'"
    )
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu: processor time, for a machine that others use (1 thread)"
    )
    parser.add_argument("--answers", type=Path, help="a file for the answers, JSON lines")
    parser.add_argument(
        "overrides", nargs="*", help="as for littlehuman; default: dataset=fieldnotes_qa strategy=few_shot"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
