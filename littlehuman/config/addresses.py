"""Passwords in addresses (URLs) of a configuration: refused unseen, before a file or log could keep them.

In: the words of a command line, or the container of a composed configuration, its `${...}` not resolved. Out: one
problem per key, which does not show the value. A password that comes from the environment is none in the configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

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


def password_problems(values: Mapping[str, Any] | Sequence[Any], path: str = "") -> Iterator[Problem]:
    """One problem per key of a composed configuration, unresolved, whose value has a password in an address."""
    for name, value in values.items() if isinstance(values, Mapping) else enumerate(values):
        if isinstance(value, Mapping | list):
            yield from password_problems(value, f"{path}{name}.")
        elif isinstance(value, str) and has_password(value):
            yield _problem(f"{path}{name}")


def has_password(text: str) -> bool:
    """Whether a text has an address with a password or token that stands there itself."""
    if "://" not in text:
        return False
    own = _FROM_ELSEWHERE.sub("", text)
    return any(match["password"] for pattern in (_USER, _LONE_USER, _QUERY) for match in pattern.finditer(own))


def _problem(key: str) -> Problem:
    return Problem(
        f"{key}=***", f"has a password in its address, which files and logs would keep; {_MEND.format(key=key)}"
    )
