"""Every place in the code that says what to try, found in its source."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import littlehuman

PACKAGE = Path(littlehuman.__file__).parent
TRY = "Try: "


def places() -> list[tuple[str, str]]:
    """File and mend of each `Try: MEND` and of each hint of a `ConfigError`; expressions stand in it as `{source}`."""
    found = []
    for file in sorted(PACKAGE.rglob("*.py")):
        name = file.relative_to(PACKAGE).as_posix()
        tree = ast.parse(file.read_text("utf-8"))
        found += [(name, mend) for mend in dict.fromkeys(_mends(tree)) if name not in ("cli.py", "errors.py")]
    return found


def _mends(tree: ast.AST) -> Iterator[str]:
    described = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    inside = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and id(node) not in described | inside:
            text = _template(node)
            if TRY in text:
                yield text.rpartition(TRY)[2].split("\n")[0]
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "ConfigError":
            hints = [*node.args[1:], *(word.value for word in node.keywords if word.arg == "hint")]
            yield from (text for hint in hints if (text := _template(hint)))


def _template(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(part) for part in node.values)
    value = node.value if isinstance(node, ast.FormattedValue) else node
    return f"{{{ast.unparse(value)}}}"
