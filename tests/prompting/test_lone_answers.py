"""An annotator's answers as they come, with and without the form: labels are read, what names none or two is not."""

from __future__ import annotations

import pytest
from config_groups import strategy

from littlehuman.prompting.parsing import parse
from littlehuman.records import Completion, Example, Rejected, Synthetic
from littlehuman.rejections import RejectionKind

FACTS = ("supported", "unsupported")
VENUES = ("VLDB", "SIGGRAPH", "INFOCOM", "WWW", "ISCAS")
INTENTS = ("card_arrival", "card_linking", "reverted_card_payment?")
POINT = Example("p1", "The ferry leaves at noon.", "The ferry leaves early.", ("unsupported",))
CLASSES = {"fv": FACTS, "classify": VENUES, "qa": ()}


def read(text: str, task: str, classes: tuple[str, ...] | None = None) -> Synthetic | Rejected:
    form = strategy("annotate").tasks[task]
    return parse(
        Completion("k", text, "stop", 1, 1),
        POINT,
        form,
        CLASSES[task] if classes is None else classes,
        target_alone=True,
    )


LABELS = {
    "True": "supported",  # these three are what qwen-1.5b said to 222 of 270 claims of WANLI
    "False": "unsupported",
    "False.": "unsupported",
    '"true"': "supported",
    "**True**": "supported",
    "`False`": "unsupported",
    "[True]": "supported",
    "✅ True": "supported",
    "- False": "unsupported",
    "True<|im_end|>": "supported",
    "Label: True": "supported",
    "Label: The answer is True.": "supported",
    "The answer is True": "supported",
    "The correct label is: False.": "unsupported",
    "Answer: True": "supported",
    "The claim is True.": "supported",
    "Supported": "supported",
    "unsupported.": "unsupported",
    "False. The context says noon.": "unsupported",
    "The context speaks of noon.\nFalse": "unsupported",
    "<think>It could be False.</think>True": "supported",
    "<answer>True</answer>": "supported",
}


@pytest.mark.parametrize("text", LABELS)
def test_a_label_is_read_whatever_stands_around_it(text: str) -> None:
    found = read(text, "fv")
    assert isinstance(found, Synthetic)
    assert (found.target, found.text) == (LABELS[text], POINT.text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("INFOCOM", "INFOCOM"),  # as qwen-1.5b answered to 70 of 270 titles
        ("Infocom.", "INFOCOM"),
        ("**VLDB**", "VLDB"),
        ("The class is WWW", "WWW"),
        ("This title belongs to the class SIGGRAPH.", "SIGGRAPH"),
        ("ISCAS (circuits)", "ISCAS"),
    ],
)
def test_a_class_name_alone_is_that_class(text: str, name: str) -> None:
    assert getattr(read(text, "classify"), "target", None) == name


@pytest.mark.parametrize(
    ("text", "name"), [("Card arrival", "card_arrival"), ("reverted card payment", "reverted_card_payment?")]
)
def test_underscores_and_marks_of_a_class_name_may_be_left_out(text: str, name: str) -> None:
    assert getattr(read(text, "classify", INTENTS), "target", None) == name
    assert isinstance(
        read(text, "classify", ("card_arrival", "card-arrival", "reverted_card_payment!", INTENTS[2])), Rejected
    )


REJECTED = {
    ("True\nFalse", "fv"): (RejectionKind.SEVERAL_LABELS, "several labels: True, False"),
    ("Label: True, or False?", "fv"): (RejectionKind.SEVERAL_LABELS, "several labels: True, False"),
    ("False, because the claim is true", "fv"): (RejectionKind.SEVERAL_LABELS, "several labels: False, True"),
    ("INFOCOM or VLDB", "classify"): (RejectionKind.SEVERAL_LABELS, "several labels: INFOCOM, VLDB"),
    ("The claim is not True.", "fv"): (RejectionKind.UNKNOWN_LABEL, "unknown label: The claim is not True."),
    ("It is true to the context.", "fv"): (RejectionKind.UNKNOWN_LABEL, "unknown label: It is true to the context."),
    ("Not supported", "fv"): (RejectionKind.UNKNOWN_LABEL, "unknown label: Not supported"),
    ("NIPS", "classify"): (RejectionKind.UNKNOWN_LABEL, "unknown label: NIPS"),
    ("I'm sorry, but I cannot judge this.", "fv"): (
        RejectionKind.UNKNOWN_LABEL,
        "unknown label: I'm sorry, but I cannot judge this.",
    ),
    ("<True or False>", "fv"): (RejectionKind.UNFILLED_FORM, "the form was repeated, not filled: True or False"),
    ("<think>True", "fv"): (RejectionKind.ONLY_THOUGHTS, "no answer after the thoughts"),
    ("I don't know.", "qa"): (RejectionKind.REFUSAL, "refused: I don't know."),
    ("The context does not say when.", "qa"): (RejectionKind.REFUSAL, "refused: The context does not say when."),
    ("At noon.\nIt is a ferry.", "qa"): (
        RejectionKind.NOT_SHORT,
        "2 lines of 6 words where a short answer was asked for",
    ),
}


@pytest.mark.parametrize(("text", "task"), REJECTED)
def test_what_names_no_class_or_two_or_is_no_short_answer_is_rejected_and_the_reason_says_what_came(
    text: str, task: str
) -> None:
    found = read(text, task)
    assert isinstance(found, Rejected)
    assert (found.kind, found.reason) == REJECTED[text, task]


@pytest.mark.parametrize(
    ("text", "answer"), [("noon", "noon"), ("The answer is noon", "noon"), ("**At noon**", "At noon"), ("-5", "-5")]
)
def test_a_short_answer_is_read_without_its_marker(text: str, answer: str) -> None:
    assert getattr(read(text, "qa"), "target", None) == answer


def test_where_a_text_was_asked_for_too_a_bare_label_is_no_twin() -> None:
    form = strategy("few_shot").tasks["fv"]
    assert isinstance(parse(Completion("k", "True", "stop", 1, 1), POINT, form, FACTS), Rejected)
