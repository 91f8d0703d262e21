"""From prompts to completions: what the shelf has is free, the rest is asked for once.

In: prompts and a prompt model. Out: answers by key and a `Bill`. Each answer is on the shelf
before the next one counts, so an interrupted run loses nothing that was paid for.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from tqdm import tqdm

from littlehuman.completions import Writer, lookup, shelf_path
from littlehuman.errors import GenerationError
from littlehuman.groups import PriceConfig, PromptModelConfig, Provider
from littlehuman.prompt_models import open_model
from littlehuman.records import Completion, Failure, Prompt

log = logging.getLogger(__name__)

MANY = 5  # requests that do not all fail for what each of them says


@dataclass(frozen=True, slots=True)
class Bill:
    """What a set of requests took; a recording counts as a shelf.

    Tokens and `usd` are those of the requests asked now, `usd_without_cache` those of all.
    """

    requests: int = 0
    from_cache: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    usd_without_cache: float = 0.0

    def __add__(self, other: Bill) -> Bill:
        """The bill of both."""
        return Bill(*(getattr(self, name) + getattr(other, name) for name in Bill.__slots__))


def complete(
    prompts: Sequence[Prompt], model: PromptModelConfig, max_tokens: int, *, progress: bool = True
) -> tuple[dict[str, Completion | Failure], Bill]:
    """Answer each prompt, from the shelf or from the model.

    Raises:
        GenerationError: when the prompt model cannot be reached at all, or answers nothing.
    """
    recorded = model.provider is Provider.recorded
    answers: dict[str, Completion | Failure] = {} if recorded else dict(lookup(shelf_path(model), {p.key for p in prompts}))
    missing = list({p.key: p for p in prompts if p.key not in answers}.values())
    cached = set(answers)
    if missing:
        if recorded:
            log.info("replaying %d recorded twins by %s", len(missing), model.name)
        else:
            log.info("asking %s for %d twins (%d more are on the shelf)", model.name, len(missing), len(cached))
        _ask(missing, answers, model, max_tokens, progress)
    _refuse_nothing(answers, model)
    return answers, _bill(answers, set(answers) if recorded else cached, model.price)


def _ask(
    missing: Sequence[Prompt], answers: dict[str, Completion | Failure], model: PromptModelConfig, max_tokens: int, progress: bool
) -> None:
    bar = tqdm(total=len(missing), desc=f"twins by {model.name}", unit="twin", disable=not progress, smoothing=0.05)
    with Writer(shelf_path(model)) as shelf, bar, _closing(open_model(model).complete(missing, max_tokens)) as incoming:
        for answer in incoming:
            if isinstance(answer, Completion) and model.provider is not Provider.recorded:
                shelf.add(answer)
            answers[answer.key] = answer
            bar.update()


@contextmanager
def _closing(answers: Iterator[Completion | Failure]) -> Iterator[Iterator[Completion | Failure]]:
    """Close a generator at once, not when it is collected: after Ctrl-C no request may go on and cost money."""
    try:
        yield answers
    finally:
        if isinstance(answers, Generator):
            answers.close()


def _refuse_nothing(answers: dict[str, Completion | Failure], model: PromptModelConfig) -> None:
    """Single refused requests are a cell's normal loss; a model that never answered is set up wrong."""
    reasons = Counter(answer.reason for answer in answers.values() if isinstance(answer, Failure))
    if len(answers) > reasons.total() or not reasons:
        return
    if len(answers) >= MANY or not any(shelf_path(model).glob("*.jsonl")):
        reason, count = reasons.most_common(1)[0]
        raise GenerationError(
            f"prompt_model.name={model.name}: all {len(answers)} requests failed, {count} of them so: {reason}\n"
            "Try: mend what the reason names; a model that refuses max_tokens wants prompt_model.token_limit_name=max_completion_tokens"
        )


def _bill(answers: dict[str, Completion | Failure], cached: set[str], price: PriceConfig) -> Bill:
    done = [a for a in answers.values() if isinstance(a, Completion)]
    now = [a for a in done if a.key not in cached]
    return Bill(
        requests=len(answers),
        from_cache=len(cached),
        failed=len(answers) - len(done),
        prompt_tokens=sum(a.prompt_tokens for a in now),
        completion_tokens=sum(a.completion_tokens for a in now),
        usd=_usd(now, price),
        usd_without_cache=_usd(done, price),
    )


def _usd(answers: Sequence[Completion], price: PriceConfig) -> float:
    return sum(a.prompt_tokens * price.prompt + a.completion_tokens * price.completion for a in answers) / 1e6
