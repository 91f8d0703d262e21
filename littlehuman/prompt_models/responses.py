"""What a chat endpoint sent back, and what it means: an answer, or an HTTP error and whether to retry (429, 5xx, ...).

In: the body of a reply, or the error that the `openai` client raised. Out: a `Completion`, or a `RequestError`: the
reason, whether a retry can help, and, where no request can succeed, the mend that ends the run. A complete answer was
paid for, so it is never asked again, whatever it says. An error that a gateway sends as an answer (HTTP 200 with an
error code in its body) is treated as that error.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from littlehuman.formatting import one_line, plain_text
from littlehuman.prompt_models.content import answer_text, has_thoughts, refusal_text
from littlehuman.prompt_models.parameters import refused_parameter_mend
from littlehuman.prompt_models.usage import Usage, bounded_int, field_of, read_usage
from littlehuman.records import Completion
from littlehuman.schema import PromptModelConfig

PAYMENT_REQUIRED = 402
FATAL = {  # no request can succeed
    401: "the key is not accepted",
    PAYMENT_REQUIRED: "the provider wants to be paid first",
    403: "this key may not ask for this model",
    404: "there is no such model, or no chat endpoint at this address",
    405: "there is no chat endpoint at this address",
}
BAD_REQUEST = (400, 413, 422)  # refused for its content: another request may pass
OVERLOADED = (429, 503, 529)  # too many requests; some providers send 529
RETRYABLE = (408, 409, 425)  # as are all from 500 on
LONGEST_WAIT_S = 600.0  # a server that asks for a longer wait ends the run
NO_CHOICES = "an answer without choices"
TOO_LONG = "longer than max_tokens allows"  # a finish reason of our own
TOKEN_BYTES, TEXT_BYTES = 64, 4096  # of a text: per token, and what is granted beyond that
BYTES_IN_JSON, BODY_BYTES = 4, 262_144  # the same of a reply: escapes; thoughts beyond max_tokens
BYTES_WITH_EXTRAS = 64  # instead of 4 where extra_body may ask for log probabilities
UNLIMITED_BYTES = 16_777_216  # of a reply where no limit is sent
_SURROGATES = re.compile("[\ud800-\udfff]")  # JSON allows lone ones, files and tokenizers do not
_UNKNOWN_MODEL = PromptModelConfig()  # for batches: mends then name no variable and no address


class RetryAdvice(Enum):
    """Whether a failed request may be answered when it is sent again."""

    NO = "no"  # the same request would fail again
    YES = "yes"
    SLOWER = "slower"  # the server is overloaded: later, and with fewer requests at once
    UNREACHABLE = "unreachable"  # no connection, so the request was not even sent: once the server is back


@dataclass(frozen=True, slots=True)
class RequestError:
    """Why a request has no answer.

    `mend` is set only where no request can have one: it ends the run. `served` says that the endpoint worked, and
    refused this request for its content. `retry_after_s` is the wait that the server asks for.
    """

    reason: str
    mend: str = ""
    served: bool = False
    retry: RetryAdvice = RetryAdvice.NO
    retry_after_s: float | None = None


def read_response(
    key: str, reply: Any, config: PromptModelConfig = _UNKNOWN_MODEL, max_tokens: int | None = None
) -> Completion | RequestError:
    """Read a chat completion, as plain values or as an object of the client.

    Endpoints differ in what they leave out, so no field is taken for granted. Whatever was paid for is a completion,
    though it be empty, so that it is billed and not asked again. A text that is longer than `max_tokens` allows is
    cut, and its finish reason says so.
    """
    choices, usage = field_of(reply, "choices"), read_usage(field_of(reply, "usage"))
    if not isinstance(choices, list) or not choices:
        error = field_of(reply, "error")
        if usage.completion and not error:
            return _completion(key, "", NO_CHOICES, usage)
        said = message_of(error) or (reply if isinstance(reply, str) else "")
        return _error_as_answer(error, RequestError(f"{NO_CHOICES}: {said}" if said else NO_CHOICES), config)
    message, finish = field_of(choices[0], "message"), field_of(choices[0], "finish_reason") or ""
    if str(finish).casefold() == "error":  # broken off by the server: the text so far is no answer
        inner = field_of(choices[0], "error") or field_of(reply, "error")
        return _error_as_answer(inner, RequestError("finish reason: error", retry=RetryAdvice.YES), config)
    text, refusal = answer_text(message), refusal_text(message)
    if refusal:
        text, finish = text or refusal, "refusal"
    paid = finish in ("length", "content_filter") or usage.completion or has_thoughts(message)
    if text is None and not paid:
        return RequestError(f"an answer without text (finish reason: {finish or 'none'})")
    return _completion(key, text or "", str(finish), usage, max_tokens if config.token_limit_name else None)


def _completion(key: str, text: str, finish: str, usage: Usage, max_tokens: int | None = None) -> Completion:
    clean = plain_text(_SURROGATES.sub("\ufffd", text))
    if max_tokens is not None and len(clean.encode()) > (most := TEXT_BYTES + TOKEN_BYTES * max_tokens):
        clean, finish = clean[:most], TOO_LONG
    return Completion(key, clean, one_line(finish)[:100], usage.prompt, usage.completion, usage.cached)


def body_limit(config: PromptModelConfig, max_tokens: int) -> int:
    """The most bytes that an honest reply has: the longest answer as JSON, its thoughts, and what goes with them."""
    per_token = TOKEN_BYTES * (BYTES_WITH_EXTRAS if config.extra_body else BYTES_IN_JSON)
    return BODY_BYTES + per_token * max_tokens if config.token_limit_name else UNLIMITED_BYTES


def read_body(
    key: str,
    content: bytes,
    content_type: str,
    config: PromptModelConfig = _UNKNOWN_MODEL,
    max_tokens: int | None = None,
) -> Completion | RequestError:
    """Read the body of a reply with status 200."""
    try:
        reply = json.loads(content, parse_int=bounded_int)
    except ValueError as error:  # a web page, or broken JSON
        if "json" in content_type:
            return RequestError(f"not an answer of a chat endpoint ({type(error).__name__}: {error})")
        reply = content.decode("utf-8", "replace")
    except RecursionError:
        return RequestError("not an answer of a chat endpoint (JSON that is nested too deep)")
    return read_response(key, reply, config, max_tokens)


def classify_error(error: Exception, config: PromptModelConfig) -> RequestError:
    """What an error that the client raised means for this request, and for all others."""
    import openai

    from littlehuman.prompt_models.http_client import AnswerTooLong, RedirectRefused

    cause = error.__cause__ or error
    if isinstance(error, AnswerTooLong):
        return RequestError(str(error), served=True)
    if isinstance(error, RedirectRefused):
        return RequestError(str(error), error.mend)
    if isinstance(error, openai.APIStatusError):
        status = PAYMENT_REQUIRED if error.code == "insufficient_quota" else error.status_code
        said = f"HTTP {error.status_code}: {message_of(error.body) or error.message}"
        return _classify_status(status, said, error.response.headers, config, field_of(error.body, "param"))
    if is_unreachable(cause):
        reason = f"nothing answers there ({cause})"
        return RequestError(reason, _address_mend(config), retry=RetryAdvice.UNREACHABLE)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return RequestError(f"no answer within prompt_model.timeout_s={config.timeout_s:g}", retry=RetryAdvice.YES)
    if isinstance(error, openai.APIConnectionError):
        return RequestError(f"the connection broke ({type(cause).__name__}: {cause})", retry=RetryAdvice.YES)
    return RequestError(f"not an answer of a chat endpoint ({type(error).__name__}: {error})")


def is_unreachable(error: BaseException) -> bool:
    """Whether no connection could be made: refused, unknown host, bad certificate, no reply in time."""
    import httpx2

    return isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout)


def message_of(body: object) -> str:
    """The message in the body of an error, whichever form the endpoint gives it."""
    if isinstance(body, Mapping):
        inner = next((body[name] for name in ("message", "detail", "error") if body.get(name)), body)
        return message_of(inner) if isinstance(inner, Mapping) and inner is not body else str(inner)
    return str(body or "")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (`retry-after-ms`; `retry-after` in seconds or as an HTTP date, RFC 9110).

    None where it says nothing, or nothing usable (no number, a moment that is past).
    """
    found = _seconds(headers.get("retry-after-ms"), 1000)
    if found is None:
        found = _seconds(headers.get("retry-after"), 1)
    if found is None:
        found = _seconds_until(headers.get("retry-after"), headers.get("date"))
    return found if found is not None and found > 0 else None


