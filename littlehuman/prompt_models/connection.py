"""Address and API key of an endpoint, for every client, online or in batches.

In: the config. Out: the address to ask, the same as it may be shown, and an `ApiKey` that goes into the client and
into no text. Also silences the client libraries' logs about single requests.
"""

from __future__ import annotations

import json
import logging
import os
import re
from html import escape
from urllib.parse import quote

from littlehuman.errors import GenerationError
from littlehuman.formatting import one_line, without_password
from littlehuman.schema import PromptModelConfig

OPENAI = "https://api.openai.com/v1"
CONNECT_S = 10.0  # timeout of a connection attempt
NO_KEY = "no-key"  # the client library demands a key; an endpoint without keys ignores it
WORD_CHARS = 8  # a shorter key, or one of letters alone, may be an ordinary word
KEY_CHARS = 20  # so many letters and digits without an underscore are no variable's name
REASON_CHARS = 300  # of what a server says, in an error or a failure
NAME_RULE = (
    "must be the NAME of an environment variable, such as OPENAI_API_KEY; "
    "the key itself belongs into no command and no file"
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def base_url(config: PromptModelConfig) -> str:
    """The address to ask, always explicit: the client would read OPENAI_BASE_URL for null.

    Only null means OpenAI. An empty address is a shell variable that is not set: a paid key must not go to OpenAI
    by mistake.
    """
    return OPENAI if config.base_url is None else config.base_url


def shown_address(config: PromptModelConfig) -> str:
    """The address without its password: for texts, and for what is kept about an endpoint."""
    return without_password(base_url(config))


def endpoint_error(config: PromptModelConfig, key: ApiKey, reason: str, mend: str) -> GenerationError:
    """The error that ends the run, without the key."""
    where = f"prompt_model.name={config.name} at {shown_address(config)}"
    return GenerationError(key.redact(f"{where}: {reason}\nTry: {mend}"))


def silence_client_logs() -> None:
    """Keep the client libraries from writing each request into run.log, as they do at INFO and below."""
    for name in ("openai", "httpx2", "httpcore2"):
        logging.getLogger(name).setLevel(logging.WARNING)


def is_variable_name(text: str) -> bool:
    """Whether a text can be the name of an environment variable, and does not look like a key."""
    return bool(_NAME.fullmatch(text)) and not any(
        len(part) >= KEY_CHARS and not _is_word(part) for part in text.split("_")
    )


def _is_word(part: str) -> bool:
    return part.isalpha() and (part.isupper() or part.islower())  # keys mix cases, or have digits


class ApiKey:
    """A key, or none. Neither its repr nor a redacted text shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str | None) -> None:
        self._value = value

    @classmethod
    def from_environment(cls, variable: str | None) -> ApiKey:
        """The key that an environment variable holds; no key for null.

        Raises:
            GenerationError: when the variable is absent or empty, or its value cannot be a key; when `variable` is
                no variable's name (it may be the key itself, so it is not shown).
        """
        if variable is None:
            return cls(None)
        if not is_variable_name(variable):
            raise GenerationError(f"prompt_model.api_key_env=***: {NAME_RULE}.\nTry: export OPENAI_API_KEY=...")
        value = os.environ.get(variable, "").strip()
        where = f"prompt_model.api_key_env={variable}"
        mend = f"Try: export {variable}=... (prompt_model.api_key_env=null asks an endpoint that wants no key)"
        if not value:
            raise GenerationError(f"{where}: this environment variable is not set, or empty.\n{mend}")
        if not (value.isascii() and value.isprintable()):
            what = "its value has characters that no key has (typographic quotes?)"
            raise GenerationError(f"{where}: {what}.\n{mend}")
        return cls(value)

    def __repr__(self) -> str:
        return "ApiKey(***)" if self._value else "ApiKey(none)"

    def for_client(self) -> str:
        """The key itself, for the one call that opens a client."""
        return self._value or NO_KEY

    def redact_answer(self, text: str) -> str:
        """A model's answer without the key. A key that may be a word (`EMPTY`, `secret`) is left in it."""
        is_word = not self._value or self._value.isalpha() or len(self._value) < WORD_CHARS
        return text if is_word else self.redact(text)

    def short_reason(self, text: str) -> str:
        """What a server says, without the key, on one printable line of at most `REASON_CHARS`."""
        return " ".join(self.redact(one_line(without_password(text))).split())[:REASON_CHARS]

    def redact(self, text: str) -> str:
        """`text` without the key, however it is quoted there (JSON, Python, URL, HTML)."""
        key = self._value
        if not key:
            return text
        mask = next((sign * 3 for sign in "*#~^" if sign not in key), "")  # a mask that cannot spell the key anew
        written = {key, json.dumps(key)[1:-1], repr(key)[1:-1], quote(key), quote(key, safe=""), escape(key)}
        for form in sorted(written, key=len, reverse=True):
            text = text.replace(form, mask)
        return text
