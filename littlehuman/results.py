"""What a run leaves behind, and the table of a study.

In: the records of a finished run; the folders of a study. Out: `mixture.json`,
`predictions.jsonl`, `result.json` (written last: its presence means complete), and `table.csv`
with `table.md`, a pure function of the run folders.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from filelock import FileLock

from littlehuman.journal import STATUS
from littlehuman.records import Mixture, Prediction, Rejected, Score
from littlehuman.store import read_json, write_json, write_jsonl, write_text

RESULT = "result.json"
_PACKAGES = ("littlehuman", "torch", "transformers", "peft", "accelerate", "datasets", "openai", "hydra-core", "sacrebleu", "rouge-score")
_COUNTS = {"human_points": "human", "synthetic_points": "synthetic", "shortfall": "shortfall"}
_KNOBS = ("dataset", "task", "model", "prompt_model", "strategy", "filter", "protocol")
_NUMBERS = ("synth_frac", "n_train", "seed", "human_budget", "extra_human", "synthetic", "test_dataset")


def is_complete(folder: Path) -> bool:
    """Whether the run of this folder needs no repetition."""
    return bool(read_json(folder / RESULT))


def write_mixture(folder: Path, mixture: Mixture, rejected: Sequence[Rejected]) -> None:
    """Write who is human and who is synthetic, without any text but that of rejected answers."""
    points = [{"id": point.example.id, "origin": point.origin.value} for point in mixture.points]
    write_json(
        folder / "mixture.json",
        {
            "fingerprint": mixture.fingerprint,
            "counts": mixture.counts,
            "human_labels": mixture.human_labels,
            "rejected": [asdict(r) for r in rejected],
            "points": points,
        },
    )


def write_predictions(folder: Path, predictions: Sequence[Prediction], items: Sequence[Mapping[str, float]]) -> None:
    """Write one line per test point: what was right, what was said, how it scored."""
    write_jsonl(
        folder / "predictions.jsonl",
        (
            {"id": p.id, "target": p.targets[0], "targets": list(p.targets), "prediction": p.text, "scores": dict(scores)}
            for p, scores in zip(predictions, items, strict=True)
        ),
    )


def write_result(folder: Path, result: Mapping[str, Any]) -> None:
    """Write `result.json`: after it the run is complete."""
    write_json(folder / RESULT, dict(result))


def scores_as_json(scores: Mapping[str, Score]) -> dict[str, dict[str, Any]]:
    """Scores as `{metric: {value, low, high, n, n_failed}}`, rounded to 6 digits."""
    rows = {name: asdict(score) for name, score in scores.items()}
    return {name: {key: round(v, 6) if isinstance(v, float) else v for key, v in row.items() if v != ""} for name, row in rows.items()}


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
    names = {key: scientific[key]["name"] for key in _KNOBS if key in scientific}
    return names | {key: scientific[key] for key in _NUMBERS if key in scientific}


def rows(study: Path) -> list[dict[str, Any]]:
    """One flat row per cell of a study, in the order of their names; failed cells have their error."""
    return [_row(status.parent) for status in sorted(study.glob(f"*/{STATUS}"))]


def write_table(study: Path) -> Path:
    """Rewrite `table.csv` and `table.md` from the run folders; return the CSV's path."""
    with FileLock(study / ".table.lock"):  # else a slow writer could put an older table over a newer one
        table = rows(study)
        columns = list(dict.fromkeys(key for row in table for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(table)
        write_text(study / "table.csv", text.getvalue())
        write_text(study / "table.md", markdown(table))
    return study / "table.csv"


def markdown(table: Sequence[Mapping[str, Any]]) -> str:
    """The table for reading: knobs that differ between cells, and each score with its interval."""
    metrics = list(dict.fromkeys(key.removesuffix("_low") for row in table for key in row if key.endswith("_low")))
    differing = [k for k in (*_KNOBS, *_NUMBERS) if len({str(row[k]) for row in table if k in row}) > 1]
    header = ["cell", "state", *differing, "human_points", "synthetic_points", *metrics]
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    for row in table:
        cells = [row.get(key, "") for key in ("cell", "state", *differing, "human_points", "synthetic_points")]
        lines.append("| " + " | ".join([*map(str, cells), *(_interval(row, metric) for metric in metrics)]) + " |")
    problems = [f"\n{row['cell']}: {row['error']}\n" for row in table if row.get("error")]
    return "\n".join(lines) + "\n" + "".join(problems)


def _row(folder: Path) -> dict[str, Any]:
    status, result = read_json(folder / STATUS), read_json(folder / RESULT)
    # A run that was killed after its last file is complete, whatever its status says.
    row: dict[str, Any] = {"cell": folder.name, "state": "done" if result else status.get("state", "unknown")}
    row |= knobs(result["knobs"]) if result else status.get("knobs", {})
    row |= {column: result.get("counts", {}).get(key, "") for column, key in _COUNTS.items()}
    row["human_labels"] = result.get("human_labels", {}).get("total", "")
    row["usd"] = result.get("cost", {}).get("usd", "")
    row["seconds"] = round(sum(result["seconds"].values()), 1) if result else ""
    row["error"] = status.get("reason", "") if row["state"] == "failed" else ""
    for metric, score in result.get("scores", {}).items():
        row |= {metric: score["value"], f"{metric}_low": score["low"], f"{metric}_high": score["high"]}
    return row


def _interval(row: Mapping[str, Any], metric: str) -> str:
    if row.get(metric, "") == "":
        return ""
    return f"{row[metric]:.3f} [{row[f'{metric}_low']:.3f}, {row[f'{metric}_high']:.3f}]"
