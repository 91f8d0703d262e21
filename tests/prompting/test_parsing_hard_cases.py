"""Hard cases of the answer parser: each is parsed correctly, or rejected with its reason.

In doubt an answer is rejected: a wrong twin would be trained on.
"""

from __future__ import annotations

import time

import pytest
from config_groups import strategy

from littlehuman.prompting.parsing import parse
from littlehuman.records import Completion, Example, Synthetic

CLASSES = ("supported", "unsupported")
FV, QA, TITLES = (strategy("few_shot").tasks[task] for task in ("fv", "qa", "classify"))
COT, FREE, SAY = strategy("cot").tasks["fv"], strategy("few_shot_free").tasks["fv"], strategy("annotate").tasks["fv"]
TRUE = Example("c", "The ferry leaves at noon.", "The human claim.", ("supported",))
QUESTION = Example("q", "The ferry leaves at noon.", "The human question?", ("noon",))
TITLE = Example("t", "", "A human title", ("VLDB",))
NOON = ("The ferry leaves at noon.", "supported")
FINE = "Claim: The ferry leaves at noon. || Label: True"
LONG = "x" * 100_000

Read = tuple[str, str] | str  # text and target, or why it is rejected


def read_claim(raw: str) -> Read:
    return _read(parse(Completion("k", raw, "stop", 1, 1), TRUE, FV, CLASSES))


def read_question(raw: str) -> Read:
    return _read(parse(Completion("k", raw, "stop", 1, 1), QUESTION, QA))


def _read(found: object) -> Read:
    return (found.text, found.target) if isinstance(found, Synthetic) else found.reason  # type: ignore[attr-defined]


