"""What the data is: columns, task, labels, language, lengths, groups, and how many points can be used.

In: an `Asked`. Out: `Inspected`: the words that make every run read the data so, each with its reason, and the points.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from littlehuman.config.run_config import RunConfig
from littlehuman.data.label_overrides import list_item, map_overrides
from littlehuman.deciding.asked import Asked
from littlehuman.deciding.columns import Column, Roles, columns_of, roles_of
from littlehuman.deciding.composing import composed
from littlehuman.errors import DataError
from littlehuman.records import Dataset, Example
from littlehuman.schema import Head, Provider
from littlehuman.store import slug

LOOKED_AT = 5_000  # rows
TEST_SHARE = "dataset.test_share"  # of files without a test split it is chosen later
CHARACTERS_PER_TOKEN = 3.5  # cautious: a token limit that cuts nothing
_SUPPORTED = "support supports supported true correct yes entailment entailed entails right"
_UNSUPPORTED = (
    "refute refutes refuted contradict contradicts contradiction false incorrect wrong no unsupported neutral nei "
    "notentailment notentailed notsupported notenoughinfo notenoughinformation unverifiable"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that was assumed or chosen: a key of a run or an option, its value, and why."""

    key: str
    value: Any
    why: str

    @property
    def word(self) -> str:
        """The setting as it is typed (Hydra's quotes where the value needs them)."""
        return f"{self.key}={hydra_value(self.value)}"


@dataclass(frozen=True, slots=True)
class Inspected:
    """The data: `choices` are settings of all runs, `dataset` its points as these settings read them."""

    choices: tuple[Choice, ...]
    words: tuple[str, ...]
    dataset: Dataset
    config: RunConfig
    own_test: bool  # whether the data has a test split of its own

    @property
    def points(self) -> tuple[Example, ...]:
        """All points that can be used."""
        return self.dataset.train + self.dataset.valid + self.dataset.test


def inspect(asked: Asked) -> Inspected:
    """Look at the data.

    Raises:
        ConfigError: for settings that cannot be.
        DataError: for data that cannot be read or has no label, and with one class.
    """
    from littlehuman import data

    found = tuple(_of_file(asked, asked.source)) if asked.source is not None else tuple(_of_dataset(asked))
    config = composed(_words(asked, found))
    dataset = data.load(config.audited_dataset, config.task)
    own_test = bool(dataset.test)
    more = [*_language(dataset, config), *_length(dataset, config), *_precision(config)]
    found = (*found, *(choice for choice in more if asked.value(choice.key) is None))
    words = _words(asked, found)
    return Inspected(found, words, dataset, composed(words), own_test)


def _precision(config: RunConfig) -> Iterator[Choice]:
    """float32 for a prompt model of this process where bfloat16 is slow."""
    from littlehuman.models import devices

    model = config.prompt_model
    if model.provider is not Provider.hf or model.dtype != "bfloat16":
        return
    if devices.device(model.device or config.launch.device).type == "cpu" and not devices.bfloat16_is_faster():
        yield Choice("prompt_model.dtype", "float32", "bfloat16 is slow on this processor")


def hydra_value(value: Any) -> str:
    """A value of an override, quoted where Hydra would read it otherwise."""
    if value is None:
        return "null"
    if isinstance(value, list | tuple):
        return f"[{', '.join(list_item(str(item)) for item in value)}]"
    if isinstance(value, bool | int | float):
        return f"{value:g}" if isinstance(value, float) else str(value).lower()
    text = str(value)
    return text if all(c.isalnum() or c in "_-./:~" for c in text) else "'" + text.replace("'", "\\'") + "'"


def _words(asked: Asked, choices: Sequence[Choice]) -> tuple[str, ...]:
    """Words of all runs: what was chosen, then what was typed, which wins."""
    typed = {word.lstrip("+").partition("=")[0] for word in asked.words}
    made = [word for choice in choices for word in _of_choice(choice)]
    return (*(word for word in made if word.lstrip("+").partition("=")[0] not in typed), *asked.words)


def _of_choice(choice: Choice) -> list[str]:
    if choice.key == "dataset.labels":
        return shlex.split(map_overrides(choice.value))
    return [choice.word]


def _of_dataset(asked: Asked) -> Iterator[Choice]:
    """A known dataset: no point is held out for a validation split, which nothing here reads."""
    config = composed([word for word in asked.words])
    files = {"valid"} & set(config.dataset.splits) if config.dataset.hub and not config.dataset.path else set()
    if config.dataset.valid_share and not files:
        yield Choice("dataset.valid_share", 0.0, "nothing here reads a validation split: its points are trained on")


def _of_file(asked: Asked, source: str) -> Iterator[Choice]:
    from littlehuman.data.layouts import fitting_reader
    from littlehuman.data.source import open_source

    dataset = asked.value("dataset") or "table"
    typed = [word for word in asked.words if word.lstrip("+").startswith("dataset.")]
    first = [Choice("dataset", dataset, "a file of your own"), Choice("dataset.path", source, "the file")]
    opened = open_source(composed([*(choice.word for choice in first), *typed]).dataset)
    split = opened.splits[0]
    rows = list(islice(opened.rows(split), LOOKED_AT))
    if not rows:
        raise DataError(
            f"{opened.where(split)}: holds no rows\nTry: a file with a header and one row per labelled point"
        )
    yield from first
    yield Choice("dataset.name", slug(Path(source).stem), "the file's name, for results")
    if reader := fitting_reader(rows[0]):
        yield from _of_layout(reader, asked)
    else:
        columns = columns_of(rows)
        roles = roles_of(columns, _given(asked), opened.where(split), asked.again)
        _refuse_one_class(columns, roles, asked, opened.where(split))
        yield from _of_roles(roles, columns, asked)
    yield Choice("dataset.valid_share", 0.0, "nothing here reads a validation split: its points are trained on")
    yield Choice(TEST_SHARE, 0.0, "the file has a test split")


