"""Round trip: a model that does not see a twin's label or answer must come to the same one.

In: twins. Out: those where it does not: another class, or an answer whose words overlap too
little (token F1, the official SQuAD one). The method is that of synthetic question answering
(Alberti et al. 2019, arXiv 1906.05416), which asks for the very same answer: `min_f1=1`.
"""

from __future__ import annotations

from collections.abc import Sequence

from littlehuman.filters.model_client import FilterRequest, ModelFilterClient, unreadable_cause
from littlehuman.metrics.answers import squad_f1
from littlehuman.records import Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import FilterStep, RoundTripConfig


def disagreeing(
    twins: Sequence[Synthetic], trip: RoundTripConfig, asker: ModelFilterClient
) -> dict[str, tuple[RejectionCause, str]]:
    """The twins that do not survive the round trip: example id -> (cause, raw answer).

    Raises:
        GenerationError: when the model cannot be reached, or answers nothing.
    """
    classes = asker.writing.classes
    answers = asker.ask(
        twins, FilterRequest(FilterStep.round_trip, trip.tasks[asker.writing.task], trip.max_tokens, classes)
    )
    verdicts = ((twin.example_id, _verdict(twin, answers[twin.example_id], trip, bool(classes))) for twin in twins)
    return {example_id: verdict for example_id, verdict in verdicts if verdict}


def _verdict(
    twin: Synthetic, answer: Synthetic | Rejected, trip: RoundTripConfig, has_classes: bool
) -> tuple[RejectionCause, str] | None:
    if isinstance(answer, Rejected):
        return RejectionCause(RejectionKind.ROUND_TRIP_UNREADABLE, {"cause": unreadable_cause(answer)}), answer.raw
    if has_classes:
        agrees = answer.target == twin.target
    else:
        f1 = squad_f1((twin.target,), answer.target)
        agrees = f1 is not None and f1 >= trip.min_f1
    cause = RejectionCause(RejectionKind.DISAGREED, {"field": "label" if has_classes else "answer"})
    return None if agrees else (cause, answer.target)
