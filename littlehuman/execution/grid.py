"""Whether the data has enough points for the cells of a command: looked at once, before the first cell is prepared.

In: the composed configurations of cells that are not complete. Out: one error that says what is there and the whole
command with sizes that fit. Cells that cannot be looked at (an invalid configuration, data that cannot be read) are
passed over: they fail by themselves, each with its own reason.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from littlehuman import cli
from littlehuman.config import sizing, test_dataset
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, LittlehumanError, Problem
from littlehuman.schema import Method

MOST_NAMED = 8  # sizes in a message


@dataclass(frozen=True, slots=True)
class _Cell:
    """What a cell wants of its dataset, and what there is, in training points."""

    dataset: str
    size: int
    extra: int
    usable: int


def check(configs: Iterable[DictConfig]) -> None:
    """Refuse the cells of a command where one of them wants more training points than there are.

    Raises:
        ConfigError: with the command that works.
    """
    check_cells(run for config in configs if (run := _typed(config)))


def check_cells(configs: Iterable[RunConfig]) -> None:
    """The same for typed configurations (errors as in `check`)."""
    cells = [cell for config in configs if (cell := _wanted(config))]
    over = [cell for cell in cells if cell.size + cell.extra > cell.usable]
    if over:
        raise ConfigError(list(_problems(over)), cli.again(_mended(cells)))


def _typed(config: DictConfig) -> RunConfig | None:
    try:
        return test_dataset.cell_configs(config, config.hydra)[0]
    except (LittlehumanError, OmegaConfBaseException, OSError):
        return None


def _wanted(config: RunConfig) -> _Cell | None:
    if config.method is Method.annotator:
        return None
    usable = sizing.usable_points(config.audited_dataset, config.task)
    return None if usable is None else _Cell(config.dataset.name, config.size, config.extra_human, usable)


def _problems(over: list[_Cell]) -> Iterable[Problem]:
    """One for each dataset and number of extra points."""
    for name, usable, extra in sorted({(cell.dataset, cell.usable, cell.extra) for cell in over}):
        sizes = sorted({cell.size for cell in over if (cell.dataset, cell.extra) == (name, extra)})
        named = ",".join(map(str, sizes[:MOST_NAMED])) + ",..." * (len(sizes) > MOST_NAMED)
        where = f"n_train={named}" + (f" + extra_human={extra}" if extra else "")
        yield Problem(where, f"{name} has {usable} usable training points")


def _mended(cells: list[_Cell]) -> Mapping[str, str]:
    """The sizes that all datasets have, with the largest number of extra points beside them."""
    usable, extra = min(cell.usable for cell in cells), max(cell.extra for cell in cells)
    changes = {}
    if extra >= usable:
        extra = 0
        changes["extra_human"] = "0"
    sizes = sorted({min(cell.size, usable - extra) for cell in cells})
    return {"n_train": ",".join(map(str, sizes)), **changes}
