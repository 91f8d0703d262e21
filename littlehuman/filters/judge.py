"""A model as judge: how well is each twin's label or answer borne out by its evidence, from 1 to 5?

In: twins. Out: those whose score is too low, or could not be read. A judge that wrote the twins
itself favours them (Zheng et al. 2023, arXiv 2306.05685): `filter.model` names another one.
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


def misjudged(
    twins: Sequence[Synthetic], judge: JudgeConfig, asker: ModelFilterClient
) -> dict[str, tuple[RejectionCause, str]]:
    """The twins that the judge does not pass: example id -> (cause, raw answer).

    Raises:
        GenerationError: when the judge cannot be reached, or answers nothing.
    """
    question = FilterRequest(
        FilterStep.judge,
        judge.tasks[asker.writing.task],
        judge.max_tokens,
        readable=lambda said: score_in(said) is not None,
    )
    answers = asker.ask(twins, question)
    verdicts = ((example_id, _verdict(answer, judge.min_score)) for example_id, answer in answers.items())
    return {example_id: verdict for example_id, verdict in verdicts if verdict}


def score_in(text: str) -> float | None:
    """The score that an answer begins with: `4`, `**4**`, `4/5`, `4 out of 5`; None for anything else, such as `3-4` or `8/10`."""
    found = _SCORE.match(text)
    if found is None or (found[2] and float(found[2]) != HIGHEST):
        return None
    score = float(found[1])
    return score if LOWEST <= score <= HIGHEST else None


def _verdict(answer: Synthetic | Rejected, least: float) -> tuple[RejectionCause, str] | None:
    if isinstance(answer, Rejected):
        return RejectionCause(RejectionKind.JUDGE_UNREADABLE, {"cause": unreadable_cause(answer)}), answer.raw
    score = score_in(answer.target)
    if score is None:
        return RejectionCause(RejectionKind.JUDGE_WITHOUT_SCORE), answer.target
    if score < least:
        return RejectionCause(RejectionKind.JUDGED_BAD, {"score": score, "limit": least}), answer.target
    return None
