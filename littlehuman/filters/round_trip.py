"""Round-trip consistency: a model that does not see a twin's label or answer must come to the same one.

Classes must be equal; answers must share enough words (token F1 of SQuAD's official script, or of MLQA's for other
languages than English). The method is that of synthetic question answering (Alberti et al. 2019, arXiv 1906.05416),
which demands the very same answer: `min_f1=1`.
"""

from __future__ import annotations

from collections.abc import Sequence

from littlehuman.filters.model_client import FilterRequest, ModelFilterClient, unreadable_cause
from littlehuman.languages import Language
from littlehuman.metrics.answers import squad_f1
from littlehuman.records import Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import FilterStep, RoundTripConfig


def rejected_by_round_trip(
    twins: Sequence[Synthetic], config: RoundTripConfig, client: ModelFilterClient
) -> dict[str, tuple[RejectionCause, str]]:
    """The twins that fail the round trip: example id -> (cause, raw answer).

    Raises:
        GenerationError: when the model cannot be reached, or gives no readable answer.
    """
    task, classes = client.settings.task, client.settings.classes
    answers = client.ask(twins, FilterRequest(FilterStep.round_trip, config.tasks[task], config.max_tokens, classes))
    language = client.settings.language if not classes else None
    verdicts = ((twin.example_id, _verdict(twin, answers[twin.example_id], config, language)) for twin in twins)
    return {example_id: verdict for example_id, verdict in verdicts if verdict}


def _verdict(
    twin: Synthetic, answer: Synthetic | Rejected, config: RoundTripConfig, language: Language | None
) -> tuple[RejectionCause, str] | None:
    """The cause of a rejection; `language` is that of free answers, None for classes."""
    if isinstance(answer, Rejected):
        return RejectionCause(RejectionKind.ROUND_TRIP_UNREADABLE, {"cause": unreadable_cause(answer)}), answer.raw
    if language is None:
        agrees = answer.target == twin.target
    else:
        f1 = squad_f1((twin.target,), answer.target, language)
        agrees = f1 is not None and f1 >= config.min_f1
    cause = RejectionCause(RejectionKind.DISAGREED, {"field": "answer" if language else "label"})
    return None if agrees else (cause, answer.target)
