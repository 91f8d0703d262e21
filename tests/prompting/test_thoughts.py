"""Reasoning traces: the twin comes from what is outside of the thoughts, never from a draft within them."""

from __future__ import annotations

import time

import pytest
from config_groups import strategy
from hypothesis import example, given, settings
from hypothesis import strategies as st

from littlehuman.prompting.parsing import parse, split_fields
from littlehuman.prompting.thoughts import outside_thoughts
from littlehuman.records import Completion, Example, Rejected, Synthetic
from littlehuman.rejections import RejectionKind

CLASSES = ("supported", "unsupported")
FV, QA = (strategy("few_shot").tasks[task] for task in ("fv", "qa"))
ANNOTATE_FV, ANNOTATE_QA = (strategy("annotate").tasks[task] for task in ("fv", "qa"))
TRUE = Example("c", "The ferry leaves at noon.", "The human claim.", ("supported",))
QUESTION = Example("q", "The ferry leaves at noon.", "The human question?", ("noon",))
NOON = ("The ferry leaves at noon.", "supported")
FINE = "Claim: The ferry leaves at noon. || Label: True"
DRAFT = "Claim: It sinks. || Label: True"
THINKING = "no answer after the thoughts"
FINAL = "<|channel|>final<|message|>"
ANALYSIS = "<|channel|>analysis<|message|>"

Read = tuple[str, str] | str


def read(raw: str, *, finish: str = "stop") -> Read:
    return _read(parse(Completion("k", raw, finish, 1, 1), TRUE, FV, CLASSES))


def _read(found: Synthetic | Rejected) -> Read:
    return (found.text, found.target) if isinstance(found, Synthetic) else found.reason


