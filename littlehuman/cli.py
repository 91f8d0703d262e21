"""Command-line helpers: how a command prints and ends, and how a command is written for the user to type.

A printed command has the form of the one that was typed: `littlehuman`, `littlehuman run`, `python -m littlehuman.run`.
The entry point notes that form in the environment, where the worker processes of every launcher find it too:
their own `sys.argv` is another one. Only the standard library is imported here, so that `--help` answers at once.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from littlehuman.errors import LittlehumanError, did_you_mean, nearest
from littlehuman.formatting import plain_text, without_password

TYPED = "LITTLEHUMAN_TYPED"  # the subcommand that was typed, and its words
QUIET = "LITTLEHUMAN_QUIET"  # set: another process of the command prints
FORM = "LITTLEHUMAN_COMMAND"  # how a subcommand NAME is called; without NAME at its end: how `run` is called
_DEFAULT_FORM = "littlehuman"  # of code that no entry point started: notebooks, tests
_NAME = "NAME"
SETTINGS = ("run", "tune-writer", "decide")  # subcommands that take KEY=VALUE
_SETTING = r"(?:'[+]*[\w@./-]+=[^']*'|[+]*[\w@./-]+=[^\s'\",;]*[^\s'\",;:](?:,[^\s'\",;]+)*)"
_OPTION = r"--[\w-]+(?: (?!(?:or|with|and)\b)[\w./:-]+)?"
_LEAD = re.compile(rf"{_SETTING}(?: {_SETTING})*|{_OPTION}(?: {_OPTION})*")
_COMMAND = re.compile(r"(?:'[^']*'|[^'])+?(?=, [a-z]|; | \(|  #|$)")
_AGAIN = re.compile("the same command(?: again| later)")
_WITH = re.compile(",? with ")  # then the setting alone does not work
_PROGRAMS = ("rm ", "export ", "pip ", "python ", "make ", "chmod ")
_BLANK = re.compile(r"\b(?:[A-Z]{2,}_)*(?:NAME|CLASS|NUMBER|FILE|DIR|FOLDER|WEIGHTS|OR_ID|WHAT|HOST|MODEL)\b|\.\.\.")
_HYDRA_CONFIG_DIR = "command-line"  # Hydra's provider name of the folder given by --config-dir


IN_FILE_ONLY = {"in_file_only": True}  # `extra` of a log record that the terminal is told in another place


class ConsoleFilter(logging.Filter):
    """Keeps from the terminal what is written to the log file alone, so that nothing is said twice.

    Of several processes of a command one tells what it does, and the others warn.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the terminal shows the record."""
        told = record.levelno >= logging.WARNING or not os.environ.get(QUIET)
        return told and not getattr(record, "in_file_only", False)


class PlainFormatter(logging.Formatter):
    """Formats log records without escape sequences and passwords of addresses, which a stranger's text may hold."""

    def format(self, record: logging.LogRecord) -> str:
        """The line or lines of a record, with its traceback."""
        return plain_text(without_password(super().format(record)))


class Parser(argparse.ArgumentParser):
    """The options of a subcommand; an unknown one is answered by the one that was meant, in a line."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and note what was typed for messages (`again`)."""
        note_typed(self.prog.split()[-1].rpartition(".")[2].replace("_", "-"), sys.argv[1:] if args is None else args)
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Print what is wrong, and end with exit code 2."""
        unknown = re.match(r"unrecognized arguments: (--[\w-]+)", message)
        if not unknown:
            super().error(message)
        options = [option for action in self._actions for option in action.option_strings]
        known = [option for option in options if option.startswith("--") and option != "--help"]
        what = f"{self.prog}: error: {unknown[1]} is no option; {did_you_mean(unknown[1], known)}"
        near = nearest(unknown[1], known)
        self.exit(2, f"{what}\n" + (f"Try: {_respelled(unknown[1], near)}\n" if near else ""))


def print_lines(lines: Callable[[], Iterable[object]]) -> int:
    """Print what `lines` returns; the exit code: 0, or 1 after a `LittlehumanError`, which goes to stderr."""
    try:
        for line in lines():
            print(plain_text(str(line)))
        sys.stdout.flush()
    except LittlehumanError as error:
        print(said(error), file=sys.stderr)
        return 1
    except BrokenPipeError:
        ignore_closed_pipe()
    return 0


def share(text: str) -> float:
    """An argparse type: a number between 0 and 1, both excluded."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number") from None
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1; two percentage points are 0.02")
    return value


