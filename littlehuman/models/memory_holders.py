"""Engines that hold GPU memory between two uses, besides the models of `chat` and `base_model`.

In: per engine a function that gives the memory back. `chat.release` calls them before a training begins, and before
another prompt model is loaded.
"""

from __future__ import annotations

from collections.abc import Callable

_release: dict[str, Callable[[], None]] = {}


def register(engine: str, give_back: Callable[[], None]) -> None:
    """Call `give_back` whenever the memory is wanted by others; it may be called while nothing is held."""
    _release[engine] = give_back


def give_back() -> None:
    """Let every engine give its GPU memory back."""
    for function in list(_release.values()):
        function()
