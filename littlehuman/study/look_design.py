"""The group-sequential design of a study: what `littlehuman next` fixes in `STUDY/next.json` before the first look.

In: a replacement curve and the rules that were asked for. Out: a `LookDesign`, read and written. The file holds one
design per curve (series and size). A design is never changed: rules that may follow the data keep no error rate.
"""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from littlehuman.cli import command
from littlehuman.errors import DataError, LittlehumanError
from littlehuman.stats.curve import DELTA
from littlehuman.stats.interval import LEVEL
from littlehuman.stats.looks import Looks
from littlehuman.store import write_json
from littlehuman.study.comparisons import CurveCells

FILE = "next.json"
VERSION = 1
# Of alpha: the rest covers a share that scatters four times as much as the others (`make simulate`).
SPENT = 0.9
LOOKS = (3, 4, 5)  # two seeds cannot see a share that scatters more than the others
COST_UNITS = ("cells", "usd")


@dataclass(frozen=True, slots=True)
class LookDesign:
    """The rules of one curve, in the file's own keys.

    `series_id`, `n_train`: which curve; `series`: its name when it was fixed. `shares` ascend, the first is the base of
    all comparisons. `delta`: the loss that can be borne, in score units. `alpha`: family-wise, over all shares and all
    `looks` (numbers of seeds). A block is one new seed on all shares. `cost_unit`: cells, or the US dollars paid for
    twins. `fixed`: when.
    """

    series: str
    series_id: str
    n_train: int
    metric: str
    shares: tuple[float, ...]
    base: float
    delta: float
    alpha: float
    spending: str
    looks: tuple[int, ...]
    cost_unit: str
    fixed: str

    def __post_init__(self) -> None:
        """Looks, alpha and spending are checked where they have a meaning."""
        Looks(self.looks, self.alpha, self.spending)

    @property
    def key(self) -> tuple[str, int]:
        """Which curve the design is of."""
        return self.series_id, self.n_train

    @property
    def schedule(self) -> Looks:
        """The looks with their levels."""
        return Looks(self.looks, SPENT * self.alpha, self.spending)

    @property
    def last(self) -> int:
        """Seeds of the last look: the full grid."""
        return self.looks[-1]

    @property
    def title(self) -> str:
        """The curve in words."""
        return f"{self.series}, n = {self.n_train:,}"


@dataclass(frozen=True, slots=True)
class AskedRules:
    """Rules as they were asked for; None is the default, and of a design that stands already its own."""

    delta: float | None = None
    looks: tuple[int, ...] | None = None
    alpha: float | None = None
    metric: str | None = None
    cost_unit: str | None = None

    def options(self) -> list[str]:
        """The rules as they were typed."""
        given = {name: value for name, value in asdict(self).items() if value is not None}
        return [word for name, value in given.items() for word in (_option(name), _shown(value))]


def key_of(curve: CurveCells) -> tuple[str, int]:
    """Series id and size, by which a curve is found again whatever else the study comes to hold."""
    twins = curve.cells[~curve.cells["without_twins"]]
    return str(twins["series_id"].iloc[0]), curve.n_train


def design_of(curve: CurveCells, asked: AskedRules) -> LookDesign:
    """The design of a curve with all shares that were begun.

    Raises:
        ConfigError: for looks that cannot be.
    """
    series_id, n_train = key_of(curve)
    shares = tuple(sorted({float(share) for share in cells_of_curve(curve)["synth_frac"]}))
    return LookDesign(
        series=curve.series.name,
        series_id=series_id,
        n_train=n_train,
        metric=asked.metric or curve.series.metric,
        shares=shares,
        base=shares[0],
        delta=asked.delta or DELTA,
        alpha=asked.alpha or round(1 - LEVEL, 6),
        spending="pocock",
        looks=asked.looks or LOOKS,
        cost_unit=asked.cost_unit or COST_UNITS[0],
        fixed=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    )


