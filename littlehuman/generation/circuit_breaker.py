"""Circuit breaker: ends a run whose prompt model answers nothing.

In: the answers and failures of a run, over all its rounds. Out: the error of a run that asks in vain. Single failures
are normal: spare points stand in for them. But a model that answers nothing is set up wrong, and a server that serves
nothing is broken; neither is asked for a whole dataset. Answers from the cache count as answers, so a cell gets the
same verdict when it is repeated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from littlehuman.errors import GenerationError
from littlehuman.formatting import without_password
from littlehuman.prompt_models import Answer
from littlehuman.prompt_models.parameters import refused_parameter_mend
from littlehuman.records import Completion
from littlehuman.schema import PromptModelConfig, Provider

MIN_FAILURES = 5  # fewer may each fail for their own content
MAX_FAILURES = 64  # failures without any answer, or unserved requests in a row: the next ones would fail too
MAX_UNSERVED_SHARE = 0.1  # of a run's requests, those answered from the cache included
FIX = "mend what the reason names"
FIX_REFUSED = f"{FIX}; a model that refuses max_tokens wants prompt_model.token_limit_name=max_completion_tokens"
FIX_BATCH = f"{FIX}; a smaller prompt_model.batch_requests, or prompt_model.batch_api=false, which asks online"
LATER = "the same command later, prompt_model.concurrency=1, or a larger prompt_model.timeout_s"


@dataclass
class CircuitBreaker:
    """Counts how the requests of one run to one prompt model fared."""

    answered: int = 0  # by the model or from the cache
    failed: Counter[str] = field(default_factory=Counter)  # reasons
    unserved: Counter[str] = field(default_factory=Counter)  # reasons of failures that are the server's
    unserved_in_a_row: int = 0

    def count(self, answer: Answer) -> None:
        """Count one answer or failure."""
        if isinstance(answer, Completion):
            self.answered += 1
        else:
            self.failed[answer.reason] += 1
        if isinstance(answer, Completion) or answer.served:
            self.unserved_in_a_row = 0
        else:
            self.unserved[answer.reason] += 1
            self.unserved_in_a_row += 1

    def error(
        self, model: PromptModelConfig, *, ended: bool = False, never_asked: bool = False
    ) -> GenerationError | None:
        """The error of an open breaker; None while it is closed.

        Args:
            model: the prompt model that was asked.
            ended: whether the round is over; a few failures mean something only then.
            never_asked: whether the cache has no answer of this model, so that its settings were never tried.
        """
        failed, unserved = self.failed.total(), self.unserved.total()
        requests = self.answered + failed
        many_unserved = unserved >= MIN_FAILURES if ended else self.unserved_in_a_row >= MAX_FAILURES
        if many_unserved and unserved > MAX_UNSERVED_SHARE * requests:
            return _error(model, self.unserved, requests)
        all_failed = failed and (never_asked or failed >= MIN_FAILURES) if ended else failed >= MAX_FAILURES
        if all_failed and not self.answered:
            return _error(model, self.failed, requests, refused=unserved < failed)
        return None


def _error(model: PromptModelConfig, reasons: Counter[str], requests: int, *, refused: bool = False) -> GenerationError:
    reason, count = reasons.most_common(1)[0]
    which = f"all {requests}" if requests == reasons.total() else f"{reasons.total()} of {requests}"
    where = f" at {without_password(model.base_url)}" if model.base_url else ""
    mend = FIX
    if model.provider is Provider.openai:
        otherwise = FIX_BATCH if model.batch_api else FIX_REFUSED if refused else LATER
        mend = refused_parameter_mend(reason, None, model) or otherwise
    return GenerationError(
        f"prompt_model.name={model.name}{where}: {which} requests failed, {count} of them so: {reason}\nTry: {mend}"
    )
