"""The dataset readers, on rows written for these tests: release layout and hub layout give the same points."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dataset_configs import FV, QA, dataset_config

from littlehuman import data
from littlehuman.data.fever import restore
from littlehuman.data.readers import READERS
from littlehuman.data.source import open_source
from littlehuman.data.table import parse_rows
from littlehuman.errors import DataError
from littlehuman.records import Dataset, Example
from littlehuman.store import write_json, write_jsonl

FIXTURES = Path(__file__).parents[1] / "fixtures" / "data"


def _points(name: str, path: Path, **overrides: Any) -> list[Example]:
    """All usable points of the folder's one split, without hold-out."""
    config = dataset_config(name, path=str(path), **overrides)
    source = open_source(config)
    (split,) = source.splits
    return list(parse_rows(READERS[config.reader](source, split), config, source.where(split), None).examples)


def _shown(dataset: Dataset) -> list[tuple[str, str, str, tuple[str, ...]]]:
    return [(e.id, e.evidence, e.text, e.targets) for e in dataset.train]


# --- fever


def test_fever_brackets_are_restored_in_claim_and_evidence() -> None:
    assert (
        restore("Orla -LRB- Venn -RRB- , -LSB- 1 -RSB- -LCB-x-RCB- a-COLON-b -LRBX-")
        == "Orla ( Venn ) , [ 1 ] {x} a:b -LRBX-"
    )


def test_fever_sentences_are_joined_by_newlines(tmp_path: Path) -> None:
    evidence = [["Venn", "0", "Orla Venn -LRB- b. 1911 -RRB- blew glass ."], ["Venn", "4", "She moved ."]]
    for split in ("train", "valid", "test"):
        rows = [
            {
                "id": i,
                "claim": f"{split} -LSB-{i}-RSB-",
                "label": ("SUPPORTS", "NOT ENOUGH INFO")[i],
                "evidence": evidence,
            }
            for i in (0, 1)
        ]
        write_jsonl(tmp_path / f"{split}.jsonl", rows)
    dataset = data.load(dataset_config("fever", path=str(tmp_path)), FV)
    assert dataset.train[0].evidence == "Orla Venn ( b. 1911 ) blew glass .\nShe moved ."
    assert [(e.text, e.target) for e in dataset.train] == [("train [0]", "supported"), ("train [1]", "unsupported")]


def test_fever_evidence_of_another_shape_is_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "train.jsonl", [{"id": 1, "claim": "C", "label": "SUPPORTS", "evidence": ["a sentence"]}])
    with pytest.raises(
        DataError, match=r"train.jsonl: evidence must be a list of \[page, line, sentence\]; found 'a sentence'"
    ):
        data.load(dataset_config("fever", path=str(tmp_path)), FV)


# --- squad and ropes


def test_squad_release_and_hub_rows_give_the_same_points(tmp_path: Path) -> None:
    answers = [
        {"text": "1957", "answer_start": 9},
        {"text": "1957", "answer_start": 9},
        {"text": "in 1957", "answer_start": 6},
    ]
    question = {"id": "q1", "question": "Until when?", "answers": answers}
    article = {"title": "Mills", "paragraphs": [{"context": "It ran until 1957.", "qas": [question]}]}
    write_json(tmp_path / "release" / "dev-v1.1.json", {"version": "1.1", "data": [article]})
    flat = {"id": "q1", "title": "Mills", "context": "It ran until 1957.", "question": "Until when?"}
    columns = {key: [answer[key] for answer in answers] for key in ("text", "answer_start")}
    write_jsonl(tmp_path / "hub" / "validation.jsonl", [{**flat, "answers": columns}])
    release, hub = (_points("squad", tmp_path / layout) for layout in ("release", "hub"))
    assert release == hub == [Example("q1", "It ran until 1957.", "Until when?", ("1957", "in 1957"))]


def test_ropes_release_and_hub_rows_give_the_same_points(tmp_path: Path) -> None:
    passage = {"background": "Salt melts ice.", "situation": "Ib salted. "}
    qa = {"id": "31", "question": "Whose froze?", "answers": [{"text": "Una's"}]}
    write_json(
        tmp_path / "release" / "dev-v1.0.json", {"version": "1.0", "data": [{"paragraphs": [{**passage, "qas": [qa]}]}]}
    )
    write_jsonl(
        tmp_path / "hub" / "validation.jsonl",
        [{**passage, "id": "31", "question": "Whose froze?", "answers": {"text": ["Una's"]}}],
    )
    release, hub = (_points("ropes", tmp_path / layout) for layout in ("release", "hub"))
    assert release == hub == [Example("31", "Salt melts ice.\nIb salted.", "Whose froze?", ("Una's",))]


