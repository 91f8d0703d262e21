"""Requests for twins: their messages, their few-shot examples, their cache keys, and templates that are refused."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from config_groups import prompt_model, strategy
from conftest import compose

from littlehuman.errors import ConfigError
from littlehuman.prompting import build_prompts, repeat_indices
from littlehuman.prompting.few_shot import clean_evidence
from littlehuman.records import Dataset, Example, Prompt
from littlehuman.schema import Demonstration, PromptText, Shots, StrategyConfig, Writes
from littlehuman.twins.answers import TwinRequests

FEW, ZERO, COT, ANNOTATE, FREE = (
    strategy(name) for name in ("few_shot", "zero_shot", "cot", "annotate", "few_shot_free")
)
QWEN = prompt_model("qwen-1.5b")
FACTS = ("supported", "unsupported")

# Thirty passages with two claims of each label: what a dataset with shared evidence looks like.
CLAIMS = [
    Example(f"p{i}-{label[0]}{j}", f"Passage number {i} is about a bridge.", f"Claim {j} on {i}, {label}.", (label,))
    for i in range(30)
    for label in FACTS
    for j in range(2)
]
QUESTIONS = [
    Example(f"p{i}-q", f"Passage number {i} is about a bridge.", f"Question {i}?", (f"answer {i}",)) for i in range(30)
]
SUPPORTED = [e for e in CLAIMS if e.target == "supported"]
BY_ID = {e.id: e for e in CLAIMS + QUESTIONS}


def prompts_for(
    examples: Sequence[Example],
    pool: Sequence[Example] = CLAIMS,
    how: StrategyConfig = FEW,
    task: str = "fv",
    **values: Any,
) -> list[Prompt]:
    return list(build_prompts(examples, pool, how, task, QWEN, **values))


def text_of(prompt: Prompt) -> str:
    return "\n".join(message["content"] for message in prompt.messages)


def with_texts(how: StrategyConfig, task: str, **texts: Any) -> StrategyConfig:
    return replace(how, tasks={task: replace(how.tasks[task], **texts)})


# --- the request -------------------------------------------------------------------------------


def test_a_request_is_a_system_turn_then_pairs_then_the_question() -> None:
    for prompt in prompts_for(CLAIMS[:4]):
        assert [message["role"] for message in prompt.messages] == ["system"] + ["user", "assistant"] * 3 + ["user"]


def test_requests_come_in_the_order_of_the_points() -> None:
    assert [prompt.example_id for prompt in prompts_for(CLAIMS)] == [e.id for e in CLAIMS]


def test_the_question_is_the_points_own_evidence() -> None:
    for prompt in prompts_for(CLAIMS):
        assert prompt.messages[-1]["content"] == f"Context: {BY_ID[prompt.example_id].evidence}"


def test_the_label_is_requested_in_words() -> None:
    system = {BY_ID[p.example_id].target: p.messages[0]["content"] for p in prompts_for(CLAIMS)}
    assert "Label: True" in system["supported"] and "shows to be true" in system["supported"]
    assert "Label: False" in system["unsupported"] and "shows to be wrong" in system["unsupported"]


def test_a_shown_point_stands_in_the_form_that_answers_must_have() -> None:
    prompt = prompts_for(CLAIMS[:1])[0]
    shown = BY_ID[prompt.shown[0]]
    assert prompt.messages[1]["content"] == f"Context: {shown.evidence}"
    assert prompt.messages[2]["content"] == f"Claim: {shown.text} || Label: True"


def test_a_class_request_names_class_and_no_text() -> None:
    titles = [Example(f"t{i}", "", f"Title {i}", ("VLDB" if i % 2 else "WWW",)) for i in range(10)]
    prompt = prompts_for(titles[:1], titles, task="classify")[0]
    assert prompt.messages[-1]["content"] == "Class: WWW"
    assert "Title 0" not in text_of(prompt)
    assert {int(i[1:]) % 2 for i in prompt.shown} == {0}


# --- who is shown ------------------------------------------------------------------------------


def test_a_prompt_never_shows_the_point_itself() -> None:
    assert all(prompt.example_id not in prompt.shown for prompt in prompts_for(CLAIMS))


def test_a_prompt_never_shows_another_edition_of_the_point_itself() -> None:
    pool = [replace(SUPPORTED[0], evidence="A later edition."), *SUPPORTED[2:4]]
    assert set(prompts_for(SUPPORTED[:1], pool)[0].shown) == {SUPPORTED[2].id, SUPPORTED[3].id}


def test_a_prompt_never_shows_a_point_on_the_same_evidence() -> None:
    for prompt in prompts_for(CLAIMS):
        assert all(BY_ID[i].evidence != BY_ID[prompt.example_id].evidence for i in prompt.shown)


def test_evidence_that_differs_in_spaces_and_case_alone_is_the_same() -> None:
    pool = [
        Example("a", "The  Bridge\nburned.", "A.", ("supported",)),
        Example("b", "the bridge burned.", "B.", ("supported",)),
    ]
    assert prompts_for(pool[:1], pool)[0].shown == ()


def test_points_without_evidence_stand_on_their_own_text() -> None:
    twice = Example("t2", "", "One title ", ("VLDB",))
    assert Example("t1", "", "one  title", ("VLDB",)).evidence_key == twice.evidence_key


def test_only_points_of_the_requested_label_are_shown() -> None:
    for prompt in prompts_for(CLAIMS):
        assert {BY_ID[i].target for i in prompt.shown} == {BY_ID[prompt.example_id].target}


def test_only_points_of_the_pool_are_shown() -> None:
    pool = CLAIMS[:20]
    shown = {i for prompt in prompts_for(CLAIMS, pool) for i in prompt.shown}
    assert shown and shown <= {e.id for e in pool}


def test_three_different_points_are_shown() -> None:
    assert all(len(set(prompt.shown)) == 3 for prompt in prompts_for(CLAIMS))


def test_the_whole_pool_takes_part() -> None:
    assert len({i for prompt in prompts_for(CLAIMS) for i in prompt.shown}) > 0.9 * len(CLAIMS)


def test_a_pool_with_fewer_fitting_points_shows_those() -> None:
    pool = SUPPORTED[:4]  # two on each of two passages
    assert set(prompts_for(pool[:1], pool)[0].shown) == {pool[2].id, pool[3].id}


def test_too_few_points_to_show_are_said_aloud(caplog: pytest.LogCaptureFixture) -> None:
    prompts_for(CLAIMS, CLAIMS)
    assert not caplog.records
    prompts_for(CLAIMS, SUPPORTED)  # no false claim to show
    assert "60 of 120 requests show fewer than 3 human points" in caplog.text


def test_with_replacement_a_point_may_be_shown_twice() -> None:
    drawn = prompts_for(SUPPORTED[6:], SUPPORTED[:5], replacement=True)
    assert all(len(prompt.messages) == 8 for prompt in drawn)
    assert any(len(prompt.shown) < 3 for prompt in drawn)
    assert all(prompt.example_id not in prompt.shown for prompt in drawn)


def test_no_example_is_drawn_in_zero_shot_and_an_empty_pool_is_fine() -> None:
    prompt = prompts_for(CLAIMS[:1], [], ZERO)[0]
    assert (len(prompt.messages), prompt.shown) == (2, ())


def test_an_empty_pool_is_an_error_with_its_mend() -> None:
    with pytest.raises(
        ConfigError,
        match=r"human_budget=0 +strategy=few_shot shows 3 human points in each prompt\nTry: strategy=cot or",
    ):
        prompts_for(CLAIMS[:1], [])


# --- a random choice has a name ----------------------------------------------------------------


@pytest.mark.parametrize(("pool", "task"), [(CLAIMS, "fv"), (QUESTIONS, "qa")], ids=["claims", "questions"])
def test_order_of_pool_and_points_changes_no_request(pool: list[Example], task: str) -> None:
    shuffled = random.Random(7).sample(pool, len(pool))
    before = {p.example_id: p for p in prompts_for(pool, pool, task=task)}
    assert {p.example_id: p for p in prompts_for(shuffled, shuffled[::-1], task=task)} == before


def test_which_other_points_are_asked_changes_no_request() -> None:
    assert prompts_for(CLAIMS)[17] == prompts_for(CLAIMS[17:18])[0]


def test_another_strategy_seed_shows_other_points() -> None:
    assert [p.shown for p in prompts_for(CLAIMS)] != [p.shown for p in prompts_for(CLAIMS, how=replace(FEW, seed=1))]


# --- evidence ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        ("See https://example.org/a?b=c for more.", "See  for more."),
        ("See www.example.org now", "See  now"),
        ("http://example.org", ""),
        ("The www is old: see http.", "The www is old: see http."),
    ],
)
def test_addresses_are_removed(evidence: str, shown: str) -> None:
    assert clean_evidence(evidence, 100) == shown


@pytest.mark.parametrize(
    ("limit", "shown"), [(9, "one two\n\nthree  four"), (4, "one two\n\nthree  four"), (3, "one two\n\nthree"), (0, "")]
)
def test_evidence_is_cut_after_so_many_words_and_keeps_its_layout(limit: int, shown: str) -> None:
    assert clean_evidence(" one two\n\nthree  four ", limit) == shown


def test_every_evidence_in_a_prompt_is_cut_and_cleaned() -> None:
    long = [replace(e, evidence=f"https://example.org {e.evidence} " + "word " * 50) for e in CLAIMS]
    prompt = prompts_for(long[:1], long, replace(FEW, max_evidence_words=5))[0]
    turns = [m["content"] for m in prompt.messages[1:] if m["role"] == "user"]
    assert all(turn.startswith("Context: Passage number ") and len(turn.split()) == 6 for turn in turns)


def test_braces_in_the_data_are_only_text() -> None:
    odd = [replace(e, evidence=e.evidence + " {label} {0}", text="{evidence}") for e in CLAIMS]
    prompt = prompts_for(odd[:1], odd)[0]
    assert prompt.messages[-1]["content"].endswith("{label} {0}")
    assert prompt.messages[2]["content"] == "Claim: {evidence} || Label: True"


# --- nothing leaks -----------------------------------------------------------------------------


@pytest.mark.parametrize("how", [FEW, ZERO, COT], ids=lambda how: how.name)
def test_the_human_text_and_answer_of_the_point_itself_are_never_shown(how: StrategyConfig) -> None:
    secret = Example("p99-q", "Passage number 99.", "SECRET TEXT?", ("SECRET TARGET",))
    text = text_of(prompts_for([secret], [*QUESTIONS, secret], how, "qa")[0])
    assert "SECRET" not in text and "Passage number 99." in text


def test_chain_of_thought_shows_its_own_examples_and_no_human_point() -> None:
    for prompt in prompts_for(CLAIMS[:4], CLAIMS, COT):
        label = BY_ID[prompt.example_id].target
        own = [d for d in COT.tasks["fv"].demonstrations if d.target == label]
        assert prompt.shown == ()
        assert [m["content"] for m in prompt.messages[1:-1:2]] == [f"Context: {d.evidence}" for d in own]
        assert all(d.explanation in m["content"] for d, m in zip(own, prompt.messages[2:-1:2], strict=True))
        assert not any(e.text in text_of(prompt) for e in CLAIMS)


def test_chain_of_thought_needs_no_pool() -> None:
    assert prompts_for(QUESTIONS[:1], [], COT, "qa")[0].messages[0]["role"] == "system"


def test_an_annotator_reads_the_human_text_and_not_its_target() -> None:
    secret = Example("p99-q", "Passage number 99.", "THE QUESTION?", ("SECRET",))
    prompt = prompts_for([secret], [*QUESTIONS, secret], ANNOTATE, "qa")[0]
    assert "THE QUESTION?" in prompt.messages[-1]["content"] and "SECRET" not in text_of(prompt)
    assert prompt.shown == ()


def test_an_annotator_says_nothing_of_the_label() -> None:
    one, other = (replace(CLAIMS[0], targets=(label,)) for label in FACTS)
    assert prompts_for([one], how=ANNOTATE) == prompts_for([other], how=ANNOTATE)


def test_an_annotator_with_examples_shows_labelled_human_points_of_any_label() -> None:
    drawn = prompts_for(CLAIMS, how=replace(ANNOTATE, shots=3))
    assert {BY_ID[i].target for p in drawn for i in p.shown} == set(FACTS)
    first = BY_ID[drawn[0].shown[0]]
    assert first.text in drawn[0].messages[1]["content"]
    assert drawn[0].messages[2]["content"] == f"Label: {'True' if first.target == 'supported' else 'False'}"


def test_an_annotator_is_told_the_classes_in_the_words_that_it_shall_use() -> None:
    how = with_texts(ANNOTATE, "classify", label_words={"db": "Databases"})
    titles = [Example("t1", "", "A title", ("db",))]
    assert "one of: Databases, web." in text_of(prompts_for(titles, [], how, "classify", classes=("db", "web"))[0])


# --- a label that is left free -----------------------------------------------------------------


def test_a_free_label_is_nowhere_requested_and_examples_have_all_labels() -> None:
    drawn = prompts_for(CLAIMS, how=FREE)
    assert {BY_ID[i].target for p in drawn for i in p.shown} == set(FACTS)
    assert len({p.messages[0]["content"] for p in drawn}) == 1 and "<True or False>" in drawn[0].messages[0]["content"]
    one, other = (replace(CLAIMS[0], targets=(label,)) for label in FACTS)
    assert prompts_for([one], how=FREE) == prompts_for([other], how=FREE)


def test_a_free_class_is_one_of_those_that_are_named() -> None:
    titles = [Example(f"t{i}", "", f"Title {i}", ("VLDB" if i % 2 else "WWW",)) for i in range(10)]
    prompt = prompts_for(titles[:1], titles, FREE, "classify", classes=("VLDB", "WWW"))[0]
    assert "each of one of these classes: VLDB, WWW." in prompt.messages[0]["content"]
    assert prompt.messages[-1]["content"] == "Write one new text." and "Title 0" not in text_of(prompt)


# --- the human budget --------------------------------------------------------------------------


@pytest.mark.parametrize("how", [FEW, FREE, replace(ANNOTATE, shots=3)], ids=lambda how: how.name)
def test_what_shows_human_points_shows_owned_ones_alone_and_needs_some(how: StrategyConfig) -> None:
    owned = CLAIMS[40:52]
    assert {i for p in prompts_for(CLAIMS, owned, how) for i in p.shown} == {e.id for e in owned}
    with pytest.raises(ConfigError, match="shows 3 human points in each prompt"):
        prompts_for(CLAIMS[:1], [], how)


@pytest.mark.parametrize("how", [ZERO, COT, ANNOTATE], ids=lambda how: how.name)
def test_what_shows_no_human_point_works_without_a_budget(how: StrategyConfig) -> None:
    free = prompts_for(CLAIMS, [], how)
    assert not any(p.shown for p in free) and free == prompts_for(CLAIMS, CLAIMS, how)


# --- the language ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "task", "kept"), [(FEW, "fv", "Claim:, Label:"), (COT, "qa", "Explanation:, Question:, Answer:")]
)
def test_a_language_is_one_more_sentence_that_keeps_what_answers_are_read_by(
    how: StrategyConfig, task: str, kept: str
) -> None:
    pool, classes = (CLAIMS, FACTS) if task == "fv" else (QUESTIONS, ())
    plain, german = (
        prompts_for(pool[:1], pool, replace(how, language=name), task, classes=classes)[0] for name in ("", "German")
    )
    added = german.messages[0]["content"].removeprefix(plain.messages[0]["content"])
    labels = ", and labels in the words that are given here" if classes else ""
    assert added == f"\nWrite in German, but leave the names of the form as they are ({kept}){labels}."
    assert german.messages[1:] == plain.messages[1:] and german.key != plain.key


# --- points with one and the same request ------------------------------------------------------

SAMPLING = replace(QWEN, temperature=0.7)


def keys_of(
    points: Sequence[Example], how: StrategyConfig, model: Any = SAMPLING, among: Sequence[Example] = CLAIMS
) -> dict[str, str]:
    repeats = repeat_indices(among, CLAIMS, how, "fv", model, FACTS)
    return {p.example_id: p.key for p in build_prompts(points, CLAIMS, how, "fv", model, FACTS, repeats=repeats)}


@pytest.mark.parametrize("how", [ZERO, COT], ids=lambda how: how.name)
def test_each_of_several_points_with_one_request_gets_a_sample_of_its_own(how: StrategyConfig) -> None:
    keys = keys_of(CLAIMS, how)
    assert len(set(keys.values())) == len(CLAIMS)
    plain = {p.example_id: p.key for p in build_prompts(CLAIMS, CLAIMS, how, "fv", SAMPLING, FACTS)}
    assert [i for i in keys if keys[i] != plain[i]] == [
        e.id for e in CLAIMS if e.id.endswith("1")
    ]  # the first keeps its key


def test_which_sample_a_point_gets_does_not_depend_on_who_else_is_asked_for() -> None:
    keys = keys_of(CLAIMS, ZERO)
    few = random.Random(0).sample(CLAIMS, 20)
    assert keys_of(few, ZERO) == {e.id: keys[e.id] for e in few}
    assert keys_of(CLAIMS, ZERO, among=CLAIMS[::-1]) == keys


def test_greedy_answers_to_one_request_would_be_the_same_so_it_is_asked_once() -> None:
    assert not repeat_indices(CLAIMS, CLAIMS, ZERO, "fv", QWEN, FACTS)
    assert len(set(keys_of(CLAIMS, ZERO, QWEN).values())) == len(CLAIMS) / 2


def test_a_cell_that_samples_asks_once_for_each_point() -> None:
    config = compose("dataset=fieldnotes_fv", "strategy=zero_shot", "prompt_model.temperature=0.7")
    dataset = Dataset("bridges", tuple(CLAIMS), (), (), FACTS)
    first = TwinRequests(CLAIMS[:8], (), dataset, config)
    keys = [prompt.key for prompt in first]
    assert len(set(keys)) == 8 and all(len(list(first.points(key))) == 1 for key in keys)
    again = [prompt.key for prompt in first.retry({CLAIMS[0].id, CLAIMS[1].id})]
    assert len(set(again)) == 2 and not set(again) & set(keys)


def test_requests_that_differ_by_their_examples_need_no_index() -> None:
    assert not repeat_indices(CLAIMS, CLAIMS, FEW, "fv", SAMPLING, FACTS)
    one = [
        e for e in SUPPORTED if e.id in ("p5-s0", "p6-s0")
    ]  # with one example left, requests on one passage are the same
    repeats = repeat_indices(CLAIMS, one, replace(FEW, shots=1), "fv", SAMPLING, FACTS)
    assert repeats and all(i.endswith("1") for i in repeats)


def test_annotated_points_on_one_evidence_are_different_requests() -> None:
    assert not repeat_indices(CLAIMS, CLAIMS, ANNOTATE, "fv", SAMPLING, FACTS)


# --- templates that cannot work --------------------------------------------------------------------

UNUSABLE = {
    "the human text in a request for a new one": (
        FEW,
        {"user": "Context: {evidence} {text}"},
        r"tasks.fv.user names {text}; it may name: ",
    ),
    "an unknown name in the system turn": (FEW, {"system": "{labels}"}, "tasks.fv.system names {labels}"),
    "an unknown name in the answer": (
        FEW,
        {"assistant": "Claim: {text} || Label: {label}"},
        "tasks.fv.assistant names {label}",
    ),
    "a lone brace": (FEW, {"user": "Context: {evidence"}, "a brace that is no field is written twice"),
    "an empty field": (FEW, {"user": "Context: {}"}, "tasks.fv.user names {}"),
    "an answer form without a word": (
        FEW,
        {"assistant": "{text} || Label: {target}"},
        "needs a word and a colon before {text}",
    ),
    "an answer form without a target": (
        FEW,
        {"assistant": "Claim: {text}"},
        "needs a word and a colon before {target}",
    ),
    "an annotator that is told the label": (ANNOTATE, {"user": "{text} is {label}"}, "tasks.fv.user names {label}"),
    "own examples that are not there": (COT, {"demonstrations": []}, "tasks.fv.demonstrations is empty"),
}


@pytest.mark.parametrize(("how", "texts", "message"), UNUSABLE.values(), ids=UNUSABLE.keys())
def test_templates_that_cannot_work_are_refused_before_the_first_request(
    how: StrategyConfig, texts: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as error:
        prompts_for(CLAIMS[:1], how=with_texts(how, "fv", **texts))
    assert message in str(error.value) and f"strategy={how.name}" in str(error.value)


def test_shown_points_may_name_the_classes_too() -> None:
    how = with_texts(FEW, "fv", user="One of {classes}. Context: {evidence}")
    assert text_of(prompts_for(CLAIMS[:1], how=how, classes=FACTS)[0]).count("One of True, False.") == 4


def test_a_strategy_of_ones_own_needs_only_templates() -> None:
    text = PromptText(
        system="Schreibe ein {label}.",
        user="Text: {evidence}",
        assistant="Satz: {text}\nUrteil: {target}",
        label_words={"supported": "Ja"},
        demonstrations=[Demonstration(evidence="Es regnet.", text="Es ist nass.", target="supported")],
    )
    own = StrategyConfig(name="german", shots=1, shots_from=Shots.own, writes=Writes.pair, tasks={"fv": text})
    assert [m["content"] for m in prompts_for(CLAIMS[:1], [], own)[0].messages] == [
        "Schreibe ein Ja.",
        "Text: Es regnet.",
        "Satz: Es ist nass.\nUrteil: Ja",
        f"Text: {CLAIMS[0].evidence}",
    ]


# --- the key -----------------------------------------------------------------------------------


def key(example: Example = CLAIMS[0], how: StrategyConfig = FEW, task: str = "fv", **model: Any) -> str:
    pool = CLAIMS if task == "fv" else QUESTIONS
    return next(build_prompts([example], pool, how, task, replace(QWEN, **model))).key


def test_the_keys_of_recordings_stay_what_they_are() -> None:
    """These two change only together with every recording and cache that exists: then say so in LOG.md."""
    assert key() == "6a9f9e21ecb1306a"
    assert key(QUESTIONS[0], task="qa") == "bf00898b242b43e8"


CHANGING: dict[str, dict[str, Any]] = {
    "weights": {"weights": "package:other"},
    "dtype": {"dtype": "float32"},
    "temperature": {"temperature": 0.7},
    "top_p": {"top_p": 0.9},
}
INDIFFERENT: dict[str, dict[str, Any]] = {
    "timeout": {"timeout_s": 1.0},
    "batch size": {"batch_size": 1},
    "concurrency": {"concurrency": 64},
    "address": {"base_url": "http://127.0.0.1:8000/v1"},
    "key variable": {"api_key_env": "SOME_KEY"},
    "retries": {"retries": 0},
    "name of local weights": {"name": "qwen"},
    "a whole number": {"temperature": 0, "top_p": 1},
}


@pytest.mark.parametrize("model", CHANGING.values(), ids=CHANGING.keys())
def test_what_can_change_an_answer_changes_the_key(model: dict[str, Any]) -> None:
    assert key(**model) != key()


@pytest.mark.parametrize("model", INDIFFERENT.values(), ids=INDIFFERENT.keys())
def test_what_cannot_change_an_answer_leaves_the_key(model: dict[str, Any]) -> None:
    assert key(**model) == key()


def test_the_name_of_an_endpoints_model_is_part_of_the_key_and_its_dtype_is_not() -> None:
    assert key(weights=None, name="a") != key(weights=None, name="b")
    assert key(weights=None, name="a", dtype="float32") == key(weights=None, name="a")


def test_templates_and_length_limit_change_the_key() -> None:
    reworded = with_texts(FEW, "fv", user="Text: {evidence}")
    assert len({key(), key(how=reworded), key(how=replace(FEW, max_tokens=60)), key(how=replace(FEW, shots=2))}) == 4


def test_no_two_points_share_a_request() -> None:
    pool = CLAIMS[::2]
    assert len({prompt.key for prompt in prompts_for(pool, pool)}) == len(pool)


# --- the same examples in every prompt -------------------------------------------------------------


def test_fixed_shots_are_the_same_points_in_every_prompt_but_never_the_point_itself() -> None:
    points = [Example(f"p{n}", f"evidence {n}", f"text {n}", ("supported",)) for n in range(30)]
    shown = {
        p.example_id: p.shown for p in prompts_for(points, points, strategy("annotate", shots=3, shots_fixed=True))
    }
    usual = max(set(shown.values()), key=list(shown.values()).count)
    assert len(usual) == 3 and len({i for ids in shown.values() for i in ids}) == 4
    assert all(ids == usual for point, ids in shown.items() if point not in usual)
    assert all(point not in ids and len(ids) == 3 for point, ids in shown.items())
