"""The answer parser: answers in many forms become twins, others are rejected with their cause."""

import time
from dataclasses import dataclass

import pytest
from config_groups import strategy

from littlehuman.prompting.parsing import parse, split_fields
from littlehuman.records import Completion, Example, Failure, Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import PromptText

FACTS = ("supported", "unsupported")
VENUES = ("VLDB", "SIGGRAPH", "INFOCOM")
FV, QA, TITLES = (strategy("few_shot").tasks[task] for task in ("fv", "qa", "classify"))
COT_FV, COT_QA = (strategy("cot").tasks[task] for task in ("fv", "qa"))
SAY_LABEL, SAY_ANSWER, SAY_CLASS = (strategy("annotate").tasks[task] for task in ("fv", "qa", "classify"))

CLAIM = Example("c1", "The ferry leaves at noon.", "The human claim.", ("supported",))
FALSE_CLAIM = Example("c2", "The ferry leaves at noon.", "The human claim.", ("unsupported",))
QUESTION = Example("q1", "The ferry leaves at noon.", "The human question?", ("noon",))
TITLE = Example("t1", "", "A human title", ("VLDB",))


def answered(text: str, finish: str = "stop") -> Completion:
    return Completion("k", text, finish, 1, 1)


@dataclass(frozen=True)
class Task:
    template: PromptText
    example: Example
    classes: tuple[str, ...] = ()

    def read(self, text: str, finish: str = "stop") -> Synthetic | Rejected:
        return parse(answered(text, finish), self.example, self.template, self.classes)


TRUE_CLAIM_TASK = Task(FV, CLAIM, FACTS)
FALSE_CLAIM_TASK = Task(FV, FALSE_CLAIM, FACTS)
QUESTION_TASK = Task(QA, QUESTION)
TITLE_TASK = Task(TITLES, TITLE, VENUES)
EXPLAINED_CLAIM = Task(COT_FV, CLAIM, FACTS)
EXPLAINED_QUESTION = Task(COT_QA, QUESTION)


def parsed_or_reason(found: Synthetic | Rejected) -> tuple[str, str] | str:
    return (found.text, found.target) if isinstance(found, Synthetic) else found.reason


# --- answers that are twins --------------------------------------------------------------------

