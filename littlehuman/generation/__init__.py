"""From prompts to completions, each paid for once.

The way of a request
    answering      prompts -> answers: what the shelf has is free, the rest is asked for
                   (`completions.py`, one level up, is the shelf: prompt models that replay or hand in batches read it too)
    request_locks  two processes that need the same request pay once
    gate           a request goes while the spending limit allows it
    answer_bar     what the user sees meanwhile

Money and patience
    token_counts   tokens of a request, before it is made
    money          the estimate before, and the bill afterwards
    purse          what a run may still spend (`max_usd`)
    receipts       what each attempt of a run paid, also when it was killed
    patience       when a run gives a prompt model up
"""

from littlehuman.generation.complete import complete, gather

__all__ = ["complete", "gather"]
