"""What fell out of a prompt model's labels, counted by the label that came back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from littlehuman.records import Rejected
from littlehuman.rejections import RejectionKind

MOST = 20  # labels that are told apart
OTHERS = "others"


def rejected_by_label(rejected: Iterable[Rejected]) -> dict[str, int]:
    """Returned class -> rejected answers, the most frequent first; beyond `MOST` they are `others`.

    An answer without a class counts by what came in its place: the text that is no class, in quotes, or the cause
    without quotation (`several labels`, `finish reason: length`).
    """
    counts = Counter(map(_returned, rejected)).most_common()
    rest = sum(count for _, count in counts[MOST:])
    return dict(counts[:MOST]) | ({OTHERS: rest} if rest else {})


def _returned(answer: Rejected) -> str:
    if answer.labels:
        return answer.labels[1]
    if answer.kind is RejectionKind.UNKNOWN_LABEL:
        return f'"{answer.cause.parts["quoted"]}"'
    return answer.cause.summary