def _seconds(value: str | None, divisor: int) -> float | None:
    try:
        seconds = float(value or "") / divisor
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _seconds_until(value: str | None, server_time: str | None) -> float | None:
    """Counted from the server's own time where it is known: its clock may differ from ours."""
    then = _timestamp(value)
    return None if then is None else then - (_timestamp(server_time) or time.time())


def _timestamp(value: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, TypeError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _error_as_answer(error: Any, otherwise: RequestError, config: PromptModelConfig) -> RequestError:
    """An error that came with HTTP 200: what its code would mean as an HTTP status; `otherwise` without such a code."""
    code = PAYMENT_REQUIRED if field_of(error, "code") == "insufficient_quota" else field_of(error, "code")
    if not re.fullmatch(r"[4-9][0-9]{2}|[1-9][0-9]{3,5}", str(code)):
        return otherwise
    said = f"HTTP 200, but error {code}: {message_of(error)}"
    return _classify_status(int(code), said, {}, config, field_of(error, "param"))


def _classify_status(
    status: int, said: str, headers: Mapping[str, str], config: PromptModelConfig, parameter: object = None
) -> RequestError:
    if status in FATAL:
        return RequestError(f"{FATAL[status]} ({said})", _fatal_mend(status, config))
    if status in BAD_REQUEST:
        refuses_schema = config.json_schema and any(name in said for name in ("response_format", "json_schema"))
        mend = "prompt_model.json_schema=false: this endpoint takes no schema" if refuses_schema else ""
        return RequestError(said, mend or refused_parameter_mend(said, parameter, config), served=True)
    wait_s = retry_after(headers)
    if status in OVERLOADED and wait_s is not None and wait_s > LONGEST_WAIT_S:
        mend = f"the same command in {wait_s / 60:.0f} minutes, as the server asks: what was answered is kept"
        return RequestError(said, mend)
    return RequestError(said, retry=_retry_advice(status, headers), retry_after_s=wait_s)


def _retry_advice(status: int, headers: Mapping[str, str]) -> RetryAdvice:
    if headers.get("x-should-retry") == "false" or not is_transient(status):
        return RetryAdvice.NO
    return RetryAdvice.SLOWER if status in OVERLOADED else RetryAdvice.YES


def is_transient(status: int) -> bool:
    """Whether the same request may be answered later."""
    return status in OVERLOADED or status in RETRYABLE or status >= 500


def _fatal_mend(status: int, config: PromptModelConfig) -> str:
    variable = config.api_key_env
    key = f"export {variable}=..." if variable else "prompt_model.api_key_env=NAME of the variable that holds the key"
    mends = {
        401: key,
        PAYMENT_REQUIRED: "the same command again when the account has credit: what was answered is kept",
        403: f"{key} with a key that may use it, or another prompt_model.name",
    }
    return mends.get(status, _address_mend(config))


def _address_mend(config: PromptModelConfig) -> str:
    if config.base_url is None:
        return "check prompt_model.name, the network and HTTPS_PROXY"
    server = "start the server, or prompt_model.base_url=http://HOST:PORT/v1"
    return f"{server} and prompt_model.name=MODEL as the server lists it under /models"
