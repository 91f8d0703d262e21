"""Sphinx's settings: Markdown pages by MyST, theme Furo, the reference from docstrings. `make docs` builds it all."""

from __future__ import annotations

import os
import re
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util import logging

import littlehuman

project = "littlehuman"
author = copyright = "The littlehuman authors"
release = version = littlehuman.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"littlehuman {release}"
myst_heading_anchors = 3
autodoc_typehints = "description"
autodoc_member_order = "bysource"

_OUTSIDE = re.compile(r"\[([^\]\n]+)\]\((\.\./[^)#\s]+\.md|\.\./[^)#\s]*/)(?:#[^)\s]*)?\)")


def _name_files_outside(app: Sphinx, docname: str, source: list[str]) -> None:
    """Links to Markdown files and folders outside docs/ work in the repository; on the site their paths are named."""
    place = Path(app.srcdir, docname).parent

    def named(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(place / link[2]))
        if not path.exists():
            logging.getLogger(__name__).warning("no such file: %s", link[2], location=docname)
        return f"{link[1]} (`{path.relative_to(Path(app.srcdir).parent)}` in the repository)"

    source[0] = _OUTSIDE.sub(named, source[0])


def setup(app: Sphinx) -> None:
    """Connect the rewriting of links."""
    app.connect("source-read", _name_files_outside)
