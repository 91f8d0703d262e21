"""`generation.complete` in one call, as tests ask for answers."""

from collections.abc import Iterable
from contextlib import closing

from littlehuman.generation import complete
from littlehuman.generation.costs import Bill
from littlehuman.generation.spending import SpendingLimit
from littlehuman.prompt_models import Answer
from littlehuman.records import Prompt
from littlehuman.schema import PromptModelConfig


def gather(
    prompts: Iterable[Prompt],
    model: PromptModelConfig,
    max_tokens: int,
    spending: SpendingLimit | None = None,
    *,
    what: str = "twins",
    progress: bool = True,
) -> tuple[dict[str, Answer], Bill]:
    """The answers by request key, and the bill of the run so far."""
    spending = spending or SpendingLimit(model.max_usd)
    with closing(complete(prompts, model, max_tokens, spending, what=what, progress=progress)) as incoming:
        return {answer.key: answer for answer in incoming}, spending.bill
