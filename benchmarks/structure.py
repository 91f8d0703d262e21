"""Figures about the structure of the package: files, modules, import circles, files on the way of one request.

    python -m benchmarks.structure [CHECKOUT]    (default: this one; another version by `git worktree add DIR COMMIT`)

The request is a real one: a cell with one synthetic point is run against a loopback server. Counted is every file of
the package in which a function runs while the twin is written.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

_TRACE = """
import json, sys, threading, http.server
from pathlib import Path
import littlehuman.run, littlehuman.twins
class Answer(http.server.BaseHTTPRequestHandler):
    def log_message(self, *_): pass
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        text = "Question: Who painted the door?||\\nAnswer: Una"
        message = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
        usage = {"prompt_tokens": 9, "completion_tokens": 9, "total_tokens": 18}
        body = json.dumps({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [message],
                           "usage": usage}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
threading.Thread(target=server.serve_forever, daemon=True).start()
package, seen, write = str(Path(littlehuman.run.__file__).parent), set(), littlehuman.twins.write
def hook(frame, event, _):
    if event == "call" and frame.f_code.co_filename.startswith(package) and not frame.f_code.co_name.startswith("<"):
        seen.add(frame.f_code.co_filename[len(package) + 1:])
def watched(*args, **more):
    threading.setprofile(hook), sys.setprofile(hook)
    try:
        return write(*args, **more)
    finally:
        threading.setprofile(None), sys.setprofile(None)
littlehuman.twins.write = watched
sys.argv = ["run", "dataset=fieldnotes_qa", "prompt_model=openai_compatible", "prompt_model.name=m", "model=tiny",
            f"prompt_model.base_url=http://127.0.0.1:{server.server_port}/v1", "n_train=1", "synth_frac=1", "n_test=2"]
littlehuman.run.cli()
print("SEEN", json.dumps(sorted(seen)))
"""


def files(package: Path) -> list[Path]:
    """All modules of the package."""
    return sorted(package.rglob("*.py"))


def _at_import(nodes: list[ast.stmt]) -> Iterator[ast.stmt]:
    for node in nodes:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _at_import([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)])


def graph(package: Path, *, late: bool) -> dict[str, set[str]]:
    """Package or top-level module -> those that it imports; with `late` also inside functions and for types."""
    found: dict[str, set[str]] = {}
    for file in files(package):
        unit, tree = file.relative_to(package).parts[0].removesuffix(".py"), ast.parse(file.read_text("utf-8"))
        for node in ast.walk(tree) if late else _at_import(tree.body):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == package.name:
                names = [f"{node.module}.{alias.name}".split(".")[1] for alias in node.names]
                found.setdefault(unit, set()).update(name for name in names if name != unit)
    return found


def circles(edges: dict[str, set[str]]) -> list[list[str]]:
    """Import circles between packages; each one is cut at its last arrow before the next is looked for."""
    found: list[list[str]] = []
    edges = {unit: set(others) for unit, others in edges.items()}
    while True:
        try:
            TopologicalSorter(edges).prepare()
            return found
        except CycleError as error:
            circle = error.args[1]
            found.append(circle)
            edges[circle[1]].discard(circle[0])


def request_files(root: Path) -> list[str]:
    """Files in which a function runs on the way of one request to an endpoint and back."""
    with tempfile.TemporaryDirectory() as folder:
        places = {"LITTLEHUMAN_MULTIRUN": f"{folder}/runs", "LITTLEHUMAN_CACHE": f"{folder}/cache"}
        ran = subprocess.run(
            [sys.executable, "-c", _TRACE],
            cwd=root,
            env=os.environ | places,
            capture_output=True,
            text=True,
            check=True,
        )
    seen: list[str] = json.loads(ran.stdout.rsplit("SEEN ", 1)[1])
    return seen


def main(root: Path) -> None:
    """Print the figures of a checkout."""
    package = root / "littlehuman"
    found = files(package)
    lines = {file: file.read_text("utf-8").count("\n") for file in found}
    print(f"files: {len(found)}, lines: {sum(lines.values()):,}, longest: {max(lines.values())}")
    print("top-level modules:", len([file for file in found if file.parent == package and file.name[0] != "_"]))
    print("packages:", len({file.parent for file in found} - {package}))
    for late in (False, True):
        rings = circles(graph(package, late=late))
        print(f"import circles{' with late imports' if late else ''}: {len(rings)}", *(" <- ".join(r) for r in rings))
    way = request_files(root)
    print(f"files on the way of one request: {len(way)}:", *way)


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve())
