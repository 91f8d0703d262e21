"""The design as data: its sets (`sets.yaml`), and the commands of each step in the order of its cost table.

In: a set and the folder of prepared data. Out: `Step`s, each of them ordinary `littlehuman` commands. All cells of a
set lie in one study; arms are told apart by the names below, which stand in each cell's configuration.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from littlehuman.errors import ConfigError, Problem, did_you_mean

SETS = Path(__file__).with_name("sets.yaml")
WRITER = "qwen-1.5b"  # prompt_model.name of the twins
SHARES = (0, 0.5, 0.9, 0.95, 0.975, 1)
ALONE = (0.9, 0.95, 0.975)  # human points without the twins beside them
EXCHANGED, OTHERS, CUT = "exchanged", "other_human", "cut_answers"  # prompt_model.name of the control files
EXCHANGES = (0.1, 0.25, 0.5)
CURVE_SEEDS, WORTH_SEEDS = 2, 3
STEPS = ("curve", "twins", "main", "controls", "worth")
Words = list[str]


@dataclass(frozen=True)
class Set:
    """One line of `sets.yaml`, where its keys are explained."""

    name: str
    source: Sequence[str]
    words: Sequence[str]
    pool: int
    n: int
    curve: Sequence[int]
    seeds: int
    margin: float
    detectable: float
    minutes: float
    twin_s: float
    n_test: int | None = None
    documents: bool = False
    human: int = 0
    negative: float = 1
    filtered: str = ""
    recordings: bool = True
    late: bool = False
    writer: Sequence[str] = (f"prompt_model={WRITER}", "prompt_model.temperature=0.7")

    @property
    def study(self) -> str:
        """The study of all its cells."""
        return f"replication-{self.name}"

    @property
    def curve_study(self) -> str:
        """The study of the learning curve: another one where the curve has more points than the pool."""
        return self.study if max(self.curve) <= self.pool else f"{self.study}-curve"

    @property
    def answers(self) -> bool:
        """Whether its points are questions with free answers."""
        return "task=qa" in self.words

    @property
    def sizes(self) -> list[int]:
        """Numbers of synthetic points of H4: five steps up to n."""
        return [self.n * step // 5 for step in range(1, 6)] if self.human else []


@dataclass(frozen=True)
class Step:
    """Commands (words after `python -m`) of one step of a set, the cells that they compute, and the expected hours."""

    set: Set
    name: str
    commands: tuple[Words, ...]
    cells: int
    hours: float


def sets(file: Path = SETS) -> dict[str, Set]:
    """The sets by name, in their order."""
    values: Any = OmegaConf.to_container(OmegaConf.load(file))
    return {name: set_of(name, own) for name, own in values.items()}


def set_of(name: str, values: dict[str, Any]) -> Set:
    """A set of the keys of `sets.yaml`.

    Raises:
        ConfigError: for a key that no set has, and for one that is missing.
    """
    known = {field.name: field.default is MISSING for field in fields(Set) if field.name != "name"}
    wrong = [Problem(f"{name}: {key}", f"is no key; {did_you_mean(key, known)}") for key in values if key not in known]
    wrong += [Problem(f"{name}: {key}", "is missing") for key, needed in known.items() if needed and key not in values]
    if wrong:
        raise ConfigError(wrong)
    return Set(name, **values)


def schedule(chosen: Sequence[Set], work: Path) -> Iterator[Step]:
    """All steps of these sets in the order of the design's cost table."""
    early, late = [one for one in chosen if not one.late], [one for one in chosen if one.late]
    labels, questions = [one for one in early if not one.answers], [one for one in early if one.answers]
    order = [(one, "curve") for one in chosen] + [(one, "twins") for one in early]
    order += [(one, "main") for one in labels]
    order += [(one, name) for one in questions for name in ("main", "controls")]
    order += [(one, name) for name in ("controls", "worth") for one in labels]
    order += [(one, name) for one in late for name in ("twins", "main", "controls")]
    for one, name in order:
        yield step(one, name, work)


def step(one: Set, name: str, work: Path) -> Step:
    """One step of a set."""
    commands, cells, twins = {"curve": _curve, "twins": _twins, "main": _main, "controls": _controls, "worth": _worth}[
        name
    ](one, work)
    return Step(one, name, tuple(commands), cells, cells * one.minutes / 60 + twins * one.twin_s / 3600)


def folder_of(work: Path, study: str) -> Path:
    """The folder of the prepared data of a study."""
    return work / "data" / study.removeprefix("replication-")


