"""Synthetic texts against human ones, over a study: the paper's Appendix D.

In: `texts.json`, `mixture.json` and `result.json` of complete cells. Out: a `TextComparison` per group of cells whose
twins were written with the same settings: lengths, extractiveness, openings and labels of twins beside those of their
human originals, and how many answers were rejected, and why. A twin and its original share their evidence, so
everything is compared in pairs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.errors import DataError
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.runs.artifacts import MIXTURE, RESULT, TEXTS
from littlehuman.store import digest, read_json
from littlehuman.study.run_files import result_of
from littlehuman.study.series import leaves
from littlehuman.study.twin_tests import Measure, Shares, measure, shares

if TYPE_CHECKING:
    import pandas

MEASURES = {  # column of texts.json -> name and unit
    "words": ("text length", "words"),
    "answer_words": ("answer length", "words"),
    "bleu": ("likeness to the evidence", "highest sentence BLEU, 0 to 1"),
    "position": ("place of the most similar sentence", "0 = first, 1 = last"),
}
_GROUPS = ("dataset", "prompt_model", "strategy", "filter")
_COLUMNS = (*MEASURES, "opening", "target")
Pair = tuple[tuple[Any, ...], tuple[Any, ...]]  # features of the human original and of its twin, by column
Values = tuple[list[float], list[float]]


@dataclass(frozen=True, slots=True)
class TextComparison:
    """The twins of one group beside their human originals."""

    name: str
    n: int  # twins whose texts are compared
    rows: tuple[Measure, ...]
    values: Mapping[str, Values]  # name of a measure -> values (human, synthetic), in pairs
    openings: Shares | None  # of questions
    labels: Shares | None  # of classes
    asked: int  # twins that the prompt model was asked for
    usable: int
    rejected: Mapping[str, int]  # reason -> answers
    label_shift: Mapping[tuple[str, str], int]  # (label asked for, label that came back) -> answers, all rejected
    notes: tuple[str, ...]

    @property
    def usable_share(self) -> float | None:
        """Usable answers of those asked for; None when no cell says."""
        return self.usable / self.asked if self.asked else None


@dataclass(slots=True)
class _Pool:
    """The twins of a group of cells, each id once."""

    knobs: Mapping[str, Any]
    pairs: dict[str, Pair] = field(default_factory=dict)
    outcomes: dict[str, RejectionCause | None] = field(default_factory=dict)  # id -> why it was rejected, if it was
    differing: set[str] = field(default_factory=set)
    returned: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # label asked for -> returned -> answers


def compare(study: Path) -> list[TextComparison]:
    """Compare the twins of a study with their human originals, group by group, by name.

    A group has one dataset, prompt model, strategy and filter with all their settings, and one human budget: within
    it an id has one twin, counted once whatever cells and seeds it is in. Where a budget gives each seed its own
    prompts, the first cell by name counts, and a note says so. Cells without `texts.json` (older ones) and groups
    without twins are left out.

    Raises:
        DataError: when a `texts.json` is not what this version writes.
    """
    pools: dict[str, _Pool] = {}
    for path in sorted(study.glob(f"*/{RESULT}")):
        texts, result = read_json(path.parent / TEXTS), result_of(path.parent)
        if texts and (knobs := result.get("knobs", {})):
            pool = pools.setdefault(digest(_twin_settings(knobs)), _Pool(_twin_settings(knobs)))
            pool.returned = max(pool.returned, result.get("labels", {}), key=_answers)
            _add(pool, path.parent, texts)
    kept = [pool for pool in pools.values() if pool.pairs]
    named = zip(_names([pool.knobs for pool in kept]), kept, strict=True)
    return [_comparison(name, pool) for name, pool in sorted(named, key=lambda item: item[0])]


def as_frame(comparisons: Sequence[TextComparison]) -> pandas.DataFrame:
    """One row per group and measure: group, measure, human, synthetic, difference, low, high, n, unit."""
    import pandas as pd

    columns = ["group", "measure", "human", "synthetic", "difference", "low", "high", "n", "unit"]
    nothing = (float("nan"),) * 3
    rows = [
        (c.name, m.name, m.human, m.synthetic, *(m.difference or nothing), m.n, m.unit)
        for c in comparisons
        for m in c.rows
    ]
    return pd.DataFrame(rows, columns=columns)


def _twin_settings(knobs: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that a twin depends on; token limits concern the fine-tuned model alone."""
    chosen = {group: dict(knobs.get(group, {})) for group in _GROUPS}
    chosen["dataset"] = {key: value for key, value in chosen["dataset"].items() if not key.endswith("tokens")}
    drawn = knobs.get("protocol", {}).get("shots_with_replacement")
    return chosen | {"human_budget": knobs.get("human_budget"), "shots_with_replacement": drawn}


