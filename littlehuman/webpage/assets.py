"""The files of the page: its HTML, style and scripts, and the vendored charts library with its digests.

Observable Plot draws, on d3. Both are files of the npm packages `@observablehq/plot` and `d3`, under the ISC licence
(its texts lie beside them). `VENDORED` holds their SHA-256.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

STATIC = Path(__file__).parent / "static"
VENDORED = {
    "vendor/d3-7.9.2.min.js": "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1",
    "vendor/plot-0.6.17.min.js": "4358086467740777dd788d6b27a95cebdbaefdd50c730a3060117073bd7134cb",
}
STYLES = ("page.css",)
SCRIPTS = (
    *VENDORED,
    *(f"js/{name}.js" for name in ("dom", "source", "charts", "curves", "price", "data", "views", "app")),
)
CHART = "lh-chart"  # class of charts: it fixes the style element that Plot writes into each, and so its digest
_CHART_STYLE = f""":where(.{CHART}) {{
  --plot-background: white;
  display: block;
  height: auto;
  height: intrinsic;
  max-width: 100%;
}}
:where(.{CHART} text),
:where(.{CHART} tspan) {{
  white-space: pre;
}}"""


def text_of(name: str) -> str:
    """A file below `static/`."""
    return (STATIC / name).read_text("utf-8")


def policy(scripts: Iterable[str] = (), styles: Iterable[str] = (), *, served: bool) -> str:
    """The content security policy: nothing but the page's own scripts and styles, and no other place.

    Args:
        scripts: texts of scripts that stand in the HTML.
        styles: texts of styles that stand in it.
        served: whether scripts, styles and data may come from the page's own server too.
    """
    own = ["'self'"] if served else []
    rules = {
        "default-src": ["'none'"],
        "script-src": [*own, *map(_hash, scripts)],
        "style-src": [*own, _hash(_CHART_STYLE), *map(_hash, styles)],
        "img-src": [*own, "data:"],
        "connect-src": own or ["'none'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    } | ({"frame-ancestors": ["'none'"]} if served else {})
    return "; ".join(f"{name} {' '.join(values)}" for name, values in rules.items())


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
