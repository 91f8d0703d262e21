"""The entry point of the command `littlehuman`, and of `python -m littlehuman`: it hands over to a subcommand.

Without the name of a subcommand the arguments are those of `run`: `littlehuman dataset=wanli synth_frac=0.975`.
Nothing heavy is imported here, so that `littlehuman --help` answers at once.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import NamedTuple

from littlehuman import __version__, cli


class Command(NamedTuple):
    """A subcommand: its function reads `sys.argv`; where its module has `parser()`, its options are completed."""

    name: str
    function: str
    help: str


COMMANDS = (
    Command("decide", "littlehuman.decide:main", "from labelled data to an answer: how many labels do you need?"),
    Command("run", "littlehuman.run:cli", "train on mixtures of human and synthetic points, and measure"),
    Command(
        "tune-writer", "littlehuman.tune_writer:main", "tune a prompt model on human points, before it writes twins"
    ),
    Command("report", "littlehuman.report:main", "tables, tests and figures of a study, as one HTML page"),
    Command("view", "littlehuman.view:main", "the page of studies in a browser, live while a sweep runs"),
    Command("next", "littlehuman.next:main", "whether a study needs another seed, and the command that adds it"),
    Command("price", "littlehuman.price:main", "what a human label is worth, in synthetic points and in money"),
    Command(
        "plan",
        "littlehuman.plan:main",
        "what to buy for a sum or a score, or how large a study has to be",
    ),
    Command("verify", "littlehuman.verify:main", "whether the files and sources of complete cells are as they were"),
    Command("audit", "littlehuman.audit.__main__:main", "contamination, copies, diversity and bias of training sets"),
    Command("export", "littlehuman.export:main", "the synthetic data of a cell as a dataset with its data card"),
)
BY_NAME = {command.name: command for command in COMMANDS}


def main() -> int:
    """Run the subcommand that was typed; its exit code, 2 where there is none of that name."""
    words = sys.argv[1:]
    first = words[0] if words else ""
    cli.note_form(subcommand=first in BY_NAME)
    if first in ("--help", "-h"):
        return cli.print_lines(_help)
    if first == "--version":
        return cli.print_lines(lambda: [f"littlehuman {__version__}"])
    if first in ("-sc", "--shell-completion"):
        sys.argv[0] = "littlehuman"  # for whose completion Hydra else reads the name of this file
        return _complete(words) if any(word.startswith("query=") for word in words) else _call("run", words)
    if first in BY_NAME:
        return _call(first, words[1:])
    if first and "=" not in first and first[0] not in "-+~":  # no setting and no flag of Hydra
        return _refuse(first)
    return _call("run", words)


def _call(name: str, arguments: list[str]) -> int:
    sys.argv = [sys.argv[0], *arguments]
    return _function(name)() or 0


def _function(name: str) -> Callable[[], int | None]:
    module, _, function = BY_NAME[name].function.partition(":")
    found: Callable[[], int | None] = getattr(import_module(module), function)
    return found


def _help() -> Iterator[str]:
    program = cli.program("run")
    yield f"usage: {program} COMMAND ...\n       {program} KEY=VALUE ...  (is: run KEY=VALUE ...)"
    yield "\nHow many human-labelled examples do you need, and how many may a language model write?\n\ncommands:"
    width = max(map(len, BY_NAME))
    yield from (f"  {command.name:<{width}}  {command.help}" for command in COMMANDS)
    yield "\nCOMMAND --help shows what a command takes, --version which version of littlehuman this is."
    yield 'Completion in bash: eval "$(littlehuman -sc install=bash)"'


def _refuse(word: str) -> int:
    near = difflib.get_close_matches(word, BY_NAME, n=1)
    meant = f"did you mean '{near[0]}'?" if near else f"there is: {', '.join(BY_NAME)}; a setting is KEY=VALUE"
    print(f"littlehuman: {word!r} is no command; {meant}", file=sys.stderr)
    words = sys.argv[2:] or ["--help"]
    print(f"Try: {cli.command(near[0], words) if near else cli.program('run') + ' --help'}", file=sys.stderr)
    return 2


def _complete(words: list[str]) -> int:
    """Print the completions of the word before the cursor, one a line; Hydra's shell functions call this on TAB.

    They pass the typed line as COMP_LINE. Hydra completes settings only, so the word `run` is removed from the line.
    Its errors about lines that it cannot parse are dropped: the shell would print them into the prompt.
    """
    line = os.environ.get("COMP_LINE", "").lstrip().partition(" ")[2].lstrip()
    name, complete, arguments = line.partition(" ")
    if not complete:
        print("\n".join(command for command in BY_NAME if command.startswith(name)))
    elif name in BY_NAME and name != "run":
        return _complete_options(name, arguments.rpartition(" ")[2])
    os.environ["COMP_LINE"] = f"littlehuman {arguments if complete and name == 'run' else line}"
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere), contextlib.suppress(SystemExit):
        _call("run", words)
    return 0


def _complete_options(name: str, begun: str) -> int:
    """The options of another subcommand; of anything else nothing, so that the shell completes file names."""
    module = import_module(BY_NAME[name].function.partition(":")[0])
    if begun.startswith("-") and hasattr(module, "parser"):
        usage = module.parser().format_help()
        print("\n".join(option for option in sorted(set(re.findall(r"--[\w-]+", usage))) if option.startswith(begun)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