def test_a_release_without_an_expected_key_is_named(tmp_path: Path) -> None:
    write_json(
        tmp_path / "dev-v1.0.json",
        {"data": [{"paragraphs": [{"background": "B", "situtation": "S", "qas": [{"id": 1, "question": "Q"}]}]}]},
    )
    with pytest.raises(DataError, match="dev-v1.0.json: no column 'situation'; did you mean 'situtation'"):
        _points("ropes", tmp_path)


# --- coqa

TURNS = [{"turn_id": 2, "input_text": "And then?"}, {"turn_id": 1, "input_text": "Who ate it?"}]
STORY = {"id": "s1", "story": "Pim the goat ate the map."}


def _coqa(path: Path) -> Path:
    answers = [{"turn_id": 2, "input_text": "slept"}, {"turn_id": 1, "input_text": "Pim"}]
    others = {str(i): [{"turn_id": 1, "input_text": text}] for i, text in enumerate(("Pim", "the goat"))}
    story = {**STORY, "questions": TURNS, "answers": answers, "additional_answers": others}
    write_json(path / "coqa-dev-v1.0.json", {"version": "1.0", "data": [story]})
    return path


def test_coqa_takes_turn_one_and_the_answers_of_all_annotators(tmp_path: Path) -> None:
    assert _points("coqa", _coqa(tmp_path)) == [Example("s1", STORY["story"], "Who ate it?", ("Pim", "the goat"))]


def test_coqa_can_be_read_with_the_first_answer_only(tmp_path: Path) -> None:
    assert _points("coqa", _coqa(tmp_path), columns={"target": "answer"})[0].targets == ("Pim",)


def test_coqa_hub_rows_have_lists_and_no_id(tmp_path: Path) -> None:
    row = {
        "source": "x",
        "story": STORY["story"],
        "questions": ["Who ate it?", "And then?"],
        "answers": {"input_text": ["Pim", "slept"]},
    }
    write_jsonl(tmp_path / "validation.jsonl", [row])
    assert _points("coqa", tmp_path) == [Example("", STORY["story"], "Who ate it?", ("Pim",))]


# --- qaconv


def test_qaconv_joins_segments_as_lines_and_drops_unanswerable_questions() -> None:
    dataset = data.load(dataset_config("qaconv", path=str(FIXTURES / "qaconv")), QA)
    mail = "Ana Pell: I booked the blue room for Thursday at 10:30.\nBen Oduya: Good. I bring the spare projector."
    panel = "MIRA SOLT, HOST: How many wells did the valley dig?\nIVO KRANN: Nine, and seven of them by hand."
    assert _shown(dataset) == [
        ("trn-0", mail, "When is the blue room booked?", ("Thursday at 10:30", "Thursday")),
        ("trn-2", panel, "How many wells were dug by hand?", ("seven",)),
    ]
    assert [e.id for e in dataset.valid + dataset.test] == ["val-0", "tst-0"]
    assert dataset.dropped == {"train: no answer": 1}


def test_qaconv_without_its_segments_is_named(tmp_path: Path) -> None:
    (tmp_path / "trn.json").write_text((FIXTURES / "qaconv" / "trn.json").read_text())
    with pytest.raises(DataError, match="article_segment.json: cannot be read"):
        data.load(dataset_config("qaconv", path=str(tmp_path)), QA)


# --- factify


def test_factify_keeps_the_rows_that_text_can_verify() -> None:
    dataset = data.load(dataset_config("factify", path=str(FIXTURES / "factify"), valid_share=0), FV)
    assert [(e.id, e.target) for e in dataset.train] == [("0", "supported"), ("1", "unsupported"), ("3", "unsupported")]
    assert (
        dataset.train[0].evidence
        == 'The bridge at Lorn, closed since March,\nreopened on Monday, the "old" ferry being sold.'
    )
    assert len(dataset.test) == 2
    assert dataset.dropped == {"train: ignored label": 2}


def test_factify_without_a_path_says_how_to_get_it() -> None:
    with pytest.raises(DataError) as error:
        data.load(dataset_config("factify"), FV)
    assert "dataset=factify has neither a path nor a hub name" in str(error.value)
    assert "on request" in str(error.value) and "dataset.path=DIR" in str(error.value)


# --- narrativeqa


