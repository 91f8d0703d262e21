"""A filter's own model (`filter.model`) is asked like any prompt model; its errors name its own settings.

In: an error about a prompt model. Out: the same about `filter.model`; the limit stays the run's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from littlehuman.errors import ConfigError, GenerationError, Problem, WeightsError

_SETTING = re.compile(r"\bprompt_model(?=[.=])(?!\.max_usd)")


@contextmanager
def named_as_its_own(own: bool) -> Iterator[None]:
    """Within it errors name the filter's own model; without `own` the one that writes the twins is asked, and they stay as they are."""
    try:
        yield
    except ConfigError as error:
        if not own:
            raise
        raise ConfigError([Problem(_renamed(p.where), _renamed(p.what)) for p in error.problems], _renamed(error.hint)) from None
    except (GenerationError, WeightsError) as error:
        if not own:
            raise
        raise type(error)(_renamed(str(error))) from None


def _renamed(text: str) -> str:
    return _SETTING.sub("filter.model", text)
