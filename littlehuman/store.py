"""Files: root folders, content hashes, atomic writes, and JSON (lines) that tolerates a truncated end."""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import shlex
import socket
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from littlehuman.errors import DataError

log = logging.getLogger(__name__)

INVOCATION = "LITTLEHUMAN_INVOCATION"  # environment variable: the folder of one command, removed at its end
DIGEST_CHARS = 16
WAITED_S = 30.0  # before a wait is logged
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)  # of file systems without locks


def cache_root() -> Path:
    """`$LITTLEHUMAN_CACHE`, or `~/.cache/littlehuman`."""
    return Path(os.environ.get("LITTLEHUMAN_CACHE") or "~/.cache/littlehuman").expanduser()


def multirun_root() -> Path:
    """`$LITTLEHUMAN_MULTIRUN`, or `multirun` in the current folder."""
    return Path(os.environ.get("LITTLEHUMAN_MULTIRUN") or "multirun").expanduser()


def in_a_study(folder: Path) -> bool:
    """Whether a run folder lies in a study below `multirun_root()`. Elsewhere no other file is written or removed."""
    root = Path(os.path.abspath(multirun_root()))
    return root in Path(os.path.abspath(folder)).parents[1:]


def digest(value: Any) -> str:
    """Hash of a JSON value, independent of key order and machine: 16 hex digits of SHA-256."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:DIGEST_CHARS]


def file_digest(path: Path) -> str:
    """Hash of a file's bytes, or of a folder's file names and bytes; `missing` where there is neither."""
    if path.is_dir():
        return digest([[p.relative_to(path).as_posix(), file_digest(p)] for p in visible_files(path)])
    if not path.is_file():
        return "missing"
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()[:DIGEST_CHARS]


def visible_files(path: Path) -> list[Path]:
    """The file itself, or all data files below a folder, sorted, without Markdown files and hidden files or folders."""
    if not path.is_dir():
        return [path] if path.is_file() else []
    files = (p for p in path.rglob("*") if p.is_file() and p.suffix.lower() != ".md")
    return sorted(p for p in files if not any(part.startswith(".") for part in p.relative_to(path).parts))


def stamp(path: Path) -> tuple[Any, ...]:
    """Size, modification time and inode of the files that `file_digest` reads: another one after an edit."""
    stats = [(str(file), file.stat()) for file in visible_files(path)]
    return tuple((name, stat.st_size, stat.st_mtime_ns, stat.st_ino) for name, stat in stats)


def slug(name: str) -> str:
    """A name that is safe as a folder name: letters, digits, dot, dash and underscore only."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "unnamed"


def process_name() -> str:
    """Host and process id: the beginning of the names of files that belong to this process alone."""
    return f"{slug(socket.gethostname())}-{os.getpid()}"


def write_text(path: Path, text: str) -> None:
    """Write a file atomically (temporary file, then rename).

    Raises:
        DataError: where a folder stands in its place.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        raise DataError(f"{path}: is a folder, and a file is to be written there\nTry: rm -r {shlex.quote(str(path))}")
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        # JSON data may hold a lone surrogate. It is written as \\udXXX, which is the same character in a JSON string.
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as handle:
            handle.write(text)
        os.chmod(name, 0o644)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


@contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold a file lock while something is made that all processes use, such as prepared weights.

    Where the file system has no locks, a file `FILE.held` that exists meanwhile. One that a crashed machine left keeps
    all others waiting, and is named in the log.
    """
    from filelock import FileLock, SoftFileLock, Timeout

    lock: FileLock | SoftFileLock = FileLock(file, thread_local=False)
    try:
        lock.acquire()
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in NO_LOCKS:
            raise
        lock = SoftFileLock(f"{file}.held", thread_local=False)
        try:
            lock.acquire(timeout=WAITED_S)
        except Timeout:
            log.warning("%s: waiting for the process that made this file; if there is none, remove it", lock.lock_file)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


def write_json(path: Path, value: Any) -> None:
    """Write an indented JSON file atomically."""
    write_text(path, _escaped(json.dumps(value, indent=2, ensure_ascii=False)) + "\n")


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write one JSON object per line, atomically."""
    write_text(path, "".join(_escaped(json.dumps(row, ensure_ascii=False)) + "\n" for row in rows))


def _escaped(document: str) -> str:
    """JSON in which no control character stands as itself: a terminal that shows the file would obey it."""
    return re.sub("[\x7f-\x9f]", lambda found: f"\\u{ord(found[0]):04x}", document)


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent, truncated or far too deeply nested file reads as empty."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a JSON-lines file, without lines that a killed writer left incomplete."""
    with path.open(encoding="utf-8", errors="replace") as handle:
        for line in handle:
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(value, dict):
                yield value


def packaged(path: str) -> Path:
    """A path of the config as a local path: `package:X` is the file X of `littlehuman/data`."""
    kind, _, inside = path.partition(":")
    return Path(__file__).parent / "data" / inside if kind == "package" else Path(path).expanduser()