CLAIMS = {
    "as asked": "Claim: Ferries leave at noon. || Label: True",
    "full stop after the label": "Claim: Ferries leave at noon. || Label: True.",
    "lower case": "claim: Ferries leave at noon. || label: true",
    "bold names": "**Claim:** Ferries leave at noon. **Label:** True",
    "bold names, colon outside": "**Claim**: Ferries leave at noon. || **Label**: True",
    "bold separator": "**Claim:** Ferries leave at noon. **||** **Label:** True",
    "bold fields": "**Claim: Ferries leave at noon.** || **Label: True**",
    "italic fields": "*Claim: Ferries leave at noon.* || *Label: True*",
    "headings": "## Claim: Ferries leave at noon.\n## Label: True",
    "a list": "- Claim: Ferries leave at noon.\n- Label: True",
    "a numbered list": "1. Claim: Ferries leave at noon. || Label: True\n2. Claim: Ferries sink. || Label: True",
    "a numbered list with brackets": "1) Claim: Ferries leave at noon. || Label: True\n"
    "2) Claim: Ferries sink. || Label: True",
    "quoted fields": 'Claim: "Ferries leave at noon." || Label: "True"',
    "typographic quotes": "Claim: “Ferries leave at noon.” || Label: “True”",
    "the whole answer quoted": '"Claim: Ferries leave at noon. || Label: True"',
    "bold inside quotes": 'Claim: "**Ferries leave at noon.**" || Label: True',
    "a code fence": "```\nClaim: Ferries leave at noon. || Label: True\n```",
    "a code fence on one line": "```Claim: Ferries leave at noon. || Label: True```",
    "angle brackets kept from the form": "Claim: <Ferries leave at noon.> || Label: <True>",
    "no separator": "Claim: Ferries leave at noon. Label: True",
    "no separator, two lines": "Claim: Ferries leave at noon.\nLabel: True",
    "an object": '{"text": "Ferries leave at noon.", "target": "True"}',
    "an object with the form's own words": '{"Claim": "Ferries leave at noon.", "Label": "True"}',
    "an object with a real true": '{"claim": "Ferries leave at noon.", "label": true}',
    "an object in a fence": '```json\n{\n  "text": "Ferries leave at noon.",\n  "target": "True"\n}\n```',
    "an object and chatter": '{"target": "True", "text": "Ferries leave at noon."}\nI hope that this helps!',
    "an object after a thought": '<think>A claim...</think>{"text": "Ferries leave at noon.", "target": "True"}',
    "an object that repeats the form": '{"text": "Claim: Ferries leave at noon.", "target": "Label: True"}',
    "one bar": "Claim: Ferries leave at noon. | Label: True",
    "three bars": "Claim: Ferries leave at noon. ||| Label: True",
    "a bar at the end": "Claim: Ferries leave at noon. || Label: True |",
    "full-width signs": "Claim：Ferries leave at noon. ｜｜ Label：True。",
    "Windows line ends": "Claim: Ferries leave at noon.\r\nLabel: True\r\n",
    "Windows line ends and a blank line": "Claim: Ferries leave at noon.\r\n\r\nLabel: True",
    "old Macintosh line ends": "Claim: Ferries leave at noon.\rLabel: True",
    "Unicode line separator": "Claim: Ferries leave at noon.\u2028Label: True",
    "no-break spaces": "Claim:\u00a0Ferries leave\u00a0at noon.\u00a0||\u00a0Label:\u00a0True",
    "byte order mark": "\ufeffClaim: Ferries leave at noon. || Label: True",
    "names on lines of their own": "Claim:\nFerries leave at noon.\nLabel:\nTrue",
    "wrapped in the middle of the claim": "Claim: Ferries leave\nat noon. || Label: True",
    "two answers on two lines": "Claim: Ferries leave at noon. || Label: True\nClaim: Ferries sink. || Label: False",
    "two answers without separators": "Claim: Ferries leave at noon. Label: True\nClaim: Ferries sink. Label: False",
    "two answers, the second better set": "Claim: Ferries leave at noon. Label: True\n"
    "Claim: Ferries sink. || Label: False",
    "two answers on one line": "Claim: Ferries leave at noon. || Label: True || Claim: Ferries sink. || Label: False",
    "an answer that stops, then a whole one": "Claim: Ferries\nClaim: Ferries leave at noon. || Label: True",
    "chatter before on its own line": "Sure, here it is:\n\nClaim: Ferries leave at noon. || Label: True",
    "chatter before on the same line": "Sure! Claim: Ferries leave at noon. || Label: True",
    "chatter before, then two answers": "Sure! Claim: Ferries leave at noon. || Label: True\n"
    "Claim: Ferries sink. || Label: False",
    "chatter after on the next line": "Claim: Ferries leave at noon. || Label: True\n"
    "This is true because the context says so: noon.",
    "chatter after on the same line": "Claim: Ferries leave at noon. || Label: True (the context says so)",
    "chatter after another separator": "Claim: Ferries leave at noon. || Label: True || Explanation: it says so",
    "chatter after one bar": "Claim: Ferries leave at noon. | Label: True | Explanation: it says so",
    "chatter between": "Claim: Ferries leave at noon.\n\nI chose this because it is short.\n\nLabel: True",
    "the name said twice": "Claim: Claim: Ferries leave at noon. || Label: Label: True",
    "an end token left in": "Claim: Ferries leave at noon. || Label: True<|im_end|>",
    "thoughts before": "<think>\n"
    "Claim: Ferries sink. || Label: True\nBetter:\n</think>\n\nClaim: Ferries leave at noon. || Label: True",
}


@pytest.mark.parametrize("text", CLAIMS.values(), ids=CLAIMS.keys())
def test_a_claim_is_read_however_it_is_formatted(text: str) -> None:
    assert parsed_or_reason(TRUE_CLAIM_TASK.read(text)) == ("Ferries leave at noon.", "supported")


