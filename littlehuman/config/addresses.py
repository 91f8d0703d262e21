"""Passwords in addresses (URLs) of a configuration: refused unseen, before a file or log could keep them.

In: the words of a command line, or a composed configuration whose `${...}` are not resolved. Out: one problem per
key, which does not show the value. A password that comes from the environment is none in the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from littlehuman.errors import ConfigError, Problem

_PORT = r"\d{1,5}(?:[/?#,)\]}'\"\s]|$)"  # of a host without user
_USER = re.compile(rf"[a-z][a-z0-9+.-]*://[^/@\s:]*:(?!{_PORT})(?P<password>\S*?)@", re.IGNORECASE)
_LONE_USER = re.compile(r"https?://(?P<password>[^/@\s:?#]+)@", re.IGNORECASE)  # of web addresses it is a token
_QUERY = re.compile(
    r"://\S*[?&](?:api[_-]?key|key|(?:access|auth)?[_-]?token|sig|(?:x-amz-)?signature|secret|password|pwd)="
    r"(?P<password>[^&\s'\"]+)",
    re.IGNORECASE,
)
_FROM_ELSEWHERE = re.compile(r"\$\{[^}]*\}")
_MEND = "export it, and name its variable: '{key}=SCHEME://USER:${{oc.env:PASSWORD}}@HOST/...'"


def refuse_passwords(arguments: Iterable[str]) -> None:
    """Refuse a command line with a password in an address; to be called before Hydra, which writes it down.

    Raises:
        ConfigError: which does not show the address.
    """
    keys = [argument.partition("=")[0].lstrip("+") for argument in arguments if has_password(argument)]
    if keys:
        raise ConfigError([_problem("***" if has_password(key) else key) for key in keys])


def password_problems(config: DictConfig | ListConfig, path: str = "") -> Iterator[Problem]:
    """One problem per key of a composed configuration whose value has a password in an address."""
    if config._is_none() or config._is_missing() or config._is_interpolation():
        return
    names: Any = config if isinstance(config, DictConfig) else range(len(config))
    for name in names:
        node: Any = config._get_node(name)
        if path == "" and name == "hydra":
            continue
        if OmegaConf.is_config(node):
            yield from password_problems(node, f"{path}{name}.")
        elif node is not None and has_password(str(node._value())):
            yield _problem(f"{path}{name}")


def has_password(text: str) -> bool:
    """Whether a text has an address with a password or token that stands there itself."""
    own = _FROM_ELSEWHERE.sub("", text)
    return any(match["password"] for pattern in (_USER, _LONE_USER, _QUERY) for match in pattern.finditer(own))


def _problem(key: str) -> Problem:
    return Problem(
        f"{key}=***", f"has a password in its address, which files and logs would keep; {_MEND.format(key=key)}"
    )
