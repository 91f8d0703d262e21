"""A model of the hub: which commit its name means now, or why it cannot be had.

In: a hub id, and the branch, tag or commit that was asked for (null: main). Out: the commit, by one request
for its `config.json`; by none where that commit is on this machine already. Without network what was
downloaded before counts.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from littlehuman.errors import WeightsError

CONFIG = "config.json"


def commit(name: str, revision: str | None, key: str) -> str:
    """The commit of a hub model; `key` is what the config calls it.

    Raises:
        WeightsError: when there is no such model or revision, when it is gated, or the hub cannot be reached.
    """
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return _commit(name, revision)
    except (OSError, ValueError, HfHubHTTPError) as error:
        why, mend = _told(error, name, revision)
        raise WeightsError(f"{key}={name}: could not be loaded: {why}\nTry: {mend}") from error


@cache  # errors are not kept. All cells of a process get the same weights, though main may move meanwhile
def _commit(name: str, revision: str | None) -> str:
    from huggingface_hub import hf_hub_download

    for client in ("httpx", "httpx2"):  # whichever it has: each request would be a line of run.log
        logging.getLogger(client).setLevel(logging.WARNING)
    return Path(hf_hub_download(name, CONFIG, revision=revision)).parent.name


def _told(error: Exception, name: str, revision: str | None) -> tuple[str, str]:
    """Why, and the mend."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            "it is gated on the hub",
            f"accept its terms at https://huggingface.co/{name}, then hf auth login (or set HF_TOKEN)",
        )
    if isinstance(error, (errors.RepositoryNotFoundError, errors.HFValidationError)):
        mend = "an id such as HuggingFaceTB/SmolLM2-135M-Instruct, hf auth login for a private one, package:NAME, or a folder"
        return "the hub has no such model, or it is private", mend
    if isinstance(error, errors.RevisionNotFoundError):
        return (
            f"it has no revision {revision}",
            f"a branch, tag or commit of https://huggingface.co/{name}/commits/main",
        )
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return f"it holds no {CONFIG}", "a model in the layout of transformers"
    which = f"revision {revision} of it" if revision else "it"
    first = str(error).strip().split("\n", 1)[0]
    mend = (
        f"hf download {name} where there is network (and set HF_HUB_OFFLINE=0), or a folder that save_pretrained wrote"
    )
    return f"{which} is not on this machine, and the hub could not be asked ({first})", mend
