"""The progress bar of a set of requests.

In: answers as they come, and the purse that pays. Out: a line with done, failed, tokens, the cost
so far and the time left.
"""

from __future__ import annotations

from types import TracebackType

from tqdm import tqdm

from littlehuman.generation.money import dollars
from littlehuman.generation.purse import Purse
from littlehuman.records import Completion, Failure


class AnswerBar:
    """A bar over `total` requests; tokens and cost are those of the whole run."""

    def __init__(self, total: int, title: str, purse: Purse, *, shown: bool = True) -> None:
        self.purse, self.failed = purse, 0
        self._bar = tqdm(total=total, desc=title, unit="", disable=not shown, smoothing=0.05)

    def __enter__(self) -> AnswerBar:
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._bar.close()

    def count(self, answer: Completion | Failure) -> Completion | Failure:
        """Count an answer, and hand it on."""
        self.failed += isinstance(answer, Failure)
        bill = self.purse.bill
        tokens = tqdm.format_sizeof(bill.prompt_tokens + bill.completion_tokens)
        self._bar.set_postfix_str(f"{self.failed:,} failed, {tokens} tokens, {dollars(bill.usd)}", refresh=False)
        self._bar.update()
        return answer