def test_narrativeqa_takes_summary_and_both_answers() -> None:
    dataset = data.load(dataset_config("narrativeqa", path=str(FIXTURES / "narrativeqa")), QA)
    assert [e.targets for e in dataset.train] == [
        ("a girl", "his alleged niece"),
        ("None",),
        ("wash it and give it back",),
    ]
    assert dataset.train[2].evidence == "Two clerks steal a train and return it washed." and dataset.train[2].id == "d2"
    first, second = (e.id for e in dataset.train[:2])
    assert first != second and first.startswith("d1-") and second.startswith("d1-")


# --- fairytaleqa


def _fairytale(path: Path, sections: str = "1,2") -> Path:
    for split in ("train", "val", "test"):
        (path / "questions" / split).mkdir(parents=True)
        (path / "section-stories" / split).mkdir(parents=True)
        header = "question,question_id,answer2,cor_section,answer1,answer4"
        question = f'{header}\nWho mended it?,3,,"{sections}",the miller,a miller\n'
        (path / "questions" / split / f"{split}-clock-questions.csv").write_text(question)
        story = 'section,text\n1,"The clock, ""Old Tom"", stopped."\n2,The miller mended it.\n2,He sang.\n'
        (path / "section-stories" / split / f"{split}-clock-story.csv").write_text(story)
    return path


def test_fairytaleqa_joins_sections_and_reads_columns_by_name(tmp_path: Path) -> None:
    dataset = data.load(dataset_config("fairytaleqa", path=str(_fairytale(tmp_path))), QA)
    evidence = 'The clock, "Old Tom", stopped.\nThe miller mended it.\nHe sang.'
    assert _shown(dataset) == [("train-clock-3", evidence, "Who mended it?", ("the miller", "a miller"))]
    assert [e.id for e in dataset.valid + dataset.test] == ["val-clock-3", "test-clock-3"]


def test_fairytaleqa_names_a_section_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="clock-questions.csv: question 3 is about section 7; the story has 1, 2"):
        data.load(dataset_config("fairytaleqa", path=str(_fairytale(tmp_path, "1, 7"))), QA)


def test_fairytaleqa_hub_rows_pass(tmp_path: Path) -> None:
    row = {
        "story_name": "clock",
        "content": "The clock stopped .",
        "question": "who mended it ?",
        "answer": "the miller",
        "gem_id": "g-1",
    }
    write_jsonl(tmp_path / "train.jsonl", [row])
    assert _points("fairytaleqa", tmp_path) == [
        Example("g-1", "The clock stopped .", "who mended it ?", ("the miller",))
    ]


# --- fieldnotes


def _fieldnotes(path: Path) -> Path:
    claims = [
        {"claim": "It goes at six.", "label": "supported"},
        {"claim": "It goes at seven.", "label": "unsupported"},
    ]
    questions = [{"question": "When does it go?", "answer": "six"}, {"question": "Where to?", "answer": "Ost"}]
    passage = "The ferry to Ost leaves at six."
    rows = [
        {
            "id": f"{split}-01",
            "split": split,
            "topic": "x",
            "passage": f"{split}: {passage}",
            "questions": questions,
            "claims": claims,
        }
        for split in ("train", "valid", "test")
    ]
    write_jsonl(path / "passages.jsonl", rows)
    return path


def test_fieldnotes_gives_questions_or_claims_of_the_split_that_a_passage_names(tmp_path: Path) -> None:
    questions = data.load(dataset_config("fieldnotes_qa", path=str(_fieldnotes(tmp_path))), QA)
    claims = data.load(dataset_config("fieldnotes_fv", path=str(tmp_path)), FV)
    assert [(e.id, e.text, e.target) for e in questions.test] == [
        ("test-01-q1", "When does it go?", "six"),
        ("test-01-q2", "Where to?", "Ost"),
    ]
    assert [(e.id, e.target) for e in claims.valid] == [("valid-01-c1", "supported"), ("valid-01-c2", "unsupported")]
    assert {e.evidence for e in claims.train} == {"train: The ferry to Ost leaves at six."}
    assert questions.notes == claims.notes == ()


def test_fieldnotes_may_be_given_as_a_file(tmp_path: Path) -> None:
    folder = _fieldnotes(tmp_path)
    configs = [dataset_config("fieldnotes_qa", path=str(path)) for path in (folder, folder / "passages.jsonl")]
    assert len({data.load(config, QA).fingerprint for config in configs}) == 1


def test_fieldnotes_that_lack_their_questions_are_named(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "passages.jsonl", [{"id": "a", "split": "train", "passage": "P", "question": []}])
    with pytest.raises(DataError, match="passages.jsonl: no column 'questions'; did you mean 'question'"):
        data.load(dataset_config("fieldnotes_qa", path=str(tmp_path)), QA)