WHOLE_CLAIMS = {
    "a time": "The ferry of 10:30 am leaves late.",
    "the word Label": "Her label: a small one, sold records.",
    "the word Claim": "The insurer's claim: nothing was stolen.",
    "capital Label inside": "The folder Label: Zero was a pop record.",
    "a bar": "The value of P(A|B) is 0.5.",
    "an inner quotation": 'She said "go" and then "stop".',
    "an address": "The site https://example.org/a:b is down.",
    "brackets and braces": "The set {1, 2} <is> finite.",
    "a number sign": "The language C# is older than F#.",
    "an apostrophe at both ends": "'90s hits were the sisters' best 'years'",
    "German": "Die Fähre fährt um 12:00 Uhr.",
    "Chinese": "渡轮中午离开：每天一次。",
    "Arabic": "تغادر العبارة ظهرا",
    "an emoji": "The ferry ⛴️ leaves.",
}


@pytest.mark.parametrize("claim", WHOLE_CLAIMS.values(), ids=WHOLE_CLAIMS.keys())
def test_a_claim_stays_whole_whatever_it_holds(claim: str) -> None:
    assert parsed_or_reason(TRUE_CLAIM_TASK.read(f"Claim: {claim} || Label: True")) == (claim, "supported")


QUESTIONS = {
    "as asked": ("Question: When does it open? || Answer: noon", "When does it open?", "noon"),
    "a time as the answer": ("Question: When does it open? || Answer: 10:30 am", "When does it open?", "10:30 am"),
    "a time in the question": (
        "Question: What opens at 10:30 am? || Answer: the bar",
        "What opens at 10:30 am?",
        "the bar",
    ),
    "no separator": ("Question: When does it open? Answer: 10:30 am", "When does it open?", "10:30 am"),
    "the word Answer in the question": (
        "Question: Is this right? Answer: yes or no? || Answer: yes",
        "Is this right? Answer: yes or no?",
        "yes",
    ),
    "the word Label in the question": ("Question: Which Label: A or B? || Answer: A", "Which Label: A or B?", "A"),
    "a colon in the answer": ("Question: Score? || Answer: 3:2", "Score?", "3:2"),
    "an answer with a comma": ("Question: Who? || Answer: Ann, Bob", "Who?", "Ann, Bob"),
    "an answer that looks like nothing": ("Question: Which? || Answer: None", "Which?", "None"),
    "an answer NA": ("Question: Which? || Answer: N/A", "Which?", "N/A"),
    "an answer that is a sign": ("Question: Which? || Answer: C#", "Which?", "C#"),
    "an answer above a number": ("Question: How many? || Answer: > 5", "How many?", "> 5"),
    "an answer in inches": ("Question: How tall? || Answer: 5'10\"", "How tall?", "5'10\""),
    "an answer with a full stop": ("Question: Who? || Answer: Ann B.", "Who?", "Ann B."),
    "a quoted answer": ('Question: Who? || Answer: "Ann"', "Who?", "Ann"),
    "a gap to fill": ("Question: The port is ____ || Answer: Ost", "The port is ____", "Ost"),
    "the answer on the next line": ("Question: Who?\nAnswer:\nAnn", "Who?", "Ann"),
    "a second pair": ("Question: Who? || Answer: Ann\n\nQuestion: When? || Answer: noon", "Who?", "Ann"),
    "a second pair after a blank line": (
        "Question: Who?\n\nAnswer: Ann\n\nQuestion: When?\n\nAnswer: noon",
        "Who?",
        "Ann",
    ),
    "a pair without an answer first": ("Question: Who? || Answer:\nQuestion: When? || Answer: noon", "When?", "noon"),
    "chatter after": ("Question: Who? || Answer: Ann\nI hope this helps: ask me more!", "Who?", "Ann"),
    "full-width colon": ("Question：谁？ || Answer：安", "谁？", "安"),
    "full-width stop without a space": ("Question：谁？Answer：安", "谁？", "安"),
    "bold": ("**Question:** Who?\n**Answer:** Ann", "Who?", "Ann"),
}


