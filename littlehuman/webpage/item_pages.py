"""Pages of items for the server: what a request asks for, and the texts of cells, which are read beside it.

Reading a dataset can take longer than a page may: then the page comes with ids, and says that texts are being read.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from littlehuman.errors import ConfigError, Problem, did_you_mean
from littlehuman.webpage.documents import Documents
from littlehuman.webpage.items import KINDS, SHOWN, Asked, LoadTexts, NoTexts, Texts, page_of_cell, page_of_curve
from littlehuman.webpage.studies import Look

WAIT_S = 0.15  # for texts
_KEPT = 6  # cells whose texts are in memory
READING = NoTexts({}, {}, {}, ("Texts are being read; ids are shown until then.",))


class ItemPages:
    """Pages of items, with the texts of the last cells and the curves of each study."""

    def __init__(self, load_texts: LoadTexts, documents: Documents) -> None:
        self._load, self._documents = load_texts, documents
        self._reader = ThreadPoolExecutor(1, "texts")
        self._texts: OrderedDict[Path, asyncio.Future[Texts]] = OrderedDict()
        self._curves: dict[str, tuple[str, dict[str, Any]]] = {}  # study -> stamp, and curves of its document by name

    async def page(self, look: Look, asked: Mapping[str, str]) -> dict[str, Any]:
        """The page that a request asks for: `kind`, `cell` (or `curve`, its name), `show`, `words`, `page`.

        Raises:
            ConfigError: for a value that is none of them.
        """
        query = _query(asked)
        if query.kind == "disagreement":
            return await self._of_curve(look, asked.get("curve", ""), query)
        names = {str(row["cell"]) for row in look.rows}
        if asked.get("cell") not in names:
            raise ConfigError([Problem(f"cell={asked.get('cell', '')}", "is no run of this study")])
        folder = look.folder / asked["cell"]
        texts, ready = await self._texts_of(folder)
        made = await asyncio.to_thread(page_of_cell, folder, query, texts)
        return made | {"kind": query.kind, "reading": not ready}

    async def _of_curve(self, look: Look, name: str, query: Asked) -> dict[str, Any]:
        curve = self._curves_of(look).get(name)
        if curve is None:
            raise ConfigError([Problem(f"curve={name}", "is no curve of this study")])
        texts, ready = await self._texts_of(look.folder / str(curve["runs"][0][4]))
        made = await asyncio.to_thread(_page_of_curve, look.folder, curve, query, texts)
        return made | {"kind": query.kind, "reading": not ready}

    def _curves_of(self, look: Look) -> dict[str, Any]:
        """The curves with runs of the last document: no other place knows them without reading all cells."""
        last, known = self._documents.last(look), self._curves.get(look.name)
        if last is None:
            return {}
        if known is None or known[0] != last[0]:
            curves = {one["name"]: one for one in json.loads(last[1]).get("curves", []) if one["runs"]}
            known = self._curves[look.name] = (last[0], curves)
        return known[1]

    async def _texts_of(self, folder: Path) -> tuple[Texts, bool]:
        """The texts of a cell, and whether they are there yet."""
        future = self._texts.get(folder)
        if future is None:
            future = asyncio.get_running_loop().run_in_executor(self._reader, self._load, folder)
            self._texts[folder] = future
            while len(self._texts) > _KEPT:
                self._texts.popitem(last=False)[1].cancel()
        self._texts.move_to_end(folder)
        done, _ = await asyncio.wait([future], timeout=WAIT_S)
        return (future.result(), True) if done else (READING, False)


def _page_of_curve(study: Path, curve: Mapping[str, Any], query: Asked, texts: Texts) -> dict[str, Any]:
    import pandas as pd

    rows = [(share, seed, str(study / cell)) for share, seed, _, _, cell in curve["runs"]]
    cells = pd.DataFrame(rows, columns=["synth_frac", "seed", "folder"])
    return page_of_curve(cells, curve["metric"], query, texts)


def _query(asked: Mapping[str, str]) -> Asked:
    kind, show = asked.get("kind", KINDS[0]), asked.get("show", SHOWN[0])
    for key, value, known in (("kind", kind, KINDS), ("show", show, SHOWN)):
        if value not in known:
            raise ConfigError([Problem(f"{key}={value}", did_you_mean(value, known))])
    page = asked.get("page", "0")
    if not page.isdecimal() or len(page) > 9:
        raise ConfigError([Problem(f"page={page}", "is no number of a page")])
    return Asked(kind, show, asked.get("words", "").strip(), int(page))
