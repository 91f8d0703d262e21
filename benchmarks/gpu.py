"""`make bench-gpu`: correctness and speed of training on a GPU, on random weights; under 10 minutes, one page.

Writes `benchmarks/results/gpu/<name of the GPU>.md`. `--dry-run` takes tiny shapes on any device and writes nothing: it
tests this script, and its speeds say nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks import flops, machine
from benchmarks import gpu_parts as parts
from benchmarks.kernels import RANK
from littlehuman.store import slug, write_text

FOLDER = Path(__file__).parent / "results" / "gpu"
CELLS = (1, 2, 4, 8, 16, 32)
BUDGET_S = 480  # no further number of cells is timed after so many seconds


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all parts, print the page and write it; exit code 1 where something that must agree does not."""
    import torch

    options = _options(arguments)
    if not (options.dry_run or torch.cuda.is_available()):
        sys.exit("bench-gpu: torch sees no CUDA device here. Try: make bench-gpu GPU=--dry-run")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model = "tiny" if options.dry_run else options.model or _that_fits()
    found = parts.agreements(parts.Setup("tiny", device))
    wrong = [name for name, (distance, allowed) in found.items() if not distance <= allowed]
    lines = [*_head(device, model, options.dry_run), *_agreements(found)]
    print("\n".join(lines), flush=True)
    setup = parts.Setup(model, device, steps=1 if options.dry_run else 6)
    for line in _speeds(setup, (1, 2) if options.dry_run else CELLS):
        lines.append(line)
        print(line, flush=True)
    if not options.dry_run:
        write_text(FOLDER / f"{slug(torch.cuda.get_device_name())}.md", "\n".join(lines) + "\n")
    if wrong:
        sys.exit(f"bench-gpu: differ by more than rounding: {', '.join(wrong)}")


def _that_fits() -> str:
    import torch

    return "8b" if torch.cuda.get_device_properties(0).total_memory > 60e9 else "1b"


def _head(device: object, model: str, dry: bool) -> Iterator[str]:
    about = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine.describe(str(device)).items())
    yield "# Training on a GPU: what agrees, and how fast it is"
    yield f"\n{'DRY RUN: these speeds say nothing. ' if dry else ''}{about}; {time.strftime('%Y-%m-%d')}."
    yield f"Random weights in the shapes of Llama ({model}), bfloat16, LoRA r={RANK} on every linear layer,"
    yield f"batches of {parts.BATCH} rows a cell of 48 to 192 tokens. Commit {machine.commit()}.\n"


def _agreements(found: dict[str, tuple[float, float]]) -> Iterator[str]:
    yield "| what must agree (two layers) | relative distance | allowed | |\n|---|---|---|---|"
    for name, (distance, allowed) in found.items():
        yield f"| {name} | {distance:.2g} | {allowed:g} | {'ok' if distance <= allowed else '**differs**'} |"
    yield ""


def _speeds(setup: parts.Setup, cells: Sequence[int]) -> Iterator[str]:
    import torch

    started = time.perf_counter()
    dry = setup.shape == "tiny"
    peak = 1e9 if dry else flops.peak(setup.device, torch.bfloat16)  # a dry run need not wait for a CPU's product
    work = parts.work_of_a_token(setup)
    if not dry:
        yield f"A matrix product of this run reaches {peak / 1e12:,.1f} TFLOP/s; use of the peak is relative to it.\n"
    yield "| training | tokens/s | use of the peak | times Trainer |\n|---|---|---|---|"
    trainer = _try(lambda: parts.trainer_rate(setup))
    yield _row("Trainer and PEFT, one cell, dynamic padding, autocast", trainer, work / peak, trainer)
    for count in cells:
        if time.perf_counter() - started > BUDGET_S:
            yield f"| littlehuman, {count} cells | no time left | | |"
            continue
        rate = _try(lambda count=count: parts.training_rate(setup, count))  # type: ignore[misc]
        yield _row(f"littlehuman, {count} cells at once", rate, work / peak, trainer)
    yield ""
    rows, tokens = (4, 3) if dry else (64, 32)
    yield f"Evaluation: {_number(_try(lambda: parts.evaluation_rate(setup, rows)))} rows/s, {rows} at once."
    rate = _try(lambda: parts.generation_rate(setup, rows, tokens))
    yield f"Generation: {_number(rate)} tokens/s, {rows} answers of {tokens} tokens at once."


def _row(name: str, rate: float | str, share: float, trainer: float | str) -> str:
    if isinstance(rate, str):
        return f"| {name} | {rate} | | |"
    times = f"{rate / trainer:.2f}" if isinstance(trainer, float) else ""
    return f"| {name} | {_number(rate)} | {rate * share:.0%} | {times} |"


def _try(run: Callable[[], float]) -> float | str:
    """The rate, or why there is none, such as a lack of memory: the other rows go on."""
    try:
        return run()
    except (RuntimeError, ImportError) as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"


def _number(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--dry-run", action="store_true", help="tiny shapes on any device; nothing is written")
    parser.add_argument("--model", choices=("1b", "8b"), help="shapes (default: 8b from 60 GB of memory on)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
