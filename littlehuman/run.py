"""The command line: `python -m littlehuman.run dataset=wanli synth_frac=0.975`.

In: Hydra overrides. Out: a run folder per cell, the study's table, and an exit code that is 0
only when every cell is complete. A failing cell is recorded and told, and the sweep goes on.
"""

from __future__ import annotations

import logging
import os
import sys
import uuid
from pathlib import Path
from typing import Any

import hydra
from filelock import FileLock, Timeout
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from littlehuman import config as configs
from littlehuman import journal
from littlehuman.errors import ConfigError, LittlehumanError, Problem, did_you_mean
from littlehuman.groups import DatasetConfig
from littlehuman.identity import cell_name, scientific
from littlehuman.store import digest, multirun_root, read_json, slug

log = logging.getLogger(__name__)


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
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        with FileLock(folder / ".lock", timeout=0):
            return _locked(config, folder)
    except Timeout:
        log.error("%s is being computed by another process; this one leaves it alone", folder)
        journal.tell(folder, "is being computed by another process")
        return None


def _locked(config: DictConfig, folder: Path) -> float | None:
    from littlehuman import results, summary
    from littlehuman.study import table

    if results.is_complete(folder):
        result = read_json(folder / results.RESULT)
        journal.settle(folder)
        log.info("already complete: %s", folder)
    else:
        book = journal.Journal(folder)
        try:
            result = _compute(config, folder, book)
        except BaseException as error:
            _record(error, book)
            table.write(folder.parent)
            if not isinstance(error, Exception):
                raise
            return None
        book.done()
    if not table.is_current(folder):
        table.write(folder.parent)
    print(summary.of_run(result, folder, single=_single(), overrides=HydraConfig.get().overrides.task))
    return float(result["scores"][result["headline"]]["value"])


def _compute(config: DictConfig, folder: Path, book: journal.Journal) -> dict[str, Any]:
    typed = configs.from_hydra(config)
    book.note_knobs(scientific(typed))
    test_from = _other_dataset(typed.test_dataset, typed.test_path, typed.task.name) if typed.test_dataset else None
    from littlehuman import pipeline

    return pipeline.run(typed, folder, book, test_from)


def _record(error: BaseException, book: journal.Journal) -> None:
    """Hydra 1.3 leaves no trace of a failed job: the log and `status.json` are written here."""
    if isinstance(error, LittlehumanError):
        log.error("%s: %s", type(error).__name__, error)
    elif isinstance(error, KeyboardInterrupt):
        log.error("interrupted in stage %s", book.stage_name)
    else:
        log.exception("failed in stage %s", book.stage_name)
    book.failed(error)


def _other_dataset(name: str, path: str | None, task: str) -> DatasetConfig:
    """The config of another dataset, from the same search path as group `dataset`."""
    folders = [Path(s.path) / "dataset" for s in HydraConfig.get().runtime.config_sources if s.schema == "file"]
    known = {file.stem for folder in folders for file in folder.glob("*.yaml")}
    if name not in known:
        raise ConfigError([Problem(f"test_dataset={name}", f"no such dataset; {did_you_mean(name, known)}")])
    own = _task_of(name, folders)
    if name != "table" and own not in (None, task):
        raise ConfigError([Problem(f"test_dataset={name}", f"is a dataset for task={own}; this run has task={task}")])
    merged = OmegaConf.merge(configs.schema(), {"dataset": _inherited(name, folders)}, {"dataset": {"path": path}} if path else {})
    typed = OmegaConf.to_object(merged.dataset)
    assert isinstance(typed, DatasetConfig)
    return typed


def _yaml(name: str, folders: list[Path]) -> DictConfig:
    own = OmegaConf.load(next(file for folder in folders if (file := folder / f"{name}.yaml").is_file()))
    assert isinstance(own, DictConfig)
    return own


def _task_of(name: str, folders: list[Path]) -> str | None:
    """The task that a dataset's YAML chooses in its defaults list; None where it leaves it open."""
    entries = [entry for entry in _yaml(name, folders).get("defaults", []) if not isinstance(entry, str)]
    return next((str(entry[key]) for entry in entries for key in entry if "/task" in str(key)), None)


def _inherited(name: str, folders: list[Path]) -> DictConfig:
    """A YAML on top of those of its group that its defaults list names; overrides of other groups do not count here."""
    own = _yaml(name, folders)
    parents = [entry for entry in own.pop("defaults", []) if isinstance(entry, str) and entry != "_self_"]
    merged = OmegaConf.merge(*(_inherited(parent, folders) for parent in parents), own)
    assert isinstance(merged, DictConfig)
    return merged


def _single() -> bool:
    return HydraConfig.get().mode is RunMode.RUN


def cli() -> None:
    """Entry point: run, then name every cell that is not complete and exit non-zero for it."""
    ledger = multirun_root().absolute() / f".invocation-{uuid.uuid4().hex}"
    os.environ[journal.INVOCATION] = str(ledger)
    code = 0
    try:
        main()
    except KeyboardInterrupt:
        code = 130  # as shells have it
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