THOUGHTS: dict[str, tuple[str, Read]] = {
    # closed
    "think": (f"<think>{DRAFT}\nNo.</think>\n\n{FINE}", NOON),
    "thinking": (f"<thinking>\n{DRAFT}\n</thinking>\n{FINE}", NOON),
    "thought": (f"<thought>\n{DRAFT}\n</thought>{FINE}", NOON),
    "reasoning": (f"<reasoning>{DRAFT}</reasoning> {FINE}", NOON),
    "reflection": (f"<reflection>{DRAFT}</reflection> {FINE}", NOON),
    "scratchpad": (f"<scratchpad>\n{DRAFT}\n</scratchpad>\n{FINE}", NOON),
    "a name with a prefix": (f"<seed:think>{DRAFT}</seed:think>{FINE}", NOON),
    "a tag with an attribute": (f'<think seconds="3">{DRAFT}</think>{FINE}', NOON),
    "capital letters": (f"<THINK>{DRAFT}</THINK>{FINE}", NOON),
    "square brackets": (f"[THINK]{DRAFT}[/THINK]{FINE}", NOON),
    "square brackets on lines": (f"[THINK]\n{DRAFT}\n[/THINK]\n\n{FINE}", NOON),
    "triangles": (f"◁think▷{DRAFT}◁/think▷{FINE}", NOON),
    "tokens of Command A": (
        f"<|START_THINKING|>{DRAFT}<|END_THINKING|><|START_RESPONSE|>{FINE}<|END_RESPONSE|>",
        NOON,
    ),
    "tokens of OpenThinker": (
        f"<|begin_of_thought|>{DRAFT}<|end_of_thought|>\n\n<|begin_of_solution|>\n{FINE}\n<|end_of_solution|>",
        NOON,
    ),
    "tokens of Apertus": (f"<|inner_prefix|>{DRAFT}<|inner_suffix|>{FINE}", NOON),
    "a channel of Gemma": (f"<|channel>thought\n{DRAFT}<channel|>{FINE}", NOON),
    "Granite's sentences": (f"Here is my thought process:\n{DRAFT}\n\nHere is my response:\n{FINE}", NOON),
    "Ollama's lines": (f"Thinking...\n{DRAFT}\n...done thinking.\n\n{FINE}", NOON),
    "nothing thought": (f"<think>\n\n</think>\n\n{FINE}", NOON),
    "a zero-width space in the tag": (f"<thi\u200bnk>{DRAFT}</think>{FINE}", NOON),
    "chatter before": (f"Sure.\n<think>{DRAFT}</think>\n{FINE}", NOON),
    "thoughts on thoughts": (f"<think>{DRAFT}<think>{DRAFT}</think>\n{DRAFT}</think>{FINE}", NOON),
    "thoughts twice": (f"<think>a</think>\n{DRAFT}\n<think>b</think>\n{FINE}", NOON),
    "an answer, then thoughts about it": (f"<think>a</think>{FINE}\n<think>{DRAFT}</think>", NOON),
    "an answer, thoughts and a farewell": (f"{FINE}\n<think>{DRAFT}</think>\nDone.", NOON),
    "another name closes": (f"<think>{DRAFT}</thinking>{FINE}", NOON),
    "a closing mark in quotes within": (f"<think>I must not write `</think>` yet. {DRAFT}</think>{FINE}", NOON),
    "an object after": (f'<think>{DRAFT}</think>{{"claim": "The ferry leaves at noon.", "label": "True"}}', NOON),
    # closed, though the chat template opened them
    "a lone closing mark": (f"{DRAFT} Hm.</think>\n{FINE}", NOON),
    "a lone closing mark in brackets": (f"{DRAFT}\n[/THINK]{FINE}", NOON),
    "a lone closing mark and no space": (f"so {DRAFT}</think>{FINE}", NOON),
    "a lone closing mark as a word": (f"{DRAFT} so that is </think> {FINE}", NOON),
    "a lone closing mark and nothing": (f"{DRAFT}</think>", THINKING),
    "a lone closing mark and chatter": (f"{DRAFT}</think>I cannot say.", "no Claim"),
    "a lone closing mark, then thoughts again": (f"{DRAFT}</think><think>{DRAFT}", THINKING),
    "a lone closing mark after other open thoughts": (f"{DRAFT}\n<reasoning>{DRAFT}</think>{FINE}", NOON),
    "a lone closing mark after a channel": (f"{DRAFT}assistantanalysis{DRAFT}[/THINK]{FINE}", NOON),
    # open
    "open": (f"<think>{DRAFT}", THINKING),
    "open in brackets": (f"[THINK]{DRAFT}", THINKING),
    "open, other name": (f"<reasoning>\n{DRAFT}\n", THINKING),
    "open triangle": (f"◁think▷ {DRAFT}", THINKING),
    "open after chatter": (f"Okay. <think>Hmm. {DRAFT}", "no Claim"),
    "open after an answer": (f"{FINE}\n<think>\n{DRAFT}", NOON),
    "open, other tag closed within": (f"<think><reasoning>a</reasoning> {DRAFT}", THINKING),
    "Granite's thoughts alone": (f"Here is my thought process: {DRAFT}", THINKING),
    "an open thought of nothing": ("<think>", THINKING),
    # harmony
    "harmony": (f"{ANALYSIS}{DRAFT}<|end|><|start|>assistant{FINAL}{FINE}<|return|>", NOON),
    "harmony, final alone": (f"{FINAL}{FINE}<|return|>", NOON),
    "harmony, the beginning in the prompt": (f"{DRAFT}<|end|><|start|>assistant{FINAL}{FINE}", NOON),
    "harmony, a commentary": (
        f"{ANALYSIS}a<|end|><|start|>assistant<|channel|>commentary to=f<|message|>{DRAFT}<|end|>{FINAL}{FINE}",
        NOON,
    ),
    "harmony, an object": (
        f"{ANALYSIS}{DRAFT}<|end|><|channel|>final <|constrain|>json<|message|>"
        '{"claim": "The ferry leaves at noon.", "label": "True"}',
        NOON,
    ),
    "harmony, the message's mark missing": (f"<|channel|>analysis {DRAFT}\n<|channel|>final {FINE}", NOON),
    "harmony, thoughts alone": (f"{ANALYSIS}{DRAFT}", THINKING),
    "harmony, thoughts after thoughts": (f"{ANALYSIS}a<|end|><|start|>assistant{ANALYSIS}{DRAFT}<|end|>", THINKING),
    "harmony, two finals": (f"{FINAL}{DRAFT}<|end|><|start|>assistant{FINAL}{FINE}", NOON),
    "stripped harmony": (f"analysisWe need a claim. {DRAFT}assistantfinal{FINE}", NOON),
    "stripped harmony, spaces": (f"analysis We need a claim.\n{DRAFT} assistantfinal {FINE}", NOON),
    "stripped harmony, lower case": (f"analysisok so\n{DRAFT}assistantfinal{FINE}", NOON),
    "stripped harmony, a commentary": (f"analysisHm.assistantcommentary to=x {DRAFT}assistantfinal{FINE}", NOON),
    "stripped harmony, beginning in the prompt": (f"We need a claim. {DRAFT}assistantfinal{FINE}", NOON),
    "stripped harmony, final alone": (f"assistantfinal{FINE}", NOON),
    "stripped harmony, thoughts alone": (f"analysisWe need a claim.\n{DRAFT}", THINKING),
    "stripped harmony, thoughts again": (f"analysisHm.assistantanalysisMore.\n{DRAFT}", THINKING),
    # containers
    "a tag around the answer": (f"<think>{DRAFT}</think><answer>{FINE}</answer>", NOON),
    "a tag after a draft outside": (f"{DRAFT}\n<answer>\n{FINE}\n</answer>", NOON),
    "a tag that is not closed": (f"<think>{DRAFT}</think>\n<answer>{FINE}", NOON),
    "the last of two tags": (f"<answer>{DRAFT}</answer> or rather <answer>{FINE}</answer>", NOON),
    "a box": (f"The answer is \\boxed{{{FINE}}}", NOON),
    "a box around the label": ("Claim: The ferry leaves at noon. || Label: \\boxed{True}", NOON),
    "a box with text": ("Claim: The ferry leaves at noon. || Label: $\\boxed{\\text{True}}$", NOON),
    "a tag around the label": ("Claim: The ferry leaves at noon. || Label: <answer>True</answer>", NOON),
    "a tag instead of the label": ("Claim: The ferry leaves at noon.\n\n<answer>True</answer>", NOON),
    "a draft in a box within the thoughts": (f"<think>\\boxed{{{DRAFT}}}</think>I do not know.", "no Claim"),
    "a draft in a tag within open thoughts": (f"<think><answer>{DRAFT}</answer>", THINKING),
    # words of a stranger's text that look like it
    "a mentioned tag": (
        "Claim: The tag <think> opens a thought. || Label: True",
        ("The tag <think> opens a thought.", "supported"),
    ),
    "a mentioned closing tag": (
        "Claim: The tag </think> closes a thought. || Label: True",
        ("The tag </think> closes a thought.", "supported"),
    ),
    "a quoted closing tag": (
        'Claim: It ends with "</think>" always. || Label: True',
        ('It ends with "</think>" always.', "supported"),
    ),
    "a tag in backticks": (
        "Claim: Use `<thinking>` and `</thinking>`. || Label: True",
        ("Use `<thinking>` and `</thinking>`.", "supported"),
    ),
    "a whole thought as a word": (
        "Claim: A block <think>x</think> is removed. || Label: True",
        ("A block <think>x</think> is removed.", "supported"),
    ),
    "a mentioned bracket": (
        "Claim: It writes [THINK] first. || Label: True",
        ("It writes [THINK] first.", "supported"),
    ),
    "a mentioned channel": (
        "Claim: The word assistantfinal leaks. || Label: True",
        ("The word assistantfinal leaks.", "supported"),
    ),
    "the word analysis": (
        "Claim: Analysis of the final assistant. || Label: True",
        ("Analysis of the final assistant.", "supported"),
    ),
    "an analysis before": (f"analysis of the context: it says noon.\n\n{FINE}", NOON),
    "a heading before": (f"Analysis: it says noon.\n{FINE}", NOON),
    "reasoning before": (f"Reasoning: it says noon.\n{FINE}", NOON),
    "a tag in an object": (
        '{"claim": "The </think> tag closes.", "label": "True"}',
        ("The </think> tag closes.", "supported"),
    ),
    "a tag in an object after thoughts": (
        '<think>a</think>{"claim": "The </think> tag closes.", "label": "True"}',
        ("The </think> tag closes.", "supported"),
    ),
    "a mentioned tag, then thoughts": (f"Claim: The tag <think> opens. || Label: True\n{DRAFT}</think>{FINE}", NOON),
    "an answer tag as a word": (
        "Claim: The tags <answer>x</answer> frame it. || Label: True",
        ("The tags <answer>x</answer> frame it.", "supported"),
    ),
    "a formula": ("Claim: The area is $a^2$. || Label: True", ("The area is $a^2$.", "supported")),
}