def ignore_closed_pipe() -> None:
    """Send the rest of stdout nowhere, after a reader such as `| head` left: Python would complain when it exits."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def note_form(*, module: bool = False, subcommand: bool = False) -> None:
    """Note how this process was started; called once, by its entry point.

    Args:
        module: whether by `python -m littlehuman.NAME`.
        subcommand: otherwise, whether a subcommand was named (`littlehuman run`, not `littlehuman dataset=wanli`).
    """
    if module:
        form = [_executable(sys.orig_argv[0]), "-m", f"littlehuman.{_NAME}"]
    elif Path(sys.argv[0]).name == "__main__.py":
        form = [_executable(sys.orig_argv[0]), "-m", "littlehuman", *[_NAME] * subcommand]
    else:
        form = [_executable(sys.argv[0]), *[_NAME] * subcommand]
    os.environ[FORM] = shlex.join(form)


def program(name: str) -> str:
    """What is typed to call the subcommand `name`, for the usage line of its options."""
    return shlex.join(_form(name))


def command(name: str, words: Sequence[str] = (), *, portable: bool = False) -> str:
    """A whole command for a shell, in the form that was typed; every command that is printed comes from here.

    Args:
        name: the subcommand.
        words: its arguments, not yet quoted; passwords in addresses are masked.
        portable: without the folder of the executable, for text that is read on another machine.
    """
    form = _form(name, explicit=list(words[:1]) == ["--help"])  # `littlehuman --help` alone lists the subcommands
    if portable:
        form[0] = Path(form[0]).name
    line = shlex.join([*form, *words])
    return without_password(line)


def note_typed(name: str, words: Sequence[str]) -> None:
    """Note what was typed after the subcommand `name`, so that a message can repeat it; called by its entry point."""
    os.environ[TYPED] = shlex.join([name, *words])


def said(error: LittlehumanError) -> str:
    """Kind and text of an error for the terminal, with whole commands for what to try (`whole_command`)."""
    return "\n".join(map(whole_command, f"{type(error).__name__}: {error}".split("\n")))


def whole_command(line: str) -> str:
    """A line `Try: MEND` of a message with MEND as a command that works when it is pasted; other lines as they are.

    A mend of settings (`dataset.csv.delimiter=comma`) or options (`--metric f1`) becomes the command that was typed,
    with them changed; what follows it (another mend, a reason) stands on a line of its own. A mend that is no command,
    or has a blank to fill in (`dataset.columns.text=NAME`), is called `Fix`.
    """
    before, tries, mend = line.partition("Try: ")
    if before.strip() or not tries or not os.environ.get(TYPED):
        return line
    made, rest = _made(mend, shlex.split(os.environ[TYPED])[0])
    if not made or _BLANK.search(made):
        return f"{before}Fix: {mend}"
    rest = rest.strip(" ,;")
    return f"{before}Try: {made}" + (f"\n{before}     {rest}" if rest else "")


def _made(mend: str, name: str) -> tuple[str, str]:
    """The command that a mend means after the subcommand `name`, empty where it means none, and what follows it."""
    lead = _LEAD.match(mend)
    if (same := _AGAIN.match(mend)) and name in SETTINGS:
        return again(name=name), mend[same.end() :]
    if lead and not _WITH.match(mend, lead.end()) and not _BLANK.search(lead[0]):
        if lead[0].startswith("--") != (name in SETTINGS):
            return again(_pairs(lead[0]), name), mend[lead.end() :]
    elif mend.startswith((*_PROGRAMS, _form("run")[0] + " ")) and (found := _COMMAND.match(mend)):
        return found[0], mend[found.end() :]
    return "", ""


def _pairs(mend: str) -> dict[str, str]:
    """The settings or options of a mend and their values."""
    words = shlex.split(mend)
    if words[0].startswith("--"):
        values = [*words[1:], "--"]
        pairs = zip(words, values, strict=True)
        return {word: "" if value.startswith("--") else value for word, value in pairs if word.startswith("--")}
    return {key: value for key, _, value in (word.partition("=") for word in words)}


def again(changes: Mapping[str, str | None] | None = None, name: str = "run") -> str:
    """The command that was typed, with some of its words changed: what a message says to try.

    Args:
        changes: a setting (`n_train`) or an option (`--text`) -> its new value; None removes it. A setting that was not
            typed is added; the value of an option without one is "".
        name: the subcommand of the message. Where another one was typed, or none (in a notebook), only the changes are
            in the command.
    """
    typed, *words = shlex.split(os.environ.get(TYPED) or name)
    words = words if typed == name else []
    for key, value in (changes or {}).items():
        words = _changed(words, key, value)
    return command(name, words)


def _respelled(option: str, meant: str) -> str:
    """The command that was typed, with an option's name corrected."""
    name, *words = shlex.split(os.environ[TYPED])
    return command(name, [re.sub(rf"^{option}(?==|$)", meant, word) for word in words])


