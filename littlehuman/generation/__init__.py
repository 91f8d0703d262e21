"""From prompts to completions, each paid for once.

completions      prompts -> answers: from the cache where possible, else from the prompt model
request_locks    two processes that need the same request pay once
spending         the spending limit (`launch.max_usd`) as a cell sees it, and the record of what each attempt paid
ledger           adds up what the cells and processes of one command spend: the limit is that of the command
circuit_breaker  ends a run whose prompt model answers nothing
costs            token counts, the estimate before, the bill afterwards

The cache itself is `prompt_models/cache.py`: prompt models that replay or hand in batches read it too.
"""

from littlehuman.generation.completions import complete

__all__ = ["complete"]
