"""Torch stays behind one door."""

from __future__ import annotations

import ast
from pathlib import Path

import littlehuman

PACKAGE = Path(littlehuman.__file__).parent
BEHIND = {"torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "bitsandbytes"}


def _imported(file: Path) -> set[str]:
    nodes = list(ast.walk(ast.parse(file.read_text("utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return {name.split(".")[0] for name in names}


def test_nothing_outside_training_imports_torch_or_its_kin() -> None:
    inside = PACKAGE / "training"
    outside = [file for file in PACKAGE.rglob("*.py") if inside not in file.parents]
    assert {str(file): found for file in outside if (found := _imported(file) & BEHIND)} == {}
    assert any(_imported(file) & BEHIND for file in inside.glob("*.py"))  # the search itself finds what is there
