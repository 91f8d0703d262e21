"""What is wrong with the settings of a prompt model, known before anything is asked of it.

In: the group `prompt_model`, or another group of the same shape. Out: every problem at once, with
its key, its value and the mend.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import attrgetter
from urllib.parse import urlsplit

from littlehuman.errors import ConfigError, Problem
from littlehuman.groups import PromptModelConfig, Provider
from littlehuman.prompt_models.manners import address, without_password

LIMITS = {  # key -> smallest and largest value
    "temperature": (0, math.inf),
    "top_p": (0, 1),
    "batch_size": (1, math.inf),
    "concurrency": (1, math.inf),
    "requests_per_minute": (1, math.inf),
    "tokens_per_minute": (1, math.inf),
    "timeout_s": (0.001, math.inf),
    "retries": (0, math.inf),
    "max_usd": (0, math.inf),
    "batch_requests": (1, math.inf),
    "batch_mb": (1, math.inf),
    "poll_s": (0, math.inf),
    "price.prompt": (0, math.inf),  # a negative one, or nan, would let all requests past max_usd
    "price.completion": (0, math.inf),
    "price.batch_share": (0, 1),
}
TOKEN_LIMIT_NAMES = ("max_tokens", "max_completion_tokens")
HERE = (Provider.hf, Provider.vllm)  # in this process


def check(config: PromptModelConfig) -> None:
    """Refuse impossible settings.

    Raises:
        ConfigError: with all that is wrong.
    """
    if found := [*outside_limits(config, LIMITS, "prompt_model"), *contradictions(config)]:
        raise ConfigError(found)


def outside_limits(config: object, limits: dict[str, tuple[float, float]], group: str = "") -> Iterator[Problem]:
    """Numbers below their smallest or above their largest value; null is no number."""
    for key, (low, high) in limits.items():
        value = attrgetter(key)(config)
        if value is not None and not low <= value <= high:  # nan is outside too
            must = f"must be between {low} and {high}" if high < math.inf else f"must be {low} or more"
            yield Problem(f"{group}{'.' * bool(group)}{key}={value:g}", must)


def contradictions(config: PromptModelConfig, group: str = "prompt_model") -> Iterator[Problem]:
    """Settings that its provider cannot follow."""
    url = urlsplit(address(config))
    if config.provider is Provider.openai and not (url.scheme in ("http", "https") and url.hostname):
        yield Problem(f"{group}.base_url={without_password(address(config))}", "must be an address such as http://127.0.0.1:8000/v1")
    if config.token_limit_name not in TOKEN_LIMIT_NAMES:
        yield Problem(f"{group}.token_limit_name={config.token_limit_name}", f"must be one of: {', '.join(TOKEN_LIMIT_NAMES)}")
    if config.provider not in HERE:
        return
    if not config.weights:
        yield Problem(f"{group}.weights=null", f"provider {config.provider} needs weights: package:NAME, a folder or a hub id")
    if config.json_schema:
        yield Problem(f"{group}.json_schema=true", f"provider {config.provider} has no structured output; an endpoint may")
    if config.batch_api:
        yield Problem(f"{group}.batch_api=true", f"a batch API belongs to an endpoint; provider is {config.provider}")
