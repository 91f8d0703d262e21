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
LOSS = 0.1  # share of a run's requests that may go unserved: a batch hands its failures over last, so in a row

LATER = "the same command later, prompt_model.concurrency=1, or a larger prompt_model.timeout_s"
ONLINE = "mend what the reason names; a smaller prompt_model.batch_requests, or prompt_model.batch_api=false, which asks online"
NAMED = "mend what the reason names"
PARAMETER = f"{NAMED}; a model that refuses max_tokens wants prompt_model.token_limit_name=max_completion_tokens"


@dataclass
class Patience:
    """A run's patience with one prompt model."""

    answered: int = 0  # by the model, or by the shelf
    served: bool = False  # whether any request had an answer, or a refusal of its own
    failed: Counter[str] = field(default_factory=Counter)  # reasons
    in_vain: Counter[str] = field(default_factory=Counter)  # reasons of those since the last one that was served

    def note(self, answer: Completion | Failure, *, asked: bool) -> None:
        """How one request fared; `asked`: the model was asked, not the shelf."""
        served = isinstance(answer, Completion) or answer.served
        if isinstance(answer, Completion):
            self.answered += 1
        else:
            self.failed[answer.reason] += 1
            self.in_vain[answer.reason] += not served
        if served and asked:
            self.served = True
            self.in_vain.clear()

    def lost(self, model: PromptModelConfig, *, ended: bool = False, first_ever: bool = False) -> GenerationError | None:
        """The error, once it is of no use to ask on.

        Args:
            model: who was asked.
            ended: the round is over. Few failures say something only then.
            first_ever: nothing that this model wrote is on the shelf, so its settings were never tried.
        """
        failed, in_vain = self.failed.total(), self.in_vain.total()
        if in_vain >= (MANY if ended and not self.served else ENOUGH) and in_vain > LOSS * (self.answered + failed):
            return _error(model, self.in_vain, "the last" if self.answered else "all")
        if not self.answered and (failed >= ENOUGH or (ended and failed and (first_ever or failed >= MANY))):
            return _error(model, self.failed, "all", refused=self.served)
        return None


def _error(model: PromptModelConfig, reasons: Counter[str], which: str, *, refused: bool = False) -> GenerationError:
    reason, count = reasons.most_common(1)[0]
    where = f" at {without_password(model.base_url)}" if model.base_url else ""
    mend = NAMED
    if model.provider is Provider.openai:
        mend = ONLINE if model.batch_api else PARAMETER if refused else LATER
    return GenerationError(
        f"prompt_model.name={model.name}{where}: {which} {reasons.total()} requests failed, {count} of them so: {reason}\nTry: {mend}"
    )