def cells_of_curve(curve: CurveCells) -> Any:
    """All cells of a curve, complete or not: a frame."""
    cells = curve.series.cells
    mine = (cells["n_train"] == curve.n_train) & (cells["extra_human"] == 0)
    return cells[mine & (cells["synthetic"].astype(bool) | (cells["synth_frac"] == 0))]


def refuse_other_rules(study: Path, design: LookDesign, asked: AskedRules, mend: str) -> None:
    """Raises DataError, with the command to try, where a rule is asked for that is not the fixed one."""
    for name, value in asdict(asked).items():
        fixed = getattr(design, name)
        if value is not None and value != fixed:
            option = _option(name)
            raise DataError(
                f"{study / FILE}: {name} is fixed at {_shown(fixed)}, and {option} {_shown(value)} was asked for; "
                "rules that follow the data keep no error rate, other rules are for another study\n"
                f"Try: {mend}"
            )


def read(study: Path) -> tuple[LookDesign, ...]:
    """The designs of a study; none where it has no `next.json`.

    Raises:
        DataError: for a file that is damaged.
    """
    file = study / FILE
    try:
        value = json.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(file, str(error)) from None
    if not isinstance(value, dict) or value.get("version") != VERSION or not isinstance(value.get("designs"), list):
        raise _damaged(file, f"it is no list of designs of version {VERSION}")
    found = tuple(_design(file, row) for row in value["designs"])
    if not found or len({design.key for design in found}) < len(found):
        raise _damaged(file, "it has no design, or two of one curve")
    return found


def write(study: Path, designs: Iterable[LookDesign]) -> None:
    """Write `next.json` atomically; levels are for readers, and computed anew when it is read."""
    rows = [
        {**asdict(design), "levels": [round(level, 6) for level in design.schedule.levels], "block": "one new seed"}
        for design in designs
    ]
    write_json(study / FILE, {"version": VERSION, "designs": rows})


def _design(file: Path, row: object) -> LookDesign:
    if not isinstance(row, Mapping):
        raise _damaged(file, "a design is no object")
    for name, (kind, many) in _KINDS.items():
        given = row.get(name) if many else [row.get(name)]
        if not isinstance(given, list) or not given or not all(_is(value, kind) for value in given):
            raise _damaged(file, f"{name} is {row.get(name)!r}" if name in row else f"{name} is missing")
    try:
        values: dict[str, Any] = {name: tuple(row[name]) if many else row[name] for name, (_, many) in _KINDS.items()}
        made = LookDesign(**values)
    except LittlehumanError as error:
        raise _damaged(file, error.one_line) from None
    return _plausible(file, made)


_KINDS: Mapping[str, tuple[type, bool]] = {
    **{name: (str, False) for name in ("series", "series_id", "metric", "spending", "cost_unit", "fixed")},
    **{name: (float, False) for name in ("base", "delta", "alpha")},
    "n_train": (int, False),
    "shares": (float, True),
    "looks": (int, True),
}


def _is(value: object, kind: type) -> bool:
    return isinstance(value, (int, float) if kind is float else kind) and not isinstance(value, bool)


def _plausible(file: Path, design: LookDesign) -> LookDesign:
    shares: Sequence[float] = design.shares
    if len(shares) < 2 or any(b <= a for a, b in pairwise(shares)) or not 0 <= shares[0] <= shares[-1] <= 1:
        raise _damaged(file, f"shares are {list(shares)}")
    for name, sound in (
        ("base", design.base == shares[0]),
        ("delta", 0 < design.delta < 1),
        ("cost_unit", design.cost_unit in COST_UNITS),
    ):
        if not sound:
            raise _damaged(file, f"{name} is {getattr(design, name)!r}")
    return design


def _damaged(file: Path, what: str) -> DataError:
    mend = f"rm {shlex.quote(str(file))} && {command('next', [str(file.parent)])}"
    return DataError(
        f"{file}: cannot be read as a design: {what}; best put it back from a copy. Fixed anew, the looks taken so far "
        f"are no part of the error rate, which is to be said with the results\nTry: {mend}"
    )


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _shown(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
