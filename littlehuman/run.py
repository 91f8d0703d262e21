"""The command line: `python -m littlehuman.run dataset=wanli synth_frac=0.975`.

In: Hydra overrides. Out: a run folder per cell, the study's table, and an exit code that is 0
only when every cell is complete. A failing cell is recorded and told, and the sweep goes on.
"""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from littlehuman import __version__
from littlehuman.cli import ignore_closed_pipe
from littlehuman.config import run_config as configs
from littlehuman.config import test_dataset
from littlehuman.config.identity import cell_name
from littlehuman.config.validation import is_study
from littlehuman.errors import ConfigError, LittlehumanError
from littlehuman.prompt_models.settings import refuse_keys
from littlehuman.runs import status
from littlehuman.runs.artifacts import RESULT
from littlehuman.store import digest, multirun_root, read_json, slug


def conf_folder() -> Path:
    """`conf/`: inside the package when installed from a wheel, beside it in a checkout."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "conf"


def _cell(*, _root_: DictConfig) -> str:
    """The run folder's name, while Hydra still composes; a config that is wrong gets one too."""
    try:
        return cell_name(*test_dataset.cell_configs(_root_, _root_.hydra))
    except (LittlehumanError, OmegaConfBaseException):  # the job meets it again, and tells it
        typed = {key: value for key, value in OmegaConf.to_container(_root_, resolve=False).items() if key != "hydra"}  # type: ignore[union-attr]
        return f"{slug(str(typed['dataset'].get('name')))}-refused-{digest(str(typed))[:8]}"


def _study(*, _root_: DictConfig) -> str:
    """The study's folder; a name that leaves the root is refused later, and until then Hydra writes nothing out there."""
    return _root_.study if is_study(_root_.study) else f"refused-{slug(_root_.study)}"


def _notes(*, _root_: DictConfig) -> str | None:
    """Where Hydra keeps what was typed; nowhere in a folder that holds another cell, for it writes before the job can refuse that."""
    there = OmegaConf.select(_root_, "hydra.runtime.output_dir", throw_on_missing=False)
    held = read_json(Path(there) / RESULT).get("id") if there else None
    return ".hydra" if held is None or _cell(_root_=_root_).endswith(str(held)) else None


def _steps(count: int, *, _root_: DictConfig) -> int:
    """`count` steps of the dataset's trade-off: datasets differ in how many synthetic points they carry."""
    return int(count * _root_.dataset.tradeoff_step)


def _register() -> None:
    ConfigStore.instance().store(name="run_schema", node=configs.schema())
    OmegaConf.register_new_resolver("littlehuman_cell", _cell, replace=True)
    OmegaConf.register_new_resolver("littlehuman_study", _study, replace=True)
    OmegaConf.register_new_resolver("littlehuman_notes", _notes, replace=True)
    OmegaConf.register_new_resolver("littlehuman_steps", _steps, replace=True)
    OmegaConf.register_new_resolver("littlehuman_root", lambda: str(multirun_root()), replace=True)


@hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")
def main(config: DictConfig) -> float | None:
    """Run one cell; return its headline score, or None when it failed (then `status.json` says why)."""
    from littlehuman.execution.job import Job

    return Job(Path(HydraConfig.get().runtime.output_dir)).run(config)


def cli() -> None:
    """Entry point: run, then name every cell that is not complete and exit non-zero for it."""
    if "--version" in sys.argv[1:]:
        print(f"littlehuman {__version__}")
        return
    try:
        refuse_keys(sys.argv[1:])  # before Hydra writes them down
    except ConfigError as error:
        print(f"ConfigError: {error}", file=sys.stderr)
        sys.exit(1)
    root = multirun_root().absolute()
    ledger = root / f".invocation-{uuid.uuid4().hex}"
    os.environ |= {
        "LITTLEHUMAN_MULTIRUN": str(root),
        status.INVOCATION: str(ledger),
    }  # the same place in whatever folder a job works
    code = 0
    try:
        main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130  # as shells have it
    except BrokenPipeError:
        ignore_closed_pipe()
    finally:
        missing = status.collect(ledger)
        _name(missing)
    if missing or code:
        sys.exit(code or 1)


def _name(missing: Sequence[status.IncompleteCell]) -> None:
    """Name what is not complete, and say what helps."""
    for cell in missing:
        print(
            f"NOT COMPLETE  {cell.folder}  {cell.reason}" if cell.is_cell else f"REFUSED  {cell.reason}",
            file=sys.stderr,
        )
    repeated = [cell for cell in missing if not cell.asks_for_change]
    if repeated:
        print(f"{len(repeated)} cell(s) not complete; the same command repeats only what is missing.", file=sys.stderr)
    if len(missing) > len(repeated):
        count = len(missing) - len(repeated)
        print(f"{count} cell(s) cannot be computed as asked; change the values that are named above.", file=sys.stderr)


_register()

if __name__ == "__main__":
    cli()
