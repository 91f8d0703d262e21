"""What an ended batch brought, matched by `custom_id` alone.

In: a submission whose files lie beside it, and the keys that are wanted. Out: for each wanted key
of it an answer, or why there is none and whether asking again may help.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from littlehuman.prompt_models.batch_client import read_outcomes
from littlehuman.prompt_models.batch_store import BatchStore, Submission
from littlehuman.prompt_models.cache import CompletionCache
from littlehuman.prompt_models.responses import RequestError, RetryAdvice
from littlehuman.records import Completion

WITHOUT = {
    "expired": "the batch expired before this request was answered",
    "cancelled": "the batch was cancelled before this request was answered",
    "completed": "the batch was completed without an answer to this request",
}


class Collected:
    """What came back for one submission."""

    def __init__(self, submission: Submission, ledger: BatchStore) -> None:
        self.submission, self.files = submission, ledger.answers(submission)
        self._asked, self._answered, self._handed_over = set(submission.keys), set[str](), set[str]()
        self._tally = Counter[str]()

    def outcomes(self, wanted: Collection[str]) -> Iterator[tuple[str, Completion | RequestError]]:
        """Yield key and result, once for each key of it that is wanted: answers first.

        The caller may take keys out of `wanted` as they come. Where the provider answered a request
        twice, the first answer counts; an error counts only where there is no answer.
        """
        troubles: dict[str, RequestError] = {}
        for key, result in (line for file in self.files for line in read_outcomes(file)):
            if key not in self._asked:
                self._tally["lines that answer nothing we asked"] += 1
            elif isinstance(result, RequestError):
                troubles[key] = result
            elif key in self._answered:
                self._tally["second answers"] += 1
            else:
                self._answered.add(key)
                if key in wanted:
                    yield key, result
                    self._handed_over.add(key)
        troubles = _without_lines(self.submission) | troubles
        for key in self.submission.keys:
            if key in wanted and key not in self._answered:
                yield key, troubles[key]

    def left_over(self, shelf: CompletionCache) -> list[str]:
        """Keys whose answers came, and are neither handed over nor on the shelf: other runs asked for them."""
        left = self._answered - self._handed_over
        for completion in shelf.read(left):
            left.discard(completion.key)
        return sorted(left)

    def __str__(self) -> str:
        """One line for the log."""
        found = "".join(f", {count} {what}" for what, count in self._tally.items())
        batch = self.submission
        return (
            f"batch {batch.batch}: {batch.status}; {len(self._answered)} of {len(self._asked)} requests answered{found}"
        )


def _without_lines(submission: Submission) -> dict[str, RequestError]:
    """Why requests have no line of their own in what came back."""
    if submission.status != "failed":
        return dict.fromkeys(
            submission.keys, RequestError(WITHOUT.get(submission.status, submission.status), cure=RetryAdvice.AGAIN)
        )
    named = {error["line"]: error["message"] for error in submission.errors if error.get("line")}
    said = "; ".join(error["message"] for error in submission.errors) or "no reason was given"
    # Without the requests that it names, or when other batches have ended, the provider may take the rest.
    cure = RetryAdvice.AGAIN if named else RetryAdvice.SLOWER if submission.crowded else RetryAdvice.NONE
    reasons = dict.fromkeys(submission.keys, RequestError(f"the batch was refused: {said}", cure=cure))
    for line, key in enumerate(submission.keys, start=1):
        if line in named:
            reasons[key] = RequestError(f"the batch was refused for this request: {named[line]}", served=True)
    return reasons
