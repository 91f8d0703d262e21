"""Keeps a run's output to what its reader needs.

Loading reports, deprecation notes and bars per weight shard of the libraries are switched off;
errors are not.
"""

from __future__ import annotations

import os
import warnings
from functools import cache


@cache
def quiet() -> None:
    """Silence the libraries' chatter once per process."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    # Parameters of a stack are slices of one matrix, and so are their gradients: that costs nothing here.
    warnings.filterwarnings("ignore", message="grad and param do not obey the gradient layout contract")
