"""Stops a run whose prompt model fails on everything.

In: how each of a run's requests fared, round after round. Out: the error of a run that asks in
vain. Single failures are a cell's normal loss, and spare points stand in for them; but a model
that answers nothing is set up wrong, and a server that serves nothing is broken: neither is asked
for a whole dataset. What the shelf answers counts as answered: the same cell fares alike when it
is repeated.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from littlehuman.errors import GenerationError
from littlehuman.groups import PromptModelConfig, Provider
from littlehuman.prompt_models.manners import without_password
from littlehuman.records import Completion, Failure

MANY = 5  # requests that do not all fail for what each of them says
ENOUGH = 64  # requests that failed, and none answered; or in a row were not served: the next ones would fail too
LOSS = 0.1  # share of a run's requests that may go unserved; answers of the shelf are among them

LATER = "the same command later, prompt_model.concurrency=1, or a larger prompt_model.timeout_s"
ONLINE = "mend what the reason names; a smaller prompt_model.batch_requests, or prompt_model.batch_api=false, which asks online"
NAMED = "mend what the reason names"
PARAMETER = f"{NAMED}; a model that refuses max_tokens wants prompt_model.token_limit_name=max_completion_tokens"


@dataclass
class Patience:
    """A run's patience with one prompt model."""

    answered: int = 0  # by the model, or by the shelf
    failed: Counter[str] = field(default_factory=Counter)  # reasons
    unserved: Counter[str] = field(default_factory=Counter)  # reasons of those of which nothing was found out
    in_a_row: int = 0  # unserved, since the last one that was served

    def note(self, answer: Completion | Failure) -> None:
        """How one request fared."""
        if isinstance(answer, Completion):
            self.answered += 1
        else:
            self.failed[answer.reason] += 1
        if isinstance(answer, Failure) and not answer.served:
            self.unserved[answer.reason] += 1
            self.in_a_row += 1
        else:
            self.in_a_row = 0

    def lost(self, model: PromptModelConfig, *, ended: bool = False, first_ever: bool = False) -> GenerationError | None:
        """The error, once it is of no use to ask on.

        Args:
            model: who was asked.
            ended: the round is over. Few failures say something only then.
            first_ever: nothing that this model wrote is on the shelf, so its settings were never tried.
        """
        failed, unserved = self.failed.total(), self.unserved.total()
        requests = self.answered + failed
        if (unserved >= MANY if ended else self.in_a_row >= ENOUGH) and unserved > LOSS * requests:
            return _error(model, self.unserved, requests)
        if not self.answered and (failed >= ENOUGH or (ended and failed and (first_ever or failed >= MANY))):
            return _error(model, self.failed, requests, refused=unserved < failed)
        return None


def _error(model: PromptModelConfig, reasons: Counter[str], requests: int, *, refused: bool = False) -> GenerationError:
    reason, count = reasons.most_common(1)[0]
    which = f"all {requests}" if requests == reasons.total() else f"{reasons.total()} of {requests}"
    where = f" at {without_password(model.base_url)}" if model.base_url else ""
    mend = NAMED
    if model.provider is Provider.openai:
        mend = ONLINE if model.batch_api else PARAMETER if refused else LATER
    return GenerationError(f"prompt_model.name={model.name}{where}: {which} requests failed, {count} of them so: {reason}\nTry: {mend}")
