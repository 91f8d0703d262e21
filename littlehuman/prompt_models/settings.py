"""Validation of a prompt model's settings, before any request.

In: the config group `prompt_model`, or another group of the same shape. Out: all problems at once, each with its key,
its value and what is wrong.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from operator import attrgetter
from urllib.parse import urlsplit

from littlehuman.errors import ConfigError, Problem
from littlehuman.prompt_models import parameters
from littlehuman.prompt_models.connection import NAME_RULE, base_url, is_variable_name
from littlehuman.schema import PromptModelConfig, Provider, devices

LIMITS = {  # setting -> smallest and largest value
    "temperature": (0, math.inf),
    "top_p": (0, 1),
    "batch_size": (1, math.inf),
    "tensor_parallel": (1, math.inf),
    "concurrency": (1, math.inf),
    "requests_per_minute": (1, math.inf),
    "tokens_per_minute": (1, math.inf),
    "timeout_s": (0.001, math.inf),
    "retries": (0, math.inf),
    "max_usd": (0, math.inf),
    "batch_requests": (1, math.inf),
    "batch_mb": (1, math.inf),
    "poll_s": (0, math.inf),
    "price.prompt": (0, math.inf),  # a negative price, or nan, would switch max_usd off
    "price.completion": (0, math.inf),
    "price.cached_prompt": (0, math.inf),
    "price.batch_share": (0, 1),
}
TOKEN_LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
IN_PROCESS = (Provider.hf, Provider.vllm, Provider.llama_cpp, Provider.embeddings)
_KEY_OVERRIDE = re.compile(r"\+*(?P<name>[\w.@/]*api_key_env)=(?P<values>.*)", re.DOTALL)
_SECRET_OVERRIDE = re.compile(  # but neither settings about tokens nor a dataset's label of that name
    r"\+*(?P<name>((?!dataset\.)[\w.@/]*[./@])?(\w*_)?(api_?key|token|secret|password))=(?!null$).+",
    re.DOTALL | re.IGNORECASE,
)
_IN_EXTRA_BODY = re.compile(  # a secret within the table of further parameters
    rf"\+*(?P<name>[\w.@/]*extra_body)[\w.]*=.*[{{,'\"\s]{parameters.SECRET_NAME.pattern}['\"]?\s*:.*",
    re.DOTALL | re.IGNORECASE,
)
_QUANTISATION = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")  # llama.cpp's names; torch's are in small letters
_VALUES = re.compile(r"\s*[,'\"()\[\]]+\s*")  # between the values of a sweep


def check_prompt_model(config: PromptModelConfig) -> None:
    """Refuse impossible settings.

    Raises:
        ConfigError: with all problems.
    """
    if found := [*outside_limits(config, LIMITS, "prompt_model"), *contradictions(config)]:
        raise ConfigError(found)


class InProcess:
    """A prompt model whose weights are in this process (errors as `check_prompt_model`)."""

    batched, undelivered = False, ()

    def __init__(self, config: PromptModelConfig) -> None:
        check_prompt_model(config)
        self.config = config


def outside_limits(config: object, limits: dict[str, tuple[float, float]], group: str = "") -> Iterator[Problem]:
    """One problem per number outside its range; null is not checked."""
    for key, (low, high) in limits.items():
        value = attrgetter(key)(config)
        if value is not None and not low <= value <= high:  # true for nan too
            must = f"must be between {low} and {high}" if high < math.inf else f"must be {low} or more"
            yield Problem(f"{group}{'.' * bool(group)}{key}={value:g}", must)


def contradictions(config: PromptModelConfig, group: str = "prompt_model") -> Iterator[Problem]:
    """Settings that contradict each other, or that the provider cannot follow."""
    yield from key_name_problems(config, group)
    if config.provider is Provider.openai:
        yield from _wrong_address(base_url(config), group)
    if config.token_limit_name not in (None, *TOKEN_LIMIT_NAMES):
        yield Problem(
            f"{group}.token_limit_name={config.token_limit_name}",
            f"must be one of: {', '.join(TOKEN_LIMIT_NAMES)}; or null, which sends no limit",
        )
    yield from parameters.problems(config, group)
    if config.price.cached_prompt is not None and config.price.cached_prompt > config.price.prompt:
        yield Problem(
            f"{group}.price.cached_prompt={config.price.cached_prompt:g}",
            f"must be at most {group}.price.prompt={config.price.prompt:g}, which max_usd reckons with",
        )
    if config.adapter and config.provider is not Provider.hf:
        what = f"is put on local weights, and provider is {config.provider}; try prompt_model=smollm2"
        yield Problem(f"{group}.adapter={config.adapter}", what)
    if config.tensor_parallel != 1 and config.provider is not Provider.vllm:
        what = f"is a setting of provider vllm; provider is {config.provider}"
        yield Problem(f"{group}.tensor_parallel={config.tensor_parallel}", what)
    if config.provider not in IN_PROCESS:
        if config.revision is not None and not config.weights:
            yield Problem(
                f"{group}.revision={config.revision}",
                f"names a version of weights on the hub; provider is {config.provider}",
            )
        return
    if not config.weights:
        yield Problem(
            f"{group}.weights=null", f"provider {config.provider} needs weights: package:NAME, a folder or a hub id"
        )
    yield from devices.revision(group, config.weights or "", config.revision)
    if config.provider is Provider.llama_cpp:
        yield from _of_gguf(config, group)
    else:
        yield from devices.precision(f"{group}.dtype", config.dtype)
    yield from devices.device(f"{group}.device", config.device or "auto")
    if config.json_schema:
        yield Problem(
            f"{group}.json_schema=true", f"provider {config.provider} has no structured output; an endpoint may"
        )
    if config.batch_api:
        yield Problem(f"{group}.batch_api=true", f"a batch API belongs to an endpoint; provider is {config.provider}")
    yield from _of_endpoints(config, group)
    if config.provider is Provider.embeddings:
        yield from _of_encoders(config, group)


def _of_gguf(config: PromptModelConfig, group: str) -> Iterator[Problem]:
    """What llama.cpp cannot take: it serves one GGUF file, in the precision that the file has."""
    weights = config.weights or "package:"
    if not weights.startswith("package:") and not weights.lower().endswith(".gguf"):
        what = "must be package:NAME or the path of a .gguf file; prompt_model=hf takes folders and hub ids"
        yield Problem(f"{group}.weights={weights}", what)
    if not _QUANTISATION.fullmatch(config.dtype):
        yield Problem(f"{group}.dtype={config.dtype}", "must be the quantisation of the file, such as Q4_K_M or F16")


def _of_encoders(config: PromptModelConfig, group: str) -> Iterator[Problem]:
    """What an encoder cannot do: it compares texts, and writes none."""
    if config.temperature:
        what = f"samples answers, and the nearest class is always the same one; try {group}.temperature=0"
        yield Problem(f"{group}.temperature={config.temperature:g}", what)
    if group != "prompt_model":
        yield Problem(f"{group}={config.name}", f"compares texts with classes and judges none; try {group}=qwen-1.5b")


def _of_endpoints(config: PromptModelConfig, group: str) -> Iterator[Problem]:
    """Parameters of a request that mean nothing to a model in this process."""
    for name in ("temperature", "top_p", "token_limit_name"):
        if getattr(config, name) is None:
            yield Problem(f"{group}.{name}=null", f"leaves the choice to an endpoint; provider is {config.provider}")
    for name in ("reasoning_effort", "extra_body"):
        if getattr(config, name):
            yield Problem(
                f"{group}.{name}={getattr(config, name)}",
                f"is a parameter of requests to an endpoint; provider is {config.provider}",
            )


def key_name_problems(config: PromptModelConfig, group: str = "prompt_model") -> Iterator[Problem]:
    """An `api_key_env` that is no variable's name. It may be the key itself, so it is not shown."""
    given = config.api_key_env
    if given is not None and not is_variable_name(given):
        yield Problem(f"{group}.api_key_env={'***' if given else ''}", NAME_RULE)


