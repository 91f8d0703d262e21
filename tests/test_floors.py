"""The versions that pyproject.toml allows are those that the two constraint files test."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from itertools import chain
from typing import Any

from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version


def _project() -> Any:
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def _requirements(lines: Iterable[str]) -> dict[str, Requirement]:
    return {canonicalize_name(wanted.name): wanted for wanted in map(Requirement, lines)}


def _pinned(file: str) -> dict[str, Version]:
    lines = (line for line in (ROOT / file).read_text("utf-8").splitlines() if line and not line.startswith("#"))
    return {canonicalize_name(name): Version(version) for name, _, version in (line.partition("==") for line in lines)}


def test_the_lowest_versions_that_are_tested_are_the_floors_of_the_dependencies() -> None:
    wanted = _requirements(_project()["dependencies"])
    floors = {
        name: Version(part.version) for name, one in wanted.items() for part in one.specifier if part.operator == ">="
    }
    assert sorted(floors) == sorted(wanted), "each dependency has a floor"
    assert _pinned("constraints-lowest.txt") == floors


def test_the_versions_that_are_installed_by_default_are_allowed() -> None:
    extras = _project()["optional-dependencies"].values()
    allowed = _requirements([*_project()["dependencies"], *chain.from_iterable(extras)])
    refused = {
        name: str(version)
        for name, version in _pinned("constraints.txt").items()
        if version not in allowed[name].specifier
    }
    assert refused == {}
