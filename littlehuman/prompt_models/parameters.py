"""The parameters of a request to a chat endpoint: what is sent, and the mend where a server refuses one of them.

In: the settings of a prompt model. Out: the parameters of the body of `/chat/completions`. A setting that is null is
not sent: models that reason often refuse `temperature`, `top_p` or `max_tokens`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from littlehuman.errors import Problem
from littlehuman.schema import PromptModelConfig

OWN = ("model", "messages", "temperature", "top_p", "max_tokens", "max_completion_tokens", "reasoning_effort")
NEVER = ("stream", "n", "response_format")  # one answer is read, in one piece; json_schema asks for a form
SECRET_NAME = re.compile(r"(\w*[_-])?(api[_-]?key|secret|password|authorization|token)", re.IGNORECASE)
# What servers say of a parameter that they do not take (OpenAI, Azure, vLLM, SGLang, Mistral, xAI, Anthropic).
_REFUSES = re.compile(
    r"unsupported|not support|n't support|unrecognized|unknown (?:name|field|param|arg)|not permitted|extra inputs"
    r"|extra_forbidden|unexpected|not allowed|deprecated|cannot both|can't both|only the default|no longer"
    r"|not available|not compatible|incompatible|must not be (?:set|used|specified)|should not be (?:set|used)"
    r"|does not (?:accept|take|exist)|not accept|invalid (?:param|arg|field)",
    re.IGNORECASE,
)
_TOO_MUCH = re.compile(r"too (?:large|long|many|big)|maximum context|context (?:length|window)|exceed", re.IGNORECASE)


def sampling_parameters(config: PromptModelConfig, max_tokens: int) -> dict[str, Any]:
    """The parameters that are set, by name."""
    given = {
        "temperature": config.temperature,
        "top_p": config.top_p,
        config.token_limit_name: max_tokens,
        "reasoning_effort": config.reasoning_effort,
    }
    return {name: value for name, value in given.items() if name and value is not None} | dict(config.extra_body or {})


def refused_parameter_mend(said: str, named: object, config: PromptModelConfig) -> str:
    """The setting that leaves out the parameter that a server refuses; empty where it refuses none of ours.

    Args:
        said: the server's error.
        named: `param` of its error, where it has one.
        config: what was sent.
    """
    names = sampling_parameters(config, 0)
    if _TOO_MUCH.search(said) or not _REFUSES.search(said):
        return ""
    if isinstance(named, str) and named in names:
        return _mend(named, said, config)
    found = {name: place for name in names if (place := _place(name, said)) is not None}
    return _mend(min(found, key=lambda name: found[name]), said, config) if found else ""


def _place(name: str, said: str) -> int | None:
    """Where an error names a parameter, as we write it or in camel case; an ordinary word only in quotes."""
    camel = re.sub(r"_(\w)", lambda letter: letter[1].upper(), name)
    is_word = "_" not in name and name != "temperature"
    before = r"(?:['\"`\[(]|: ?)" if is_word else r"(?<!\w)"
    found = re.search(rf"{before}(?:{re.escape(name)}|{re.escape(camel)})(?!\w)", said)
    return found.start() if found else None


def _mend(name: str, said: str, config: PromptModelConfig) -> str:
    if name in (config.extra_body or {}):
        return f"~prompt_model.extra_body.{name}, which leaves it out: this model takes no {name}"
    if name == config.token_limit_name:
        other = "max_completion_tokens" if name == "max_tokens" else "max_tokens"
        return f"prompt_model.token_limit_name={other}, or null, which sends no limit: this model takes no {name}"
    return f"prompt_model.{name}=null, which does not send it: this model takes no {name} of ours"


def problems(config: PromptModelConfig, group: str) -> Iterator[Problem]:
    """What is wrong with `extra_body`, `reasoning_effort` and parameters that are null."""
    extra = config.extra_body or {}
    if not isinstance(extra, Mapping):
        yield Problem(f"{group}.extra_body={extra}", "must be a table, such as {top_k:20}, or null")
    for name, value in extra.items() if isinstance(extra, Mapping) else ():
        key = f"{group}.extra_body.{name}"
        if SECRET_NAME.fullmatch(str(name)):
            yield Problem(f"{key}=***", f"is no place for a secret; give the key's variable: {group}.api_key_env=NAME")
        elif name in OWN:
            instead = "name" if name == "model" else "token_limit_name" if "max" in name else name
            yield Problem(
                f"{key}={value}",
                f"has a setting of its own: {group}.{instead}" if name != "messages" else "are the prompts",
            )
        elif name in NEVER:
            yield Problem(f"{key}={value}", "is not taken: one answer is read, in one piece (a form: json_schema=true)")
        elif not _is_json(value):
            yield Problem(f"{key}={value}", "is no JSON value")
    if config.reasoning_effort is not None and not config.reasoning_effort.strip():
        yield Problem(f"{group}.reasoning_effort=", "must be a word that the model knows, such as low, or null")


def _is_json(value: Any) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(key, str) and _is_json(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and value - value == 0)
