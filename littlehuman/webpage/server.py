"""The local web server of the page (Starlette): studies and their items as JSON, and events while a sweep runs.

It answers this machine alone: the Host header must be of this machine (else a page of a stranger could read it through
a name that points here), nothing is written, and a path of a request is never a path of a file.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from littlehuman.errors import LittlehumanError
from littlehuman.webpage import assets, html, items
from littlehuman.webpage.cells import columns_of
from littlehuman.webpage.documents import Documents, Make
from littlehuman.webpage.item_pages import ItemPages
from littlehuman.webpage.plans import plan_of
from littlehuman.webpage.studies import Look, Studies

HOSTS = ["127.0.0.1", "localhost"]
TICK_S = 1.0  # between two looks at a study whose page is open
HEADERS = {
    "content-security-policy": assets.policy(served=True),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Guarded:
    """ASGI middleware: the headers of every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Add them where an answer begins."""

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            await send(message)

        await self.app(scope, receive, sent)


def application(studies: Studies, make: Make, load_texts: items.LoadTexts) -> Starlette:
    """The application.

    Args:
        studies: those that are shown.
        make: makes the document of a study, in another process.
        load_texts: reads the texts of a cell.
    """
    documents = Documents(make)
    server = _Server(studies, documents, ItemPages(load_texts, documents))

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        warming = asyncio.create_task(asyncio.to_thread(_warm))
        yield
        await warming
        server.documents.close()

    routes = [
        Route("/", server.shell),
        Route("/study/{name}", server.shell),
        Route("/api/studies", server.list_of_studies),
        Route("/api/study/{name}/state", server.state),
        Route("/api/study/{name}/document", server.document),
        Route("/api/study/{name}/items", server.items),
        Route("/api/study/{name}/plan", server.plan),
        Route("/api/study/{name}/events", server.events),
        Mount("/static", StaticFiles(directory=assets.STATIC)),
    ]
    middleware = [
        Middleware(Guarded),
        Middleware(TrustedHostMiddleware, allowed_hosts=HOSTS),
        Middleware(GZipMiddleware, minimum_size=1000, compresslevel=1),
    ]
    return Starlette(routes=routes, middleware=middleware, lifespan=lifespan)


def _warm() -> None:
    """Import what the first page of items needs, while the browser opens."""
    for name in ("pyarrow.json", "littlehuman.study.item_scores"):
        import_module(name)


class _Server:
    def __init__(self, studies: Studies, documents: Documents, pages: ItemPages) -> None:
        self.studies, self.documents, self.pages = studies, documents, pages

    async def shell(self, _: Request) -> Response:
        return HTMLResponse(html.served())

    async def list_of_studies(self, _: Request) -> Response:
        looks = [await asyncio.to_thread(self.studies.look, name) for name in self.studies.names()]
        return JSONResponse({"root": self.studies.root.name, "studies": [self._entry(look) for look in looks if look]})

    def _entry(self, look: Look) -> dict[str, Any]:
        return {"name": look.name, "progress": look.progress, "answer": self.documents.answer(look)}

    async def state(self, request: Request) -> Response:
        return await self._of_study(request, self._state)

    async def _state(self, look: Look) -> Response:
        self.documents.refresh(look)
        return JSONResponse(self._live(look) | {"study": look.name, "cells": columns_of(look.rows)})

    def _live(self, look: Look) -> dict[str, Any]:
        last = self.documents.last(look)
        return {"stamp": look.stamp, "document": last[0] if last else None, "progress": look.progress}

    async def document(self, request: Request) -> Response:
        return await self._of_study(request, self._document)

    async def _document(self, look: Look) -> Response:
        self.documents.refresh(look)
        last = self.documents.last(look)
        if last is None:
            return JSONResponse({"computing": True}, status_code=202)
        return Response(last[1], media_type="application/json", headers={"x-stamp": last[0]})

    async def items(self, request: Request) -> Response:
        async def answer(look: Look) -> Response:
            return await self._asked(lambda: self.pages.page(look, request.query_params))

        return await self._of_study(request, answer)

    async def plan(self, request: Request) -> Response:
        async def answer(look: Look) -> Response:
            return await self._asked(lambda: asyncio.to_thread(plan_of, look, request.query_params))

        return await self._of_study(request, answer)

    async def events(self, request: Request) -> Response:
        async def answer(look: Look) -> Response:
            return StreamingResponse(self._watch(look.name), media_type="text/event-stream")

        return await self._of_study(request, answer)

    async def _watch(self, name: str) -> AsyncIterator[str]:
        """An event whenever something changed; a comment now and then, which finds readers that left."""
        sent, quiet = "", 0
        while (look := await asyncio.to_thread(self.studies.look, name)) is not None:
            self.documents.refresh(look)
            live = self._live(look)
            mark = f"{look.mark} {live['document']}"
            quiet = 0 if mark != sent else quiet + 1
            if mark != sent:
                yield f"event: state\ndata: {json.dumps(live)}\n\n"
            elif quiet % 15 == 0:
                yield ": quiet\n\n"
            sent = mark
            await asyncio.sleep(TICK_S)

    async def _of_study(self, request: Request, answer: Callable[[Look], Awaitable[Response]]) -> Response:
        look = await asyncio.to_thread(self.studies.look, request.path_params["name"])
        if look is None:
            return JSONResponse({"error": "There is no such study here."}, status_code=404)
        return await answer(look)

    async def _asked(self, answer: Callable[[], Awaitable[Mapping[str, Any]]]) -> Response:
        try:
            return JSONResponse(await answer())
        except LittlehumanError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
