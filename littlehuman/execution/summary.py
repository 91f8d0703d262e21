"""A result as a newcomer reads it.

In: a result and its folder. Out: a few lines: what was trained on, the scores with intervals, what
it cost, and what to type next.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from littlehuman import cli
from littlehuman.formatting import percent, score

_MEANING = {
    "accuracy": "share of right labels",
    "macro_f1": "F1, mean over classes",
    "majority": "always the commonest label",
    "exact_match": "answer equals the gold one",
    "inclusion": "gold answer stands in the answer",
    "reverse_inclusion": "the answer stands in the gold one",
    "sentence_bleu": "phrases in common, the paper's BLEU",
    "bert_score": "likeness of meaning, BERTScore",
    "squad_em": "exact match, SQuAD's rules",
    "squad_f1": "words in common, SQuAD's rules",
    "rouge1": "words in common, ROUGE-1",
    "corpus_bleu": "phrases in common, corpus BLEU",
}


def run_summary(
    result: Mapping[str, Any], folder: Path, *, single: bool, overrides: Sequence[str] = (), own: str | None = None
) -> str:
    """The summary of one cell: a table after a single run, one line within a sweep.

    Args:
        result: what `result.json` holds.
        folder: the run folder.
        single: whether this is the only cell of its command.
        overrides: what the user typed; the command that is suggested next repeats it.
        own: the folder of the user's own groups (`--config-dir`), which it needs again.
    """
    scores, headline = result["scores"], result["headline"]
    if not single:
        s = scores[headline]
        return f"{folder.name}: {headline} {score(s['value'], s['low'], s['high'])}"
    return "\n".join(["", *_what(result), "", *_table(scores, headline), "", *_next(folder, overrides, own)])


def _what(result: Mapping[str, Any]) -> list[str]:
    knobs, counts, cost = result["knobs"], result["counts"], result["cost"]
    twins = (
        f"{counts['synthetic']} synthetic twins by {knobs['prompt_model']['name']}"
        if counts["synthetic"]
        else "no synthetic points"
    )
    trained = f"fine-tuned on {knobs['dataset']['name']}: {counts['human']} human points, {twins}"
    return [
        f"{knobs['model']['name']} {trained if counts['total'] else 'untrained'}"
        + (f" ({cost['usd']:.2f} USD)" if cost["usd"] else ""),
        f"tested on {result['scores'][result['headline']]['n']} human points; protocol {knobs['protocol']['name']}, seed {knobs['seed']}",
    ]


def _table(scores: Mapping[str, Mapping[str, Any]], headline: str) -> list[str]:
    lines = [
        f"  {'metric':<18} {'score':>6}  {'95 % interval':<15}  meaning",
        f"  {'-' * 18} {'-' * 6}  {'-' * 15}  {'-' * 30}",
    ]
    for name in sorted(scores, key=lambda n: n != headline):
        s = scores[name]
        lines.append(
            f"  {name:<18} {percent(s['value']):>5}%  {percent(s['low']):>5} to {percent(s['high']):>5}  {_MEANING.get(name, '')}".rstrip()
        )
    return lines


def _next(folder: Path, overrides: Sequence[str], own: str | None) -> list[str]:
    # A budget below n is refused where all points are human, and an untrained model has no fractions to compare.
    kept = [o for o in overrides if o.split("=")[0] not in ("synth_frac", "human_budget") and o != "n_train=0"]
    return [
        f"results: {folder}",
        "next:    the same with human points alone and with synthetic ones alone, as one table:",
        f"         {cli.sweep_command(['synth_frac=0,0.9,1', *kept], own)}",
        f"         your own data, other models: {cli.command('run', ['--help'])}",
    ]
