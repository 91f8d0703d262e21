"""Studies with a known truth, as a sweep leaves them: folders with real layout, made in milliseconds.

A run's items are right where a number falls below the true score. The numbers are uniform, and
shared in part between fractions of a seed and between seeds, as items are hard or easy for all:
so the mean over many studies is the truth, and runs of a seed are paired.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr

from littlehuman.config.identity import TWIN_GROUPS
from littlehuman.metrics.corpus import macro_f1
from littlehuman.mixture.mixing import synthetic_count
from littlehuman.runs.artifacts import STATUS, write_result
from littlehuman.seeding import number
from littlehuman.store import digest, write_json, write_text

Truth = Callable[[int, int], float]  # (human, synthetic points) -> true score
FRACTIONS = (0.0, 0.5, 0.9, 0.95, 0.975, 1.0)
LABELS = ("supported", "unsupported", "partly", "unclear")
VERSIONS = {"littlehuman": "0.1.0", "torch": "2.13.0"}


def little_human(human: int, synthetic: int) -> float:
    """The paper's finding as a formula: the first human points matter, the later ones hardly."""
    return 0.5 + 0.03 * math.log1p(synthetic / 100) + 0.05 * math.log1p(human / 40) / (1 + synthetic / 20_000)


@dataclass(frozen=True, kw_only=True)
class Planted:
    """What the runs of a study are made of, and what is wrong with them; a cell is (share, seed)."""

    items: int = 100  # test points of every run
    truth: Truth = little_human  # the true score of a training set, before the dataset's own level
    scatter: float = 0.6  # how much of an item's number is new in every run, 0..1
    seed_sd: float = 0.0  # between runs that differ in the seed, beyond items
    passage: int = 1  # test points on one passage
    document: int = 1  # and in one document
    icc: float = 0.0  # correlation of the numbers of points on one passage
    clusters: bool = True  # whether runs say what their test points share; older versions did not
    qa: bool = False  # free answers and squad_f1 instead of labels and accuracy
    majority: float | None = None  # share of the commonest label (None: four labels, equally frequent)
    empty: Collection[tuple[float, int]] = ()  # cells that answer nothing
    constant: Collection[tuple[float, int]] = ()  # cells that always give one answer
    outlying: Mapping[tuple[float, int], float] = field(default_factory=dict)  # cell -> what is added to its true score
    short: Mapping[tuple[float, int], int] = field(default_factory=dict)  # cell -> twins that could not be had
    leaked: Mapping[float, float] = field(default_factory=dict)  # share -> part of the test points that is trained on
    name_leaks: bool = False  # whether runs name the leaked test points
    macro_f1: bool = False  # whether runs state their own macro F1 (else a number that no counts come to)
    texts: int = 0  # twins described in `texts.json` (0: no such file)


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
    failing: Mapping[tuple[float, int], str] | None = None,
    absent: Iterable[tuple[float, int]] = (),
    protocol: str = "recommended",
    **planted: Any,
) -> Path:
    """Write a study and return its folder.

    Args:
        path: the study's folder.
        datasets: one curve family each; with `prompt_models` and `models` their product.
        fractions: synthetic shares.
        seeds: one run each.
        sizes: values of n_train.
        extra_human: human points beside each set.
        prompt_models: cells without twins are shared between them, as in a real sweep.
        models: fine-tuned models.
        control: also the human points of each mixture alone.
        failing: (fraction, seed) -> reason of cells that failed.
        absent: (fraction, seed) of cells that were never run.
        protocol: its name.
        planted: fields of `Planted`.
    """
    failing, left_out, plan = failing or {}, set(absent), Planted(**planted)
    for tree in _trees(datasets, prompt_models, models, sizes, extra_human, fractions, seeds, control, protocol):
        cell = (tree["synth_frac"], tree["seed"])
        if cell not in left_out:
            _write_cell(path, tree, failing.get(cell), plan)
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


def _write_cell(study: Path, tree: dict[str, Any], failure: str | None, plan: Planted) -> None:
    """One run folder; a cell that another prompt model shares is written once."""
    name = f"{tree['dataset']['name']}-f{tree['synth_frac']:g}-s{tree['seed']}-{digest(tree)[:8]}"
    folder = study / name
    if folder.exists():
        return
    if plan.qa:
        tree = {**tree, "task": {"name": "qa", "head": "generation", "metrics": ["squad_f1"], "headline": "squad_f1"}}
    status = {
        "state": "failed" if failure else "done",
        "stage": "training",
        "knobs": tree,
        "updated": "2026-11-20T12:00:00+0000",
    }
    write_json(folder / STATUS, status | ({"reason": failure, "error": failure} if failure else {}))
    if failure:
        return
    asked = synthetic_count(tree["synth_frac"], tree["n_train"]) if tree["synthetic"] else 0
    short = plan.short.get((tree["synth_frac"], tree["seed"]), 0)
    human = tree["n_train"] - synthetic_count(tree["synth_frac"], tree["n_train"]) + tree["extra_human"]
    counts = {"human": human, "synthetic": asked - short, "total": human + asked - short, "shortfall": short}
    score, macro = _write_predictions(folder, tree, counts, plan)
    if plan.texts and asked:
        write_json(folder / "texts.json", profile(plan.texts, tree["prompt_model"]["name"]))
    _write_mixture(folder, counts, plan.texts)
    write_result(folder, _result(tree, counts, score, macro, plan))


