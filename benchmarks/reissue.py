"""Re-issuing a study that is complete: CPU seconds a cell, ours beside Hydra's composition of the configuration.

`python -m benchmarks.reissue [CELLS]`: one cell is computed, its result is copied to CELLS run folders under their own
ids, and the sweep is issued again in this process. Hydra composes each configuration twice: to check, and to launch.
Also: the update of a table of CELLS rows, the first (all files are read) and a further one (one cell changed).
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

WORDS = ["model=tiny", "launch=cpu", "launch.progress=false", "launch.keep_adapter=false", "metrics.bootstrap=100"]
WORDS += ["n_test=5", "synth_frac=0", "dataset=fieldnotes_fv", "n_train=4"]


def main() -> None:
    cells = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    with tempfile.TemporaryDirectory() as folder:
        os.environ["LITTLEHUMAN_MULTIRUN"] = folder
        _littlehuman(WORDS)
        study = Path(folder) / "default"
        _copies(study, cells)
        first, further = _table(study), _table(study, touched=True)
        print(f"table of {cells} rows: first {first:.3f} s, further {further:.3f} s (CPU)")
        few, few_composed = _reissue(2)
        many, composed = _reissue(cells)
    each, hydra = (many - few) / (cells - 2), (composed - few_composed) / (cells - 2)
    print(f"a complete cell, issued again: {each:.4f} s (CPU), of which Hydra's composition {hydra:.4f} s")
    print(f"our part {each - hydra:.4f} s; the whole is {each / hydra:.2f} times Hydra's composition")


def _littlehuman(words: Sequence[str]) -> None:
    from littlehuman import run

    sys.argv = ["littlehuman", *words]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        try:
            run.cli()
        except SystemExit as end:
            raise RuntimeError(out.getvalue()[-2000:]) from end


def _copies(study: Path, cells: int) -> None:
    """Complete cells of other seeds, with the files of the one that was computed."""
    from dataclasses import replace

    import hydra

    from littlehuman import run
    from littlehuman.config import run_config
    from littlehuman.config.identity import cell_name, identity_values, run_id

    (made,) = (path.parent for path in study.glob("*/result.json"))
    result = json.loads((made / "result.json").read_text("utf-8"))
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        base = run_config.from_hydra(hydra.compose("config", overrides=WORDS))
    for seed in range(1, cells):
        config = replace(base, seed=seed)
        folder = study / cell_name(config)
        shutil.copytree(made, folder)
        text = json.dumps({**result, "id": run_id(config), "knobs": identity_values(config)})
        (folder / "result.json").write_text(text, encoding="utf-8")


def _table(study: Path, *, touched: bool = False) -> float:
    from littlehuman.study import table

    if touched:
        os.utime(next(study.glob("*/status.json")))
    started = time.process_time()
    table.write(study)
    return time.process_time() - started


def _reissue(cells: int) -> tuple[float, float]:
    """CPU seconds of the sweep, and of Hydra's composition in it."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    spent = 0.0
    real = ConfigLoaderImpl.load_sweep_config

    def timed(self: Any, *arguments: Any, **named: Any) -> Any:
        nonlocal spent
        started = time.process_time()
        try:
            return real(self, *arguments, **named)
        finally:
            spent += time.process_time() - started

    ConfigLoaderImpl.load_sweep_config = timed  # type: ignore[method-assign]
    try:
        started = time.process_time()
        _littlehuman(["-m", *WORDS, f"seed=range({cells})"])
        return time.process_time() - started, spent
    finally:
        ConfigLoaderImpl.load_sweep_config = real  # type: ignore[method-assign]


if __name__ == "__main__":
    main()