@pytest.mark.parametrize(("text", "question", "answer"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_a_question_is_read_with_its_answer(text: str, question: str, answer: str) -> None:
    assert parsed_or_reason(QUESTION_TASK.read(text)) == (question, answer)


# --- answers that are none ---------------------------------------------------------------------

REJECTED = {
    "nothing": (TRUE_CLAIM_TASK, "", "empty answer"),
    "only spaces": (TRUE_CLAIM_TASK, " \n\t ", "empty answer"),
    "no form at all": (TRUE_CLAIM_TASK, "Ferries leave at noon.", "no Claim"),
    "only a label": (TRUE_CLAIM_TASK, "Label: True", "no Claim"),
    "only a bare label": (TRUE_CLAIM_TASK, "True", "no Claim"),
    "only a claim": (TRUE_CLAIM_TASK, "Claim: Ferries leave at noon.", "no Label"),
    "an empty claim": (TRUE_CLAIM_TASK, "Claim: || Label: True", "no Claim"),
    "an empty quoted claim": (TRUE_CLAIM_TASK, "Claim: ** ** || Label: True", "no Claim"),
    "an empty label": (TRUE_CLAIM_TASK, "Claim: Ferries leave at noon. || Label:", "no Label"),
    "both empty": (QUESTION_TASK, "Question: || Answer:", "no Question"),
    "an empty answer": (QUESTION_TASK, "Question: Who? || Answer:", "no Answer"),
    "an empty answer before chatter": (QUESTION_TASK, "Question: Who? || Answer:\n\nI hope this helps!", "no Answer"),
    "a label run into the claim": (TRUE_CLAIM_TASK, "Claim: Ferries leave at noon Label: True", "no Label"),
    "the other label": (
        TRUE_CLAIM_TASK,
        "Claim: Ferries sink. || Label: False",
        "label unsupported returned, supported requested",
    ),
    "Incorrect is not correct": (
        TRUE_CLAIM_TASK,
        "Claim: Ferries sink. || Label: Incorrect",
        "unknown label: Incorrect",
    ),
    "Untrue is not True": (TRUE_CLAIM_TASK, "Claim: Ferries sink. || Label: Untrue", "unknown label: Untrue"),
    "not true": (TRUE_CLAIM_TASK, "Claim: Ferries sink. || Label: Not True", "unknown label: Not True"),
    "both labels": (TRUE_CLAIM_TASK, "Claim: Ferries sink. || Label: True or False", "unknown label: True or False"),
    "both labels with a slash": (
        TRUE_CLAIM_TASK,
        "Claim: Ferries sink. || Label: True/False",
        "unknown label: True/False",
    ),
    "a label taken back": (
        TRUE_CLAIM_TASK,
        "Claim: Ferries sink. || Label: True, no: False",
        "unknown label: True, no: False",
    ),
    "another language": (TRUE_CLAIM_TASK, "Claim: Die Fähre fährt. || Label: Wahr", "unknown label: Wahr"),
    "the form come back": (
        TRUE_CLAIM_TASK,
        "Claim: <the claim> || Label: True",
        "the form was repeated, not filled: the claim",
    ),
    "the form of answers come back": (
        QUESTION_TASK,
        "Question: Who? || Answer: <the answer>",
        "the form was repeated, not filled: the answer",
    ),
    "an unknown class": (TITLE_TASK, "Text: A title || Class: NeurIPS", "unknown label: NeurIPS"),
    "another class": (TITLE_TASK, "Text: A title || Class: SIGGRAPH", "label SIGGRAPH returned, VLDB requested"),
    "a refusal in words": (TRUE_CLAIM_TASK, "I'm sorry, but I can't help with that.", "no Claim"),
    "JSON without a label": (TRUE_CLAIM_TASK, '{"Claim": "Ferries leave."}', "no Label"),
    "JSON with an empty claim": (TRUE_CLAIM_TASK, '{"text": "", "target": "True"}', "no Claim"),
    "JSON with another label": (
        TRUE_CLAIM_TASK,
        '{"text": "Ferries leave.", "target": "False"}',
        "label unsupported returned, supported requested",
    ),
    "a list in JSON": (TRUE_CLAIM_TASK, '[{"Claim": "Ferries leave.", "Label": "True"}]', "no Claim"),
    "JSON that was cut": (TRUE_CLAIM_TASK, '{"text": "Ferries leave.", "target": "Tr', "no Claim"),
}


@pytest.mark.parametrize(("task", "text", "reason"), REJECTED.values(), ids=REJECTED.keys())
def test_what_is_no_twin_is_rejected_with_its_reason_and_kept_raw(task: Task, text: str, reason: str) -> None:
    read = task.read(text)
    assert isinstance(read, Rejected) and (read.example_id, read.reason, read.raw) == (task.example.id, reason, text)


@pytest.mark.parametrize("finish", ["length", "content_filter", "refusal", "tool_calls", "error"])
def test_an_unfinished_answer_is_rejected_though_it_looks_whole(finish: str) -> None:
    assert (
        parsed_or_reason(TRUE_CLAIM_TASK.read("Claim: Ferries leave at noon. || Label: True", finish))
        == f"finish reason: {finish}"
    )


@pytest.mark.parametrize("finish", ["stop", "STOP", "eos", "end_turn", ""])
def test_a_finished_answer_is_taken_whichever_word_the_provider_has_for_it(finish: str) -> None:
    assert isinstance(TRUE_CLAIM_TASK.read("Claim: Ferries leave at noon. || Label: True", finish), Synthetic)


def test_a_failure_passes_through_with_its_reason() -> None:
    assert parse(Failure("k", "HTTP 500: no"), CLAIM, FV, FACTS) == Rejected(
        "c1", RejectionCause(RejectionKind.FAILED_REQUEST, {"error": "HTTP 500: no"}), ""
    )


# --- what a twin takes over --------------------------------------------------------------------


def test_a_twin_has_the_id_and_evidence_of_its_human_point_and_the_key_of_its_request() -> None:
    twin = TRUE_CLAIM_TASK.read("Claim: Ferries leave at noon. || Label: True")
    assert twin == Synthetic("c1", CLAIM.evidence, "Ferries leave at noon.", "supported", "k")


def test_the_word_false_becomes_its_class() -> None:
    assert parsed_or_reason(FALSE_CLAIM_TASK.read("Claim: Ferries sink. || Label: False.")) == (
        "Ferries sink.",
        "unsupported",
    )


def test_a_class_is_read_in_any_case() -> None:
    assert parsed_or_reason(TITLE_TASK.read("Text: Fast joins || Class: vldb")) == ("Fast joins", "VLDB")


def test_a_class_with_a_full_stop_in_its_name_is_known() -> None:
    words = PromptText(system="", user="{evidence}", assistant="Country: {target}")
    assert parsed_or_reason(parse(answered("Country: U.S."), TITLE, words, ("U.S.", "U.K."))) == (TITLE.text, "U.S.")


def test_a_class_whose_name_begins_another_is_told_apart() -> None:
    words = PromptText(system="", user="{evidence}", assistant="Class: {target}")
    assert parsed_or_reason(parse(answered("Class: VLDB Journal"), TITLE, words, ("VLDB", "VLDB Journal"))) == (
        TITLE.text,
        "VLDB Journal",
    )
    assert (
        parsed_or_reason(parse(answered("Class: VLDB-2"), TITLE, words, ("VLDB", "VLDB Journal")))
        == "unknown label: VLDB-2"
    )


# --- chain of thought --------------------------------------------------------------------------

EXPLAINED = {
    "as asked": "Explanation: It is short. || Claim: Ferries leave at noon. || Label: True",
    "bars in the explanation": "Explanation: a || b || c. || Claim: Ferries leave at noon. || Label: True",
    "colons in the explanation": "Explanation: note: at 12:00. Also: fine. || "
    "Claim: Ferries leave at noon. || Label: True",
    "the claim's name in the explanation": "Explanation: The claim: it is short. || "
    "Claim: Ferries leave at noon. || Label: True",
    "the label's name in the explanation": "Explanation: Why Label: True? || "
    "Claim: Ferries leave at noon. || Label: True",
    "on lines": "Explanation: It is short.\nIt is true.\n\nClaim: Ferries leave at noon.\nLabel: True",
    "no explanation": "Claim: Ferries leave at noon. || Label: True",
    "an empty explanation": "Explanation: || Claim: Ferries leave at noon. || Label: True",
    "no separators": "Explanation: It is short. Claim: Ferries leave at noon. Label: True",
    "two answers": "Explanation: Short. || Claim: Ferries leave at noon. || Label: True\n"
    "Explanation: No. || Claim: No. || Label: True",
}


@pytest.mark.parametrize("text", EXPLAINED.values(), ids=EXPLAINED.keys())
def test_an_explanation_never_becomes_part_of_the_claim(text: str) -> None:
    assert parsed_or_reason(EXPLAINED_CLAIM.read(text)) == ("Ferries leave at noon.", "supported")


def test_an_explanation_alone_is_no_twin() -> None:
    assert parsed_or_reason(EXPLAINED_CLAIM.read("Explanation: It is short.")) == "no Claim"


def test_an_explained_question_is_read() -> None:
    text = "Explanation: The answer is 10:30 am: plain. || Question: When? || Answer: 10:30 am"
    assert parsed_or_reason(EXPLAINED_QUESTION.read(text)) == ("When?", "10:30 am")


# --- annotation --------------------------------------------------------------------------------

ANNOTATIONS = {
    "label": (Task(SAY_LABEL, CLAIM, FACTS), "Label: False", ("The human claim.", "unsupported")),
    "label in bold": (Task(SAY_LABEL, CLAIM, FACTS), "**Label:** True.", ("The human claim.", "supported")),
    "label with its reason": (
        Task(SAY_LABEL, CLAIM, FACTS),
        "Label: False. It leaves at noon.",
        ("The human claim.", "unsupported"),
    ),
    "label after thoughts": (
        Task(SAY_LABEL, CLAIM, FACTS),
        "Let me see: noon.\nLabel: True",
        ("The human claim.", "supported"),
    ),
    "two labels": (Task(SAY_LABEL, CLAIM, FACTS), "Label: True\nLabel: False", ("The human claim.", "supported")),
    "bare label": (Task(SAY_LABEL, CLAIM, FACTS), "False", "no Label"),
    "unknown label": (Task(SAY_LABEL, CLAIM, FACTS), "Label: Maybe", "unknown label: Maybe"),
    "the form": (
        Task(SAY_LABEL, CLAIM, FACTS),
        "Label: <True or False>",
        "the form was repeated, not filled: True or False",
    ),
    "class": (Task(SAY_CLASS, TITLE, VENUES), "Class: INFOCOM", ("A human title", "INFOCOM")),
    "unknown class": (Task(SAY_CLASS, TITLE, VENUES), "Class: Nature", "unknown label: Nature"),
    "answer": (Task(SAY_ANSWER, QUESTION), "Answer: 10:30 am", ("The human question?", "10:30 am")),
    "empty answer": (Task(SAY_ANSWER, QUESTION), "Answer:", "no Answer"),
}


@pytest.mark.parametrize(("task", "text", "expected"), ANNOTATIONS.values(), ids=ANNOTATIONS.keys())
def test_an_annotator_changes_the_target_and_keeps_the_human_text(
    task: Task, text: str, expected: tuple[str, str] | str
) -> None:
    assert parsed_or_reason(task.read(text)) == expected


# --- size --------------------------------------------------------------------------------------

LONG = {
    "spaces": "Claim: Ferries leave at noon." + " " * 100_000,
    "blank lines": "Claim: Ferries leave at noon." + "\n \t" * 33_000,
    "bars": "|" * 100_000,
    "spaced bars": "| " * 50_000,
    "stars": ". " + "*" * 100_000,
    "sentences": ". " * 50_000,
    "list signs": "\n- " * 33_000,
    "names": "Claim: " * 14_000,
    "begun answers": "\nClaim: Ferries" * 6_600,
    "words": "ferry " * 16_000,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG.keys())
def test_a_hundred_kilobytes_of_nothing_are_rejected_quickly(text: str) -> None:
    start = time.process_time()
    assert isinstance(TRUE_CLAIM_TASK.read(text), Rejected)
    assert time.process_time() - start < 1


def test_an_answer_is_found_before_a_hundred_kilobytes_of_chatter() -> None:
    text = "Claim: Ferries leave at noon. || Label: True\n" + "And so on: more. " * 6_000
    assert parsed_or_reason(TRUE_CLAIM_TASK.read(text)) == ("Ferries leave at noon.", "supported")


# --- forms of one's own ------------------------------------------------------------------------


def test_a_form_of_ones_own_needs_no_new_parser() -> None:
    found = split_fields("Titel: Wie schnell?\nThema: Bahn", "Titel: {text}\nThema: {target}")
    assert found == {"text": "Wie schnell?", "target": "Bahn"}


def test_signs_with_a_meaning_in_patterns_are_plain_text_in_a_form() -> None:
    assert split_fields("Claim (new): A. || [Label]: True", "Claim (new): {text} || [Label]: {target}") == {
        "text": "A.",
        "target": "True",
    }
