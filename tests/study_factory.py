"""Simulated studies with known true scores, as folders with the layout of a real sweep, made in milliseconds.

An item of a run is right where a uniform number is below the true score. The numbers are correlated between fractions
of a seed and between seeds, as items are easy or hard for all runs: so the mean over many studies is the true score,
and runs of a seed are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr

from littlehuman.config.identity import TWIN_GROUPS
from littlehuman.mixture.mixing import synthetic_count
from littlehuman.runs.artifacts import STATUS, write_result
from littlehuman.seeding import number
from littlehuman.store import digest, write_json, write_text

Truth = Callable[[int, int], float]  # (human, synthetic points) -> true score
FRACTIONS = (0.0, 0.5, 0.9, 0.95, 0.975, 1.0)
VERSIONS = {"littlehuman": "0.1.0", "torch": "2.13.0"}


def little_human(human: int, synthetic: int) -> float:
    """The paper's finding as a formula: the first human points matter, later ones hardly."""
    return 0.5 + 0.03 * math.log1p(synthetic / 100) + 0.05 * math.log1p(human / 40) / (1 + synthetic / 20_000)


def write_study(
    path: Path,
    *,
    datasets: Sequence[str] = ("wanli",),
    fractions: Sequence[float] = FRACTIONS,
    seeds: Sequence[int] = (0, 1, 2),
    sizes: Sequence[int] = (5000,),
    extra_human: Sequence[int] = (0,),
    prompt_models: Sequence[str] = ("qwen-1.5b",),
    models: Sequence[str] = ("smollm2",),
    control: bool = False,
    items: int = 100,
    truth: Truth = little_human,
    failing: Mapping[tuple[float, int], str] | None = None,
    absent: Iterable[tuple[float, int]] = (),
    protocol: str = "recommended",
    scatter: float = 0.6,
    texts: int = 0,
    majority: float | None = None,
) -> Path:
    """Write a study and return its folder.

    Args:
        path: the study's folder.
        datasets: crossed with `prompt_models` and `models`.
        fractions: synthetic shares.
        seeds: one run each.
        sizes: values of n_train.
        extra_human: human points added to each training set.
        prompt_models: cells without twins are shared between them, as in a real sweep.
        models: fine-tuned models.
        control: also runs on the human points of each mixture only.
        items: test points of every run.
        truth: the true score of a training set, before the dataset's own level.
        failing: (fraction, seed) -> reason of cells that failed.
        absent: (fraction, seed) of cells that were never run.
        protocol: its name.
        scatter: share of an item's number that is independent between runs, 0..1.
        texts: twins described in `texts.json` (0: no such file).
        majority: accuracy of the majority baseline (None: not in the results).
    """
    failing, left_out = failing or {}, set(absent)
    for tree in _trees(datasets, prompt_models, models, sizes, extra_human, fractions, seeds, control, protocol):
        cell = (tree["synth_frac"], tree["seed"])
        if cell not in left_out:
            _write_cell(path, tree, failing.get(cell), items, truth, scatter, texts, majority)
    return path


def _trees(
    datasets: Sequence[str],
    prompt_models: Sequence[str],
    models: Sequence[str],
    sizes: Sequence[int],
    extra_human: Sequence[int],
    fractions: Sequence[float],
    seeds: Sequence[int],
    control: bool,
    protocol: str,
) -> Iterable[dict[str, Any]]:
    for dataset in datasets:
        for model in models:
            for prompt_model in prompt_models:
                for size in sizes:
                    for extra in extra_human:
                        for fraction in fractions:
                            for seed in seeds:
                                for synthetic in (True, False) if control and fraction else (True,):
                                    yield identity_tree(
                                        dataset, prompt_model, model, size, extra, fraction, seed, synthetic, protocol
                                    )


def identity_tree(
    dataset: str,
    prompt_model: str,
    model: str,
    size: int,
    extra: int,
    fraction: float,
    seed: int,
    synthetic: bool,
    protocol: str,
) -> dict[str, Any]:
    """The identity values of a cell, with the keys of the real ones."""
    tree: dict[str, Any] = {
        "dataset": {"name": dataset},
        "task": {"name": "fv", "head": "classification", "metrics": ["accuracy"], "headline": "accuracy"},
        "prompt_model": {"name": prompt_model, "temperature": 0.0},
        "strategy": {"name": "few_shot", "writes": "pair"},
        "filter": {"name": "none"},
        "model": {"name": model},
        "protocol": {"name": protocol, "shots_with_replacement": False},
        "training": {"learning_rate": 5e-5},
        "metrics": {"bootstrap": 1000},
        "synth_frac": fraction,
        "n_train": size,
        "n_test": None,
        "seed": seed,
        "human_budget": "all",
        "extra_human": extra,
        "synthetic": synthetic,
        "test_dataset": None,
        "test_path": None,
    }
    asked = synthetic and synthetic_count(fraction, size) > 0
    return tree if asked else {key: value for key, value in tree.items() if key not in TWIN_GROUPS}


