"""Which twins are thrown away before mixing: rules, duplicates, a judge, a round trip; and what is said about it."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from config_groups import group
from conftest import TINY, claims, compose, write_csv
from fake_endpoint import FakeEndpoint, Reply, fails, says

from littlehuman import data, pipeline
from littlehuman.config.identity import identity_values, run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError, GenerationError
from littlehuman.filters import FilterPipeline, Writing
from littlehuman.filters.judge import score_in
from littlehuman.filters.rules import broken_rule
from littlehuman.generation.spending import SpendingLimit
from littlehuman.mixture import audit, mixing
from littlehuman.mixture.text_matching import contains_words, words
from littlehuman.records import Example, Rejected, Synthetic
from littlehuman.rejections import RejectionCause, RejectionKind
from littlehuman.runs.status import RunStatus
from littlehuman.schema import Demonstration, FilterConfig, PriceConfig, PromptModelConfig, RulesConfig, StrategyConfig
from littlehuman.store import read_json
from littlehuman.study import text_comparison
from littlehuman.twins import Twins, write

EVIDENCE = "The ferry to Ost leaves at six. The bakery opens an hour before; its first loaf is sold to the ferryman."


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))


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


def test_no_part_of_a_number_or_of_a_marked_character_stands_in_the_evidence() -> None:
    assert contains_words("6시", "6시에 떠난다") and not contains_words("6시", "16시에 떠난다")
    assert contains_words("6", "6시에 떠난다") and not contains_words("๑", "ห้อง ๑๒")
    assert contains_words("มด", "มดแดง") and not contains_words("มด", "มดิบ")
    assert not contains_words("рек", "река") and not contains_words(
        "πό", "πόλη"
    )  # and of a Cyrillic or Greek word as little as of an English one


def test_words_that_differ_in_a_vowel_sign_are_different_words() -> None:
    assert words("दिन दान") == ("दिन", "दान") and words("กิน") != words("กัน")
    assert words("I ❤️ the 1️⃣ cafe\u0301") == (
        "i",
        "the",
        "1",
        "café",
    )  # the sign that chooses an emoji's picture is none


# --- duplicates, and the order -----------------------------------------------------------------

LONG = "When does the small white ferry to the island of Ost leave the harbour on a winter morning"
NEAR = "When does the small white ferry to the island of Ost leave its harbour on a winter morning"


def sieve(name: str = "rules", classes: Sequence[str] = (), writer: str = "few_shot", **rules: Any) -> FilterPipeline:
    config = group(FilterConfig, "filter", name)
    config = replace(config, rules=replace(config.rules, **rules))
    return FilterPipeline(
        config,
        Writing("qa", classes, group(StrategyConfig, "strategy", writer), PromptModelConfig(), False),
        SpendingLimit(),
    )


def sifted(*twins: Synthetic, **rules: Any) -> dict[str, str]:
    """Example id -> why it is dropped."""
    kept, dropped = sieve(**rules).sift(twins, {t.example_id: "" for t in twins})
    assert [t for t in twins if t in kept] == kept and len(kept) + len(dropped) == len(twins)
    return {r.example_id: r.reason for r in dropped}


def test_of_two_twins_with_the_same_words_the_first_is_kept() -> None:
    first, second = twin("When does it leave?", name="a"), twin("when DOES it leave", name="b")
    assert sifted(first, second) == {"b": "rules: repeats an earlier twin"}
    assert sifted(second, first) == {"a": "rules: repeats an earlier twin"}
    assert sifted(first, second, no_duplicates=False, near_duplicates=None) == {}


def test_twins_whose_words_differ_in_a_vowel_sign_are_both_kept() -> None:
    evidence = "राम ने दिन माँगा। सीता ने दान माँगा।"
    first, second = twin("किसने दिन माँगा था?", "राम", evidence, "a"), twin("किसने दान माँगा था?", "सीता", evidence, "b")
    assert sifted(first, second) == {}
    assert sifted(first, twin("किसने दिन माँगा था", "राम", evidence, "b")) == {"b": "rules: repeats an earlier twin"}


def test_twins_with_nearly_the_same_words_are_found_and_unlike_ones_kept() -> None:
    assert sifted(twin(LONG, name="a"), twin(NEAR, name="b")) == {"b": "rules: nearly repeats an earlier twin"}
    assert sifted(twin(LONG, name="a"), twin("Which small white ferry leaves in winter?", name="b")) == {}
    assert sifted(twin(LONG, name="a"), twin(NEAR, name="b"), near_duplicates=0.99) == {}
    assert sifted(twin(LONG, name="a"), twin(NEAR, name="b"), near_duplicates=None) == {}


def test_near_twins_with_different_answers_are_both_kept() -> None:
    assert sifted(twin(LONG, "six", name="a"), twin(NEAR, "the bakery", name="b")) == {}


def test_the_same_words_on_another_evidence_are_another_point() -> None:
    pair = twin(LONG, name="a"), twin(LONG, evidence=EVIDENCE + " It is so every day.", name="b")
    assert sifted(*pair) == {}
    assert sifted(*pair, same_evidence=False) == {"b": "rules: repeats an earlier twin"}


def test_every_near_twin_is_found_among_many_and_no_other() -> None:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 8))) for _ in range(2000)]
    texts = [draw.choices(words, k=15) for _ in range(300)]
    near = [[*text[:7], text[7] + "s", *text[8:]] for text in texts[:60]]
    found = sifted(*(twin(" ".join(text), name=str(i)) for i, text in enumerate(texts + near)))
    assert found == {str(i): "rules: nearly repeats an earlier twin" for i in range(300, 360)}


def test_a_twin_is_dropped_because_of_earlier_ones_alone_so_a_larger_cell_drops_the_same_ones_of_a_smaller() -> None:
    draw = random.Random(1)
    texts = [
        draw.choice(("When does it leave?", "What opens then?", LONG, NEAR, "Who buys the loaf?")) for _ in range(40)
    ]
    twins = [twin(text, name=str(i)) for i, text in enumerate(texts)]
    everything = sifted(*twins)
    for size in (1, 7, 20):
        assert sifted(*twins[:size]) == {i: reason for i, reason in everything.items() if int(i) < size}


def test_batches_know_what_was_kept_before_them() -> None:
    both = sieve()
    requested = dict.fromkeys("ab", "")
    assert both.sift([twin(LONG, name="a")], requested)[1] == []
    assert [r.example_id for r in both.sift([twin(NEAR, name="b")], requested)[1]] == ["b"]


def test_a_twin_that_is_dropped_for_its_answer_drops_no_other_one() -> None:
    assert sifted(twin(LONG, "seven", name="a"), twin(LONG, "six", name="b")) == {
        "a": "rules: answer not in the evidence"
    }


def test_human_texts_of_an_annotator_are_not_filtered_but_its_answers_are() -> None:
    human = twin("Why?", name="a"), twin("Why?", name="b"), twin(EVIDENCE, "seven", name="c")
    assert sifted(*human, writer="annotate") == {"c": "rules: answer not in the evidence"}


def test_what_is_dropped_is_kept_to_read_with_both_labels() -> None:
    too_short = RejectionCause(RejectionKind.TOO_SHORT, {"limit": 3})
    kept, dropped = sieve(classes=("supported", "unsupported")).sift(
        [twin("Six!", "supported", name="a")], {"a": "unsupported"}
    )
    assert (kept, dropped) == (
        [],
        [Rejected("a", too_short, "Six! || supported", ("unsupported", "supported"))],
    )


# --- a model that is asked ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "score"),
    [
        ("4", 4),
        ("**5**", 5),
        ("4.5", 4.5),
        ("3/5", 3),
        ("2 out of 5, for the year is wrong", 2),
        ("1.", 1),
        ("4 - well supported", 4),
        ("8/10", None),
        ("10", None),
        ("0", None),
        ("3-4", None),
        ("4 or 5", None),
        ("good", None),
        ("", None),
    ],
)
def test_a_score_is_read_or_is_none(answer: str, score: float | None) -> None:
    assert score_in(answer) == score


def number_in(question: str) -> int:
    """The ferry that a request is about."""
    return int(question.split("Ferry ")[1].split()[0])


def writes_claims(question: str) -> Reply:
    label = question.split("Wanted: ")[1]
    return says(f"Claim: Boat {number_in(question)} is on time || Label: {label}")


def scripted(
    verdict: Callable[[int], str], delay: Callable[[int], float] = lambda ferry: 0.0
) -> Callable[[str, int], Reply]:
    """An endpoint that writes a claim about each ferry, and says `verdict` where it is asked about one."""

    def script(question: str, attempt: int) -> Reply:
        ferry = number_in(question)
        return replace(says(verdict(ferry)) if "Claim: " in question else writes_claims(question), delay=delay(ferry))

    return script


@pytest.fixture
def table(tmp_path: Path) -> str:
    return f"dataset.path={write_csv(tmp_path / 'claims.csv', ('evidence', 'text', 'target'), claims(40))}"


def cell(fake: FakeEndpoint, table: str, *overrides: str) -> RunConfig:
    """A cell of invented claims whose twins come from `fake`."""
    config: RunConfig = compose(
        *(
            *TINY,
            "dataset=table",
            table,
            "prompt_model=openai_compatible",
            "strategy=zero_shot",
            "n_train=8",
            "synth_frac=1",
        ),
        *("strategy.tasks.fv.user='Context: {evidence}\n\nWanted: {label}'", *overrides),
    )
    price = PriceConfig(prompt=1.0, completion=2.0)
    return replace(
        config, prompt_model=replace(config.prompt_model, base_url=fake.url, retries=0, timeout_s=5.0, price=price)
    )


def written(config: RunConfig) -> tuple[Twins, mixing.MixturePlan]:
    dataset = data.load(config.dataset, config.task)
    plan = mixing.plan_mixture(dataset.train, pipeline.mixture_spec(config))
    return write(plan, dataset, config), plan


def ferry_of(example: Example | Synthetic) -> int:
    return number_in(example.evidence)


def test_the_judge_drops_what_scores_too_low_and_others_are_asked_for_instead(table: str, tmp_path: Path) -> None:
    with FakeEndpoint(scripted(lambda ferry: "Score: 2" if ferry % 4 < 2 else "Score: 4")) as fake:
        config = cell(fake, table, "filter=judge")
        result = pipeline.run(config, tmp_path / "run", RunStatus(tmp_path / "run"))
        twins, _ = written(config)
    mixture = read_json(tmp_path / "run" / "mixture.json")
    assert result["counts"] == {"human": 0, "synthetic": 8, "total": 8, "shortfall": 0}
    assert all(ferry_of(kept) % 4 >= 2 for kept in twins.by_id.values())
    dropped = len(mixture["rejected"])
    assert dropped and result["rejected_because"] == {"judge: score 2, below 4": dropped}
    assert mixture["rejected"][0]["raw"].startswith("Boat ") and mixture["rejected"][0]["raw"].endswith("\n2")
    assert [r["example_id"] for r in mixture["rejected"]] == [r.example_id for r in twins.rejected]
    # One request for each twin, and one for its verdict: all of them are on the bill.
    asked = len(fake.requests)
    assert asked == 2 * (8 + dropped) == result["cost"]["requests"]
    assert result["cost"]["usd"] == pytest.approx(asked * (10 * 1.0 + 5 * 2.0) / 1e6)
    assert twins.bill.from_cache == asked and twins.bill.usd == 0  # and none is paid twice


def test_what_cannot_be_topped_up_is_short(table: str) -> None:
    with FakeEndpoint(scripted(lambda ferry: f"Score: {1 + 4 * (ferry % 2)}")) as fake:
        config = cell(fake, table, "filter=judge")
        everybody = len(data.load(config.dataset, config.task).train)
        config = replace(config, n_train=everybody)
        twins, plan = written(config)
    assert plan.spares == ()
    mixture = mixing.mix(plan, twins.by_id, twins.shown)
    odd = sum(ferry_of(e) % 2 for e in plan.to_replace)
    assert mixture.counts == {"human": 0, "synthetic": odd, "total": odd, "shortfall": everybody - odd}


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [("Score: good", "judge: no score"), ("I like it.", "judge: no score"), ("", "judge: no score (empty answer)")],
)
def test_a_verdict_that_cannot_be_read_drops_the_twin(table: str, verdict: str, reason: str) -> None:
    with FakeEndpoint(scripted(lambda ferry: verdict if ferry % 4 == 0 else "Score: 5")) as fake:
        twins, _ = written(cell(fake, table, "filter=judge"))
    assert {r.reason for r in twins.rejected} == {reason} and all(ferry_of(t) % 4 for t in twins.by_id.values())


def test_a_judge_that_passes_nothing_stops_the_run_with_the_way_out(table: str) -> None:
    with (
        FakeEndpoint(scripted(lambda ferry: "Score: 1")) as fake,
        pytest.raises(
            GenerationError,
            match="0 of 24 answers are usable twins; 24 are not because of: judge: score 1, below 4\n.*milder filter",
        ),
    ):
        written(cell(fake, table, "filter=judge"))


def test_a_judge_that_is_down_is_an_error(table: str) -> None:
    def script(question: str, attempt: int) -> Reply:
        return fails(500) if "Claim: " in question else writes_claims(question)

    with FakeEndpoint(script) as fake, pytest.raises(GenerationError):
        written(cell(fake, table, "filter=judge"))


def test_the_judge_may_be_another_model_at_its_own_price(table: str) -> None:
    with FakeEndpoint(scripted(lambda ferry: "Score: 5")) as fake:
        config = cell(
            fake, table, "filter=judge", "+prompt_model@filter.model=openai_compatible", "filter.model.name=wise"
        )
        wise = replace(config.filter.model, base_url=fake.url, price=PriceConfig(prompt=100.0, completion=0.0))
        twins, _ = written(replace(config, filter=replace(config.filter, model=wise)))
    assert [r["model"] for r in fake.requests].count("wise") == 8 and len(fake.requests) == 16
    assert twins.bill.usd == pytest.approx((8 * 20 + 8 * 10 * 100.0) / 1e6)


def test_verdicts_are_paid_within_the_limit_of_the_run(table: str) -> None:
    with FakeEndpoint(scripted(lambda ferry: "Score: 5")) as fake:
        config = cell(fake, table, "filter=judge")
        enough = replace(config, prompt_model=replace(config.prompt_model, max_usd=1.0))
        assert len(written(enough)[0].by_id) == 8
        nothing = replace(
            enough, filter=replace(enough.filter, judge=replace(enough.filter.judge, max_tokens=61))
        )  # others are asked
        nothing = replace(nothing, prompt_model=replace(nothing.prompt_model, max_usd=0.0))
        with pytest.raises(GenerationError, match="max_usd"):
            written(nothing)
    assert len(fake.requests) == 16


def test_a_claim_that_is_labelled_anew_must_get_the_same_label(table: str) -> None:
    with FakeEndpoint(scripted(lambda ferry: "Label: True" if ferry % 3 else "Label: perhaps")) as fake:
        twins, _ = written(cell(fake, table, "filter=round_trip"))
    shown = [q for q in fake.questions if "Claim: " in q]
    assert shown and not any("Label" in q for q in shown)  # nobody is told the answer
    assert {t.target for t in twins.by_id.values()} == {"supported"}
    assert {r.reason for r in twins.rejected} == {"round trip: another label", "round trip: no answer (unknown label)"}


def test_an_answer_without_the_name_of_its_field_is_read_all_the_same(table: str) -> None:
    said = {0: "True", 1: "False. It goes at nine.", 2: "Label: True", 3: "It may well be true."}
    with FakeEndpoint(scripted(lambda ferry: said[ferry % 4])) as fake:
        twins, _ = written(cell(fake, table, "filter=round_trip"))
    assert {ferry_of(t) % 4 for t in twins.by_id.values()} == {0, 1, 2}
    assert {r.reason for r in twins.rejected} == {"round trip: no answer (unknown label)"}


def test_a_question_must_be_answered_alike(tmp_path: Path) -> None:
    answers = ["six", "At six.", "the hour of six", "seven", "I do not know."]

    def script(question: str, attempt: int) -> Reply:
        ferry = number_in(question)
        if "Question: " in question:
            return says(f"Answer: {answers[ferry % 5]}")
        return says(f"Question: When does boat {ferry} go? || Answer: six")

    rows = [[f"Ferry {i} leaves at six.", f"When does {i} go?", "six"] for i in range(40)]
    path = write_csv(tmp_path / "questions.csv", ("evidence", "text", "target"), rows)
    with FakeEndpoint(script) as fake:
        config = cell(fake, f"dataset.path={path}", "task=qa", "filter=round_trip")
        half, _ = written(config)
        all_words, _ = written(
            cell(fake, f"dataset.path={path}", "task=qa", "filter=round_trip", "filter.round_trip.min_f1=1")
        )
    assert {ferry_of(t) % 5 for t in half.by_id.values()} == {0, 1, 2}  # F1 of "hour of six" is 1/2
    assert {ferry_of(t) % 5 for t in all_words.by_id.values()} == {0}
    assert {r.reason for r in half.rejected} == {"round trip: another answer"}


def test_answers_that_come_in_another_order_make_the_same_twins(
    table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def all_alike(question: str) -> Reply:
        name = "abcdefghijkl"[number_in(question) % 12] * 9
        return says(f"Claim: The boat {name} is late || Label: {question.split('Wanted: ')[1]}")

    def ids(delay: Callable[[int], float]) -> tuple[list[str], list[tuple[str, str]]]:
        def script(question: str, attempt: int) -> Reply:
            ferry = number_in(question)
            reply = says("Score: 3" if ferry % 5 == 0 else "Score: 5") if "Claim: " in question else all_alike(question)
            return replace(reply, delay=delay(ferry))

        with FakeEndpoint(script) as fake:
            config = cell(fake, table, "filter=judge", "filter.steps=[judge,rules]", "filter.rules.same_evidence=false")
            twins, _ = written(config)
        return list(twins.by_id), [(r.example_id, r.reason) for r in twins.rejected]

    results = []
    for name, delay in {"up": lambda ferry: 0.002 * ferry, "down": lambda ferry: 0.002 * (40 - ferry)}.items():
        monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / name))
        results.append(ids(delay))
    assert results[0] == results[1]
    kinds = {reason.partition(",")[0] for _, reason in results[0][1]}
    assert {"rules: repeats an earlier twin", "judge: score 3"} <= kinds


# --- what is said about it ---------------------------------------------------------------------


def test_labels_that_came_back_are_counted_though_none_was_asked_for(table: str, tmp_path: Path) -> None:
    free = "strategy.tasks.fv.system='Write a claim and its label. || Claim: <the claim> || Label: <True or False>'"

    def script(question: str, attempt: int) -> Reply:
        if "Claim: " in question:
            return says("Score: 1" if number_in(question) % 5 == 0 else "Score: 5")
        return says(f"Claim: Boat {number_in(question)} is on time || Label: True")

    with FakeEndpoint(script) as fake:
        config = cell(
            fake,
            table,
            "filter=judge",
            free,
            "strategy.tasks.fv.user='Context: {evidence}'",
            "synth_frac=0.9",
            "n_train=20",
        )
        folder = tmp_path / "study" / "run"
        result = pipeline.run(config, folder, RunStatus(folder))
    dropped = sum(result["rejected_because"].values())
    assert dropped and sum(row["supported"] for row in result["labels"].values()) == 18 + dropped
    assert result["labels"]["unsupported"]["supported"] > 0
    (group_of_cells,) = text_comparison.compare(tmp_path / "study")
    told = ", ".join(f"{asked} -> supported: {row['supported']}" for asked, row in result["labels"].items())
    assert f"labels asked for -> labels that came back, in the cell with most answers: {told}" in group_of_cells.notes


def test_a_label_other_than_requested_is_rejected_and_counted(table: str) -> None:
    def script(question: str, attempt: int) -> Reply:
        wanted = question.split("Wanted: ")[1]
        return says(
            f"Claim: Boat {number_in(question)} is on time || Label: {wanted if number_in(question) % 4 else 'True'}"
        )

    with FakeEndpoint(script) as fake:
        config = cell(fake, table)
        twins, _ = written(config)
        human = {e.id: e for e in data.load(config.dataset, config.task).train}
    found = audit.labels(twins.by_id.values(), twins.rejected, human)
    assert set(found["supported"]) == {"supported"}
    shifted = [r for r in twins.rejected if r.labels == ("unsupported", "supported")]
    assert len(shifted) == len(twins.rejected) == found.get("unsupported", {}).get("supported", 0)
    assert audit.reasons(twins.rejected) == ({"another label than requested": len(shifted)} if shifted else {})


def test_twins_that_copy_an_example_of_their_own_prompt_are_counted() -> None:
    human = {name: Example(name, "", f"Human text {name}.", ("x",)) for name in "abc"}
    copy, other, of_the_strategy = (
        twin("human TEXT b", name="t"),
        twin("Human text c", name="u"),
        twin("A brought text!", name="v"),
    )
    shown = {"t": ("a", "b"), "u": ("a", "b"), "v": ()}
    own = [Demonstration(text="A brought text.")]
    assert audit.copying([copy, other, of_the_strategy], shown, human, own) == {"t", "v"}


def test_a_run_audits_copies_of_what_its_prompts_showed(table: str, tmp_path: Path) -> None:
    def parrot(question: str, attempt: int) -> Reply:
        shown = fake.requests[-1]["messages"][2]["content"]  # of this very question: one is asked at a time
        own = f"Claim: Boat {number_in(question)} is on time || Label: {question.split('Wanted: ')[1]}"
        return says(shown if number_in(question) % 2 else own)

    with FakeEndpoint(parrot) as fake:
        config = cell(fake, table, "strategy=few_shot", "prompt_model.concurrency=1")
        result = pipeline.run(config, tmp_path / "run", RunStatus(tmp_path / "run"))
        twins, _ = written(config)
    odd = {t.example_id for t in twins.by_id.values() if ferry_of(t) % 2}
    assert 0 < len(odd) < 8 and twins.copies == odd
    assert result["audit"]["twins_equal_to_a_shown_example"] == len(odd)


# --- settings ----------------------------------------------------------------------------------


def test_without_a_filter_every_twin_that_parses_is_kept(table: str) -> None:
    with FakeEndpoint(lambda question, attempt: says(f"Claim: x || Label: {question.split('Wanted: ')[1]}")) as fake:
        twins, plan = written(cell(fake, table))
    assert list(twins.by_id) == [e.id for e in plan.to_replace] and twins.rejected == ()
    assert len(fake.requests) == 8


def test_the_filter_is_part_of_what_a_run_is_and_only_where_twins_are_asked_for() -> None:
    assert identity_values(compose())["filter"] == {"name": "none"}
    configs = [compose(f"filter={name}") for name in ("none", "rules", "judge", "round_trip")]
    assert len({run_id(config) for config in configs}) == 4
    assert len({run_id(replace(config, synth_frac=0.0)) for config in configs}) == 1
    assert run_id(compose("filter=judge", "filter.judge.min_score=3")) != run_id(compose("filter=judge"))
    other = compose("filter=judge", "+prompt_model@filter.model=gpt-4-turbo")
    assert run_id(other) != run_id(compose("filter=judge"))
    assert run_id(
        compose("filter=judge", "+prompt_model@filter.model=gpt-4-turbo", "filter.model.retries=9")
    ) == run_id(other)


OWN_MODEL = ["filter=judge", "+prompt_model@filter.model=openai_compatible", "filter.model.name=wise"]
IMPOSSIBLE = {
    "a score beyond the scale": (
        ["filter=judge", "filter.judge.min_score=6"],
        "filter.judge.min_score=6  must be between 1 and 5",
    ),
    "a likeness of nothing": (
        ["filter=rules", "filter.rules.near_duplicates=0"],
        "filter.rules.near_duplicates=0  must be between",
    ),
    "an F1 above 1": (
        ["filter=round_trip", "filter.round_trip.min_f1=1.1"],
        "filter.round_trip.min_f1=1.1  must be between 0 and 1",
    ),
    "an unknown field": (
        ["filter=judge", "filter.judge.tasks.qa.user='{nope}'"],
        "judge.tasks.qa.user names {nope}; it may name: ",
    ),
    "a round trip that tells the answer": (
        ["filter=round_trip", "filter.round_trip.tasks.qa.user='{label}'"],
        "round_trip.tasks.qa.user names {label}; it may name: evidence, text, classes",
    ),
    "no place for the answer": (
        ["filter=judge", "filter.judge.tasks.qa.assistant=Score"],
        "judge.tasks.qa.assistant needs a word and a colon",
    ),
    "a step that is not used": (
        ["filter.judge.min_score=2"],
        "filter.judge  is set, and filter=none uses nothing; try filter=judge",
    ),
    "a model that nobody asks": (
        ["filter=rules", "filter.model.name=wise"],
        "filter.model=wise  filter=rules asks nobody",
    ),
    "a limit of its own": (
        [*OWN_MODEL, "filter.model.max_usd=0"],
        "filter.model.max_usd=0  a run has one limit, for twins and filters together; try prompt_model.max_usd=NUMBER",
    ),
    "a temperature below 0": (
        [*OWN_MODEL, "filter.model.temperature=-1"],
        "filter.model.temperature=-1  must be 0 or more",
    ),
    "a price that is no number": (
        [*OWN_MODEL, "filter.model.price.prompt=nan"],
        "filter.model.price.prompt=nan  must be 0 or more",
    ),
    "no place to ask at": (
        [*OWN_MODEL, "filter.model.base_url=nowhere"],
        "filter.model.base_url=nowhere  must be an address",
    ),
    "a schema for verdicts": (
        [*OWN_MODEL, "filter.model.json_schema=true"],
        "filter.model.json_schema=true  verdicts are asked for in a",
    ),
    "a model without weights": (
        ["filter=judge", "filter.model.name=wise"],
        "filter.model.weights=null  provider hf needs weights",
    ),
}


@pytest.mark.parametrize(("overrides", "said"), IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_an_impossible_filter_is_refused_before_a_twin_is_paid_for(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        compose(*overrides)
    assert said in str(refused.value)


def test_a_task_without_words_is_named() -> None:
    config = compose("filter=judge")
    with pytest.raises(ConfigError, match="judge has no words for task=qa; it has: fv"):
        words = {"fv": config.filter.judge.tasks["fv"]}
        replace(config, filter=replace(config.filter, judge=replace(config.filter.judge, tasks=words)))


def test_steps_are_used_cheapest_first_in_whatever_order_they_are_named(table: str) -> None:
    with FakeEndpoint(lambda question, attempt: says("Score: 5") if "Claim: " in question else terse(question)) as fake:
        cells = [
            cell(fake, table, "filter=judge", f"filter.steps=[{steps}]") for steps in ("judge,rules", "rules,judge")
        ]
        twins = [written(config)[0] for config in cells]
        judged = [q for q in fake.questions if "Claim: " in q]
    assert twins[0].by_id == twins[1].by_id and run_id(cells[0]) == run_id(cells[1])
    assert {r.reason for r in twins[0].rejected} == {"rules: text of fewer than 3 words"}
    assert len(judged) == len(set(judged)) == 8  # nothing is asked about what the rules drop


def terse(question: str) -> Reply:
    ferry = number_in(question)
    return writes_claims(question) if ferry % 4 < 2 else says(f"Claim: Late! || Label: {question.split('Wanted: ')[1]}")
