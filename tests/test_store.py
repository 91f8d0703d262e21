"""Atomic writes, content hashes, and named random choices."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from littlehuman import seeding, store
from littlehuman.errors import DataError


def test_equal_values_have_equal_digests() -> None:
    assert store.digest({"a": 1, "b": [1, 2]}) == store.digest({"b": [1, 2], "a": 1})
    assert store.digest([1, 2]) != store.digest([2, 1])
    assert len(store.digest("\ud83d half a character")) == store.DIGEST_CHARS


def test_a_file_that_could_not_be_written_leaves_the_old_one_and_no_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_json(tmp_path / "a.json", {"old": True})
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        store.write_json(tmp_path / "a.json", {"new": True})
    assert store.read_json(tmp_path / "a.json") == {"old": True}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("text", ["", "{", "[1]", "null", '{"a": '])
def test_an_absent_or_truncated_json_file_reads_as_empty(tmp_path: Path, text: str) -> None:
    assert store.read_json(tmp_path / "absent.json") == {}
    (tmp_path / "torn.json").write_text(text)
    assert store.read_json(tmp_path / "torn.json") == {}


def test_a_truncated_last_line_of_json_lines_is_ignored(tmp_path: Path) -> None:
    store.write_jsonl(tmp_path / "a.jsonl", [{"a": 1}, {"b": "ü"}])
    with (tmp_path / "a.jsonl").open("a") as handle:
        handle.write('[1]\n{"c": ')
    assert list(store.read_jsonl(tmp_path / "a.jsonl")) == [{"a": 1}, {"b": "ü"}]


@pytest.mark.parametrize(
    "value", ["line\u2028separator", "NUL \x00", 'quote " and \\', "é ü 漢字 🐐", "\ud83d", "None", ""]
)
def test_any_text_comes_back_as_it_was(tmp_path: Path, value: str) -> None:
    store.write_json(tmp_path / "a.json", {"value": value})
    store.write_jsonl(tmp_path / "a.jsonl", [{"value": value}])
    assert store.read_json(tmp_path / "a.json") == {"value": value}
    assert list(store.read_jsonl(tmp_path / "a.jsonl")) == [{"value": value}]


def test_a_folder_is_its_visible_files(tmp_path: Path) -> None:
    def folder(name: str, files: dict[str, str]) -> Path:
        for file, text in files.items():
            (tmp_path / name / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name / file).write_text(text)
        return tmp_path / name

    plain = store.file_digest(folder("a", {"x": "1", "sub/y": "2"}))
    assert plain == store.file_digest(
        folder("b", {"sub/y": "2", "x": "1", ".hidden": "3", ".git/index": "4", "CARD.md": "5"})
    )
    assert plain != store.file_digest(folder("c", {"x": "1", "sub/y": "3"}))
    assert plain != store.file_digest(folder("d", {"x": "1", "sub/z": "2"}))
    assert store.file_digest(tmp_path / "absent") == "missing"


@pytest.mark.parametrize(
    ("name", "folder"),
    [("gpt-4", "gpt-4"), ("org/model", "org-model"), ("../..", "unnamed"), ("", "unnamed"), ("a b\n", "a-b")],
)
def test_a_name_becomes_one_folder(name: str, folder: str) -> None:
    assert store.slug(name) == folder


def test_the_roots_follow_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path))
    monkeypatch.setenv("LITTLEHUMAN_MULTIRUN", "~/results")
    assert store.cache_root() == tmp_path and store.multirun_root() == Path.home() / "results"
    monkeypatch.setenv("LITTLEHUMAN_CACHE", "")
    monkeypatch.delenv("LITTLEHUMAN_MULTIRUN")
    assert store.cache_root() == Path.home() / ".cache" / "littlehuman" and store.multirun_root() == Path("multirun")


def test_package_data_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first = store.packaged("package:fieldnotes/passages.jsonl").read_text("utf-8").splitlines()[0]
    assert json.loads(first)["passage"]


def test_a_random_choice_depends_on_seed_purpose_and_names_only() -> None:
    def numbers(*names: Any) -> list[float]:
        generator = seeding.rng(*names)
        return [generator.random() for _ in range(3)]

    assert numbers(0, "order", "a") == numbers(0, "order", "a")
    assert (
        len(
            {
                tuple(numbers(*names))
                for names in [(0, "order", "a"), (1, "order", "a"), (0, "dropout", "a"), (0, "order", "b")]
            }
        )
        == 4
    )
    assert seeding.number(0, "a", "b") != seeding.number(0, "a b")


def test_an_ordering_depends_on_ids_alone() -> None:
    ids = [f"x{i}" for i in range(50)]
    order = seeding.ordering(ids, 0, "purpose")
    assert sorted(order) == sorted(ids) and order != ids
    assert seeding.ordering(reversed(ids), 0, "purpose") == order
    assert [i for i in seeding.ordering([*ids, "new"], 0, "purpose") if i != "new"] == order
    assert seeding.ordering(ids, 0, "other purpose") != order


def test_a_folder_in_the_place_of_a_file_is_named_with_the_mend(tmp_path: Path) -> None:
    (tmp_path / "result.json" / "inside").mkdir(parents=True)
    with pytest.raises(DataError, match=r"result\.json: is a folder.*\nTry: rm -r "):
        store.write_json(tmp_path / "result.json", {})
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]
