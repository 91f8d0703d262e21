"""Filters without a model: rules on a twin's own words, and removal of exact and near duplicates."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from config_groups import group

from littlehuman.filters import FilterPipeline, GenerationSettings
from littlehuman.filters.rules import broken_rule
from littlehuman.generation.spending import SpendingLimit
from littlehuman.records import Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.schema import FilterConfig, PromptModelConfig, RulesConfig, StrategyConfig

EVIDENCE = "The ferry to Ost leaves at six. The bakery opens an hour before; its first loaf is sold to the ferryman."


def twin(text: str, target: str = "six", evidence: str = EVIDENCE, name: str = "") -> Synthetic:
    return Synthetic(name or text, evidence, text, target, "k")


# --- rules on one twin -------------------------------------------------------------------------

BROKEN = {
    "no text": (twin("?!", name="a"), "rules: no word in the text"),
    "too short": (twin("When then?"), "rules: text of fewer than 3 words"),
    "too long": (twin("why " * 101), "rules: text of more than 100 words"),
    "a whole sentence of the evidence": (
        twin("the FERRY to Ost leaves, at six"),
        "rules: text copied from the evidence",
    ),
    "the whole evidence": (twin(EVIDENCE.upper()), "rules: text copied from the evidence"),
    "no answer": (twin("When does it leave?", "..."), "rules: no word in the answer"),
    "a long answer": (twin("When does it leave?", "six " * 31), "rules: answer of more than 30 words"),
    "an answer of its own": (twin("When does it leave?", "seven"), "rules: answer not in the evidence"),
    "half a word of the evidence": (twin("What is its third word?", "leave"), "rules: answer not in the evidence"),
    "the right words in another order": (
        twin("Who is served?", "ferryman the to"),
        "rules: answer not in the evidence",
    ),
}
FINE = {
    "a question of its own words": twin("When can one cross?"),
    "an answer with another article": twin("What opens first?", "A bakery"),
    "an answer with other marks": twin("What is sold?", "“Its first loaf”."),
    "three words": twin("Who sells bread?", "the bakery"),
    "some words of the evidence": twin("The ferry to Ost leaves at five, or does it?"),
}


@pytest.mark.parametrize(("what", "reason"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_rule_is_named(what: Synthetic, reason: str) -> None:
    assert str(broken_rule(what, RulesConfig())) == reason


@pytest.mark.parametrize("what", FINE.values(), ids=FINE.keys())
def test_what_breaks_no_rule_passes(what: Synthetic) -> None:
    assert broken_rule(what, RulesConfig()) is None


@pytest.mark.parametrize(
    ("off", "name"),
    [
        ({"min_words": None}, "too short"),
        ({"max_words": None}, "too long"),
        ({"no_copies": False}, "the whole evidence"),
        ({"max_answer_words": None, "answer_in_evidence": False}, "a long answer"),
        ({"answer_in_evidence": False}, "an answer of its own"),
    ],
)
def test_each_rule_can_be_switched_off(off: dict[str, Any], name: str) -> None:
    assert broken_rule(BROKEN[name][0], RulesConfig()) and not broken_rule(BROKEN[name][0], RulesConfig(**off))


def test_a_class_is_no_answer() -> None:
    assert broken_rule(twin("The ferry leaves at dawn.", "supported"), RulesConfig(), has_classes=True) is None


def test_without_evidence_nothing_can_be_missing_from_it() -> None:
    assert broken_rule(twin("What is the capital of Ost?", "Hale", evidence=" "), RulesConfig()) is None


def test_characters_of_a_script_without_spaces_count_as_words() -> None:
    evidence = "渡轮六点离开奥斯特。面包店早一个小时开门。"
    assert broken_rule(twin("渡轮几点离开？", "六点", evidence), RulesConfig()) is None
    assert (
        str(broken_rule(twin("渡轮几点离开？", "七点", evidence), RulesConfig())) == "rules: answer not in the evidence"
    )
    assert (
        str(broken_rule(twin("渡轮六点离开奥斯特", "六点", evidence), RulesConfig()))
        == "rules: text copied from the evidence"
    )


SCRIPTS = {  # evidence, question, an answer that stands in the evidence, one that does not
    "Thai": ("กรุงเทพมหานครเป็นเมืองหลวงของประเทศไทย", "เมืองหลวงชื่ออะไร", "กรุงเทพมหานคร", "เชียงใหม่"),
    "Lao": ("ວຽງຈັນເປັນນະຄອນຫຼວງຂອງລາວ", "ນະຄອນຫຼວງຊື່ຫຍັງ", "ວຽງຈັນ", "ຫຼວງພະບາງ"),
    "Khmer": ("ភ្នំពេញជារាជធានីនៃកម្ពុជា។", "រាជធានីឈ្មោះអ្វី", "ភ្នំពេញ", "សៀមរាប"),
    "Burmese": ("နေပြည်တော်သည်မြန်မာနိုင်ငံ၏မြို့တော်ဖြစ်သည်။", "မြို့တော်၏အမည်ကဘာလဲ", "နေပြည်တော်", "ရန်ကုန်"),
    "Korean": ("서울은 대한민국의 수도이다.", "수도는 어디에 있습니까?", "서울", "부산"),
    "Hindi": ("नाव सुबह छह बजे निकलती है।", "नाव कब निकलती है?", "छह बजे", "छह बाजे"),
    "Bengali": ("লন্ডনের সেতু দুপুরে খোলে।", "কোন শহরের সেতু খোলে?", "লন্ডন", "ঢাকা"),
    "Arabic": ("غادرت السفينة الميناء في السادسة.", "من أين غادرت السفينة؟", "ميناء", "مطار"),
}


@pytest.mark.parametrize(("evidence", "question", "inside", "outside"), SCRIPTS.values(), ids=SCRIPTS.keys())
def test_an_answer_stands_in_the_evidence_in_scripts_with_marks_particles_or_no_spaces(
    evidence: str, question: str, inside: str, outside: str
) -> None:
    assert broken_rule(twin(question, inside, evidence), RulesConfig()) is None
    assert str(broken_rule(twin(question, outside, evidence), RulesConfig())) == "rules: answer not in the evidence"


# --- duplicates, and the order -----------------------------------------------------------------

LONG = "When does the small white ferry to the island of Ost leave the harbour on a winter morning"
NEAR = "When does the small white ferry to the island of Ost leave its harbour on a winter morning"


def make_filters(
    name: str = "rules", classes: Sequence[str] = (), writer: str = "few_shot", **rules: Any
) -> FilterPipeline:
    config = group(FilterConfig, "filter", name)
    config = replace(config, rules=replace(config.rules, **rules))
    return FilterPipeline(
        config,
        GenerationSettings("qa", classes, group(StrategyConfig, "strategy", writer), PromptModelConfig(), False),
        SpendingLimit(),
    )


def dropped_by_rules(*twins: Synthetic, **rules: Any) -> dict[str, str]:
    """Example id -> why it is dropped."""
    kept, dropped = make_filters(**rules).apply(twins, {t.example_id: "" for t in twins})
    assert [t for t in twins if t in kept] == kept and len(kept) + len(dropped) == len(twins)
    return {r.example_id: r.reason for r in dropped}


def test_of_two_twins_with_the_same_words_the_first_is_kept() -> None:
    first, second = twin("When does it leave?", name="a"), twin("when DOES it leave", name="b")
    assert dropped_by_rules(first, second) == {"b": "rules: repeats an earlier twin"}
    assert dropped_by_rules(second, first) == {"a": "rules: repeats an earlier twin"}
    assert dropped_by_rules(first, second, no_duplicates=False, near_duplicates=None) == {}


def test_twins_whose_words_differ_in_a_vowel_sign_are_both_kept() -> None:
    evidence = "राम ने दिन माँगा। सीता ने दान माँगा।"
    first, second = twin("किसने दिन माँगा था?", "राम", evidence, "a"), twin("किसने दान माँगा था?", "सीता", evidence, "b")
    assert dropped_by_rules(first, second) == {}
    assert dropped_by_rules(first, twin("किसने दिन माँगा था", "राम", evidence, "b")) == {
        "b": "rules: repeats an earlier twin"
    }


def test_twins_with_nearly_the_same_words_are_found_and_unlike_ones_kept() -> None:
    assert dropped_by_rules(twin(LONG, name="a"), twin(NEAR, name="b")) == {
        "b": "rules: nearly repeats an earlier twin"
    }
    assert dropped_by_rules(twin(LONG, name="a"), twin("Which small white ferry leaves in winter?", name="b")) == {}
    assert dropped_by_rules(twin(LONG, name="a"), twin(NEAR, name="b"), near_duplicates=0.99) == {}
    assert dropped_by_rules(twin(LONG, name="a"), twin(NEAR, name="b"), near_duplicates=None) == {}


def test_near_twins_with_different_answers_are_both_kept() -> None:
    assert dropped_by_rules(twin(LONG, "six", name="a"), twin(NEAR, "the bakery", name="b")) == {}


def test_the_same_words_on_another_evidence_are_another_point() -> None:
    pair = twin(LONG, name="a"), twin(LONG, evidence=EVIDENCE + " It is so every day.", name="b")
    assert dropped_by_rules(*pair) == {}
    assert dropped_by_rules(*pair, same_evidence=False) == {"b": "rules: repeats an earlier twin"}


def test_every_near_twin_is_found_among_many_and_no_other() -> None:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 8))) for _ in range(2000)]
    texts = [draw.choices(words, k=15) for _ in range(300)]
    near = [[*text[:7], text[7] + "s", *text[8:]] for text in texts[:60]]
    found = dropped_by_rules(*(twin(" ".join(text), name=str(i)) for i, text in enumerate(texts + near)))
    assert found == {str(i): "rules: nearly repeats an earlier twin" for i in range(300, 360)}


def test_a_twin_is_dropped_because_of_earlier_ones_alone_so_a_larger_cell_drops_the_same_ones_of_a_smaller() -> None:
    draw = random.Random(1)
    texts = [
        draw.choice(("When does it leave?", "What opens then?", LONG, NEAR, "Who buys the loaf?")) for _ in range(40)
    ]
    twins = [twin(text, name=str(i)) for i, text in enumerate(texts)]
    everything = dropped_by_rules(*twins)
    for size in (1, 7, 20):
        assert dropped_by_rules(*twins[:size]) == {i: reason for i, reason in everything.items() if int(i) < size}


def test_batches_know_what_was_kept_before_them() -> None:
    filters = make_filters()
    requested = dict.fromkeys("ab", "")
    assert filters.apply([twin(LONG, name="a")], requested)[1] == []
    assert [r.example_id for r in filters.apply([twin(NEAR, name="b")], requested)[1]] == ["b"]


def test_a_twin_that_is_dropped_for_its_answer_drops_no_other_one() -> None:
    assert dropped_by_rules(twin(LONG, "seven", name="a"), twin(LONG, "six", name="b")) == {
        "a": "rules: answer not in the evidence"
    }


def test_human_texts_of_an_annotator_are_not_filtered_but_its_answers_are() -> None:
    human = twin("Why?", name="a"), twin("Why?", name="b"), twin(EVIDENCE, "seven", name="c")
    assert dropped_by_rules(*human, writer="annotate") == {"c": "rules: answer not in the evidence"}


def test_what_is_dropped_is_kept_to_read_with_both_labels() -> None:
    too_short = RejectionCause(RejectionKind.TOO_SHORT, {"limit": 3})
    kept, dropped = make_filters(classes=("supported", "unsupported")).apply(
        [twin("Six!", "supported", name="a")], {"a": "unsupported"}
    )
    assert (kept, dropped) == (
        [],
        [Rejected("a", too_short, "Six! || supported", ("unsupported", "supported"))],
    )
