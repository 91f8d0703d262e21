"""The choices of a study, in `STUDY/decide.yaml`: each with its reason, and the commands that do the same by hand.

In: the question, the data, the sizes. Out: `Settings`, written and read. A study keeps the choices of its first cell: a
command that contradicts them is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from littlehuman import cli
from littlehuman.deciding.asked import Asked
from littlehuman.deciding.inspecting import Choice
from littlehuman.errors import DataError
from littlehuman.store import file_digest, multirun_root, slug, write_text

FILE = "decide.yaml"
VERSION = 1
PILOT_SEEDS = (0, 1)
_HEAD = """\
# What `littlehuman decide` assumed and chose, with the reason for each, and the commands that do the same by hand.
# A study keeps these choices; other choices are for another study (--study NAME).
"""


@dataclass(frozen=True, slots=True)
class Settings:
    """What all cells of a study share. `words`: settings of every run; `typed`: those that the user typed, by which a
    later command is compared; `data`: the file and its digest, or the dataset's name."""

    study: str
    data: Mapping[str, str]
    typed: tuple[str, ...]
    words: tuple[str, ...]
    n_train: int
    small: int
    n_test: int
    delta: float
    shares: tuple[float, ...]
    rehearsal: str
    dataset: str
    model: str
    writer: str
    pool: int

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return multirun_root() / self.study

    def sweep(self, *axes: str) -> list[str]:
        """The words of `littlehuman run -m` for cells of this study."""
        return [*self.words, f"n_test={self.n_test}", f"study={self.study}", "hydra/launcher=fused", *axes]

    @property
    def first(self) -> list[str]:
        """The first cell: few twins alone. What it takes says what the others will take."""
        return self.sweep(f"n_train={self.small}", "synth_frac=1", "seed=0")

    def block(self, *seeds: int) -> list[str]:
        """Seeds on all shares."""
        shares = ",".join(f"{share:g}" for share in self.shares)
        axes = f"synth_frac={shares}", f"seed={','.join(map(str, seeds))}"
        return self.sweep(f"n_train={self.n_train}", *axes)


def name_of(asked: Asked) -> str:
    """The study of a command: as typed, else by the data and the prompt model."""
    data = Path(asked.source).stem if asked.source is not None else str(asked.value("dataset"))
    own = asked.value("prompt_model.name") or asked.value("prompt_model")
    return asked.study or f"decide-{slug(data)}-{slug(str(own))}"


def data_of(asked: Asked) -> dict[str, str]:
    """What the data is known by: a file by its content, so that another file of that name is another one."""
    if asked.source is None:
        return {"dataset": str(asked.value("dataset"))}
    return {"path": asked.source, "digest": file_digest(Path(asked.source).expanduser())}


def write(
    settings: Settings,
    asked: Asked,
    seen: Mapping[str, str],
    choices: Sequence[Choice],
    estimate: Mapping[str, Any],
) -> Path:
    """Write `decide.yaml`."""
    value = {
        "version": VERSION,
        "data": dict(settings.data),
        "typed": list(settings.typed),
        "seen": dict(seen),
        "choices": [_choice(choice) for choice in choices],
        "estimate": dict(estimate),
    }
    return _write(settings, asked, value)


def _write(settings: Settings, asked: Asked, value: Mapping[str, Any]) -> Path:
    import yaml  # type: ignore[import-untyped]

    own = {name: getattr(settings, name) for name in _PLAIN}
    study = {"words": list(settings.words), **own, "shares": list(settings.shares)}
    whole = {**value, "commands": commands(settings, asked), "study": study}
    path = settings.folder / FILE
    write_text(path, _HEAD + yaml.safe_dump(whole, sort_keys=False, allow_unicode=True, width=110))
    return path


def resized(settings: Settings, asked: Asked, n_train: int) -> Settings:
    """The same study with fewer training points, before any cell of the curve was run; `decide.yaml` says so."""
    path = settings.folder / FILE
    value = dict(_loaded(path, asked) or {})
    why = f"fewer than the {settings.n_train} that were chosen first: the first cell showed what a point takes"
    kept = [choice for choice in value.get("choices", []) if choice.get("key") != "n_train"]
    value["choices"] = [*kept, {"key": "n_train", "value": n_train, "why": why}]
    made = replace(settings, n_train=n_train)
    _write(made, asked, value)
    return made


