"""Single items of a study, page by page: predictions, twins beside their originals, rejected answers, disagreement.

In: run folders, and the texts of a cell where its data is at hand (run folders hold ids). Out: a page of plain values.
Nothing is kept but what `study.run_files` keeps of the cells that were looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from littlehuman.formatting import plain_text
from littlehuman.runs.artifacts import MIXTURE, PREDICTIONS
from littlehuman.store import read_json
from littlehuman.study.run_files import predictions_of, result_of

if TYPE_CHECKING:
    import pandas as pd

SIZE = 20  # items on a page
KINDS = ("predictions", "twins", "rejected", "disagreement")
SHOWN = ("all", "right", "wrong", "between")
LONGEST = 4000  # characters of one text
_FULL = 1 - 1e-9
NO_DATA = "Texts are not read here: ids are shown."


class Point(Protocol):
    """A human point or a twin, as `records.Example` has it."""

    @property
    def evidence(self) -> str: ...  # noqa: D102
    @property
    def text(self) -> str: ...  # noqa: D102
    @property
    def target(self) -> str: ...  # noqa: D102


class Texts(Protocol):
    """Texts of a cell's items by id; `problems` say why some are not at hand."""

    @property
    def human(self) -> Mapping[str, Point]: ...  # noqa: D102
    @property
    def twins(self) -> Mapping[str, Point]: ...  # noqa: D102
    @property
    def test(self) -> Mapping[str, Point]: ...  # noqa: D102
    @property
    def problems(self) -> Sequence[str]: ...  # noqa: D102


@dataclass(frozen=True)
class NoTexts:
    """Stands for the texts of a cell that nobody reads."""

    human: Mapping[str, Point]
    twins: Mapping[str, Point]
    test: Mapping[str, Point]
    problems: Sequence[str] = (NO_DATA,)


NO_TEXTS = NoTexts({}, {}, {})
LoadTexts = Callable[[Path], Texts]


@dataclass(frozen=True)
class Asked:
    """Which items: their kind, of predictions those that are right or wrong, words that they hold, the page from 0."""

    kind: str = "predictions"
    show: str = "all"
    words: str = ""
    page: int = 0
    size: int = SIZE


def page_of_cell(folder: Path, asked: Asked, texts: Texts = NO_TEXTS) -> dict[str, Any]:
    """A page of the items of one cell: `rows`, `total` (that match), `of` (that there are), `notes`."""
    make = {"predictions": _predictions, "twins": _twins, "rejected": _rejected}[asked.kind]
    return make(folder, asked, texts)


def page_of_curve(cells: pd.DataFrame, metric: str, asked: Asked, texts: Texts = NO_TEXTS) -> dict[str, Any]:
    """A page of the test items of a curve, those first on which its shares disagree most (in the mean over seeds).

    `cells`: its runs with `synth_frac`, `seed` and `folder`.
    """
    from littlehuman.study.item_scores import OF_COUNTS

    if metric in OF_COUNTS or (spread := _spread(cells, metric)) is None:
        return _page([], 0, asked, [f"{metric} has no scores of single items."])
    shares, ids, means, order = spread
    rows = [
        {
            "id": ids[item],
            "scores": [[share, _rounded(mean)] for share, mean in zip(shares, means[:, item], strict=True)],
            **_of_test(texts, ids[item]),
        }
        for item in order
        if _has(asked, ids[item], texts.test.get(ids[item]))
    ]
    return _page(rows, len(ids), asked, texts.problems)


def _predictions(folder: Path, asked: Asked, texts: Texts) -> dict[str, Any]:
    found = predictions_of(folder)
    if found is None:
        return _page([], 0, asked, [f"{PREDICTIONS} of this run is gone."])
    headline = str(result_of(folder).get("headline", ""))
    scores = found.scores.get(headline, np.full(len(found.ids), np.nan))
    right = {"right": scores >= _FULL, "wrong": scores <= 0, "between": (scores > 0) & (scores < _FULL)}
    wanted = np.flatnonzero(right[asked.show]) if asked.show in right else np.arange(len(found.ids))
    said, gold = ([one.texts[code] for code in one.codes] if one else None for one in (found.answers, found.targets))
    rows = [
        {
            "id": found.ids[i],
            "prediction": said[i] if said else None,
            "target": gold[i] if gold else None,
            "score": _rounded(scores[i]),
            **_of_test(texts, found.ids[i]),
        }
        for i in wanted
        if _has(asked, found.ids[i], texts.test.get(found.ids[i]), *(one[i] for one in (said, gold) if one))
    ]
    return _page(rows, len(found.ids), asked, texts.problems) | {"metric": headline}