@pytest.mark.parametrize(("raw", "expected"), THOUGHTS.values(), ids=THOUGHTS.keys())
def test_a_claim_comes_from_outside_the_thoughts(raw: str, expected: Read) -> None:
    assert read(raw) == expected


ANSWERED = {
    "a box": "Since it leaves at noon, \\boxed{noon}",
    "a box of text": "$$\\boxed{\\text{noon}}$$",
    "a tag": "<think>Answer: one</think>\n<answer>noon</answer>",
    "the form in a tag": "<answer>Answer: noon</answer>",
    "the form and a box": "Answer: \\boxed{noon}",
    "the last box": "\\boxed{one}, no, \\boxed{noon}",
}


@pytest.mark.parametrize("raw", ANSWERED.values(), ids=ANSWERED.keys())
def test_an_answer_alone_may_stand_in_a_tag_or_a_box(raw: str) -> None:
    found = parse(Completion("k", raw, "stop", 1, 1), QUESTION, ANNOTATE_QA)
    assert isinstance(found, Synthetic) and found.target == "noon"


def test_a_label_alone_may_stand_in_a_tag() -> None:
    found = parse(Completion("k", "<answer>False</answer>", "stop", 1, 1), TRUE, ANNOTATE_FV, CLASSES)
    assert _read(found) == ("The human claim.", "unsupported")


