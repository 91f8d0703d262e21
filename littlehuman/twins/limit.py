"""The spending limit of a cell, from its config and the command that it belongs to.

`launch.max_usd` is the limit of one command: all its cells, processes and filters together. `prompt_model.max_usd`
is its older name; where both are given, the smaller one holds.
"""

from __future__ import annotations

import logging
from pathlib import Path

from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, Problem
from littlehuman.generation import ledger
from littlehuman.generation.costs import dollars
from littlehuman.generation.spending import SpendingLimit, SpendRecord, paid_in_study

log = logging.getLogger(__name__)

KEY, OLD_KEY = "launch.max_usd", "prompt_model.max_usd"


def open_limit(config: RunConfig, folder: Path | None) -> SpendingLimit:
    """The limit that a cell's requests are reserved against, with its spend record in `folder`.

    Raises:
        ConfigError: when the limit must be split among jobs whose number is not known.
        GenerationError: when the command's ledger is gone.
    """
    limit, key, _ = _given(config)
    record = SpendRecord(folder) if folder else None
    command = ledger.command(needed=limit is not None) if folder else None
    if command is None:
        return SpendingLimit(limit, record, key=key)
    if command.split and command.jobs != 1:
        return SpendingLimit(_share(limit, key, command), record, key=key)
    limit = limit if limit is None else limit / command.shares
    return SpendingLimit(limit, record, key=key, ledger=_shared(command))


def log_limit(config: RunConfig, folder: Path) -> None:
    """Log what limit holds over what, and what earlier commands paid for the study: the first line of a cell's log.

    Raises:
        ConfigError, GenerationError: as `open_limit`.
    """
    limit, key, note = _given(config)
    if limit is None:
        return
    command = ledger.command()
    if command is None:
        log.info("at most %s (%s%s) for this run, twins and filters together", dollars(limit), key, note)
        return
    jobs = "" if command.jobs == 1 else f"all {command.jobs or ''} cells of ".replace("  ", " ")
    if command.split and command.jobs != 1:
        share = dollars(_share(limit, key, command) or 0.0)
        whose = f"this cell: {dollars(limit)} ({key}{note}) are split among {jobs}this command, as {command.split}"
        log.info("at most %s for %s%s", share, whose, _before(command.before))
        return
    shared = _shared(command)
    before = _before(command.before if command.shares > 1 else shared.before(folder.parent, paid_in_study))
    spent = f"; {dollars(shared.spent)} of it are spent" if shared.spent else ""
    together = f"{jobs}this command, with all processes and filters"
    if command.shares > 1:
        together = f"{together}; each of its {command.shares} jobs has {dollars(limit / command.shares)}"
    log.info("at most %s (%s%s) for %s%s%s", dollars(limit), key, note, together, spent, before)


def _shared(command: ledger.Command) -> ledger.SharedLedger:
    return ledger.SharedLedger(command.folder, "job" if command.shares > 1 else "command")


def _given(config: RunConfig) -> tuple[float | None, str, str]:
    """The limit in US dollars, its key, and a note where both keys are given."""
    values = {KEY: config.launch.max_usd, OLD_KEY: config.prompt_model.max_usd}
    given = {key: value for key, value in values.items() if value is not None}
    if not given:
        return None, KEY, ""
    key = min(given, key=lambda name: given[name])
    other = OLD_KEY if key == KEY else KEY
    return given[key], key, f"; {other}={given[other]:g} is not smaller" if other in given else ""


def _share(limit: float | None, key: str, command: ledger.Command) -> float | None:
    if limit is None:
        return None
    if command.jobs is None:
        what = f"cannot be split among the jobs, whose number this sweeper does not say ({command.split})"
        raise ConfigError([Problem(f"{key}={limit:g}", what)], "hydra/sweeper=basic, or hydra/launcher=sequential")
    return limit / command.jobs


def _before(paid: float) -> str:
    return f"; earlier commands paid {dollars(paid)} for this study, which do not count here" if paid else ""