def refuse_api_keys(arguments: Iterable[str]) -> None:
    """Refuse a command line that has an API key in the place of its variable's name.

    To be called before Hydra, which writes the command line into files and onto the screen.

    Raises:
        ConfigError: which does not show the key.
    """
    arguments = list(arguments)
    secrets = [
        match["name"]
        for argument in arguments
        if (match := _SECRET_OVERRIDE.fullmatch(argument)) and "${" not in argument
    ]
    overrides = [
        match for argument in arguments if (match := _KEY_OVERRIDE.fullmatch(argument)) and "${" not in argument
    ]
    values = {match["name"]: _VALUES.split(match["values"].strip()) for match in overrides}
    wrong = [name for name, given in values.items() if not all(is_variable_name(value) for value in given if value)]
    found = [Problem(f"{name}=***", NAME_RULE) for name in wrong]
    found += _hidden_secrets(arguments)
    found += [
        Problem(f"{name}=***", "is no key of a config; export the secret, and give its variable: api_key_env=NAME")
        for name in secrets
    ]
    if found:
        raise ConfigError(found)


def _hidden_secrets(arguments: Iterable[str]) -> Iterator[Problem]:
    """A key inside `extra_body`; passwords in addresses are refused by `config/addresses.py`."""
    for argument in arguments:
        if "${" not in argument and (match := _IN_EXTRA_BODY.fullmatch(argument)):
            what = "holds a secret; export it, and give its variable: prompt_model.api_key_env=NAME"
            yield Problem(f"{match['name']}=***", what)


def _wrong_address(asked: str, group: str) -> Iterator[Problem]:
    what = "must be an address such as http://127.0.0.1:8000/v1"
    if not asked.strip():
        yield Problem(
            f"{group}.base_url=",
            f"is empty (a shell variable that is not set?); it {what}, or null, which is OpenAI itself",
        )
    elif not _is_address(asked):
        # Where the password of a malformed address ends is not known: everything up to the last @ is hidden.
        shown = re.sub(r"(\w+://)?.*@", r"\1***@", asked, count=1, flags=re.DOTALL)
        yield Problem(f"{group}.base_url={shown}", what)


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        whole = url.hostname and url.hostname.encode("idna") and url.port != 0
    except ValueError:  # brackets, an impossible port, an impossible host name
        return False
    return bool(url.scheme in ("http", "https") and whole and not re.search(r"\s", text))