@pytest.mark.parametrize(
    "answer",
    [
        "the <think> tag",
        "noon <think> or one",
        "the <think>x</think> tag",
        "the ◁think▷ tag",
        "the <|channel|>final marker",
        f"the {ANALYSIS} marker",
        "the token <|im_end|> ends it",
    ],
)
def test_a_value_is_never_cut_at_a_mark_that_it_may_only_mention(answer: str) -> None:
    found = parse(Completion("k", f"Question: Which? || Answer: {answer}", "stop", 1, 1), QUESTION, QA)
    assert _read(found) in (THINKING, "no Question", "no Answer", ("Which?", answer))


def test_thoughts_without_an_answer_are_rejected_for_that_reason() -> None:
    found = parse(Completion("k", f"<think>{DRAFT}", "stop", 1, 1), TRUE, FV, CLASSES)
    assert isinstance(found, Rejected) and found.kind is RejectionKind.ONLY_THOUGHTS
    assert read("") == "empty answer" and read(f"<think>{DRAFT}", finish="length") == "finish reason: length"


def test_an_answer_that_was_cut_at_the_parsers_limit_is_no_answer() -> None:
    raw = "Question: When? || Answer: " + "x" * 100_000
    assert _read(parse(Completion("k", raw, "stop", 1, 1), QUESTION, QA)) == "no Answer"


