"""SQuAD 2.0's rule for questions without an answer: saying that there is none is the one right answer.

As in its official script (Rajpurkar et al. 2018): such a question scores 1 where the prediction is no answer, else 0;
any other question scores 0 there. An empty prediction is no answer.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import replace

from littlehuman.records import NO_ANSWER, Prediction

SAYS_NONE = {"", NO_ANSWER, "no answer"}
_ELSE = "(an answer)"  # shares no word with `NO_ANSWER`: words around it would score a part


def with_no_answer(predictions: Sequence[Prediction], *, empty_is_none: bool = True) -> list[Prediction]:
    """Predictions in which no answer has one form, `NO_ANSWER`; for datasets with `unanswerable=keep`.

    Without `empty_is_none` an empty text stays as it is: an answer that could not be read does not say that there is
    none.
    """
    return [replace(p, text=_scored(p)) if p.text or empty_is_none else p for p in predictions]


def _scored(prediction: Prediction) -> str:
    bare = " ".join(prediction.text.translate(str.maketrans("", "", string.punctuation)).split()).casefold()
    if bare in SAYS_NONE:
        return NO_ANSWER
    return _ELSE if prediction.targets == (NO_ANSWER,) else prediction.text
