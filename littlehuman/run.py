"""The command line: `python -m littlehuman.run dataset=wanli synth_frac=0.975`.

In: Hydra overrides. Out: a run folder per cell, the study's table, and an exit code that is 0
only when every cell is complete. A failing cell is recorded and told, and the sweep goes on.
"""

from __future__ import annotations

import os
import sys
import uuid
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from littlehuman import config as configs
from littlehuman import console, journal
from littlehuman.errors import LittlehumanError
from littlehuman.identity import cell_name
from littlehuman.store import digest, multirun_root, slug


def conf_folder() -> Path:
    """`conf/`: inside the package when installed from a wheel, beside it in a checkout."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "conf"


def _cell(*, _root_: DictConfig) -> str:
    """The run folder's name, while Hydra still composes; a config that is wrong gets one too."""
    content = {key: _root_[key] for key in _root_ if key != "hydra"}
    try:
        return cell_name(configs.from_hydra(OmegaConf.merge(configs.schema(), content)))  # type: ignore[arg-type]
    except LittlehumanError:
        return f"{slug(_root_.dataset.name)}-refused-{digest(OmegaConf.to_container(OmegaConf.create(content)))[:8]}"


def _steps(count: int, *, _root_: DictConfig) -> int:
    """`count` steps of the dataset's trade-off: datasets differ in how many synthetic points they carry."""
    return int(count * _root_.dataset.tradeoff_step)


def _register() -> None:
    ConfigStore.instance().store(name="run_schema", node=configs.schema())
    OmegaConf.register_new_resolver("littlehuman_cell", _cell, replace=True)
    OmegaConf.register_new_resolver("littlehuman_steps", _steps, replace=True)
    OmegaConf.register_new_resolver("littlehuman_root", lambda: str(multirun_root()), replace=True)


@hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")
def main(config: DictConfig) -> float | None:
    """Run one cell; return its headline score, or None when it failed (then `status.json` says why)."""
    from littlehuman.job import Job

    return Job(Path(HydraConfig.get().runtime.output_dir)).run(config)


def cli() -> None:
    """Entry point: run, then name every cell that is not complete and exit non-zero for it."""
    ledger = multirun_root().absolute() / f".invocation-{uuid.uuid4().hex}"
    os.environ[journal.INVOCATION] = str(ledger)
    code = 0
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130  # as shells have it
    except BrokenPipeError:
        console.nobody_listens()
    finally:
        missing = journal.told(ledger)
        for folder, reason in missing:
            print(f"NOT COMPLETE  {folder}  {reason}", file=sys.stderr)
    if missing:
        print(f"{len(missing)} cell(s) not complete; the same command repeats only what is missing.", file=sys.stderr)
    if missing or code:
        sys.exit(code or 1)


_register()

if __name__ == "__main__":
    cli()
