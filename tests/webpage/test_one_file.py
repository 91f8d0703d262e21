"""The page as one file: it holds all that it needs, stays small, and no text of a study becomes a program."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from report_pages import data_of, texts_of
from study_factory import write_study

from littlehuman import report
from littlehuman.webpage import assets, html

CAUSE = "</script><script>alert(1)</script>\u2028\u2029 <!-- & ]]>"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("file") / "study"
    write_study(place, fractions=(0.0, 0.9, 1.0), seeds=(0, 1), items=60, texts=40, failing={(0.9, 1): CAUSE})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "_figures", lambda data: iter(()))
        report.write(place)
    return place


def test_texts_of_a_study_stay_texts(study: Path) -> None:
    page = (study / "report.html").read_text("utf-8")
    assert page.count("<script") == 1 + len(assets.SCRIPTS) and "\u2028" not in page
    causes = [text for text in texts_of(data_of(study)) if "alert(1)" in text]
    assert any(text.startswith("</script><script>alert(1)</script>") for text in causes)
    assert "<script" not in (study / "report.md").read_text("utf-8").replace("\\<script", "")


def test_the_file_loads_nothing_and_forbids_all_else(study: Path) -> None:
    page = (study / "report.html").read_text("utf-8")
    own = re.sub(r"<script.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r'<link (?!rel="icon" href="data:,")|<iframe|@import|src=|url\(', own)
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)[0]
    assert policy.startswith("default-src &#x27;none&#x27;") and "unsafe" not in policy and "http" not in policy
    assert len(page) < 1_000_000


def test_the_sample_says_what_it_is_of_and_holds_items_of_each_kind(study: Path) -> None:
    sample = data_of(study)["sample"]
    assert {page["kind"] for page in sample["pages"]} == {"predictions", "twins", "rejected", "disagreement"}
    assert all(0 < len(page["rows"]) <= 25 for page in sample["pages"])
    assert re.match(r"A sample: the first 25 items of each kind from 2 of 5 complete runs", sample["said"])


def test_half_a_surrogate_pair_of_an_answer_does_not_break_the_file() -> None:
    text = html.safe_json({"a": "\ud83d <b>"})
    assert text == '{"a":"\\ud83d \\u003cb\\u003e"}'


@pytest.mark.parametrize("name", assets.VENDORED)
def test_the_vendored_library_is_the_published_file_and_its_licence_lies_beside_it(name: str) -> None:
    file = assets.STATIC / name
    assert hashlib.sha256(file.read_bytes()).hexdigest() == assets.VENDORED[name]
    licence = file.with_name(f"{file.name.split('-')[0]}-LICENSE.txt").read_text("utf-8")
    assert "Permission to use, copy, modify, and/or distribute" in licence
    assert file.name.split("-")[1].removesuffix(".min.js") in file.read_text("utf-8")[:200]


def test_own_scripts_write_text_alone_and_all_of_them_are_loaded() -> None:
    own = {file.relative_to(assets.STATIC).as_posix() for file in (assets.STATIC / "js").iterdir()}
    assert own == set(assets.SCRIPTS) - set(assets.VENDORED)
    unsafe = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:")
    assert [name for name in own if unsafe.search(assets.text_of(name))] == []
