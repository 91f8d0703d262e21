"""From prompts to completions: what the shelf has is free, the rest is asked for once.

In: prompts and a prompt model. Out: answers by key and a `Bill`. Each answer is on the shelf
before the next one counts, so an interrupted run loses nothing that was paid for.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

from littlehuman.completions import Writer, lookup, shelf_path
from littlehuman.config import PriceConfig, PromptModelConfig, Provider
from littlehuman.prompt_models import open_model
from littlehuman.records import Completion, Failure, Prompt

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Bill:
    """What a set of requests took. Tokens and dollars count the requests asked now, not the shelf's."""

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
        GenerationError: when the prompt model cannot be reached at all.
    """
    shelf = shelf_path(model)
    answers: dict[str, Completion | Failure] = dict(lookup(shelf, {p.key for p in prompts})) if _uses_shelf(model) else {}
    missing = list({p.key: p for p in prompts if p.key not in answers}.values())
    cached = dict(answers)
    if missing:
        log.info("asking %s for %d twins (%d more are on the shelf)", model.name, len(missing), len(cached))
        _ask(missing, answers, model, max_tokens, progress)
    return answers, _bill(answers, cached, model.price)


def _ask(
    missing: Sequence[Prompt], answers: dict[str, Completion | Failure], model: PromptModelConfig, max_tokens: int, progress: bool
) -> None:
    bar = tqdm(total=len(missing), desc=f"twins by {model.name}", unit="twin", disable=not progress, smoothing=0.05)
    with Writer(shelf_path(model)) as shelf, bar:
        for answer in open_model(model).complete(missing, max_tokens):
            if isinstance(answer, Completion) and _uses_shelf(model):
                shelf.add(answer)
            answers[answer.key] = answer
            bar.update()


def _uses_shelf(model: PromptModelConfig) -> bool:
    return model.provider is not Provider.recorded


def _bill(answers: dict[str, Completion | Failure], cached: dict[str, Completion | Failure], price: PriceConfig) -> Bill:
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
