"""The text that a run prints at its end: training set, scores with intervals, cost, and the next command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman import cli
from littlehuman.formatting import percent
from littlehuman.schema import Method

_MEANING = {
    "accuracy": "share of correct labels",
    "macro_f1": "F1, mean over classes",
    "majority": "always the most frequent label",
    "exact_match": "answer equals the gold answer",
    "inclusion": "gold answer is part of the answer",
    "reverse_inclusion": "answer is part of the gold answer",
    "sentence_bleu": "phrases in common, the paper's BLEU",
    "right_by_bleu": "answers with enough phrases in common (metrics.bleu_threshold)",
    "bert_score": "semantic similarity, BERTScore",
    "squad_em": "exact match, SQuAD's rules",
    "squad_f1": "words in common, SQuAD's rules",
    "rouge1": "words in common, ROUGE-1",
    "corpus_bleu": "phrases in common, corpus BLEU",
}


def run_summary(
    result: Mapping[str, Any],
    folder: Path,
    *,
    single: bool,
    overrides: Sequence[str] = (),
    config_dir: str | None = None,
    already: bool = False,
) -> str:
    """The summary of one cell: a table after a single run, one line in a sweep.

    Args:
        result: the content of `result.json`.
        folder: the run folder.
        single: whether this is the only cell of its command.
        overrides: the overrides of the command, which the suggested one repeats.
        config_dir: the folder of the user's own config groups (`--config-dir`), if any.
        already: whether the cell was complete before.
    """
    scores, headline = result["scores"], result["headline"]
    if not single:
        return one_line(result, folder, already=already)
    made = result["knobs"].get("method", Method.finetune)
    after = _next_of_annotator if made == Method.annotator else _next
    before = [f"already complete: {folder}"] if already else []
    return "\n".join(
        ["", *before, *_setup(result), "", *_table(scores, headline), "", *after(folder, overrides, config_dir)]
    )


def one_line(result: Mapping[str, Any], folder: Path, *, already: bool = False) -> str:
    """The summary of a sweep's cell."""
    headline = result["headline"]
    s = result["scores"][headline]
    score = f"{percent(s['value'])} % [{percent(s['low'])}, {percent(s['high'])}]"
    return f"{folder.name}: {headline} {score}{', already complete' if already else ''}"


def _setup(result: Mapping[str, Any]) -> list[str]:
    knobs, counts, cost = result["knobs"], result["counts"], result["cost"]
    n_test = result["scores"][result["headline"]]["n"]
    usd = f" ({cost['usd']:.2f} USD)" if cost["usd"] else ""
    if knobs.get("method") == Method.annotator:
        failed, shown = result["scores"][result["headline"]]["n_failed"], result["human_labels"]["in_prompts"]
        return [
            f"{knobs['prompt_model']['name']} labelled {n_test} test points of {knobs['dataset']['name']}{usd}; "
            "nothing was trained",
            f"{failed} answers could not be read and count as wrong; its prompts showed {shown} human labels",
        ]
    twins = (
        f"{counts['synthetic']} synthetic twins (points by {knobs['prompt_model']['name']} on the same texts)"
        if counts["synthetic"]
        else "no synthetic points"
    )
    trained = f"fine-tuned on {knobs['dataset']['name']}: {counts['human']} human points, {twins}"
    return [
        f"{knobs['model']['name']} {trained if counts['total'] else 'untrained'}{usd}",
        f"tested on {n_test} human points; protocol {knobs['protocol']['name']}, seed {knobs['seed']}",
    ]


def _table(scores: Mapping[str, Mapping[str, Any]], headline: str) -> list[str]:
    lines = [
        f"  {'metric':<18} {'score':>6}  {'95 % interval':<15}  meaning",
        f"  {'-' * 18} {'-' * 6}  {'-' * 15}  {'-' * 30}",
    ]
    for name in sorted(scores, key=lambda n: n != headline):
        s = scores[name]
        interval = f"{percent(s['low']):>5} to {percent(s['high']):>5}"
        lines.append(f"  {name:<18} {percent(s['value']):>5}%  {interval}  {_MEANING.get(name, '')}".rstrip())
    return lines


def _next(folder: Path, overrides: Sequence[str], config_dir: str | None) -> list[str]:
    # With human points alone, a human_budget below n_train is refused; with n_train=0, fractions have no effect.
    kept = [o for o in overrides if o.split("=")[0] not in ("synth_frac", "human_budget") and o != "n_train=0"]
    return [
        f"results: {folder}",
        "next:    the same with human points alone and with synthetic ones alone, as one table:",
        f"         {cli.sweep_command(['synth_frac=0,0.9,1', *kept], config_dir)}",
        f"         your own data, other models: {cli.command('run', ['--help'])}",
    ]


def _next_of_annotator(folder: Path, overrides: Sequence[str], config_dir: str | None) -> list[str]:
    kept = [o for o in overrides if o.split("=")[0] not in ("method", "n_train")]
    strategy = [] if any(o.startswith("strategy=") for o in kept) else ["strategy=annotate"]
    return [
        f"results: {folder}",
        "next:    a model that is trained on such labels, and one on human labels, as one table:",
        f"         {cli.sweep_command([*strategy, 'synth_frac=0,1', *kept], config_dir)}",
    ]