def _write_predictions(
    folder: Path, tree: dict[str, Any], counts: Mapping[str, int], plan: Planted
) -> tuple[float, float | None]:
    """Write `predictions.jsonl`; return the score and, where it is wanted, macro F1."""
    cell = (tree["synth_frac"], tree["seed"])
    noise = np.random.default_rng(number(0, "seed", digest(dict(tree)))).standard_normal()
    score = plan.truth(counts["human"], counts["synthetic"]) + _level(tree) + plan.seed_sd * noise
    score += plan.outlying.get(cell, 0.0)
    right = _right(tree, min(max(score, 0.0), 1.0), plan)
    right[: round(plan.leaked.get(cell[0], 0.0) * plan.items)] = 1.0
    targets = [_target(i, plan) for i in range(plan.items)]
    said = [target if ok else _wrong(target, plan) for target, ok in zip(targets, right, strict=True)]
    if cell in plan.empty or cell in plan.constant:
        said = ["" if cell in plan.empty else targets[0]] * plan.items
        right = np.array([float(answer == target) for answer, target in zip(said, targets, strict=True)])
    metric = tree["task"]["headline"]
    lines = []
    for i, (target, answer, x) in enumerate(zip(targets, said, right, strict=True)):
        levels = {"passage": plan.passage, "document": plan.document}
        told = ", ".join(f'"{level}": "{level[0]}{i // n}"' for level, n in levels.items() if n > 1)
        end = f', "clusters": {{{told}}}' if plan.clusters else ""
        lines.append(
            f'{{"id": "t{i}", "target": "{target}", "targets": ["{target}"], "prediction": "{answer}", '
            f'"scores": {{"{metric}": {x:.1f}}}{end}}}\n'
        )
    write_text(folder / "predictions.jsonl", "".join(lines))
    if not plan.macro_f1:
        return float(right.mean()), None
    tally = macro_f1([((target,), answer) for target, answer in zip(targets, said, strict=True)], LABELS)
    return float(right.mean()), float(tally.value(tally.rows.sum(0, keepdims=True))[0])


def _wrong(target: str, plan: Planted) -> str:
    return "nothing" if plan.qa else LABELS[LABELS.index(target) - 1]


def _target(item: int, plan: Planted) -> str:
    if plan.qa:
        return f"word{item % 40}"
    if plan.majority is None:
        return LABELS[item % len(LABELS)]
    return LABELS[item * 7919 % plan.items >= plan.majority * plan.items]


def _level(tree: Mapping[str, Any]) -> float:
    """Datasets and models differ: up to 5 points."""
    names = [
        tree[group]["name"]
        for group in ("dataset", "model", "prompt_model")
        if group in tree and group != "prompt_model"
    ]
    return 0.05 * (number(0, "level", *names) % 1000) / 1000


def _right(tree: Mapping[str, Any], score: float, plan: Planted) -> np.ndarray:
    """Which items are right, 0.0 or 1.0, [items]."""
    place = (tree["dataset"]["name"], tree["n_train"])
    drawn = []
    for names in (place, (*place, tree["model"]["name"], tree["seed"]), (digest(dict(tree)),)):
        own = np.random.default_rng(number(0, "items", *names)).standard_normal(plan.items)
        if plan.icc:
            shared = np.random.default_rng(number(0, "passages", *names)).standard_normal(plan.items)
            own = math.sqrt(1 - plan.icc) * own + math.sqrt(plan.icc) * shared[np.arange(plan.items) // plan.passage]
        drawn.append(own)
    latent = math.sqrt(1 - plan.scatter**2) * (0.8 * drawn[0] + 0.6 * drawn[1]) + plan.scatter * drawn[2]
    return (ndtr(latent) < score).astype(np.float64)


def _write_mixture(folder: Path, counts: Mapping[str, int], points: int) -> None:
    """Only with `points` are ids listed: long lists cost time and nothing reads them."""
    ids = [{"id": f"p{i}", "origin": "synthetic"} for i in range(min(points, counts["synthetic"]))]
    rejected = [
        {"example_id": f"x{i}", "reason": "label supported returned, unsupported requested", "raw": ""}
        for i in range(points // 20)
    ]
    write_json(
        folder / "mixture.json", {"fingerprint": "f", "counts": dict(counts), "rejected": rejected, "points": ids}
    )


def _result(
    tree: Mapping[str, Any], counts: Mapping[str, int], score: float, macro: float | None, plan: Planted
) -> dict[str, Any]:
    half = 1.96 * math.sqrt(score * (1 - score) / plan.items)
    failed = plan.items if (tree["synth_frac"], tree["seed"]) in plan.empty else 0
    interval = {"value": score, "low": score - half, "high": score + half, "n": plan.items, "n_failed": failed}
    scores = {tree["task"]["headline"]: interval}
    if not plan.qa:
        scores["macro_f1"] = {**interval, "value": 0.9 * score if macro is None else macro}
    if plan.majority:
        scores["majority"] = {**interval, "value": plan.majority}
    human, synthetic = counts["human"], counts["synthetic"]
    shown = 3 * min(synthetic, 50)
    leaked = round(plan.leaked.get(tree["synth_frac"], 0.0) * plan.items)
    return {
        "id": digest(dict(tree))[:8],
        "scores": scores,
        "headline": tree["task"]["headline"],
        "knobs": dict(tree),
        "counts": dict(counts),
        "human_labels": {"in_training": human, "in_prompts": shown, "total": max(human, shown)},
        "rejected_twins": synthetic // 100,
        "fingerprints": {"dataset": digest([tree["dataset"], plan.items]), "mixture": "f"},
        "audit": {
            "twins_equal_to_their_human_point": synthetic // 500,
            "twins_near_their_human_point": synthetic // 100,
            "training_points_in_test": leaked,
            "training_points_on_test_evidence": 4,
            "distinct_twins": synthetic - synthetic // 50,
        },
        **({"test_items_in_training": [f"t{i}" for i in range(leaked)]} if plan.name_leaks else {}),
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
    """A `texts.json`: twins longer, nearer to their evidence and later in it than their originals."""
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
