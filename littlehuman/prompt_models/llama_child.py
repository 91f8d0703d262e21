"""The process that `llama_server` starts: llama.cpp's server, from the package xllamacpp, until standard input ends.

In: its settings, a JSON object as the only argument. Out: one line with its address. It is run by path and imports
nothing of littlehuman. Standard input ends with the process that started it, however that one ends, so no server is
left behind.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

LISTENING = "listening at "
DISABLED = -1  # of `verbosity`: errors alone are logged


def main() -> None:
    """Serve until standard input ends."""
    server = start(json.loads(sys.argv[1]))
    print(f"{LISTENING}{server.listening_address}", flush=True)
    os.dup2(2, 1)  # nobody reads standard output any more
    sys.stdin.buffer.read()
    os._exit(0)  # without waiting for requests under way


def start(wanted: dict[str, Any]) -> Any:
    """A server on a free port of 127.0.0.1 that has loaded its model."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = wanted["file"]
    params.hostnames, params.port = ["127.0.0.1"], 0
    params.n_parallel, params.n_ctx = wanted["slots"], wanted["slots"] * wanted["context"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = wanted["threads"]
    params.cache_prompt, params.cache_ram_mib = True, 0  # a slot keeps its last prompt, and no copies of others
    params.fit_params, params.ctx_shift = False, False
    params.verbosity = wanted.get("verbosity", DISABLED)
    if not wanted["gpu"]:
        params.n_gpu_layers = 0
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
