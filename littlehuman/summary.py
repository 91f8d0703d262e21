"""A result as a newcomer reads it.

In: a result and its folder. Out: a few lines: what was trained on, the scores with intervals, what
it cost, and what to type next.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_MEANING = {
    "accuracy": "share of right labels",
    "macro_f1": "F1, mean over classes",
    "majority": "always the commonest label",
    "exact_match": "answers equal to the gold one",
    "inclusion": "gold answer stands in the answer",
    "squad_em": "exact match, SQuAD's rules",
    "squad_f1": "words in common, SQuAD's rules",
    "rouge1": "words in common, ROUGE-1",
    "corpus_bleu": "BLEU over the corpus",
}


def of_run(result: Mapping[str, Any], folder: Path, *, single: bool) -> str:
    """The summary of one cell: a table after a single run, one line within a sweep."""
    scores, headline = result["scores"], result["headline"]
    if not single:
        score = scores[headline]
        return f"{folder.name}: {headline} {score['value']:.3f} [{score['low']:.3f}, {score['high']:.3f}]"
    return "\n".join(["", *_what(result), "", *_table(scores, headline), "", *_next(result, folder)])


def _what(result: Mapping[str, Any]) -> list[str]:
    knobs, counts, cost = result["knobs"], result["counts"], result["cost"]
    twins = f"{counts['synthetic']} synthetic twins by {knobs['prompt_model']['name']}" if counts["synthetic"] else "no synthetic points"
    return [
        f"{knobs['model']['name']} fine-tuned on {knobs['dataset']['name']}: {counts['human']} human points, {twins}"
        + (f" ({cost['usd']:.2f} USD)" if cost["usd"] else ""),
        f"tested on {result['scores'][result['headline']]['n']} human points; protocol {knobs['protocol']['name']}, seed {knobs['seed']}",
    ]


def _table(scores: Mapping[str, Mapping[str, Any]], headline: str) -> list[str]:
    lines = [f"  {'metric':<18} {'score':>6}  {'95 % interval':<15}  meaning", f"  {'-' * 18} {'-' * 6}  {'-' * 15}  {'-' * 30}"]
    for name in sorted(scores, key=lambda n: n != headline):
        s = scores[name]
        lines.append(
            f"  {name:<18} {100 * s['value']:>5.1f}%  {100 * s['low']:>5.1f} to {100 * s['high']:>5.1f}  {_MEANING.get(name, '')}".rstrip()
        )
    return lines


def _next(result: Mapping[str, Any], folder: Path) -> list[str]:
    name = result["knobs"]["dataset"]["name"]
    return [
        f"results: {folder}",
        "next:    the same fully synthetic, and fully human, as one table:",
        f"         python -m littlehuman.run -m dataset={name} synth_frac=0,0.9,1 n_train={result['knobs']['n_train']}",
        "         your own data: python -m littlehuman.run --help",
    ]