def _run(one: Set, work: Path, *words: str, study: str = "") -> Words:
    study = study or one.study
    folder = folder_of(work, study.removesuffix("-twins"))
    has_evidence = not any(word == "task=classify" for word in one.words)
    columns = ["dataset.columns.id=id", *(["dataset.columns.group=group"] if has_evidence else [])]
    columns += [] if has_evidence else ["dataset.columns.evidence=null"]
    data = ["dataset=table", f"dataset.name={one.name}", f"dataset.path={folder.absolute()}", *columns]
    every = [*data, *one.words, "launch.keep_adapter=false", f"study={study}", *words]
    last = {word.partition("=")[0]: word for word in every}  # a later value of a key replaces an earlier one
    return ["littlehuman", "run", "-m", *last.values()]


def _values(key: str, values: Sequence[object]) -> str:
    return f"{key}={','.join(map(str, values))}"


def _seeds(count: int) -> str:
    return _values("seed", range(count))


def _provided(work: Path, file: str, name: str, strategy: str) -> Words:
    path = (work / "controls" / file).absolute()
    return ["prompt_model=provided", f"prompt_model.path={path}", f"prompt_model.name={name}", f"strategy={strategy}"]


def _curve(one: Set, work: Path) -> tuple[list[Words], int, int]:
    sizes = _values("n_train", (0, *one.curve))
    words = _run(one, work, "synth_frac=0", sizes, _seeds(CURVE_SEEDS), study=one.curve_study)
    return [words], CURVE_SEEDS * (len(one.curve) + 1), 0


def _twins(one: Set, work: Path) -> tuple[list[Words], int, int]:
    """The twins of the whole pool, before any training: a cell of random weights asks for all of them."""
    words = ["strategy=few_shot", "synth_frac=1", f"n_train={one.pool}", "model=tiny", "training.epochs=1", "n_test=5"]
    study = f"{one.study}-twins"
    return [_run(one, work, *one.writer, *words, "model.adaptation=lora", study=study)], 0, one.pool


def _main(one: Set, work: Path) -> tuple[list[Words], int, int]:
    shares, words = _values("synth_frac", SHARES), [*one.writer, "strategy=few_shot", f"n_train={one.n}"]
    commands = [_run(one, work, *words, shares, _seeds(one.seeds))]
    cells = len(SHARES) * one.seeds
    if one.filtered:  # each twin is asked about once more
        commands += [_run(one, work, *words, f"filter={one.filtered}", "synth_frac=0.9,1", _seeds(one.seeds))]
        return commands, cells + 2 * one.seeds, one.pool
    return commands, cells, 0


def _controls(one: Set, work: Path) -> tuple[list[Words], int, int]:
    size, seeds = f"n_train={one.n}", _seeds(one.seeds)
    exchanged = _provided(work, f"{one.name}-exchanged.jsonl", EXCHANGED, "annotate")
    commands = [
        _run(one, work, "synthetic=false", size, _values("synth_frac", ALONE), seeds),
        _run(one, work, *exchanged, size, _values("synth_frac", EXCHANGES), seeds),
    ]
    for seed in range(one.seeds):
        others = _provided(work, f"{one.name}-others-s{seed}.jsonl", OTHERS, "few_shot")
        commands.append(_run(one, work, *others, size, f"synth_frac={one.negative}", f"seed={seed}"))
    if one.answers:
        commands.append(["benchmarks.replication", "cut", "--only", one.name, "--work", str(work)])
        style = _provided(work, f"{one.name}-cut.jsonl", CUT, "few_shot")
    else:
        style = [*one.writer, "prompt_model.temperature=0", "strategy=annotate"]
    commands.append(_run(one, work, *style, size, "synth_frac=1", seeds))
    arms = len(ALONE) + len(EXCHANGES) + 2
    return commands, arms * one.seeds, 0 if one.answers else one.pool


def _worth(one: Set, work: Path) -> tuple[list[Words], int, int]:
    if not one.human:
        return [], 0, 0
    sizes, extra = _values("n_train", one.sizes), _values("extra_human", (0, one.human))
    words = [*one.writer, "strategy=few_shot", "synth_frac=1", sizes, extra, _seeds(WORTH_SEEDS)]
    return [_run(one, work, *words)], WORTH_SEEDS * (2 * len(one.sizes) - 1), 0


def one_cell(one: Set, work: Path, knobs: dict[str, Any], recording: Path) -> Words:
    """The command of one cell of the main study or H4, with recorded twins."""
    written = [f"prompt_model.{key}={knobs['prompt_model'][key]}" for key in ("weights", "dtype", "temperature")]
    recorded = ["prompt_model=recorded", f"prompt_model.path={recording}", *written, "strategy=few_shot"]
    axes = ("synth_frac", "n_train", "extra_human", "seed")
    return _run(one, work, *recorded, *(f"{key}={knobs[key]}" for key in axes))
