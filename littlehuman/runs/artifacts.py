"""The files that the pipeline writes into a run folder, written and read.

`result.json` is written last: a run is complete where it exists. `rows` makes the table of a study of the folders.
Who writes the other files names them: `training/state.py` the log and the checkpoint, `training/adapters.py` the
adapter, `generation/spending.py` what was paid.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.errors import ConfigError, DataError, Problem
from littlehuman.generation import costs, spending
from littlehuman.records import Mixture, Prediction, Rejected
from littlehuman.runs import claims, digests
from littlehuman.store import read_json, write_json, write_jsonl, write_text

if TYPE_CHECKING:
    from littlehuman.metrics.corpus import Score

STATUS = "status.json"  # state and stage of the run (`runs/status.py`)
MIXTURE = "mixture.json"  # id and origin of each training point, and rejected answers
TEXTS = "texts.json"  # features of the twins and their human originals, without texts
AUDIT = "audit.json"  # contamination, fidelity, diversity, ...: counts and ids (`audit`)
PREDICTIONS = "predictions.jsonl"  # one line per test point
RESULT = "result.json"  # scores, counts, cost, versions; written last

RESULT_LOST = "result lost"  # state of a cell whose status is done but which has no result
STOPPED = "stopped"  # state of a cell that is running by its status, and whose process has ended
_REASONS = {
    RESULT_LOST: f"{RESULT} is absent or torn; run the cell again",
    STOPPED: "its process ended without a word; the same command goes on",
}
_PACKAGES = (
    "littlehuman",
    "torch",
    "transformers",
    "peft",
    "accelerate",
    "datasets",
    "openai",
    "hydra-core",
    "sacrebleu",
    "rouge-score",
)
_OMITTED: dict[str, Any] = {"parts": {}, "labels": (), "asked": 1}  # values of rejected answers that are not written
_COUNTS = {"n_human": "human", "n_synthetic": "synthetic", "shortfall": "shortfall"}
GROUPS = ("dataset", "task", "model", "prompt_model", "strategy", "filter", "protocol")
NUMBERS = ("synth_frac", "n_train", "seed", "human_budget", "extra_human", "synthetic", "test_dataset", "method")


def read_result(folder: Path) -> dict[str, Any]:
    """The result of a run; empty where it is absent, torn, or not whole (an edited file, another program's)."""
    result = read_json(folder / RESULT)
    return {} if result and missing_in(result) else result


def missing_in(result: Mapping[str, Any]) -> str:
    """What a result lacks to be one of this package: a key, or the score that it names as its headline; else empty."""
    if absent := [key for key in ("id", "knobs", "headline", "scores") if key not in result]:
        return f"has no {', '.join(absent)}"
    scores = result["scores"]
    if not isinstance(scores, dict) or not isinstance(result["knobs"], dict):
        return "has knobs or scores that are no objects"
    if result["headline"] not in scores:
        return f"has no score {result['headline']!r}"
    ends = ("value", "low", "high")
    broken = [
        name for name, s in scores.items() if not isinstance(s, dict) or not all(_is_number(s.get(e)) for e in ends)
    ]
    return f"has no numbers for the score {broken[0]!r}" if broken else ""


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def result_of_cell(folder: Path, run_id: str) -> dict[str, Any]:
    """The result of a run; empty when it is not complete.

    Raises:
        ConfigError: when the folder, which the user chose, has the result of another run.
        DataError: when the file is whole JSON and yet no result, or other files have not the size that it says.
    """
    result = read_json(folder / RESULT)
    if result and result.get("id", run_id) != run_id:
        what = f"holds the result of cell {result['id']}, and this is cell {run_id}"
        raise ConfigError(
            [Problem(str(folder), what)],
            "another folder; without hydra.run.dir and hydra.sweep.* each cell has its own",
        )
    if result and (lack := missing_in(result)):
        raise DataError(
            f"{folder / RESULT}: {lack}, so it is no result of this cell\nTry: rm {shlex.quote(str(folder / RESULT))}"
        )
    if changed := digests.faults(folder, result, deep=False):
        what = ", ".join(f"{folder / fault.file} {fault.what}" for fault in changed)
        again = f"rm {shlex.quote(str(folder / RESULT))}, then the same command: it computes this cell anew"
        raise DataError(f"{what}, since the result was written\nTry: {again}")
    return result


def write_mixture(folder: Path, mixture: Mixture, rejected: Sequence[Rejected]) -> None:
    """Write the id and origin of each training point, and the rejected answers with their texts."""
    points = [{"id": point.example.id, "origin": point.origin.value} for point in mixture.points]
    write_json(
        folder / MIXTURE,
        {
            "fingerprint": mixture.fingerprint,
            "counts": mixture.counts,
            "human_labels": mixture.human_labels,
            "rejected": [_rejected_row(answer) for answer in rejected],
            "points": points,
        },
    )


def _rejected_row(answer: Rejected) -> dict[str, Any]:
    row = {"example_id": answer.example_id, "reason": answer.reason, **asdict(answer.cause)}
    row |= {"raw": answer.raw, "labels": answer.labels, "asked": answer.asked}
    return {key: value for key, value in row.items() if key not in _OMITTED or value != _OMITTED[key]}


def write_texts(folder: Path, profile: Mapping[str, Any]) -> None:
    """Write the text features of the twins and their human originals; no file without twins."""
    if profile["ids"]:
        write_text(folder / TEXTS, json.dumps(profile, ensure_ascii=False) + "\n")


def write_predictions(
    folder: Path,
    predictions: Sequence[Prediction],
    items: Sequence[Mapping[str, float]],
    clusters: Mapping[str, Mapping[str, str]],
) -> None:
    """Write one line per test point: targets, prediction, item scores, clusters (`Example.clusters` by id)."""
    write_jsonl(
        folder / PREDICTIONS,
        (
            {
                "id": p.id,
                "target": p.targets[0],
                "targets": list(p.targets),
                "prediction": p.text,
                "scores": dict(scores),
                "clusters": dict(clusters.get(p.id, {})),
            }
            for p, scores in zip(predictions, items, strict=True)
        ),
    )


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Write `result.json`, which makes the run complete."""
    write_json(folder / RESULT, dict(result))


def scores_as_json(scores: Mapping[str, Score]) -> dict[str, dict[str, Any]]:
    """Scores as `{metric: {value, low, high, n, n_failed}}`, rounded to 6 digits."""
    return {name: _score_as_json(score) for name, score in scores.items()}


def _score_as_json(score: Score) -> dict[str, Any]:
    ends = {name: round(float(getattr(score, name)), 6) for name in ("value", "low", "high")}
    return ends | {"n": score.n, "n_failed": score.n_failed} | ({"note": score.note} if score.note else {})


def versions() -> dict[str, str]:
    """Versions of this package and of those that a result depends on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def knobs(identity: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration columns of a table, under the command line's keys: options of the groups, and numbers.

    `identity` holds the values of `config.identity.identity_values`, which the files have under "knobs".
    """
    shown = {key: identity[key] for key in (*GROUPS, *NUMBERS) if key in identity}
    return {key: value.get("name", "?") if isinstance(value, Mapping) else value for key, value in shown.items()}


def rows(study: Path) -> list[dict[str, Any]]:
    """The table of a study: one flat row per cell, sorted by name; rows of failed cells have the error."""
    with os.scandir(study) if study.is_dir() else nullcontext(()) as entries:
        names = sorted(entry.name for entry in entries)
    return [dict(row) for name in names if (row := _row_of(os.path.join(study, name)))]


_rows: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {}  # run folder -> stamp of its files, and its row


def _row_of(folder: str) -> dict[str, Any] | None:
    """The row of a run folder, read again only where its files changed; None where it is no run folder.

    Paths are texts here: of 3,000 cells that are complete, `Path` would take half the time.
    """
    status = _stamp(f"{folder}/{STATUS}")
    if status is None:
        return None
    stamp = status, _stamp(f"{folder}/{RESULT}")
    known = _rows.get(folder)
    if known is None or known[0] != stamp or stamp[1] is None:  # without a result its process may end, or pay
        _rows[folder] = known = stamp, _row_or_reason(Path(folder))
    return known[1]


def _row_or_reason(folder: Path) -> dict[str, Any]:
    try:
        return _row(folder)
    except (AttributeError, KeyError, TypeError, ValueError) as error:  # whole JSON, and not ours
        what = f"{folder}: {STATUS} or {RESULT} is not of this package ({type(error).__name__}: {error})"
        return {"cell": folder.name, "state": RESULT_LOST, "error": f"{what}; move it away, then the same command"}


def _stamp(file: str) -> tuple[int, int, int] | None:
    try:
        found = os.stat(file)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _row(folder: Path) -> dict[str, Any]:
    status, result = read_json(folder / STATUS), read_json(folder / RESULT)
    lack = missing_in(result) if result else ""
    if lack:
        result = {}
    # With a result the run is complete, whatever its status: it may have been killed between the two writes.
    state = "done" if result else RESULT_LOST if lack else _unfinished(folder, status)
    row: dict[str, Any] = {"cell": folder.name, "state": state}
    row |= knobs(result.get("knobs") or status.get("knobs", {}))
    row |= {column: result.get("counts", {}).get(key, "") for column, key in _COUNTS.items()}
    for column, key in (("human_labels", "total"), ("human_in_prompts", "in_prompts")):
        row[column] = result.get("human_labels", {}).get(key, "")
    row |= _cost_columns(result.get("cost", {}))
    if not result and (paid := spending.paid(folder)):
        row["usd"] = paid
    row["seconds"] = round(sum(result["seconds"].values()), 1) if result.get("seconds") else ""
    row["error"] = status.get("reason", "") if state == "failed" else _REASONS.get(state, "")
    if lack:
        row["error"] = f"{folder / RESULT} {lack}; rm that file, then the same command"
    if result:
        row |= {"metric": result["headline"], "score": result["scores"][result["headline"]]["value"]}
    for metric, score in result.get("scores", {}).items():
        row |= {metric: score["value"], f"{metric}_low": score["low"], f"{metric}_high": score["high"]}
    return row


def _cost_columns(cost: Mapping[str, Any]) -> dict[str, Any]:
    """US dollars paid by all attempts of the run and saved by the cache, and the number of requests."""
    paid, without_cache = cost.get("usd", ""), cost.get("usd_without_cache", "")
    before = cost.get("usd_before", 0.0)
    saved = "" if "" in (paid, without_cache) else costs.usd_saved(paid, without_cache, before)
    paid = "" if paid == "" else paid + before
    return {
        "usd": paid,
        "usd_saved": saved,
        "requests": cost.get("requests", ""),
        "from_cache": cost.get("from_cache", ""),
    }


def _unfinished(folder: Path, status: Mapping[str, Any]) -> str:
    """The state of a cell without a result. Where it is done, the folder was copied in part, or the file is damaged."""
    state = str(status.get("state", "unknown"))
    if state == "running" and claims.holder_of(folder) is None:
        return STOPPED
    return RESULT_LOST if state == "done" else state
