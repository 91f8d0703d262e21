"""What came back from an endpoint, and what it means.

In: a reply, or the error that the `openai` client raised. Out: a `Completion`, or `Trouble`: a
reason for this request and, where no other request could fare better, why the run must stop.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from littlehuman.groups import PromptModelConfig
from littlehuman.records import Completion

_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON allows them, files and tokenizers do not
REASON_CHARS = 300
ITS_OWN_FAULT = (400, 413, 422)  # refused for what it says: another request may pass
STOPS = {
    401: "the key is not accepted",
    402: "the provider wants to be paid first",
    403: "this key may not ask for this model",
    404: "there is no such model, or no chat endpoint at this address",
    405: "there is no chat endpoint at this address",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a request has no answer; `mend` stands only where no request can have one."""

    reason: str
    mend: str = ""
    served: bool = False  # the endpoint did its work, and refused this request for what it says


def read(key: str, reply: Any) -> Completion | Trouble:
    """Read a chat completion; endpoints differ in what they leave out, so nothing is taken for granted."""
    choices = getattr(reply, "choices", None)
    if not isinstance(choices, list) or not choices:
        said = said_in(getattr(reply, "error", None)) or (reply if isinstance(reply, str) else "")
        return Trouble(f"an answer without choices: {said}" if said else "an answer without choices")
    message = getattr(choices[0], "message", None)
    text, refusal = getattr(message, "content", None), getattr(message, "refusal", None)
    finish = getattr(choices[0], "finish_reason", None) or ""
    if not text and refusal:
        text, finish = refusal, "refusal"
    if text is None and finish in ("length", "content_filter"):
        text = ""  # all tokens went into thinking, or a filter took the text away
    if not isinstance(text, str):
        return Trouble(f"an answer without text (finish reason: {finish or 'none'})")
    usage = getattr(reply, "usage", None)
    counts = [getattr(usage, name, None) or 0 for name in ("prompt_tokens", "completion_tokens")]
    return Completion(key, _HALF_CHARACTER.sub("\ufffd", text), finish, counts[0], counts[1])


def judge(error: Exception, config: PromptModelConfig) -> Trouble:
    """What an error of the client means for this request, and for all others."""
    import openai

    cause = error.__cause__ or error
    if isinstance(error, openai.APIStatusError):
        return _refused(error, config)
    if cannot_connect(cause):
        return Trouble(f"nothing answers there ({cause})", _mend_address(config))
    if isinstance(error, openai.APITimeoutError):
        return Trouble(f"no answer within prompt_model.timeout_s={config.timeout_s:g}")
    if isinstance(error, openai.APIConnectionError):
        return Trouble(f"the connection broke ({type(cause).__name__}: {cause})")
    return Trouble(f"not an answer of a chat endpoint ({type(error).__name__}: {error})")


def cannot_connect(error: BaseException) -> bool:
    """Whether there is no way to the server: refused, unknown host, bad certificate, no reply to the call."""
    import httpx2

    return isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)


def said_in(body: object) -> str:
    """The message in an error's body, in whichever form the endpoint has it."""
    if isinstance(body, Mapping):
        inner = next((body[name] for name in ("message", "detail", "error") if body.get(name)), body)
        return said_in(inner) if isinstance(inner, Mapping) and inner is not body else str(inner)
    return str(body or "")


def _refused(error: Any, config: PromptModelConfig) -> Trouble:
    status = 402 if error.code == "insufficient_quota" else error.status_code
    said = f"HTTP {error.status_code}: {said_in(error.body) or error.message}"
    if status not in STOPS:
        return Trouble(said, served=status in ITS_OWN_FAULT)
    key = f"export {config.api_key_env}=..." if config.api_key_env else "prompt_model.api_key_env=NAME of the variable that holds the key"
    mends = {
        401: key,
        402: "the same command again when the account has credit: what was answered is kept",
        403: f"{key} with a key that may use it, or another prompt_model.name",
    }
    return Trouble(f"{STOPS[status]} ({said})", mends.get(status, _mend_address(config)))


def _mend_address(config: PromptModelConfig) -> str:
    if config.base_url is None:
        return "check prompt_model.name, the network and HTTPS_PROXY"
    return "start the server, or prompt_model.base_url=http://HOST:PORT/v1 and prompt_model.name=MODEL as the server lists it under /models"
