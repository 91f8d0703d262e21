r"""Containers in which models put their last word: `<answer>...</answer>` and `\boxed{...}`.

In: a text outside of thoughts, or a field's value. Out: what the containers hold, the last one first.
"""

from __future__ import annotations

import re

_ANSWER = re.compile(r"<(/?)(?:final_)?answer>", re.IGNORECASE)
_BOXED = re.compile(r"\\+(?:f?boxed)\s*\{")
_TEXT = re.compile(r"\\+(?:text|mathrm|textbf|textit|mathbf)\s*\{([^{}]*)\}")
_MATH = [("$$", "$$"), ("$", "$"), (r"\(", r"\)"), (r"\[", r"\]")]


def contents(text: str) -> list[str]:
    """What the containers in `text` hold, without those that are empty, the last one first."""
    found = [*_tagged(text), *_boxed(text)]
    return [inner for _, inner in sorted(found, reverse=True) if inner]


def unpacked(value: str) -> str:
    """A value without the container that encloses all of it."""
    bare = next((_within(value, *pair) for pair in _MATH if _within(value, *pair)), value)
    start = _BOXED.match(bare)
    if start and _brace_end(bare, start.end()) == len(bare) - 1:
        return _TEXT.sub(r"\1", bare[start.end() : -1]).strip()
    tag = re.fullmatch(r"<((?:final_)?answer)>(.*)</\1>", value, re.IGNORECASE | re.DOTALL)
    return tag[2].strip() if tag and tag[2].strip() else value


def _within(value: str, left: str, right: str) -> str:
    enclosed = len(value) > len(left + right) and value.startswith(left) and value.endswith(right)
    return value[len(left) : -len(right)].strip() if enclosed else ""


def _tagged(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    begin = -1
    for tag in _ANSWER.finditer(text):
        if not tag[1]:
            begin = tag.end()
        elif begin >= 0:
            found.append((begin, text[begin : tag.start()].strip()))
            begin = -1
    return [*found, (begin, text[begin:].strip())] if begin >= 0 else found  # an end token took the closing tag's place


def _boxed(text: str) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    position = 0
    while start := _BOXED.search(text, position):
        end = _brace_end(text, start.end())
        if end is None:
            break
        found.append((start.start(), _TEXT.sub(r"\1", text[start.end() : end]).strip()))
        position = end
    return found


def _brace_end(text: str, position: int) -> int | None:
    """Where the brace closes that was opened before `position`."""
    depth = 1
    for brace in re.compile(r"[{}]").finditer(text, position):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.start()
    return None
