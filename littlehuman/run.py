"""`littlehuman run dataset=wanli synth_frac=0.975`: the Hydra application that computes one cell, or a sweep of them.

Takes Hydra overrides. Writes a run folder per cell and the study's table. The exit code is 0 only when every cell is
complete: a cell that fails is recorded and named at the end, and the sweep goes on.
"""

from __future__ import annotations

import os
import sys
import traceback
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hydra
from hydra.core.config_store import ConfigStore
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from littlehuman import __version__
from littlehuman.cli import ignore_closed_pipe, note_form, note_typed, said
from littlehuman.config import run_config as configs
from littlehuman.config import test_dataset
from littlehuman.config.addresses import refuse_passwords
from littlehuman.config.identity import cell_name
from littlehuman.config.validation import is_study
from littlehuman.errors import ConfigError, LittlehumanError
from littlehuman.execution import mending, workers
from littlehuman.execution.launched_processes import LaunchedProcesses
from littlehuman.formatting import plain_text
from littlehuman.prompt_models.settings import refuse_api_keys
from littlehuman.runs import leftovers, status
from littlehuman.runs.artifacts import RESULT
from littlehuman.store import INVOCATION, digest, multirun_root, process_name, read_json, slug
from littlehuman.study import table

_FULL_ERROR = "HYDRA_FULL_ERROR"  # environment variable of Hydra
NAMED = 12  # folders of runs that failed for one reason


def conf_folder() -> Path:
    """`conf/`: inside the package when installed from a wheel, beside it in a checkout."""
    inside = Path(__file__).parent / "conf"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "conf"


def _cell(*, _root_: DictConfig) -> str:
    """The run folder's name, which Hydra asks for while it composes; an invalid config gets one too."""
    try:
        return cell_name(*test_dataset.cell_configs(_root_, _root_.hydra))
    except (LittlehumanError, OmegaConfBaseException):  # the job finds the error again, and reports it
        values: Any = OmegaConf.to_container(_root_, resolve=False)
        values.pop("hydra", None)
        return f"{slug(str(values['dataset'].get('name')))[:40]}-refused-{digest(str(values))[:8]}"


def _study(*, _root_: DictConfig) -> str:
    """The study's folder. A name that leaves the root is refused by the job; Hydra must not write there before that."""
    return _root_.study if is_study(_root_.study) else f"{leftovers.REFUSED}{slug(_root_.study)[:40]}"


def _hydra_subdir(*, _root_: DictConfig) -> str | None:
    """Where Hydra keeps the overrides: `.hydra`, or nowhere in a folder that holds another cell.

    Hydra writes there before the job can refuse that folder.
    """
    folder = OmegaConf.select(_root_, "hydra.runtime.output_dir", throw_on_missing=False)
    held = read_json(Path(folder) / RESULT).get("id") if folder else None
    return ".hydra" if held is None or _cell(_root_=_root_).endswith(str(held)) else None


def _register() -> None:
    ConfigStore.instance().store(name="run_schema", node=configs.schema())
    OmegaConf.register_new_resolver("littlehuman_cell", _cell, replace=True)
    OmegaConf.register_new_resolver("littlehuman_study", _study, replace=True)
    OmegaConf.register_new_resolver("littlehuman_notes", _hydra_subdir, replace=True)
    OmegaConf.register_new_resolver("littlehuman_root", lambda: str(multirun_root()), replace=True)


@hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name="config")
def main(config: DictConfig) -> float | None:
    """Run one cell; return its headline score, or None when it failed (`status.json` has the reason)."""
    from littlehuman.execution.job import Job

    return Job(Path(HydraConfig.get().runtime.output_dir)).run(config)


