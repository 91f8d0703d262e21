"""What a twin's text looks like beside its human original: the features of the paper's Appendix D.

In: pairs (twin, its human original), while their texts are at hand. Out: columns of numbers and
words per id, without any text, which the run folder keeps as `texts.json`; `analysis.py` reads
them. A run of letters and digits is a word, so scripts without spaces count badly.


What a run leaves behind, and how it is read again.

In: the records of a finished run; the folders of a study. Out: `mixture.json`,
`predictions.jsonl`, `result.json` (written last: its presence means complete); a row per cell, and
under the name `load(study)` the tidy frame of `study.frame`.


What a run is doing, and how it ended: `status.json` in its folder.

In: stages as they begin, and the end. Out: `state` (running, done, failed), stage, error, knobs,
times. A run that was killed stays `running` and has no `result.json`: the next one computes it
again. Cells that did not complete are also told to the command line, which may be another process;
a config that is refused is told there alone, for it is no cell.

"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.errors import ConfigError, Problem
from littlehuman.generation import costs
from littlehuman.records import Mixture, Prediction, Rejected, Score
from littlehuman.store import read_json, write_json, write_jsonl, write_text

if TYPE_CHECKING:
    pass

TEXTS = "texts.json"  # in a run folder
STATUS = "status.json"
RESULT = "result.json"
LOST = "result lost"  # the state of a cell that says done and has no result
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
_RARE: dict[str, Any] = {
    "parts": {},
    "labels": (),
    "asked": 1,
}  # what a rejected answer says only where it is something else
_COUNTS = {"n_human": "human", "n_synthetic": "synthetic", "shortfall": "shortfall"}
GROUPS = ("dataset", "task", "model", "prompt_model", "strategy", "filter", "protocol")
NUMBERS = ("synth_frac", "n_train", "seed", "human_budget", "extra_human", "synthetic", "test_dataset")


def result_of_cell(folder: Path, own: str) -> dict[str, Any]:
    """The result of this folder, empty when the run is not complete; `own` is the run's id.

    Raises:
        ConfigError: when it is the result of another run: a folder of the user's own choice holds one.
    """
    result = read_json(folder / RESULT)
    if result and result.get("id") != own:
        what = f"holds the result of cell {result.get('id', 'unknown')}, and this is cell {own}"
        raise ConfigError(
            [Problem(str(folder), what)],
            "another folder; without hydra.run.dir and hydra.sweep.* each cell has its own",
        )
    return result


def write_mixture(folder: Path, mixture: Mixture, rejected: Sequence[Rejected]) -> None:
    """Write who is human and who is synthetic, without any text but that of rejected answers."""
    points = [{"id": point.example.id, "origin": point.origin.value} for point in mixture.points]
    write_json(
        folder / "mixture.json",
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
    return {key: value for key, value in row.items() if key not in _RARE or value != _RARE[key]}


def write_texts(folder: Path, profile: Mapping[str, Any]) -> None:
    """Write what the twins' texts look like beside their human originals (features, no text); nothing without twins."""
    if profile["ids"]:
        write_text(folder / TEXTS, json.dumps(profile, ensure_ascii=False) + "\n")


def write_predictions(folder: Path, predictions: Sequence[Prediction], items: Sequence[Mapping[str, float]]) -> None:
    """Write one line per test point: what was right, what was said, how it scored."""
    write_jsonl(
        folder / "predictions.jsonl",
        (
            {
                "id": p.id,
                "target": p.targets[0],
                "targets": list(p.targets),
                "prediction": p.text,
                "scores": dict(scores),
            }
            for p, scores in zip(predictions, items, strict=True)
        ),
    )


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Write `result.json`: after it the run is complete."""
    write_json(folder / RESULT, dict(result))


def scores_as_json(scores: Mapping[str, Score]) -> dict[str, dict[str, Any]]:
    """Scores as `{metric: {value, low, high, n, n_failed}}`, rounded to 6 digits."""
    rows = {name: asdict(score) for name, score in scores.items()}
    return {
        name: {key: round(v, 6) if isinstance(v, float) else v for key, v in row.items() if v != ""}
        for name, row in rows.items()
    }


def versions() -> dict[str, str]:
    """Versions of the packages that a result depends on."""
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def knobs(scientific: Mapping[str, Any]) -> dict[str, Any]:
    """The knobs that a table shows, flat: names of the groups and the numbers, under the command line's own keys."""
    shown = {key: scientific[key] for key in (*GROUPS, *NUMBERS) if key in scientific}
    return {key: value["name"] if isinstance(value, Mapping) else value for key, value in shown.items()}


def rows(study: Path) -> list[dict[str, Any]]:
    """One flat row per cell of a study, in the order of their names; failed cells have their error."""
    return [_row(status.parent) for status in sorted(study.glob(f"*/{STATUS}"))]


def _row(folder: Path) -> dict[str, Any]:
    status, result = read_json(folder / STATUS), read_json(folder / RESULT)
    if not {"knobs", "headline", "scores"} <= result.keys():
        result = {}  # a file of somebody else, or of a version that wrote less
    # A run that was killed after its last file is complete, whatever its status says.
    row: dict[str, Any] = {"cell": folder.name, "state": "done" if result else _unfinished(status)}
    row |= knobs(result.get("knobs") or status.get("knobs", {}))
    row |= {column: result.get("counts", {}).get(key, "") for column, key in _COUNTS.items()}
    for column, key in (("human_labels", "total"), ("human_in_prompts", "in_prompts")):
        row[column] = result.get("human_labels", {}).get(key, "")
    row |= _money(result.get("cost", {}))
    if not result and (paid := costs.paid(folder)):
        row["usd"] = paid
    row["seconds"] = round(sum(result["seconds"].values()), 1) if result.get("seconds") else ""
    row["error"] = {"failed": status.get("reason", ""), LOST: f"{RESULT} is absent or torn; run the cell again"}.get(
        row["state"], ""
    )
    if result:
        row |= {"metric": result["headline"], "score": result["scores"][result["headline"]]["value"]}
    for metric, score in result.get("scores", {}).items():
        row |= {metric: score["value"], f"{metric}_low": score["low"], f"{metric}_high": score["high"]}
    return row


def _money(cost: Mapping[str, Any]) -> dict[str, Any]:
    """What was paid, by all attempts, for how many requests, and what the cache saved."""
    paid, all_of_it = cost.get("usd", ""), cost.get("usd_without_cache", "")
    saved = "" if "" in (paid, all_of_it) else round(all_of_it - paid, 9)
    paid = "" if paid == "" else paid + cost.get("usd_before", 0.0)
    return {
        "usd": paid,
        "usd_saved": saved,
        "requests": cost.get("requests", ""),
        "from_cache": cost.get("from_cache", ""),
    }


def _unfinished(status: Mapping[str, Any]) -> str:
    """The state of a cell without a result; a status that says done was copied, or its result torn."""
    state = str(status.get("state", "unknown"))
    return LOST if state == "done" else state
