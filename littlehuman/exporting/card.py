"""The data card of an export: a YAML header that the hub reads, then how the data was made, in words.

In: a rebuilt cell, and the size of its table. Out: Markdown. Every number is the run's own; what is not
known is said so or left out. No path of the machine gets in, and nothing of how a model is reached.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from littlehuman.exporting import card_sections
from littlehuman.exporting.rebuild import Rebuilt
from littlehuman.schema import Head

_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_COLUMNS = {
    "id": "of the human point that the row is the twin of (or is)",
    "evidence": "text of the source dataset, as the human point has it",
    "text": "the claim, question or text",
    "target": "the class, or the answer",
    "origin": "`synthetic` or `human`",
    "prompt_model": "who wrote the row; null for human rows",
    "strategy": "how it was asked; null for human rows",
    "key": "digest of the request that the row answers; null for human rows",
}


@dataclass(frozen=True, slots=True)
class Size:
    """Of the table: rows by origin, its bytes in memory, and those of its file."""

    rows: Mapping[str, int]
    bytes: int
    file_bytes: int

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())


def text(found: Rebuilt, size: Size) -> str:
    """The whole card."""
    header = found.config.dataset.name
    parts = [f"---\n{_header(found, size)}---\n", f"# Synthetic training data on {header}\n", *_intro(found, size)]
    for title, lines in card_sections.card_sections(found):
        parts.append("\n".join([f"## {title}\n", *lines]) + "\n")
    return "\n".join(parts)


def _header(found: Rebuilt, size: Size) -> str:
    """What the hub reads. Of the licence nothing is said: it follows from the source dataset and the model's terms."""
    from huggingface_hub import DatasetCardData

    splits = [{"name": "train", "num_bytes": size.bytes, "num_examples": size.total}]
    features = [{"name": name, "dtype": "string"} for name in _COLUMNS]
    category = "text-classification" if found.config.task.head is Head.classification else "question-answering"
    return (
        DatasetCardData(
            pretty_name=f"Synthetic {found.config.dataset.name}",
            language=_language_code(found.config.strategy.language),
            task_categories=[category],
            size_categories=[next((name for limit, name in _SIZES if size.total < limit), "n>10M")],
            tags=["synthetic", "littlehuman"],
            configs=[{"config_name": "default", "data_files": [{"split": "train", "path": "data/train-*"}]}],
            dataset_info={
                "features": features,
                "splits": splits,
                "download_size": size.file_bytes,
                "dataset_size": size.bytes,
            },
        ).to_yaml()
        + "\n"
    )


def _language_code(name: str) -> list[str] | None:
    """The hub wants a code; `strategy.language` may be one (de), or a name, which the card's text has then."""
    code = name.strip().casefold()
    return [code] if re.fullmatch(r"[a-z]{2,3}", code) else None


def _intro(found: Rebuilt, size: Size) -> Iterator[str]:
    name, human = found.config.dataset.name, size.rows.get("human", 0)
    rest = (
        f"; and the {human:,} human points of the same training set"
        if human
        else ". The human points are not part of this dataset"
    )
    twins = f"{size.rows.get('synthetic', 0):,} synthetic points, each the twin of a human point of {name}"
    yield f"{twins}: the same id and evidence, with a text or target of its own{rest}.\n"
    yield '```python\nimport datasets\n\ntrain = datasets.load_dataset(FOLDER, split="train")  # this folder\n```\n'
    yield (
        "\n".join(
            ["| column | what it holds |", "|---|---|", *(f"| {name} | {what} |" for name, what in _COLUMNS.items())]
        )
        + "\n"
    )


def columns() -> Sequence[str]:
    """The columns of the table, in order; all are text."""
    return tuple(_COLUMNS)
