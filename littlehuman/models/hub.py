"""Hugging Face hub: the commit that a model's name refers to now, or why it cannot be loaded.

One request for `config.json`; none when that commit is on this machine already. Without network, what was downloaded
before is used.
"""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from littlehuman.errors import WeightsError

CONFIG = "config.json"


def commit(name: str, revision: str | None, key: str) -> str:
    """The commit of a hub model; `key` is its config key. `revision`: branch, tag or commit; None: main.

    Raises:
        WeightsError: when there is no such model or revision, when it is gated, or the hub cannot be reached.
    """
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return _commit(name, revision)
    except (OSError, ValueError, HfHubHTTPError) as error:
        why, mend = _reason_and_mend(error, name, revision)
        raise WeightsError(f"{key}={name}: could not be loaded: {why}\nTry: {mend}") from error


def is_downloaded(name: str, commit: str) -> bool:
    """Whether weights of a hub model are on this machine, in part or whole."""
    from huggingface_hub import try_to_load_from_cache

    files = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
    return any(isinstance(try_to_load_from_cache(name, file, revision=commit), str) for file in files)


@cache  # so that all cells of a process get the same weights, even when main moves; errors are not cached
def _commit(name: str, revision: str | None) -> str:
    from huggingface_hub import hf_hub_download

    for client in ("httpx", "httpx2"):  # whichever it uses: each request would be a line of run.log
        logging.getLogger(client).setLevel(logging.WARNING)
    return Path(hf_hub_download(name, CONFIG, revision=revision)).parent.name


def _reason_and_mend(error: Exception, name: str, revision: str | None) -> tuple[str, str]:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            "it is gated on the hub",
            f"accept its terms at https://huggingface.co/{name}, then hf auth login (or set HF_TOKEN)",
        )
    if isinstance(error, (errors.RepositoryNotFoundError, errors.HFValidationError)):
        mend = (
            "an id such as HuggingFaceTB/SmolLM2-135M-Instruct, hf auth login for a private one, "
            "package:NAME, or a folder"
        )
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
