"""How every client of an endpoint behaves, online or in batches.

In: a config. Out: the address that is asked, and as it may be shown. Also: how long a connection may
take, and no word about single requests in the log of a run.
"""

from __future__ import annotations

import logging
import re

from littlehuman.groups import PromptModelConfig

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