def _twins(folder: Path, asked: Asked, texts: Texts) -> dict[str, Any]:
    mixture = _mixture(folder)
    ids = [str(point["id"]) for point in mixture.get("points", []) if point.get("origin") == "synthetic"]
    rows = []
    for name in ids:
        human, twin = texts.human.get(name), texts.twins.get(name)
        if _has(asked, name, human, *([twin.text, twin.target] if twin else [])):
            evidence = (twin or human).evidence if twin or human else None  # type: ignore[union-attr]
            rows.append({"id": name, "evidence": evidence, "human": _pair(human), "twin": _pair(twin)})
    notes = [*texts.problems, *([] if mixture else [f"{MIXTURE} of this run is gone."])]
    return _page(rows, len(ids), asked, notes)


def _rejected(folder: Path, asked: Asked, texts: Texts) -> dict[str, Any]:
    answers = _mixture(folder).get("rejected", [])
    rows = []
    for answer in answers:
        name, reason, raw = (str(answer.get(key, "")) for key in ("example_id", "reason", "raw"))
        human = texts.human.get(name)
        if _has(asked, name, human, reason, raw):
            evidence = human.evidence if human else None
            rows.append({"id": name, "reason": reason, "raw": raw, "evidence": evidence, "human": _pair(human)})
    return _page(rows, len(answers), asked, texts.problems)


def _page(rows: Sequence[dict[str, Any]], of: int, asked: Asked, notes: Sequence[str]) -> dict[str, Any]:
    pages = max(1, -(-len(rows) // asked.size))
    page = min(max(asked.page, 0), pages - 1)
    shown = [{key: _cut(value) for key, value in row.items()} for row in rows[page * asked.size :][: asked.size]]
    return {"rows": shown, "total": len(rows), "of": of, "page": page, "pages": pages, "notes": list(notes)}


def _cut(value: Any) -> Any:
    """Texts of strangers, plain and not endless."""
    if isinstance(value, str):
        return plain_text(value[:LONGEST]) + (" ..." if len(value) > LONGEST else "")
    return {key: _cut(own) for key, own in value.items()} if isinstance(value, dict) else value


def _has(asked: Asked, name: str, point: Point | None, *more: str) -> bool:
    if not asked.words:
        return True
    texts = (name, *more, *([point.text, point.target, point.evidence] if point else []))
    words = asked.words.casefold()
    return any(words in text.casefold() for text in texts)


def _pair(point: Point | None) -> dict[str, str] | None:
    return None if point is None else {"text": point.text, "target": point.target}


def _of_test(texts: Texts, name: str) -> dict[str, str]:
    point = texts.test.get(name)
    return {"text": point.text, "evidence": point.evidence} if point else {}


def _rounded(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 4)


def _mixture(folder: Path) -> Mapping[str, Any]:
    file = folder / MIXTURE
    try:
        return _read(file, file.stat().st_mtime_ns)
    except OSError:
        return {}


@lru_cache(maxsize=8)
def _read(file: Path, _modified: int) -> Mapping[str, Any]:
    return read_json(file)


def _spread(cells: pd.DataFrame, metric: str) -> tuple[Sequence[float], Sequence[str], Any, Any] | None:
    """Shares [a], ids [i], mean over seeds [a, i], and the items by how far their shares lie apart."""
    from littlehuman.study.item_scores import item_scores

    found = item_scores(cells, metric)
    if found is None:
        return None
    seen = ~np.isnan(found.scores)
    count = seen.sum(axis=1)
    means = np.where(count > 0, np.where(seen, found.scores, 0).sum(axis=1) / np.maximum(count, 1), np.nan)
    apart = np.nanmax(means, axis=0) - np.nanmin(means, axis=0)
    return found.arms, found.items, means, np.argsort(-apart, kind="stable")