def _write_cell(
    study: Path,
    tree: dict[str, Any],
    failure: str | None,
    items: int,
    truth: Truth,
    scatter: float,
    texts: int,
    majority: float | None,
) -> None:
    """One run folder; a cell that another prompt model shares is written once."""
    name = f"{tree['dataset']['name']}-f{tree['synth_frac']:g}-s{tree['seed']}-{digest(tree)[:8]}"
    folder = study / name
    if folder.exists():
        return
    status = {
        "state": "failed" if failure else "done",
        "stage": "training",
        "knobs": tree,
        "updated": "2026-11-20T12:00:00+0000",
    }
    write_json(folder / STATUS, status | ({"reason": failure, "error": failure} if failure else {}))
    if failure:
        return
    synthetic = synthetic_count(tree["synth_frac"], tree["n_train"]) if tree["synthetic"] else 0
    human = tree["n_train"] - synthetic_count(tree["synth_frac"], tree["n_train"]) + tree["extra_human"]
    right = _right(tree, items, min(truth(human, synthetic) + _level(tree), 1.0), scatter)
    rest = '"target": "yes", "targets": ["yes"], "prediction": "no"'
    lines = [f'{{"id": "t{i}", {rest}, "scores": {{"accuracy": {x:.1f}}}}}\n' for i, x in enumerate(right)]
    write_text(folder / "predictions.jsonl", "".join(lines))
    if texts and synthetic:
        write_json(folder / "texts.json", profile(texts, tree["prompt_model"]["name"]))
    _write_mixture(folder, human, synthetic, texts)
    write_result(folder, _result(tree, human, synthetic, float(right.mean()), items, majority))


def _level(tree: Mapping[str, Any]) -> float:
    """The level of a dataset and model: up to 5 percentage points."""
    names = [
        tree[group]["name"]
        for group in ("dataset", "model", "prompt_model")
        if group in tree and group != "prompt_model"
    ]
    return 0.05 * (number(0, "level", *names) % 1000) / 1000


def _right(tree: Mapping[str, Any], items: int, score: float, scatter: float) -> np.ndarray:
    """0.0 or 1.0 per item: shape [items]."""
    place = (tree["dataset"]["name"], tree["n_train"])
    drawn = [
        np.random.default_rng(number(0, "items", *names)).standard_normal(items)
        for names in (place, (*place, tree["model"]["name"], tree["seed"]), (digest(dict(tree)),))
    ]
    shared = math.sqrt(1 - scatter**2)
    latent = shared * (0.8 * drawn[0] + 0.6 * drawn[1]) + scatter * drawn[2]
    return (ndtr(latent) < score).astype(np.float64)


def _write_mixture(folder: Path, human: int, synthetic: int, points: int) -> None:
    """Lists ids only with `points`: long lists cost time and are not read."""
    ids = [{"id": f"p{i}", "origin": "synthetic"} for i in range(min(points, synthetic))]
    rejected = [
        {"example_id": f"x{i}", "reason": "label supported returned, unsupported requested", "raw": ""}
        for i in range(points // 20)
    ]
    counts = {"human": human, "synthetic": synthetic, "total": human + synthetic, "shortfall": 0}
    write_json(folder / "mixture.json", {"fingerprint": "f", "counts": counts, "rejected": rejected, "points": ids})


def _result(
    tree: Mapping[str, Any], human: int, synthetic: int, score: float, items: int, majority: float | None
) -> dict[str, Any]:
    half = 1.96 * math.sqrt(score * (1 - score) / items)
    interval = {"value": score, "low": score - half, "high": score + half, "n": items, "n_failed": 0}
    macro = {**interval, "value": 0.9 * score}  # a metric without scores of single items
    shown = 3 * min(synthetic, 50)
    return {
        "id": digest(dict(tree))[:8],
        "scores": {"accuracy": interval, "macro_f1": macro}
        | ({"majority": {**interval, "value": majority}} if majority else {}),
        "headline": "accuracy",
        "knobs": dict(tree),
        "counts": {"human": human, "synthetic": synthetic, "total": human + synthetic, "shortfall": 0},
        "human_labels": {"in_training": human, "in_prompts": shown, "total": max(human, shown)},
        "rejected_twins": synthetic // 100,
        "audit": {
            "twins_equal_to_their_human_point": synthetic // 500,
            "twins_near_their_human_point": synthetic // 100,
            "training_points_in_test": 1,
            "training_points_on_test_evidence": 4,
            "distinct_twins": synthetic - synthetic // 50,
        },
        "cost": {
            "requests": synthetic,
            "from_cache": 0,
            "failed": 0,
            "prompt_tokens": 0,
            "completion_tokens": 0,
            "usd": synthetic * 1e-4,
        },
        "seconds": {"data": 0.5, "generation": synthetic / 100, "training": (human + synthetic) / 50},
        "versions": VERSIONS,
    }


def profile(count: int, prompt_model: str) -> dict[str, Any]:
    """A `texts.json`, in which twins are longer, closer to their evidence and later in it than their originals."""
    rng = np.random.default_rng(number(0, "texts", prompt_model))

    def side(longer: float) -> dict[str, list[Any]]:
        return {
            "words": [int(w) for w in rng.poisson(11 + longer, count)],
            "answer_words": [None] * count,
            "bleu": [round(float(x), 6) for x in rng.beta(2 + longer / 3, 5, count)],
            "position": [round(float(x), 6) for x in rng.beta(1, 1 + longer / 5, count)],
            "opening": [None] * count,
            "target": ["supported", "unsupported"] * (count // 2) + ["supported"] * (count % 2),
        }

    return {"ids": [f"p{i}" for i in range(count)], "human": side(0), "synthetic": side(4)}
