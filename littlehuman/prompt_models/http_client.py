"""The HTTP clients below the `openai` library: a limit on the bytes of an answer, and no redirect to another origin.

In: a request. Out: its response, read as far as the limit allows. The body is decompressed in pieces, so a small
compressed answer that would fill the memory (a "gzip bomb") ends at the limit too. Prompts hold the users' data: a
redirect is followed only within the same origin (scheme, host and port, RFC 6454), with the same method, and never
twice to one address.
"""

from __future__ import annotations

from typing import Any

import httpx2
from openai import DefaultAsyncHttpxClient, DefaultHttpxClient

from littlehuman.formatting import one_line, without_password

MAX_HOPS = 3
ERROR_BYTES = 65_536  # of the body of an error, which is cut there
_ENCODING = ("content-encoding", "content-length", "transfer-encoding")  # no longer true of a body that was read
_CHAT = "/chat/completions"


class AnswerTooLong(Exception):
    """An answer with more bytes than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the answer has more than {limit:,} bytes, which max_tokens does not allow")


class RedirectRefused(Exception):
    """A redirect that is not followed, and the `mend`."""

    def __init__(self, response: httpx2.Response, why: str) -> None:
        target = response.next_request.url if response.next_request else None
        place = one_line(without_password(str(target.copy_with(query=None, fragment=None))))[:200] if target else "?"
        super().__init__(f"HTTP {response.status_code}: redirected to {place}, {why}")
        self.mend = (
            f"prompt_model.base_url={place.removesuffix(_CHAT)} if that is the server that shall have the prompts"
        )
        if target is None or "another origin" not in why:
            self.mend = "prompt_model.base_url=http://HOST:PORT/v1, the address that answers without redirects"


class BoundedAsyncClient(DefaultAsyncHttpxClient):
    """Reads at most `limit` bytes of an answer."""

    def __init__(self, limit: int, **options: Any) -> None:
        super().__init__(**options)
        self._limit = limit

    async def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send a request; a streamed answer is read, and limited, by the caller.

        Raises:
            AnswerTooLong: see there.
            RedirectRefused: see there.
        """
        hops = _Hops(request)
        options["follow_redirects"] = False
        response = await super().send(request, stream=True, **options)
        try:
            while following := hops.next(response):
                await response.aclose()
                response = await super().send(following, stream=True, **options)
            if stream:
                return response
            body = _Body(response, self._limit)
            async for piece in response.aiter_bytes():
                if not body.add(piece):
                    break
        except BaseException:
            await response.aclose()
            raise
        await response.aclose()
        return body.read()


class BoundedClient(DefaultHttpxClient):
    """The same for calls that block."""

    def __init__(self, limit: int, **options: Any) -> None:
        super().__init__(**options)
        self._limit = limit

    def send(self, request: httpx2.Request, *, stream: bool = False, **options: Any) -> httpx2.Response:
        """Send a request; see `BoundedAsyncClient.send`."""
        hops = _Hops(request)
        options["follow_redirects"] = False
        response = super().send(request, stream=True, **options)
        try:
            while following := hops.next(response):
                response.close()
                response = super().send(following, stream=True, **options)
            if stream:
                return response
            body = _Body(response, self._limit)
            for piece in response.iter_bytes():
                if not body.add(piece):
                    break
        except BaseException:
            response.close()
            raise
        response.close()
        return body.read()


class _Hops:
    """The addresses that one request was sent to."""

    def __init__(self, request: httpx2.Request) -> None:
        self._seen = [request.url]

    def next(self, response: httpx2.Response) -> httpx2.Request | None:
        """The request that a redirect asks for; None where there is no redirect."""
        if not response.has_redirect_location:
            return None
        following, before = response.next_request, response.request
        if following is None:
            raise RedirectRefused(response, "which is no address")
        if _origin(following.url) != _origin(before.url):
            raise RedirectRefused(response, "another origin: prompts do not go there")
        if following.method != before.method:
            raise RedirectRefused(response, f"with {following.method} instead of {before.method}")
        if following.url in self._seen or len(self._seen) > MAX_HOPS:
            raise RedirectRefused(response, "in a circle")
        self._seen.append(following.url)
        return following


def _origin(url: httpx2.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


class _Body:
    """The pieces of a body, up to the limit; that of an error is cut there."""

    def __init__(self, response: httpx2.Response, limit: int) -> None:
        self._response, self._pieces, self._size = response, list[bytes](), 0
        self._limit = ERROR_BYTES if response.is_error else limit

    def add(self, piece: bytes) -> bool:
        """Keep a piece; False when an error has been read as far as it is wanted."""
        self._size += len(piece)
        self._pieces.append(piece[: self._limit] if self._response.is_error else piece)
        if self._size > self._limit and not self._response.is_error:
            raise AnswerTooLong(self._limit)
        return self._size <= self._limit

    def read(self) -> httpx2.Response:
        """The response with its body, decompressed."""
        given = self._response
        headers = [(name, value) for name, value in given.headers.multi_items() if name.lower() not in _ENCODING]
        content = b"".join(self._pieces)
        whole = httpx2.Response(given.status_code, headers=headers, content=content, request=given.request)
        whole.history = given.history
        return whole