CLAIMS: dict[str, tuple[str, Read]] = {
    # signs that mean something to a parser
    "a time with a colon": (
        "Claim: The ferry leaves at 12:00. || Label: True",
        ("The ferry leaves at 12:00.", "supported"),
    ),
    "a time before the label, no separator": (
        "Claim: It leaves at 12:30 pm. Label: True",
        ("It leaves at 12:30 pm.", "supported"),
    ),
    "a time that ends the claim, no stop": (
        "Claim: It leaves at 12:30\nLabel: True",
        ("It leaves at 12:30", "supported"),
    ),
    "a ratio and a score": ("Claim: Ost won 3:2, odds 7:1. || Label: True", ("Ost won 3:2, odds 7:1.", "supported")),
    "an address with a port": (
        "Claim: See http://ost.example:80/a. || Label: True",
        ("See http://ost.example:80/a.", "supported"),
    ),
    "a verse": ("Claim: John 3:16 is quoted. || Label: True", ("John 3:16 is quoted.", "supported")),
    "the word Label in the claim": ("Claim: The label: noon. || Label: True", ("The label: noon.", "supported")),
    "Label: True in the claim": (
        "Claim: It says Label: True on the box. || Label: True",
        ("It says Label: True on the box.", "supported"),
    ),
    "the word Claim in the claim": ("Claim: His claim: noon. || Label: True", ("His claim: noon.", "supported")),
    "two bars in the claim": (
        "Claim: a || b is a disjunction. || Label: True",
        ("a || b is a disjunction.", "supported"),
    ),
    "a brace and a bracket": ("Claim: {x} and [y] are <z>. || Label: True", ("{x} and [y] are <z>.", "supported")),
    "a backslash": ("Claim: C:\\ferry is a folder. || Label: True", ("C:\\ferry is a folder.", "supported")),
    "a percent sign and a format": (
        "Claim: 50 % of %s and {0} leave. || Label: True",
        ("50 % of %s and {0} leave.", "supported"),
    ),
    "a star in the middle": ("Claim: 5 * 3 is 15. || Label: True", ("5 * 3 is 15.", "supported")),
    "snake case": ("Claim: ferry_time is noon. || Label: True", ("ferry_time is noon.", "supported")),
    "money": ("Claim: It costs $5.00 (US). || Label: True", ("It costs $5.00 (US).", "supported")),
    "a null character": ("Claim: The ferry\x00 leaves. || Label: True", ("The ferry leaves.", "supported")),
    # labels
    "Incorrect": ("Claim: It leaves. || Label: Incorrect", "unknown label: Incorrect"),
    "Correct": ("Claim: It leaves. || Label: Correct", "unknown label: Correct"),
    "not true": ("Claim: It leaves. || Label: not true", "unknown label: not true"),
    "Untrue": ("Claim: It leaves. || Label: Untrue", "unknown label: Untrue"),
    "true and false": ("Claim: It leaves. || Label: True and False", "unknown label: True and False"),
    "true, then taken back": (
        "Claim: It leaves. || Label: True. Or rather False.",
        "unknown label: True. Or rather False.",
    ),
    "half true": ("Claim: It leaves. || Label: Half-True", "unknown label: Half-True"),
    "mostly true": ("Claim: It leaves. || Label: Mostly True", "unknown label: Mostly True"),
    "truest": ("Claim: It leaves. || Label: Truest", "unknown label: Truest"),
    "a number": ("Claim: It leaves. || Label: 1", "unknown label: 1"),
    "a class instead of its word": ("Claim: It leaves. || Label: supported", "unknown label: supported"),
    "the other label": ("Claim: It leaves. || Label: False", "label unsupported returned, supported requested"),
    "upper case": ("CLAIM: The ferry leaves at noon. || LABEL: TRUE", NOON),
    "a label in bold": ("Claim: The ferry leaves at noon. || Label: **True**", NOON),
    "a label with an exclamation mark": ("Claim: The ferry leaves at noon. || Label: True!", NOON),
    "a label in brackets": ("Claim: The ferry leaves at noon. || Label: [True]", NOON),
    "a label in parentheses": ("Claim: The ferry leaves at noon. || Label: (True)", NOON),
    "a label and its reason": ("Claim: The ferry leaves at noon. || Label: True, because the context says so", NOON),
    "a label with a tick": ("Claim: The ferry leaves at noon. || Label: True ✅", NOON),
    "a tick before the label": ("Claim: The ferry leaves at noon. || Label: ✅ True", NOON),
    # quotes, markdown and separators
    "bold markers": ("**Claim:** The ferry leaves at noon. || **Label:** True", NOON),
    "bold italic markers": ("***Claim:*** The ferry leaves at noon. || ***Label:*** True", NOON),
    "underlined markers": ("__Claim:__ The ferry leaves at noon. || __Label:__ True", NOON),
    "a quotation block": ("> Claim: The ferry leaves at noon.\n> Label: True", NOON),
    "a table row": ("| Claim: The ferry leaves at noon. | Label: True |", NOON),
    "headings on lines of their own": ("### Claim:\nThe ferry leaves at noon.\n\n### Label:\nTrue", NOON),
    "a code fence with a language": ("```text\nClaim: The ferry leaves at noon. || Label: True\n```", NOON),
    "quotes around each field": ('Claim: "The ferry leaves at noon." || Label: "True"', NOON),
    "French quotes": ("Claim: « The ferry leaves at noon. » || Label: « True »", NOON),
    "Japanese quotes": ("Claim: 「The ferry leaves at noon.」 || Label: 「True」", NOON),
    "full-width colons and bars": ("Claim：The ferry leaves at noon. ｜｜ Label：True", NOON),
    "a space before the colon": ("Claim : The ferry leaves at noon. || Label : True", NOON),
    "emoji before the markers": ("📝 Claim: The ferry leaves at noon.\n✅ Label: True", NOON),
    "HTML bold": ("<b>Claim:</b> The ferry leaves at noon. || <b>Label:</b> True", "no Claim"),
    "HTML line breaks": ("Claim: The ferry leaves at noon.<br>Label: True", "no Label"),
    "tabs": ("Claim:\tThe ferry leaves at noon.\t||\tLabel:\tTrue", NOON),
    "zero-width spaces": ("\u200bClaim:\u200b The ferry leaves at noon. ||\u200b Label:\u200b True\u200b", NOON),
    "right-to-left marks": ("\u200fClaim: The ferry leaves at noon.\u200f || Label: True\u200f", NOON),
    "a soft hyphen in the label": (
        "Claim: The ferry leaves at noon. || Label: Tr\u00adue",
        "unknown label: Tr\u00adue",
    ),
    "semicolon between": ("Claim: The ferry leaves at noon.; Label: True", "no Label"),
    "a dash instead of the colon": ("Claim - The ferry leaves at noon. || Label - True", "no Claim"),
    "an equals sign instead of the colon": ("Claim = The ferry leaves at noon. || Label = True", "no Claim"),
    # more or less than one answer
    "two answers": (f"{FINE}\nClaim: The ferry sinks. || Label: True", NOON),
    "three numbered answers": (
        f"1. {FINE}\n2. Claim: It sinks. || Label: True\n3. Claim: It swims. || Label: True",
        NOON,
    ),
    "two answers with unlike labels": (f"{FINE}\n\nClaim: The ferry sinks. || Label: False", NOON),
    "the wrong answer first": (
        f"Claim: The ferry sinks. || Label: False\n{FINE}",
        "label unsupported returned, supported requested",
    ),
    "the form, then the answer": (
        f"Claim: <the claim> || Label: True\n{FINE}",
        "the form was repeated, not filled: the claim",
    ),
    "the form come back": ("Claim: <the claim> || Label: True", "the form was repeated, not filled: the claim"),
    "the form in square brackets": (
        "Claim: [the claim] || Label: True",
        "the form was repeated, not filled: the claim",
    ),
    "the form without signs": ("Claim: the claim || Label: True", "the form was repeated, not filled: the claim"),
    "the form's own field": ("Claim: {text} || Label: True", "the form was repeated, not filled: {text}"),
    "the request repeated": ("Context: The ferry leaves at noon.", "no Claim"),
    "the context, then the answer": (f"Context: The ferry leaves at noon.\n\n{FINE}", NOON),
    "the label first": ("Label: True || Claim: The ferry leaves at noon.", "no Label"),
    "three dots": ("Claim: ... || Label: True", "no Claim"),
    "a dash for a claim": ("Claim: - || Label: True", "no Claim"),
    "none": ("None", "no Claim"),
    "nothing": ("", "empty answer"),
    "a byte order mark alone": ("\ufeff", "empty answer"),
    "zero-width spaces alone": ("\u200b\u200b", "empty answer"),
    "an end token alone": ("<|im_end|>", "no Claim"),
    "a refusal": ("I'm sorry, but as a language model I cannot: that would be false.", "no Claim"),
    "a refusal in the form": ("Claim: I cannot help with that. || Label: N/A", "unknown label: N/A"),
    # around the answer
    "chatter before": (f"Certainly! Here is a claim about the ferry:\n\n{FINE}", NOON),
    "chatter after": (f"{FINE}\n\nLet me know if you need another claim: I can write more.", NOON),
    "chatter with the label's name after": (f"{FINE}\nThe label: True because noon is named.", NOON),
    "a note after": (f"{FINE}\n\n(Note: the label would be False if it left at one.)", NOON),
    "an end token after": (f"{FINE}</s>", NOON),
    "a turn of the user after": (f"{FINE}\nuser: Context: The mill.\nassistant: Claim: The mill. || Label: True", NOON),
    "thoughts": (f"<think>Claim: It sinks. || Label: True? No.</think>{FINE}", NOON),
    "thoughts under another name": (f"<thinking>Claim: It sinks. || Label: True? No.</thinking>\n{FINE}", NOON),
    "thoughts without a beginning": (f"Claim: It sinks. || Label: True? No.</think>\n\n{FINE}", NOON),
    "thoughts without an end": (
        "<think>Claim: It sinks. || Label: True, but is that so? Let me",
        "no answer after the thoughts",
    ),
    "harmony channels": (f"<|channel|>analysis<|message|>A claim.<|end|><|channel|>final<|message|>{FINE}", NOON),
    "100 kB before": (f"{LONG}\n{FINE}", "no Claim"),
    "100 kB after": (f"{FINE}\n{LONG}", NOON),
    "a claim of 100 kB": (f"Claim: {LONG} || Label: True", "no Label"),
    "100 kB of markers": ("Claim: " * 14_000, "no Label"),
    "100 kB of bars": ("||" * 50_000, "no Claim"),
    # JSON
    "JSON": ('{"claim": "The ferry leaves at noon.", "label": "True"}', NOON),
    "JSON in a fence, with chatter": (
        '```json\n{"claim": "The ferry leaves at noon.", "label": true}\n```\nDone.',
        NOON,
    ),
    "JSON after chatter": ('Here it is: {"claim": "The ferry leaves at noon.", "label": "True"}', "no Claim"),
    "JSON that was cut": ('{"claim": "The ferry leaves at noon.", "label": "Tr', "no Claim"),
    "JSON with single quotes": ("{'claim': 'The ferry leaves at noon.', 'label': 'True'}", "no Claim"),
    "JSON inside JSON": ('{"answer": {"claim": "The ferry leaves at noon.", "label": "True"}}', "no Claim"),
    "JSON with a list": ('{"claim": ["The ferry leaves at noon."], "label": "True"}', "no Claim"),
    "JSON with null": ('{"claim": "The ferry leaves at noon.", "label": null}', "no Label"),
    # other languages and scripts
    "markers in German": ("Behauptung: Die Fähre fährt. || Wertung: Wahr", "no Claim"),
    "a label in German": ("Claim: Die Fähre fährt. || Label: Wahr", "unknown label: Wahr"),
    "German with an abbreviation": (
        "Claim: Sie fährt z.B. um 12:00 Uhr. || Label: True",
        ("Sie fährt z.B. um 12:00 Uhr.", "supported"),
    ),
    "Chinese": ("Claim：渡轮中午离开。 || Label：True", ("渡轮中午离开。", "supported")),
    "Chinese without separator": ("Claim：渡轮中午离开。Label：True", ("渡轮中午离开。", "supported")),
    "Arabic": ("Claim: تغادر العبارة ظهرا. || Label: True", ("تغادر العبارة ظهرا.", "supported")),
    "Hebrew between marks": (
        "Claim: \u2067המעבורת יוצאת\u2069 || Label: True",
        ("\u2067המעבורת יוצאת\u2069", "supported"),
    ),
    "Hindi": ("Claim: नौका दोपहर को चलती है। || Label: True", ("नौका दोपहर को चलती है।", "supported")),
    "Hindi without separator": ("Claim: नौका दोपहर को चलती है। Label: True", ("नौका दोपहर को चलती है।", "supported")),
    "combining accents": ("Claim: Le cafe\u0301 ferme. || Label: True", ("Le cafe\u0301 ferme.", "supported")),
    "an emoji in the claim": (
        "Claim: The ⛴️ leaves at noon 🕛. || Label: True",
        ("The ⛴️ leaves at noon 🕛.", "supported"),
    ),
    "half an emoji": ("Claim: The \ud83d ferry leaves. || Label: True", ("The \ud83d ferry leaves.", "supported")),
    "Cyrillic letters that look Latin": ("Сlaim: The ferry leaves at noon. || Label: True", "no Claim"),
}


