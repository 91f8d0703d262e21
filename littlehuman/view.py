"""`littlehuman view [multirun/STUDY]`: the page of studies in a browser, live while a sweep runs.

A local web server on 127.0.0.1 that reads run folders and writes nothing into them. It needs the extra `view`
(Starlette, uvicorn).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman import cli
from littlehuman.errors import LittlehumanError

if TYPE_CHECKING:
    from littlehuman.exporting.item_texts import ItemTexts

HOST, PORT, TRIED = "127.0.0.1", 8765, 20


class ExtraMissing(LittlehumanError):
    """A library of an extra that is not installed."""


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    arguments = parser().parse_args(argv)
    return cli.print_lines(lambda: _serve(arguments))


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = cli.Parser(
        prog=cli.program("view"), description="Show studies in a browser, live while a sweep runs; Ctrl-C ends it."
    )
    made.add_argument("place", nargs="?", help="a folder multirun/STUDY, or that of all studies (default: multirun)")
    made.add_argument(
        "--port", type=_port, help=f"of 127.0.0.1 (default: {PORT}, or the next free one; 0: any that is free)"
    )
    made.add_argument("--no-browser", action="store_true", help="open no browser; the address is printed")
    return made


def document_of(study: Path) -> Mapping[str, Any]:
    """The document of a study (runs in a process of its own)."""
    from littlehuman.exporting.item_clusters import clusters_of_test_items
    from littlehuman.reporting import findings, gathering
    from littlehuman.webpage.document import document

    found = gathering.gather(study, load_clusters=clusters_of_test_items)
    return document(found, findings.findings_of_study(found), portable=False)


def texts_of_cell(cell: Path) -> ItemTexts:
    """The texts of a cell's items."""
    from littlehuman.exporting.item_texts import texts_of_cell

    return texts_of_cell(cell)


def _serve(arguments: argparse.Namespace) -> Iterator[str]:
    try:
        import uvicorn

        from littlehuman.webpage.server import application
    except ModuleNotFoundError as error:
        if error.name not in ("uvicorn", "starlette"):
            raise
        raise ExtraMissing(
            f"the page needs {error.name}, which is not installed\nTry: pip install starlette uvicorn"
        ) from None
    from littlehuman.store import multirun_root
    from littlehuman.webpage.studies import studies_at

    studies = studies_at(multirun_root() if arguments.place is None else Path(arguments.place).expanduser())
    listening = _listen(arguments.port)
    address = f"http://{HOST}:{listening.getsockname()[1]}/" + (f"study/{studies.only}" if studies.only else "")
    yield f"{address}  (Ctrl-C ends it)"
    sys.stdout.flush()
    if not arguments.no_browser:
        import webbrowser

        webbrowser.open(address)
    app = application(studies, document_of, texts_of_cell)
    config = uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        return


def _listen(port: int | None) -> Any:
    """A socket of this machine alone: of the port, or of the first free one from `PORT` on.

    Raises:
        LittlehumanError: where the port is taken.
    """
    import socket

    wanted = range(PORT, PORT + TRIED) if port is None else [port]
    for number in wanted:
        made = socket.socket()
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((HOST, number))
            made.listen()  # a browser that is faster than the server waits
        except OSError as error:
            made.close()
            reason = error.strerror or str(error)
            continue
        return made
    raise LittlehumanError(f"--port {wanted[0]}: {HOST} does not give it ({reason})\nTry: --port 0")


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port: 0 to 65535")
    return int(text)


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