def _changed(words: Sequence[str], key: str, value: str | None) -> list[str]:
    if key.startswith("--"):
        return _with_option(words, key, value)
    new = [] if value is None else [f"{key}={value}"]
    old = [index for index, word in enumerate(words) if word.lstrip("+").partition("=")[0] == key.lstrip("+")]
    if not old:
        return [*words, *new]
    kept = [word for index, word in enumerate(words) if index not in old[1:]]
    return [*kept[: old[0]], *new, *kept[old[0] + 1 :]]


def _with_option(words: Sequence[str], key: str, value: str | None) -> list[str]:
    """Words of an argparse command: `--key value` and `--key=value` are replaced."""
    kept, skip = [], False
    for word, after in zip(words, [*words[1:], "-"], strict=True):
        if skip or word.partition("=")[0] == key:
            skip = not skip and word == key and not after.startswith("-")
            continue
        kept.append(word)
    return kept if value is None else [*kept, key, *[value] * bool(value)]


def sweep_command(words: Iterable[str], config_dir: str | None = None, *, portable: bool = False) -> str:
    """The command of a sweep with the overrides `words`, and with the user's own folder of config groups."""
    place = ["--config-dir", config_dir] if config_dir else []
    return command("run", ["-m", *place, *words], portable=portable)


def config_dir(sources: Iterable[Any]) -> str | None:
    """The folder of `--config-dir`, relative where it lies inside the current folder; None where none was given.

    `sources` are Hydra's `runtime.config_sources`: path, schema and provider of each.
    """
    for source in sources:
        if source.provider == _HYDRA_CONFIG_DIR:
            return _inside(source.path) or str(source.path)
    return None


def config_dir_of(cell: Path) -> str | None:
    """The same for a run folder, where Hydra keeps the sources in `.hydra/hydra.yaml`."""
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException
    from yaml import YAMLError  # type: ignore[import-untyped]

    try:
        return config_dir(OmegaConf.load(cell / ".hydra" / "hydra.yaml").hydra.runtime.config_sources)
    except (OSError, AttributeError, ValueError, YAMLError, OmegaConfBaseException):  # copied without it, or edited
        return None


def _form(name: str, *, explicit: bool = False) -> list[str]:
    """The words that call a subcommand; in the form without NAME `run` is named only where `explicit`."""
    *form, last = shlex.split(os.environ.get(FORM) or _DEFAULT_FORM)
    if last.endswith(_NAME):
        prefix = last.removesuffix(_NAME)
        return [*form, prefix + (name.replace("-", "_") if prefix else name)]  # `python -m` names a module
    return [*form, last, *[name] * (explicit or name != "run")]


def _executable(path: str) -> str:
    """An executable as it can be typed in the current folder: its name where that is enough, else its path."""
    name = os.path.basename(path)
    if name == path or os.path.abspath(shutil.which(name) or "") == os.path.abspath(path):
        return name
    return _inside(path) or os.path.abspath(path)


def _inside(path: str) -> str | None:
    """A path relative to the current folder; None where it lies outside."""
    relative = os.path.relpath(path)
    return None if relative.startswith("..") else relative
