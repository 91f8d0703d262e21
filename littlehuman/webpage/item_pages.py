"""Pages of items for the server: what a request asks for, and the texts of cells, which are read beside it.

Reading a dataset can take longer than a page may: then the page comes with ids, and says that texts are being read.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from littlehuman.errors import ConfigError, Problem, did_you_mean
from littlehuman.webpage.items import KINDS, SHOWN, Asked, LoadTexts, NoTexts, Texts, page_of_cell, page_of_curve
from littlehuman.webpage.studies import Look

if TYPE_CHECKING:
    from littlehuman.study import comparisons

WAIT_S = 0.15  # for texts
_KEPT = 6  # cells whose texts are in memory
READING = NoTexts({}, {}, {}, ("Texts are being read; ids are shown until then.",))


class ItemPages:
    """Pages of items, with the texts of the last cells and the curves of each study."""

    def __init__(self, load_texts: LoadTexts) -> None:
        self._load = load_texts
        self._reader = ThreadPoolExecutor(1, "texts")
        self._texts: OrderedDict[Path, asyncio.Future[Texts]] = OrderedDict()
        self._curves: dict[str, tuple[str, list[comparisons.CurveCells]]] = {}

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
        curves = await asyncio.to_thread(self._curves_of, look)
        curve = next((one for one in curves if one.name == name), None)
        if curve is None:
            raise ConfigError([Problem(f"curve={name}", "is no curve of this study")])
        texts, ready = await self._texts_of(Path(curve.cells["folder"].iloc[0]))
        made = await asyncio.to_thread(page_of_curve, curve, curve.series.metric, query, texts)
        return made | {"kind": query.kind, "reading": not ready}

    def _curves_of(self, look: Look) -> list[comparisons.CurveCells]:
        from littlehuman.study import comparisons  # with pandas, which the server need not wait for
        from littlehuman.study.load import load

        known = self._curves.get(look.name)
        if known is None or known[0] != look.stamp:
            curves = comparisons.replacement_curves(load(look.folder))
            known = self._curves[look.name] = (look.stamp, curves)
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


def _query(asked: Mapping[str, str]) -> Asked:
    kind, show = asked.get("kind", KINDS[0]), asked.get("show", SHOWN[0])
    for key, value, known in (("kind", kind, KINDS), ("show", show, SHOWN)):
        if value not in known:
            raise ConfigError([Problem(f"{key}={value}", did_you_mean(value, known))])
    page = asked.get("page", "0")
    if not page.isdecimal() or len(page) > 9:
        raise ConfigError([Problem(f"page={page}", "is no number of a page")])
    return Asked(kind, show, asked.get("words", "").strip(), int(page))