def cli() -> None:
    """Entry point: run, name every cell that is not complete, and exit with 1 if there is one, 130 after Ctrl-C."""
    if "--version" in sys.argv[1:]:
        print(f"littlehuman {__version__}")
        return
    with _ending_all(sys.argv[1:]) as launched:
        if launched.prints:
            refuse_api_keys(sys.argv[1:])  # before Hydra writes them down
            refuse_passwords(sys.argv[1:])
        note_typed("run", sys.argv[1:])
        root = multirun_root().absolute()  # a job may work in another folder
        reports = launched.begin(root / f"{leftovers.INVOCATION_PREFIX}{process_name()}-{uuid.uuid4().hex[:8]}")
        os.environ |= {"LITTLEHUMAN_MULTIRUN": str(root), INVOCATION: str(reports)}
        leftovers.sweep(root)
        launched.code = _run(root)
        launched.gather()
        if launched.prints:
            table.write_due(reports)
            missing = status.collect(reports)
            _print_missing(missing)
            launched.code = launched.code or int(bool(missing))


def _run(root: Path) -> int:
    """Run what was typed; the exit code, as far as it is known without the cells that are not complete."""
    code = 0
    try:
        with _raising_hydra():
            main()
        sys.stdout.flush()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        code = 130  # the shell's code for SIGINT
    except BrokenPipeError:
        ignore_closed_pipe()
    except Exception as error:
        code = 1
        _report(error, root)
    return code


@contextmanager
def _ending_all(words: Sequence[str]) -> Iterator[LaunchedProcesses]:
    """The processes that were started with this command; they end with one exit code."""
    try:
        launched = LaunchedProcesses(words)
    except ConfigError as error:
        print(said(error), file=sys.stderr)
        sys.exit(1)
    try:
        yield launched
    except ConfigError as error:
        print(said(error), file=sys.stderr)
        launched.code = 1
    except KeyboardInterrupt:
        launched.code = 130
    except Exception:
        launched.code = 1
        raise
    finally:
        launched.end()
    if launched.code:
        sys.exit(launched.code)


@contextmanager
def _raising_hydra() -> Iterator[None]:
    """Have Hydra raise its errors: it would print all options and its search path, or a traceback, and exit."""
    set_by_user = os.environ.get(_FULL_ERROR)
    os.environ[_FULL_ERROR] = set_by_user or "1"
    try:
        yield
    finally:
        if set_by_user is None:
            del os.environ[_FULL_ERROR]


def _report(error: Exception, root: Path) -> None:
    """Print an error around the jobs; with its traceback where it is a bug, or the user wants to see it."""
    if isinstance(error, HydraException | OmegaConfBaseException) and _FULL_ERROR not in os.environ:
        from littlehuman.execution import composing

        if workers.first_tells():  # every process meets it
            return
        print(said(composing.error_of(error, sys.argv[1:])), file=sys.stderr)
    elif isinstance(error, OSError):
        status.report_incomplete(root, mending.sentence(error))
    else:
        traceback.print_exc()


def _print_missing(missing: Sequence[status.IncompleteCell]) -> None:
    """Name the runs that are not complete, each reason once, and whether the same command or other values help."""
    alike: dict[tuple[bool, str, str], list[status.IncompleteCell]] = {}
    for cell in missing:
        alike.setdefault((cell.is_cell, cell.reason, cell.mend), []).append(cell)
    for (is_cell, reason, mend), cells in alike.items():
        folders = [f"  {cell.folder}" for cell in cells[:NAMED]] if is_cell else []
        head = "NOT COMPLETE" if is_cell else "REFUSED"
        more = f"  ({len(cells)} runs with this reason)" if len(cells) > 1 else ""
        lines = [f"{head}{folders[0] if folders else ''}  {reason}{more}", *folders[1:]]
        lines += mend.split("\n") if mend else []
        print(plain_text("\n".join(lines)), file=sys.stderr)
    repeated = sum(not cell.asks_for_change for cell in missing)
    if repeated:
        again = "the same command repeats only what is missing"
        print(f"{_runs(repeated)} not complete; {again}.", file=sys.stderr)
    if len(missing) > repeated:
        change = "change the values that are named above"
        print(f"{_runs(len(missing) - repeated)} cannot be computed as asked; {change}.", file=sys.stderr)


def _runs(count: int) -> str:
    return f"{count} run{'s' * (count != 1)} (cell{'s' * (count != 1)})"


_register()

if __name__ == "__main__":
    note_form(module=True)
    cli()
