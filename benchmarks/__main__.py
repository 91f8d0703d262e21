"""`python -m benchmarks [--only a,c] [--quick]`: measure, write the machine's file, rewrite the page.

Writes `benchmarks/results/<machine>.json` and `benchmarks/README.md`; with `--quick` it only prints. Each part runs in
its own process, so that it starts with free memory and its failure does not stop the others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import kernels, machine, page, sizes
from benchmarks.parts import MODULES, measure
from littlehuman.store import read_json, write_json, write_text

HERE = Path(__file__).parent


def main() -> None:
    options = _options()
    if options.only == kernels.NAME:
        kernels.run()
        write_text(HERE / "README.md", page.page(HERE / "results"))
        return
    if options.part:
        write_json(options.part, _measured(options))
        return
    failed = [letter for letter in options.only.split(",") if not _run(letter, options)]
    if options.size == sizes.FULL.name:
        write_text(HERE / "README.md", page.page(HERE / "results"))
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _run(letter: str, options: argparse.Namespace) -> bool:
    """Run a part in its own process; whether it succeeded."""
    print(f"\n({letter}) {MODULES[letter]}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "part.json"
        command = [sys.executable, "-m", "benchmarks", "--only", letter, "--part", str(path)]
        command += ["--size", options.size, "--device", options.device]
        done = subprocess.run(command, cwd=HERE.parent, env=_environment(options.threads))
        found = read_json(path)
    if done.returncode or not found:
        return False
    print(page.plain(found["part"]["comparisons"]))
    if options.size == sizes.FULL.name:
        keep(HERE / "results", letter, found)
    return True


def keep(results: Path, letter: str, found: dict[str, Any]) -> None:
    """Replace a part in its machine's file; the other parts stay."""
    path = results / f"{machine.file_name(found['machine'])}.json"
    parts = read_json(path).get("parts", {}) | {letter: found["part"]}
    write_json(path, {"machine": found["machine"], "parts": dict(sorted(parts.items()))})


def _measured(options: argparse.Namespace) -> dict[str, Any]:
    device = _device(options.device)
    part = measure(options.only, sizes.ALL[options.size], device)
    return {
        "machine": machine.describe(device),
        "part": part | {"date": time.strftime("%Y-%m-%d"), "commit": machine.commit()},
    }


def _device(name: str) -> str:
    import torch

    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _environment(threads: int | None) -> dict[str, str]:
    """No network, one GPU (transformers.Trainer would use all of them), and the same threads for every way."""
    chosen = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "CUDA_VISIBLE_DEVICES": _first_gpu()}
    return os.environ | chosen | ({"OMP_NUM_THREADS": str(threads)} if threads else {})


def _first_gpu() -> str:
    return os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]


def _options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").split("\n")[0])
    letters = "; ".join(f"{letter} {name}" for letter, name in MODULES.items())
    what = f"letters with commas between them ({letters}); or {kernels.NAME}: counts for a GPU, on any machine"
    parser.add_argument("--only", default=",".join(MODULES), help=what)
    parser.add_argument(
        "--quick", dest="size", action="store_const", const="quick", default="full", help="a few minutes; printed only"
    )
    parser.add_argument(
        "--size", choices=sizes.ALL, default="full", help="tiny: random models, to test the benchmarks themselves"
    )
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, help="threads of every way (default: torch's own choice)")
    parser.add_argument("--part", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    known = (*MODULES, kernels.NAME) if options.only == kernels.NAME else tuple(MODULES)
    unknown = [letter for letter in options.only.split(",") if letter not in known]
    if unknown:
        there = f"there are {', '.join(MODULES)}, or {kernels.NAME} alone"
        parser.error(f"--only {options.only}: there is no part {', '.join(unknown)}; {there}")
    return options


if __name__ == "__main__":
    main()
