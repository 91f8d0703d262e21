"""LLM as judge: a model scores from 1 to 5 how well the evidence supports each twin's label or answer.

Twins whose score is too low, or cannot be read, are dropped. A judge favours what it wrote itself (self-enhancement
bias: Zheng et al. 2023, arXiv 2306.05685): `filter.model` names another one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from littlehuman.filters.model_client import FilterRequest, ModelFilterClient, unreadable_cause
from littlehuman.records import Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import FilterStep, JudgeConfig

LOWEST, HIGHEST = 1.0, 5.0
_SCORE = re.compile(
    r"\W*(\d+(?:\.\d+)?)(?![\d.]*\d)(?: ?(?:/|of|out of) ?(\d+))?(?! ?(?:-|–|to|or) ?\d)", re.IGNORECASE
)


def rejected_by_judge(
    twins: Sequence[Synthetic], config: JudgeConfig, client: ModelFilterClient
) -> dict[str, tuple[RejectionCause, str]]:
    """The twins that the judge rejects: example id -> (cause, raw answer).

    Raises:
        GenerationError: when the judge cannot be reached, or gives no readable answer.
    """
    request = FilterRequest(
        FilterStep.judge,
        config.tasks[client.settings.task],
        config.max_tokens,
        is_readable=lambda answer: parse_score(answer) is not None,
    )
    verdicts = (
        (example_id, _verdict(answer, config.min_score)) for example_id, answer in client.ask(twins, request).items()
    )
    return {example_id: verdict for example_id, verdict in verdicts if verdict}


def parse_score(text: str) -> float | None:
    """The score that an answer begins with: `4`, `**4**`, `4/5`, `4 out of 5`; None for others, as `3-4` or `8/10`."""
    found = _SCORE.match(text)
    if found is None or (found[2] and float(found[2]) != HIGHEST):
        return None
    score = float(found[1])
    return score if LOWEST <= score <= HIGHEST else None


def _verdict(answer: Synthetic | Rejected, min_score: float) -> tuple[RejectionCause, str] | None:
    if isinstance(answer, Rejected):
        return RejectionCause(RejectionKind.JUDGE_UNREADABLE, {"cause": unreadable_cause(answer)}), answer.raw
    score = parse_score(answer.target)
    if score is None:
        return RejectionCause(RejectionKind.JUDGE_WITHOUT_SCORE), answer.target
    if score < min_score:
        return RejectionCause(RejectionKind.JUDGED_BAD, {"score": score, "limit": min_score}), answer.target
    return None
