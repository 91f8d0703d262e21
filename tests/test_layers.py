"""The order of the packages: arrows point one way, and torch stays behind one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import littlehuman

PACKAGE = Path(littlehuman.__file__).parent
TENSORBOARD = "runs/tracking.py"  # its writer is torch's, imported when that tracker is chosen
TORCH = {"torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "bitsandbytes"}
BASE = {
    "errors",
    "formatting",
    "languages",
    "rejections",
    "seeding",
    "store",
    "records",
    "schema",
    "cli",
}  # anybody may import these

# package -> the packages that it may import when it is imported itself, beside BASE; data flows from top to bottom
ALLOWED = {
    "data": set(),
    "mixture": set(),
    "prompting": set(),
    "stats": set(),
    "metrics": {"stats"},
    "prompt_models": {"data", "prompting"},
    "generation": {"prompt_models"},
    "models": set(),
    "training": {"models"},
    "config": {"data", "mixture", "prompting", "prompt_models"},
    "filters": {"generation", "metrics", "mixture", "prompting", "prompt_models"},
    "twins": {"config", "filters", "generation", "mixture", "prompting", "prompt_models"},
    "annotation": {"config", "generation", "metrics", "mixture", "twins"},
    "runs": {"generation"},
    "audit": {"config", "filters", "mixture", "runs", "stats", "twins"},
    "writer": {"config", "mixture", "prompting", "twins"},
    "pipeline": {"annotation", "audit", "config", "data", "metrics", "mixture", "runs", "training", "twins", "writer"},
    "execution": {"config", "generation", "pipeline", "runs", "study"},
    "exporting": {"audit", "config", "data", "generation", "mixture", "pipeline", "prompting", "prompt_models"}
    | {"runs", "twins"},
    # from here on run folders are read, and nothing is computed or asked
    "study": {"config", "metrics", "runs", "stats"},
    "economics": {"stats", "study"},
    "reporting": {"audit", "economics", "runs", "stats", "study"},
    "figures": {"economics", "stats", "study"},
    "webpage": {"economics", "reporting", "runs", "stats", "study"},
    # the command that composes the others: it looks at data, and calls what run, next, price, plan and report call
    "deciding": {"config", "data", "economics", "generation", "runs", "stats", "study"},
}
BEFORE_TRAINING = {"data", "prompting", "generation", "prompt_models", "twins", "filters", "mixture", "writer"}
READING = {"study", "stats", "economics", "reporting", "figures", "webpage"}
COMMANDS = {"decide", "deciding", "run", "execution", "next", "price", "plan", "report", "view"}
COMMANDS |= {"verify", "export", "tune_writer"}


def _names(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _at_import(nodes: list[ast.stmt]) -> Iterator[ast.AST]:
    """Statements that run when a module is imported: not those in functions, nor those for type checkers."""
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _at_import([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)])


@cache
def _imports(late: bool) -> dict[str, set[str]]:
    """File inside the package -> dotted names that it imports; with `late` also those in functions and for types."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        found[file.relative_to(PACKAGE).as_posix()] = {
            name for node in (ast.walk(tree) if late else _at_import(tree.body)) for name in _names(node)
        }
    return found


def _unit(file: str) -> str:
    """A file's package at the top, or its module: `study/series.py` is `study`, `results.py` is `results`."""
    return file.split("/")[0].removesuffix(".py")


def _units(names: set[str]) -> set[str]:
    """The same for what is imported of this package."""
    return {name.split(".")[1] for name in names if name.startswith("littlehuman.")}


def test_each_package_imports_only_what_the_table_allows() -> None:
    found: dict[str, set[str]] = {}
    for file, names in _imports(late=False).items():
        found.setdefault(_unit(file), set()).update(_units(names) - {_unit(file), "__version__"} - BASE)
    beyond = {unit: extra for unit, allowed in ALLOWED.items() if (extra := found.get(unit, set()) - allowed)}
    assert beyond == {}
    assert {unit for unit in found if (PACKAGE / unit).is_dir()} - {"languages", "schema"} <= set(
        ALLOWED
    )  # a new package is a new line


def test_base_modules_import_base_modules_alone() -> None:
    base = {file: _units(names) for file, names in _imports(late=False).items() if _unit(file) in BASE}
    assert {file: units for file, units in base.items() if units - BASE} == {}


def test_nothing_outside_models_and_training_imports_torch_or_what_is_built_on_it() -> None:
    roots = {file: {name.split(".")[0] for name in names} & TORCH for file, names in _imports(late=True).items()}
    outside = {file: found for file, found in roots.items() if found and _unit(file) not in ("models", "training")}
    assert outside == {TENSORBOARD: {"torch"}}
    assert not {name for name in _imports(late=False)[TENSORBOARD] if name.startswith("torch")}


def test_what_comes_before_the_training_imports_it_late_if_at_all() -> None:
    early = [file for file, names in _imports(late=False).items() if {"training", "models"} & _units(names)]
    assert [file for file in early if _unit(file) in BEFORE_TRAINING] == []


def test_what_reads_a_study_computes_no_cell_and_knows_no_command() -> None:
    reading = {file: _units(names) for file, names in _imports(late=True).items() if _unit(file) in READING}
    forbidden = {"pipeline", "twins", "generation", "training", "models"} | COMMANDS
    assert {file: found for file, units in reading.items() if (found := units & forbidden)} == {}
    drawing = {file for file, units in reading.items() if _unit(file) == "figures" and "reporting" in units}
    writing = {file for file, units in reading.items() if _unit(file) == "reporting" and "figures" in units}
    assert not drawing | writing  # `report.py` puts the two together


def test_no_two_packages_import_each_other() -> None:
    graph: dict[str, set[str]] = {}
    for file, names in _imports(late=False).items():
        graph.setdefault(_unit(file), set()).update(_units(names) - {_unit(file)})
    assert len(list(TopologicalSorter(graph).static_order())) > 30  # a cycle is an error that names its members


def test_files_are_short_and_the_top_of_the_package_is_small() -> None:
    lines = {f.relative_to(PACKAGE).as_posix(): f.read_text("utf-8").count("\n") for f in PACKAGE.rglob("*.py")}
    assert {file: count for file, count in lines.items() if count > 300} == {}
    assert len([file for file in lines if "/" not in file and not file.startswith("__")]) <= 19
