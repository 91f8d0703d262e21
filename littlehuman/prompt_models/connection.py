"""The key of an endpoint: it goes into the client and into no text.

In: the NAME of an environment variable. Out: a key that shows itself to nobody, and that removes
itself from what a server or a library says.


[folded] How every client of an endpoint behaves, online or in batches.

In: a config. Out: the address that is asked, and as it may be shown. Also: how long a connection may
take, and no word about single requests in the log of a run.

"""

from __future__ import annotations

import json
import logging
import os
import re
from html import escape
from urllib.parse import quote

from littlehuman.errors import GenerationError
from littlehuman.schema import PromptModelConfig

OPENAI = "https://api.openai.com/v1"
CONNECT_S = 10.0


def address(config: PromptModelConfig) -> str:
    """Who is asked; said in so many words, for null would let the client read OPENAI_BASE_URL.

    Null alone means OpenAI: an empty address is a shell variable that is not set, and would send a paid key elsewhere.
    """
    return OPENAI if config.base_url is None else config.base_url


def without_password(address: str) -> str:
    """An address, or a command line with some, without the password that it may bring (there may be an @ in it)."""
    return re.sub(r"//[^/\s]*@", "//***@", address)


def keep_quiet() -> None:
    """Keep the client's libraries from telling run.log of each request, as they do at INFO and below."""
    for name in ("openai", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)


WORD_CHARS = 8
KEY_CHARS = 20  # so many letters and digits without a break are no variable's name
WANTED = "must be the NAME of an environment variable, such as OPENAI_API_KEY; the key itself belongs into no command and no file"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
NO_KEY = "no-key"  # a client wants some key; an endpoint without keys ignores it


def is_name(text: str) -> bool:
    """Whether a text can be the name of an environment variable, and is not the key itself."""
    return bool(_NAME.fullmatch(text)) and not any(
        len(part) >= KEY_CHARS and not _is_word(part) for part in text.split("_")
    )


def _is_word(part: str) -> bool:
    return part.isalpha() and (part.isupper() or part.islower())  # keys mix cases, or have digits


class ApiKey:
    """A key, or none. Neither its repr nor a scrubbed text shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str | None) -> None:
        self._value = value

    @classmethod
    def of(cls, variable: str | None) -> ApiKey:
        """The key that an environment variable holds; without a variable, no key.

        Raises:
            GenerationError: when the variable is absent or empty, or holds what no key holds; when
                what is given is no variable's name (it may be the key: it is not shown).
        """
        if variable is None:
            return cls(None)
        if not is_name(variable):
            raise GenerationError(f"prompt_model.api_key_env=***: {WANTED}.\nTry: export OPENAI_API_KEY=...")
        value = os.environ.get(variable, "").strip()
        mend = f"Try: export {variable}=... (prompt_model.api_key_env=null asks an endpoint that wants no key)"
        if not value:
            raise GenerationError(
                f"prompt_model.api_key_env={variable}: this environment variable is not set, or empty.\n{mend}"
            )
        if not (value.isascii() and value.isprintable()):
            raise GenerationError(
                f"prompt_model.api_key_env={variable}: its value has characters that no key has (typographic quotes?).\n{mend}"
            )
        return cls(value)

    def __repr__(self) -> str:
        return "ApiKey(***)" if self._value else "ApiKey(none)"

    def for_client(self) -> str:
        """The key itself, for the one call that opens a client."""
        return self._value or NO_KEY

    def out_of(self, answer: str) -> str:
        """An answer without the key; one that could be a word (`EMPTY`, `secret`) stays, for the answer may mean the word."""
        is_word = not self._value or self._value.isalpha() or len(self._value) < WORD_CHARS
        return answer if is_word else self.scrub(answer)

    def scrub(self, text: str) -> str:
        """`text` without the key, however it is quoted there (JSON, Python, URL, HTML)."""
        key = self._value
        if not key:
            return text
        mark = next((sign * 3 for sign in "*#~^" if sign not in key), "")  # a mark that cannot make up the key anew
        written = {key, json.dumps(key)[1:-1], repr(key)[1:-1], quote(key), quote(key, safe=""), escape(key)}
        for form in sorted(written, key=len, reverse=True):
            text = text.replace(form, mark)
        return text
