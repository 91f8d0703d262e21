"""The data card of an export: Markdown with the YAML header of the Hugging Face hub (`card_sections.py` has the text).

All numbers are those of the run. No local path, no endpoint address and no key may get into it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from littlehuman.exporting import card_sections
from littlehuman.exporting.rebuild import RebuiltCell
from littlehuman.formatting import markdown_text
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
class TableSize:
    """Size of the table: rows by origin, bytes in memory, bytes of the file."""

    rows: Mapping[str, int]
    bytes: int
    file_bytes: int

    @property
    def total(self) -> int:
        """Number of rows."""
        return sum(self.rows.values())


def data_card(cell: RebuiltCell, size: TableSize) -> str:
    """The whole card."""
    name = markdown_text(cell.config.dataset.name)
    parts = [f"---\n{_header(cell, size)}---\n", f"# Synthetic training data on {name}\n", *_intro(cell, size)]
    for title, lines in card_sections.card_sections(cell):
        parts.append("\n".join([f"## {title}\n", *lines]) + "\n")
    return "\n".join(parts)


def columns() -> Sequence[str]:
    """The columns of the table, in order; all are strings."""
    return tuple(_COLUMNS)


def _header(cell: RebuiltCell, size: TableSize) -> str:
    """The YAML header, without a licence: that depends on the source dataset and on the terms of the model."""
    from huggingface_hub import DatasetCardData

    splits = [{"name": "train", "num_bytes": size.bytes, "num_examples": size.total}]
    features = [{"name": name, "dtype": "string"} for name in _COLUMNS]
    category = "text-classification" if cell.config.task.head is Head.classification else "question-answering"
    return (
        DatasetCardData(
            pretty_name=f"Synthetic {cell.config.dataset.name}",
            language=_language_code(cell.config.strategy.language or cell.config.dataset.language or ""),
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
    """The language where it is a code (de), as the hub requires; a name is only in the card's text."""
    code = name.strip().casefold()
    return [code] if re.fullmatch(r"[a-z]{2,3}", code) else None


def _intro(cell: RebuiltCell, size: TableSize) -> Iterator[str]:
    name, human = markdown_text(cell.config.dataset.name), size.rows.get("human", 0)
    rest = (
        f"; and the {human:,} human points of the same training set"
        if human
        else ". The human points are not part of this dataset"
    )
    twins = f"{size.rows.get('synthetic', 0):,} synthetic points, each the twin of a human point of {name}"
    yield f"{twins}: the same id and evidence, with a text or target of its own{rest}.\n"
    yield '```python\nimport datasets\n\ntrain = datasets.load_dataset(FOLDER, split="train")  # this folder\n```\n'
    rows = [f"| {name} | {what} |" for name, what in _COLUMNS.items()]
    yield "\n".join(["| column | what it holds |", "|---|---|", *rows]) + "\n"