@pytest.mark.parametrize(("raw", "expected"), CLAIMS.values(), ids=CLAIMS.keys())
def test_a_claim(raw: str, expected: Read) -> None:
    start = time.perf_counter()
    assert read_claim(raw) == expected
    assert time.perf_counter() - start < 1


QUESTIONS: dict[str, tuple[str, Read]] = {
    "a time as the answer": ("Question: When? || Answer: 10:30 am", ("When?", "10:30 am")),
    "the word Label in the question": ("Question: Which Label: A or B? || Answer: A", ("Which Label: A or B?", "A")),
    "the word Answer in the question": ("Question: Is the Answer: 42? || Answer: yes", ("Is the Answer: 42?", "yes")),
    "Question: in the answer": ("Question: Which song? || Answer: Question: Why", ("Which song?", "Question: Why")),
    "an answer of two lines": ("Question: Who? || Answer: Ann\nand Bob", ("Who?", "Ann")),
    "an answer with bars": ("Question: Which? || Answer: A|B", ("Which?", "A|B")),
    "an answer with two bars": ("Question: Which? || Answer: a || b", ("Which?", "a")),
    "the answer None": ("Question: Who? || Answer: None", ("Who?", "None")),
    "the answer 0": ("Question: How many? || Answer: 0", ("How many?", "0")),
    "the answer no": ("Question: Is it? || Answer: No.", ("Is it?", "No.")),
    "the answer C++": ("Question: Which? || Answer: C++", ("Which?", "C++")),
    "a negative number": ("Question: How cold? || Answer: -5 °C", ("How cold?", "-5 °C")),
    "an answer in a sentence": ("Question: Who? || Answer: It was Ann, who left.", ("Who?", "It was Ann, who left.")),
    "no answer": ("Question: Who left? ||", "no Answer"),
    "no question": ("Answer: Ann", "no Question"),
    "an abbreviated form": ("Q: Who? || A: Ann", "no Question"),
    "choices": ("Question: Who? A) Ann B) Bob || Answer: A", ("Who? A) Ann B) Bob", "A")),
    "choices on lines": ("Question: Who?\nA) Ann\nB) Bob\nAnswer: A", ("Who? A) Ann B) Bob", "A")),
    "three pairs": ("Question: Who? || Answer: Ann\nQuestion: When? || Answer: noon\nQuestion: W", ("Who?", "Ann")),
    "the form come back": (
        "Question: <the question> || Answer: <the answer>",
        "the form was repeated, not filled: the question",
    ),
    "JSON": ('{"question": "When?", "answer": "10:30"}', ("When?", "10:30")),
    "JSON with a number": ('{"question": "How many?", "answer": 3}', ("How many?", "3")),
    "JSON with no": ('{"question": "How many?", "answer": 0}', ("How many?", "0")),
    "JSON with brackets in a string": ('{"question": "Is {x} a set?", "answer": "yes"}', ("Is {x} a set?", "yes")),
    "Greek question mark": ("Question: Ποιος;\nAnswer: Άννα", ("Ποιος;", "Άννα")),
    "Arabic question mark": ("Question: من؟ Answer: آنا", ("من؟", "آنا")),
    "Spanish": ("Question: ¿Quién? || Answer: Ana", ("¿Quién?", "Ana")),
}


