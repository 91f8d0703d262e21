"""The model card of an adapter: `README.md` in its folder, Markdown with the YAML header of the Hugging Face hub.

In: the adapter's folder with its `littlehuman.json`, and what its result says of data, mixture and scores. No path of
this machine, no address and no key gets into it. It is written before the digests of a run's files are taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from littlehuman.formatting import count, interval, markdown_text, named, share, without_folder
from littlehuman.schema import Head
from littlehuman.store import read_json, write_text

CARD = "README.md"
INFO = "littlehuman.json"  # of `adapters.py`, which imports torch
_CLASSES = {
    Head.classification: "AutoModelForSequenceClassification",
    Head.span: "AutoModelForQuestionAnswering",
    Head.generation: "AutoModelForCausalLM",
}


def write(folder: Path, made: Mapping[str, str], scores: Mapping[str, Any] | None = None) -> None:
    """Write the card; nothing where no adapter was kept.

    Args:
        folder: the adapter's folder.
        made: what it was made of, as name and Markdown text.
        scores: as in `result.json`; None where nothing was tested.
    """
    info = read_json(folder / INFO)
    if info:
        write_text(folder / CARD, "\n".join(_lines(info, made, scores or {})) + "\n")


def write_of_cell(folder: Path, result: Mapping[str, Any]) -> None:
    """Write the card of a cell's adapter, where one was kept: data, mixture, twins, training, scores."""
    if (folder / INFO).is_file():
        write(folder, _of_result(result), result["scores"])


def _of_result(result: Mapping[str, Any]) -> dict[str, str]:
    knobs, counts = result["knobs"], result["counts"]
    twins = f"synthetic {count(counts['synthetic'])}"
    if "prompt_model" in knobs:
        twins += f" (by {_name(knobs['prompt_model'])}, {_name(knobs['strategy'])}, filter {_name(knobs['filter'])})"
    labels = result["human_labels"]
    rate, epochs = (knobs["training"].get(key) for key in ("learning_rate", "epochs"))
    return {
        "Data": f"{_name(knobs['dataset'])}, fingerprint {result['fingerprints']['dataset']}",
        "Training set": f"human {count(counts['human'])}, {twins}; human labels used in training and prompts "
        f"{count(labels['total'])}; synthetic share {share(knobs['synth_frac'])}",
        "Training": f"protocol {_name(knobs['protocol'])}, seed {knobs['seed']}, learning rate {rate}, epochs {epochs}",
        "By": f"littlehuman {result['versions']['littlehuman']}, run {result['id']}",
    }


def _name(group: Mapping[str, Any]) -> str:
    return markdown_text(str(group["name"]))


def _lines(info: Mapping[str, Any], made: Mapping[str, str], scores: Mapping[str, Any]) -> Iterator[str]:
    full, weights = info.get("adaptation") == "full", str(info["weights"])
    shown = without_folder(weights)
    on_hub = shown == weights and ":" not in weights
    yield "---"
    yield f"library_name: {'transformers' if full else 'peft'}"
    yield from [f"base_model: {weights}"] * on_hub
    yield "tags: [littlehuman]\n---\n"
    yield f"# {'All weights' if full else 'A LoRA adapter'} of {markdown_text(shown)}\n"
    version = f", commit {info['commit']}" if info.get("commit") else ""
    yield f"- Base: {markdown_text(shown)}{version}, {info['dtype']}"
    yield from (f"- {name}: {text}" for name, text in made.items())
    yield "\n## Scores\n"
    yield from _scores(scores) if scores else ["It was not tested."]
    yield "\n## Load it\n"
    yield from _loading(info, full)


def _scores(scores: Mapping[str, Any]) -> Iterator[str]:
    yield "| metric | % | 95 % interval | test items |\n|---|---|---|---|"
    for name, s in scores.items():
        value, _, ends = interval(s["value"], s["low"], s["high"]).partition(" ")
        yield f"| {named(name)} | {value} | {ends} | {count(s['n'])} |"
    yield "\nThe intervals are over the test items of this one training: they say nothing of other seeds."


def _loading(info: Mapping[str, Any], full: bool) -> Iterator[str]:
    kind = _CLASSES[Head(info["head"])]
    labels = ', num_labels=len(info["classes"])' if info.get("classes") else ""
    yield "```python\nimport json"
    yield from ["from peft import PeftModel"] * (not full)
    yield f"from transformers import AutoTokenizer, {kind}"
    yield from ["from littlehuman.models.weights import resolve"] * (not full)
    yield '\nfolder = "."  # this folder'
    yield f'info = json.load(open(f"{{folder}}/{INFO}"))'
    yield "tokenizer = AutoTokenizer.from_pretrained(folder)"
    if full:
        yield f"model = {kind}.from_pretrained(folder)"
    else:
        version = 'revision=info["commit"], dtype=info["dtype"]'
        yield f'base = {kind}.from_pretrained(resolve(info["weights"]), {version}{labels})'
        yield "model = PeftModel.from_pretrained(base, folder)"
    yield "```\n"
    yield f"`{INFO}` says how a point is shown to the model and what its output means."
    yield from ["For weights of the hub or a folder, `resolve` is not needed."] * (not full)