def test_colours_of_a_terminal_are_no_part_of_a_twin() -> None:
    assert read("Claim: The \x1b[31mferry\x1b[0m leaves at noon.\x07 || Label: \x1b]0;title\x07True") == NOON


MARKS = ["<think>", "</think>", "[THINK]", "[/THINK]", ANALYSIS, FINAL, "analysisWe", "assistantfinal", "◁think▷"]
MARKS += ["<answer>", "</answer>", "\\boxed{", "}", "{", '"', "`", "<|end|>", "\n", " ", "||", "Claim:", "Label: True"]
PIECES = st.lists(st.sampled_from(MARKS) | st.text(max_size=8), max_size=25).map("".join)
SECRET = "zqsecretqz"
# What a model may think, in the end always between a pair of marks: any text without a mark that closes.
THOUGHT = st.lists(
    st.sampled_from(["Claim: ", " || Label: True", "\n", ". ", SECRET]) | st.text("ab <>/|{}", max_size=6)
)
PAIRS = {
    "<think>": "</think>",
    "<thinking>": "</thinking>",
    "<reasoning>": "</reasoning>",
    "[THINK]": "[/THINK]",
    ANALYSIS: f"<|end|><|start|>assistant{FINAL}",
    "analysisWe think. ": "assistantfinal",
    "": "\n</think>",
}


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(PIECES, st.sampled_from([FV, QA, ANNOTATE_FV]))
def test_no_text_makes_the_parser_fail(raw: str, template: object) -> None:
    found = parse(Completion("k", raw, "stop", 1, 1), TRUE, template, CLASSES)  # type: ignore[arg-type]
    assert isinstance(found, Synthetic | Rejected)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(THOUGHT, st.sampled_from(sorted(PAIRS.items())))
@example(["Claim: ", SECRET, ". ", " || Label: True"], ("", "\n</think>"))
def test_nothing_that_was_thought_is_in_the_twin(thought: list[str], pair: tuple[str, str]) -> None:
    opening, closing = pair
    draft = f"Claim: {SECRET}. || Label: True{''.join(thought)}\nClaim: {SECRET}. || Label: True"
    assert read(f"{opening}{draft}{closing}{FINE}") == NOON
    alone = split_fields(f"{opening}{draft}{closing if not opening else ''}", FV.assistant)
    assert SECRET not in "".join(alone.values())


OTHER_MARKS = [
    "<reasoning>",
    "assistantanalysis",
    "`</think>`",
    '"<think>"',
    "<answer>",
    "</answer>",
    "\\boxed{",
    "}",
    "\n",
]


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(
    st.lists(st.sampled_from([DRAFT, *OTHER_MARKS]), max_size=8).map("".join), st.sampled_from(sorted(PAIRS.items()))
)
@example(f"{DRAFT}\n<reasoning>", ("", "\n</think>"))
@example(f"{DRAFT}assistantanalysis{DRAFT}", ("", "\n</think>"))
def test_a_draft_among_other_marks_is_no_twin(thought: str, pair: tuple[str, str]) -> None:
    opening, closing = pair
    for raw in (f"{opening}{thought}{closing}{FINE}", f"{opening or '<think>'}{thought}"):
        assert read(raw) != ("It sinks.", "supported")


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(st.text(st.characters(exclude_characters="<>[]◁▷\\"), max_size=60).filter(lambda text: "assistant" not in text))
def test_a_text_without_marks_is_one_part(text: str) -> None:
    whole = f"Claim: {text}"
    assert outside_thoughts(whole, ("Claim", "Label")) == [whole.strip()]


@pytest.mark.parametrize(
    "mark", ["<think>", "</think>", "a </think> b ", "assistantfinal", "[THINK", "<|channel|>", "\\boxed{"]
)
def test_a_text_full_of_marks_is_read_in_no_time(mark: str) -> None:
    start = time.perf_counter()
    read("Claim: " + mark * (60_000 // len(mark)))
    assert time.perf_counter() - start < 2