@pytest.mark.parametrize(("raw", "expected"), QUESTIONS.values(), ids=QUESTIONS.keys())
def test_a_question(raw: str, expected: Read) -> None:
    assert read_question(raw) == expected


EXPLAINED: dict[str, tuple[str, Read]] = {
    "claims within the explanation": (f"Explanation: A claim: at noon. So: fine. || {FINE}", NOON),
    "an explanation on lines": (f"Explanation: first\n- at noon\n- it leaves\n\n{FINE}", NOON),
    "the explanation last": (f"{FINE} || Explanation: it says so", "no Claim"),
    "an explanation in JSON": ('{"explanation": "x", "claim": "The ferry leaves at noon.", "label": "True"}', NOON),
    "the explanation alone": ("Explanation: The context says noon.", "no Claim"),
}


@pytest.mark.parametrize(("raw", "expected"), EXPLAINED.values(), ids=EXPLAINED.keys())
def test_an_explained_claim(raw: str, expected: Read) -> None:
    assert _read(parse(Completion("k", raw, "stop", 1, 1), TRUE, COT, CLASSES)) == expected


def test_a_label_that_was_left_free_is_the_models_own() -> None:
    raw = "Claim: It sinks. || Label: False"
    assert _read(parse(Completion("k", raw, "stop", 1, 1), TRUE, FREE, CLASSES)) == ("It sinks.", "unsupported")
    form = "Claim: It sinks. || Label: <True or False>"
    assert (
        _read(parse(Completion("k", form, "stop", 1, 1), TRUE, FREE, CLASSES))
        == "the form was repeated, not filled: True or False"
    )


def test_a_label_alone_is_an_annotation() -> None:
    assert _read(parse(Completion("k", "**Label: False**", "stop", 1, 1), TRUE, SAY, CLASSES)) == (
        "The human claim.",
        "unsupported",
    )


def test_a_title_with_colons_keeps_them() -> None:
    raw = "Text: Joins: fast, faster: fastest || Class: VLDB"
    found = parse(Completion("k", raw, "stop", 1, 1), TITLE, TITLES, ("VLDB", "WWW"))
    assert _read(found) == ("Joins: fast, faster: fastest", "VLDB")