def _names(groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """The groups' names; where two have the same, the settings that tell them apart follow."""
    plain = [" / ".join(str(knobs[group].get("name", "?")) for group in _GROUPS) for knobs in groups]
    settings = [dict(leaves(knobs)) for knobs in groups]
    names = []
    for name, mine in zip(plain, settings, strict=True):
        others = [other for other_name, other in zip(plain, settings, strict=True) if other_name == name]
        keys = sorted(
            key for key in {k for other in others for k in other} if len({str(other.get(key)) for other in others}) > 1
        )
        names.append(name + (f" ({', '.join(f'{key}={str(mine.get(key))[:30]}' for key in keys)})" if keys else ""))
    return names


def _add(pool: _Pool, folder: Path, texts: Mapping[str, Any]) -> None:
    """Add one cell; ids that an earlier cell had stay as they were there."""
    mixture = read_json(folder / MIXTURE)
    for i, pair in _pairs(texts, folder / TEXTS):
        if pool.pairs.setdefault(i, pair) != pair:
            pool.differing.add(i)
    for point in mixture.get("points", ()):
        if point["origin"] == "synthetic":
            pool.outcomes.setdefault(point["id"], None)
    for answer in mixture.get("rejected", ()):
        if answer["example_id"] not in pool.outcomes:
            pool.outcomes[answer["example_id"]] = RejectionCause.from_row(answer)


def _pairs(texts: Mapping[str, Any], path: Path) -> Iterator[tuple[str, Pair]]:
    try:
        ids = [str(i) for i in texts["ids"]]
        sides = [
            zip(*(_column(texts[side], column, len(ids)) for column in _COLUMNS), strict=True)
            for side in ("human", "synthetic")
        ]
    except (KeyError, IndexError, TypeError) as error:
        what = f"a column is missing or too short ({error})"
        raise DataError(f"{path}: {what}\nTry: remove {path.parent.name} and run its cell again") from error
    return zip(ids, zip(*sides, strict=True), strict=True)


def _column(side: Mapping[str, Any], name: str, count: int) -> Sequence[Any]:
    """The first `count` values of a column; None for each where a task has no `target`."""
    values = side.get(name, [None] * count) if name == "target" else side[name]
    if len(values) < count:
        raise IndexError(f"{name}: {len(values)} of {count}")
    return list(values[:count])


def _comparison(name: str, pool: _Pool) -> TextComparison:
    values = {title: _both(pool, column) for column, (title, _) in MEASURES.items()}
    rows = [measure(title, unit, *values[title]) for title, unit in MEASURES.values() if values[title][0]]
    openings, labels = _both(pool, "opening"), _both(pool, "target")
    causes = [cause for cause in pool.outcomes.values() if cause]
    shifts = [cause.parts for cause in causes if cause.kind is RejectionKind.WRONG_LABEL]
    return TextComparison(
        name=name,
        n=len(pool.pairs),
        rows=tuple(rows),
        values={row.name: values[row.name] for row in rows},
        openings=shares(*openings) if openings[0] else None,
        labels=shares(*labels) if labels[0] else None,
        asked=len(pool.outcomes),
        usable=len(pool.outcomes) - len(causes),
        rejected=dict(Counter(cause.summary for cause in causes).most_common()),
        label_shift=dict(Counter((str(shift["requested"]), str(shift["returned"])) for shift in shifts).most_common()),
        notes=tuple(_notes(pool)),
    )


def _both(pool: _Pool, column: str) -> tuple[list[Any], list[Any]]:
    """Values of both sides, of the twins where both have one, by id."""
    at = _COLUMNS.index(column)
    found = [(human[at], twin[at]) for _, (human, twin) in sorted(pool.pairs.items())]
    whole = [(human, twin) for human, twin in found if human is not None and twin is not None]
    return [human for human, _ in whole], [twin for _, twin in whole]


def _answers(returned: Mapping[str, Mapping[str, int]]) -> int:
    return sum(sum(row.values()) for row in returned.values())


def _notes(pool: _Pool) -> Iterator[str]:
    if pool.returned:
        shifts = [f"{asked} -> {back}: {n}" for asked, row in pool.returned.items() for back, n in row.items()]
        yield f"labels asked for -> labels that came back, in the cell with most answers: {', '.join(shifts)}"
    if pool.differing:
        what = "twins that differ between cells, whose prompts showed other human points"
        yield f"{what}: {len(pool.differing)} (the first cell counts)"
    human, synthetic = _both(pool, "target")
    if pool.knobs["strategy"].get("writes") == "target":
        yield "the strategy keeps the human texts: only labels or answers are the prompt model's"
    elif human and human == synthetic:
        yield (
            "every twin has the label of its human original: "
            "where a label is requested, an answer with another one is rejected"
        )
