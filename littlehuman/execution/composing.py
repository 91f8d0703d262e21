"""Settings that Hydra cannot compose: which word is wrong, what was meant, and the command with that word.

In: the error of Hydra and the words that were typed. Out: a `ConfigError` of one line in place of Hydra's listing of
all options and of its search path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from hydra.errors import HydraException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from littlehuman import cli
from littlehuman.config.run_config import schema
from littlehuman.errors import ConfigError, Problem, did_you_mean, nearest

GROUPS = ("experiment",)  # beside those that are keys of a configuration
_SEVERAL = re.compile(r"(?:Ambiguous value for argument|Sweep parameters) '(.+)'")
_KEY = re.compile(r"Could not override '(.+?)'\.")


def error_of(error: HydraException | OmegaConfBaseException, words: Sequence[str], name: str = "run") -> ConfigError:
    """The error for the user.

    Args:
        error: what Hydra raised while it composed.
        words: the settings that were typed.
        name: the subcommand that they were typed for.
    """
    if isinstance(error, MissingConfigException) and error.options and error.missing_cfg_file:
        return _unknown_option(error.missing_cfg_file, error.options, words, name)
    if found := _KEY.search(str(error)):
        return _unknown_key(found[1], words, name)
    if found := _SEVERAL.search(str(error)):
        return _several_values(found[1], words, name)
    if isinstance(error, OverrideParseException):
        return ConfigError([Problem(error.override, f"is no KEY=VALUE: {_first_line(error.message)}")])
    lines = [_first_line(part) for part in (error, error.__cause__) if part is not None and str(part).strip()]
    return ConfigError([Problem(" ".join(_named_in(lines, words)), "; ".join(lines))])


def _several_values(word: str, words: Sequence[str], name: str) -> ConfigError:
    """A list of values for one cell, as `seed=0,1` without -m."""
    if name != "run":
        return ConfigError([Problem(word, "has several values, and a writer is tuned for one cell")], "one of them")
    what = "is several values: a sweep over them needs -m, and one value that is a list [a,b]"
    return ConfigError([Problem(word, what)], cli.command(name, ["-m", *words]))


def _unknown_option(file: str, options: Sequence[str], words: Sequence[str], name: str) -> ConfigError:
    """An option of a group that does not exist, as `dataset=wanly`."""
    group, _, option = file.rpartition("/")
    changes = {}
    if near := nearest(option, options):
        for word in words:
            key, _, value = word.lstrip("+").partition("=")
            if key.partition("@")[0] == group:
                changes[key] = re.sub(rf"(?<![\w.-]){re.escape(option)}(?![\w.-])", near, value)
    what = f"is no option of {group}; {did_you_mean(option, options)}"
    return ConfigError([Problem(f"{group}={option}", what)], cli.again(changes, name) if changes else "")


def _unknown_key(key: str, words: Sequence[str], name: str) -> ConfigError:
    """A key that does not exist, as `n_trian=40`."""
    known, parts = schema(), key.partition("@")[0].split(".")
    values = [word.partition("=")[2] for word in words if word.lstrip("+~").partition("=")[0] == key]
    where = f"{key}={values[0]}" if values else key
    node, path = known, list[str]()
    for part in parts:
        options = [*map(str, node), *(GROUPS if not path else ())] if isinstance(node, DictConfig) else []
        if part not in options:
            near = nearest(part, options)
            meant = ".".join([*path, near, *parts[len(path) + 1 :]]) if near else ""
            again = cli.again({key: None, meant: values[0]}, name) if meant and values else ""
            return ConfigError([Problem(where, f"is no key; {did_you_mean(part, options)}")], again)
        path.append(part)
        node = node.get(part)
    return ConfigError([Problem(where, "cannot be set")])


def _named_in(lines: Sequence[str], words: Sequence[str]) -> Iterator[str]:
    """The typed words that a message repeats; all, where it repeats none."""
    found = [word for word in words if any(word in line for line in lines)]
    yield from found or [word for word in words if not word.startswith("-")]


def _first_line(text: object) -> str:
    return next((line.strip() for line in str(text).splitlines() if line.strip()), "")