def _given(asked: Asked) -> dict[str, Any]:
    """Columns that were typed, as Hydra reads them."""
    roles = ("evidence", "text", "target", "group", "id")
    typed = [word for word in asked.words if word.partition("=")[0] in {f"dataset.columns.{role}" for role in roles}]
    columns = composed(["dataset=table", *typed]).dataset.columns
    return {role: getattr(columns, role) for role in roles if asked.value(f"dataset.columns.{role}") is not None}


def _of_layout(reader: str, asked: Asked) -> Iterator[Choice]:
    """Questions in a layout that is known: that of SQuAD, CoQA, ROPES or QAConv."""
    yield Choice("task", "qa", "the file has the layout of a question answering release")
    for word in shlex.split(reader):
        key, _, value = word.partition("=")
        plain: Any = [part.strip() for part in value[1:-1].split(",")] if value.startswith("[") else value
        yield Choice(key, plain, f"its layout: {shlex.split(reader)[0].partition('=')[2]}")
    if "reader=squad" in reader:
        yield Choice("dataset.columns.id", "id", "its layout")
        yield Choice("dataset.columns.group", "title", "questions of one article are not independent")


def _of_roles(roles: Roles, columns: Sequence[Column], asked: Asked) -> Iterator[Choice]:
    """Task, strategy and columns of a flat table."""
    labels = {} if roles.answers else _support_labels(roles, columns)
    task = asked.value("task") or ("qa" if roles.answers else "fv" if labels else "classify")
    evidence, text, why = roles.evidence, list(roles.text), roles.why.get("text", "")
    if task == "qa" and evidence is None:
        tried = asked.again("dataset.columns.evidence=COLUMN")
        raise DataError(
            f"{asked.source}: the column '{roles.target}' holds free answers, and no column holds the text that they "
            f"are found in\nTry: a file with labels instead of answers, or {tried}"
        )
    if task == "classify" and evidence is not None:
        text, evidence, why = [evidence, *text], None, "read together: the classes are of both"
    said = {
        "qa": "questions with short answers",
        "fv": "claims that a text supports or not",
        "classify": "texts with a class",
    }
    yield Choice("task", task, said.get(task, "you said so"))
    if task == "classify":
        yield Choice("strategy", "annotate", "the prompt model labels texts of people: it invents no text")
        yield Choice("model", "minilm", "the smaller packaged encoder: it classifies texts at a sixth of the cost")
    yield Choice("dataset.columns.evidence", evidence, roles.why.get("evidence", ""))
    yield Choice("dataset.columns.text", text if len(text) > 1 else text[0], why)
    yield Choice("dataset.columns.target", roles.target, roles.why.get("target", ""))
    if labels and task == "fv":
        yield Choice("dataset.labels", labels, "what these words mean; type dataset.labels={...} where it is otherwise")
    if roles.group is not None:
        yield Choice("dataset.columns.group", roles.group, roles.why.get("group", ""))
    if roles.id is not None:
        yield Choice("dataset.columns.id", roles.id, roles.why.get("id", ""))


def _support_labels(roles: Roles, columns: Sequence[Column]) -> dict[str, str]:
    """Raw label -> supported or unsupported, where there is evidence and every label is one of the known words."""
    if roles.evidence is None:
        return {}
    column = next((c for c in columns if c.name == roles.target), None)
    found: dict[str, str] = {}
    for raw in column.values if column else ():
        bare = "".join(c for c in raw.lower() if c.isalpha())
        if bare not in (*_SUPPORTED.split(), *_UNSUPPORTED.split()):
            return {}
        found[raw] = "supported" if bare in _SUPPORTED.split() else "unsupported"
    return found if len(set(found.values())) == 2 else {}


def _language(dataset: Dataset, config: RunConfig) -> Iterator[Choice]:
    """Answers in another language are compared by its rules."""
    from littlehuman.languages.detection import other_latin_language

    if config.task.head is Head.classification or config.dataset.language is not None:
        return
    if code := other_latin_language(dataset.train):
        yield Choice("dataset.language", code, "the texts look so: answers are compared by its rules")


def _length(dataset: Dataset, config: RunConfig) -> Iterator[Choice]:
    """A token limit that cuts one text in a hundred at most."""
    lengths = sorted(len(point.evidence) + len(point.text) for point in dataset.train)
    needed = lengths[int(0.99 * (len(lengths) - 1))] / CHARACTERS_PER_TOKEN
    if needed > config.dataset.max_tokens:
        limit = min(-(-int(needed) // 128) * 128, 2048)
        yield Choice("dataset.max_tokens", limit, f"99 of 100 texts have up to about {needed:.0f} tokens")


def _refuse_one_class(columns: Sequence[Column], roles: Roles, asked: Asked, where: str) -> None:
    chosen = next((column for column in columns if column.name == roles.target), None)
    if chosen is None or len(chosen.values) > 1:
        return
    others = [column.name for column in columns if column.like_labels and column is not chosen]
    tried = asked.again(f"dataset.columns.target={others[0]}") if others else "rows of another class beside them"
    what = f"has one label in all {chosen.filled} rows: {next(iter(chosen.values), '')!r}; a decision needs two classes"
    raise DataError(f"{where}: column '{chosen.name}' {what}\nTry: {tried}")
