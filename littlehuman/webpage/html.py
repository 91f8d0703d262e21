"""The HTML of the page: with links to its files for the server, or as one file that holds all of them.

Data stands in a script element that is no program, with `<`, `>`, `&` and the line separators of JavaScript escaped:
whatever a dataset holds, it stays text. The browser writes it with `textContent` alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

from littlehuman.webpage import assets

DATA = "littlehuman-data"  # id of the element
_UNSAFE = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}


def served(base: str = "/static/") -> str:
    """The page of the server: a shell that asks for its data."""
    head = [f'<link rel="stylesheet" href="{base}{name}">' for name in assets.STYLES]
    scripts = [f'<script src="{base}{name}" defer></script>' for name in assets.SCRIPTS]
    return _filled("littlehuman", "\n".join([*head, *scripts]), "")


def one_file(data: Mapping[str, Any], title: str) -> str:
    """The page with all that it needs: it opens from a disk, without a network."""
    styles = [assets.text_of(name) for name in assets.STYLES]
    scripts = [assets.text_of(name) for name in assets.SCRIPTS]
    policy = escape(assets.policy(scripts, styles, served=False))
    head = [f'<meta http-equiv="Content-Security-Policy" content="{policy}">']
    head += [f"<style>{style}</style>" for style in styles]
    tail = [f'<script type="application/json" id="{DATA}">{safe_json(data)}</script>']
    tail += [f"<script>{script}</script>" for script in scripts]
    return _filled(title, "\n".join(head), "\n".join(tail))


def safe_json(value: Any) -> str:
    """Strict JSON that may stand inside a script element."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.translate(_UNSAFE).encode("utf-8", "backslashreplace").decode()  # of half a surrogate pair its number


def _filled(title: str, head: str, tail: str) -> str:
    before, _, rest = assets.text_of("page.html").partition("<!--head-->")
    middle, _, after = rest.partition("<!--tail-->")
    return f"{before.replace('<!--title-->', escape(title))}{head}{middle}{tail}{after}"