_PLAIN = ("n_train", "small", "n_test", "delta", "rehearsal", "dataset", "model", "writer", "pool")


def _choice(choice: Choice) -> dict[str, Any]:
    value = list(choice.value) if isinstance(choice.value, tuple) else choice.value
    return {"key": choice.key, "value": value, "why": choice.why}


def commands(settings: Settings, asked: Asked) -> dict[str, str]:
    """The commands that do the same by hand, in their order."""
    study = str(settings.folder)
    synthetic = asked.synthetic_price or asked.assumed_synthetic_price
    prices = ["--human-price", f"{asked.human_price:g}", "--synthetic-price", f"{synthetic:g}"]
    target = [] if asked.target is None else ["--target", f"{asked.target:g}"]
    budget = asked.sum_to_spend
    sums = [*([] if budget is None else ["--budget", f"{budget:g}"]), *target]
    return {
        "first cell": cli.sweep_command(settings.first),
        "pilot": cli.sweep_command(settings.block(*PILOT_SEEDS)),
        "which seeds are missing": cli.command("next", [study, "--delta", f"{settings.delta:g}"]),
        "what a label is worth": cli.command("price", [study, *prices]),
        "what to buy": cli.command("plan", [study, *sums, *prices]),
        "report": cli.command("report", [study]),
    }


def read(asked: Asked) -> Settings | None:
    """The settings of a study that was begun; None where there is none.

    Raises:
        DataError: for a damaged file, and for a command that contradicts it.
    """
    name = name_of(asked)
    path = multirun_root() / name / FILE
    value = _loaded(path, asked)
    if value is None:
        return None
    try:
        own: Mapping[str, Any] = value["study"]
        plain = {key: own[key] for key in _PLAIN}
        found = Settings(
            study=name,
            data={str(key): str(given) for key, given in value["data"].items()},
            typed=tuple(map(str, value["typed"])),
            words=tuple(map(str, own["words"])),
            shares=tuple(float(share) for share in own["shares"]),
            **plain,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, asked, repr(error)) from None
    if not any(found.folder.glob("*/status.json")):
        return None  # nothing was run: the choices are made anew
    _refuse_contradictions(path, found, asked)
    return found


def _loaded(path: Path, asked: Asked) -> Mapping[str, Any] | None:
    import yaml

    try:
        value = yaml.safe_load(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise _damaged(path, asked, str(error).splitlines()[0]) from None
    if not isinstance(value, dict) or value.get("version") != VERSION:
        raise _damaged(path, asked, f"it is no list of choices of version {VERSION}")
    return value


def _refuse_contradictions(path: Path, found: Settings, asked: Asked) -> None:
    """A study has one file, one prompt model, one margin; prices and limits may change."""
    mine = data_of(asked)
    same = mine == dict(found.data) or (
        mine.get("digest") is not None and mine.get("digest") == found.data.get("digest")
    )
    differs = [] if same else [f"the data is {_named(mine)}, and the study's is {_named(found.data)}"]
    typed, before = set(asked.words), set(found.typed)
    if typed != before:
        differs.append(f"{' '.join(sorted(typed ^ before))} is not in both")
    if asked.delta not in (None, found.delta):
        differs.append(f"--delta {asked.delta:g} is asked for, and {found.delta:g} is fixed")
    if differs:
        free = (n for n in range(2, 10_000) if not (multirun_root() / f"{found.study}-{n}").exists())
        tried = asked.again(study=f"{found.study}-{next(free)}")
        raise DataError(f"{path}: this study was begun with other choices: {'; '.join(differs)}\nTry: {tried}")


def _named(data: Mapping[str, str]) -> str:
    if "dataset" in data:
        return data["dataset"]
    return f"{data.get('path')} (content {data.get('digest')})"


def _damaged(path: Path, asked: Asked, what: str) -> DataError:
    tried = asked.again(study=f"{name_of(asked)}-2")
    return DataError(f"{path}: cannot be read: {what}\nTry: {tried}")
