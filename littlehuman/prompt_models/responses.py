"""What came back from an endpoint, and what it means.

In: a reply, or the error that the `openai` client raised. Out: a `Completion`, or `Trouble`: a
reason for this request, what could help it and, where no request could fare better, why the run
must stop. An answer that came in full was paid for, so nothing that it says is asked again; an
error that a gateway sends in an answer's place (HTTP 200, with a code in its body) is an error.


[folded] How long to wait before a request is made again.

In: the headers of a refusal, or how often a request was tried. Out: seconds.

"""

from __future__ import annotations

import json
import math
import random
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Any

from littlehuman.records import Completion
from littlehuman.schema import PromptModelConfig

FIRST_S, GROWTH, LONGEST_S = 0.5, 2.5, 30.0  # five retries together wait at least 24 s: a server has time to start anew


def backoff(times: int, longest_s: float = LONGEST_S) -> float:
    """Seconds before try number `times` + 1: 0.5, 1.25, 3.1, 7.8, ... less up to a quarter, by chance.

    Chance keeps requests that failed together from coming back together; it touches no result, so it needs no seed.
    """
    return min(FIRST_S * GROWTH ** min(times - 1, 20), longest_s) * random.uniform(0.75, 1.0)


def asked_for(headers: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait (`retry-after-ms`; `retry-after` in seconds or as an HTTP date, RFC 9110).

    None where it says nothing, or nothing that can be followed (no number, a moment that is past).
    """
    found = _number(headers.get("retry-after-ms"), 1000)
    if found is None:
        found = _number(headers.get("retry-after"), 1)
    if found is None:
        found = _until(headers.get("retry-after"), headers.get("date"))
    return found if found is not None and found > 0 else None


def _number(value: str | None, divisor: int) -> float | None:
    try:
        seconds = float(value or "") / divisor
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None


def _until(value: str | None, server_time: str | None) -> float | None:
    """From the server's own time where it tells it: its clock may differ from ours."""
    then = _moment(value)
    return None if then is None else then - (_moment(server_time) or time.time())


def _moment(value: str | None) -> float | None:
    try:
        moment = parsedate_to_datetime(value or "")
    except (ValueError, TypeError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # JSON allows them, files and tokenizers do not
_ANYBODY = PromptModelConfig()  # where it is not known who was asked, mends name no variable and no address
REASON_CHARS = 300
ITS_OWN_FAULT = (400, 413, 422)  # refused for what it says: another request may pass
BUSY = (429, 503, 529)  # too much at once; 529 is said by some providers
PASSES = (408, 409, 425)  # and all from 500 on: asked again, the request may be answered
LONGEST_WAIT_S = 600.0  # a server that asks for a longer one is asked another day
UNPAID = 402
STOPS = {
    401: "the key is not accepted",
    UNPAID: "the provider wants to be paid first",
    403: "this key may not ask for this model",
    404: "there is no such model, or no chat endpoint at this address",
    405: "there is no chat endpoint at this address",
}


class RetryAdvice(Enum):
    """What may bring a request that failed its answer."""

    NONE = "none"  # the same request would meet the same
    AGAIN = "again"
    SLOWER = "slower"  # the server has too much to do: later, and fewer at once
    WAIT = "wait"  # nobody is there: the request was not even made


@dataclass(frozen=True, slots=True)
class RequestError:
    """Why a request has no answer; `mend` stands only where no request can have one."""

    reason: str
    mend: str = ""
    served: bool = False  # the endpoint did its work, and refused this request for what it says
    cure: RetryAdvice = RetryAdvice.NONE
    after: float | None = None  # seconds that the server asks to wait


def read_response(key: str, reply: Any, config: PromptModelConfig = _ANYBODY) -> Completion | RequestError:
    """Read a chat completion, as plain values or as an object of the client.

    Endpoints differ in what they leave out, so nothing is taken for granted.
    """
    choices = _of(reply, "choices")
    if not isinstance(choices, list) or not choices:
        said = said_in(_of(reply, "error")) or (reply if isinstance(reply, str) else "")
        return _instead(
            _of(reply, "error"),
            RequestError(f"an answer without choices: {said}" if said else "an answer without choices"),
            config,
        )
    message = _of(choices[0], "message")
    text, refusal = _of(message, "content"), _of(message, "refusal")
    finish = _of(choices[0], "finish_reason") or ""
    if str(finish).casefold() == "error":  # it broke off there: what came of it is no answer
        return _instead(
            _of(choices[0], "error") or _of(reply, "error"),
            RequestError("finish reason: error", cure=RetryAdvice.AGAIN),
            config,
        )
    if isinstance(refusal, str) and refusal:
        text, finish = text or refusal, "refusal"
    usage = _of(reply, "usage")
    counts = [_count(_of(usage, name)) for name in ("prompt_tokens", "completion_tokens")]
    if text is None and (finish in ("length", "content_filter") or counts[1]):
        text = ""  # all tokens went into thinking, or elsewhere, or a filter took the text away: paid for, and to be billed, nonetheless
    if not isinstance(text, str):
        return RequestError(f"an answer without text (finish reason: {finish or 'none'})")
    return Completion(key, _HALF_CHARACTER.sub("\ufffd", text), str(finish), counts[0], counts[1])


def read_bytes(key: str, content: bytes, kind: str, config: PromptModelConfig = _ANYBODY) -> Completion | RequestError:
    """Read the body of an answer whose content type is `kind`."""
    try:
        reply = json.loads(content)
    except ValueError as error:  # a page, or JSON that is none
        if "json" in kind:
            return RequestError(f"not an answer of a chat endpoint ({type(error).__name__}: {error})")
        reply = content.decode("utf-8", "replace")
    return read_response(key, reply, config)


def classify_error(error: Exception, config: PromptModelConfig) -> RequestError:
    """What an error of the client means for this request, and for all others."""
    import openai

    cause = error.__cause__ or error
    if isinstance(error, openai.APIStatusError):
        return _refused(error, config)
    if cannot_connect(cause):
        return RequestError(f"nothing answers there ({cause})", _mend_address(config), cure=RetryAdvice.WAIT)
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        return RequestError(f"no answer within prompt_model.timeout_s={config.timeout_s:g}", cure=RetryAdvice.AGAIN)
    if isinstance(error, openai.APIConnectionError):
        return RequestError(f"the connection broke ({type(cause).__name__}: {cause})", cure=RetryAdvice.AGAIN)
    return RequestError(f"not an answer of a chat endpoint ({type(error).__name__}: {error})")


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


def _of(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _instead(error: Any, otherwise: RequestError, config: PromptModelConfig) -> RequestError:
    """What an error means that came in the place of an answer: as its code would, were it HTTP's."""
    code = UNPAID if _of(error, "code") == "insufficient_quota" else _of(error, "code")
    if not re.fullmatch(r"[4-9][0-9]{2}|[1-9][0-9]{3,5}", str(code)):
        return otherwise
    return _meaning(int(code), f"HTTP 200, but error {code}: {said_in(error)}", {}, config)


def _refused(error: Any, config: PromptModelConfig) -> RequestError:
    status = UNPAID if error.code == "insufficient_quota" else error.status_code
    return _meaning(
        status, f"HTTP {error.status_code}: {said_in(error.body) or error.message}", error.response.headers, config
    )


def _meaning(status: int, said: str, headers: Mapping[str, str], config: PromptModelConfig) -> RequestError:
    if status in STOPS:
        return RequestError(f"{STOPS[status]} ({said})", _mend_stop(status, config))
    if status in ITS_OWN_FAULT:
        refuses_schema = config.json_schema and any(name in said for name in ("response_format", "json_schema"))
        return RequestError(
            said, "prompt_model.json_schema=false: this endpoint takes no schema" if refuses_schema else "", served=True
        )
    after = asked_for(headers)
    if status in BUSY and after is not None and after > LONGEST_WAIT_S:
        return RequestError(
            said, f"the same command in {after / 60:.0f} minutes, as the server asks: what was answered is kept"
        )
    return RequestError(said, cure=_cure(status, headers), after=after)


def _cure(status: int, headers: Mapping[str, str]) -> RetryAdvice:
    if headers.get("x-should-retry") == "false" or not (status in BUSY or status in PASSES or status >= 500):
        return RetryAdvice.NONE
    return RetryAdvice.SLOWER if status in BUSY else RetryAdvice.AGAIN


def _mend_stop(status: int, config: PromptModelConfig) -> str:
    key = (
        f"export {config.api_key_env}=..."
        if config.api_key_env
        else "prompt_model.api_key_env=NAME of the variable that holds the key"
    )
    mends = {
        401: key,
        UNPAID: "the same command again when the account has credit: what was answered is kept",
        403: f"{key} with a key that may use it, or another prompt_model.name",
    }
    return mends.get(status, _mend_address(config))


def _mend_address(config: PromptModelConfig) -> str:
    if config.base_url is None:
        return "check prompt_model.name, the network and HTTPS_PROXY"
    return "start the server, or prompt_model.base_url=http://HOST:PORT/v1 and prompt_model.name=MODEL as the server lists it under /models"
