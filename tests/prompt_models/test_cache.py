import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import pytest
from config_groups import prompt_model
from gather_completions import gather

from littlehuman.errors import GenerationError
from littlehuman.generation import completions
from littlehuman.generation.costs import Bill
from littlehuman.prompt_models import cache as cache_module
from littlehuman.prompt_models.cache import CompletionWriter, cache_path, lookup
from littlehuman.records import Completion, Failure, Prompt
from littlehuman.schema import PriceConfig

MODEL = prompt_model("gpt-3.5-turbo", price=PriceConfig(prompt=2.0, completion=10.0))


def completion(key: str, text: str = "An answer.") -> Completion:
    return Completion(key, text, "stop", 100, 20)


def requests(*keys: str) -> list[Prompt]:
    return [Prompt(f"id-{key}", ({"role": "user", "content": key},), key) for key in keys]


def write_cache(file: Path, *completions: Completion, tail: str = "") -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(json.dumps(asdict(c), ensure_ascii=False) + "\n" for c in completions) + tail, "utf-8")
    return file


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# --- writing and reading ---------------------------------------------------------------------


def test_what_is_put_into_the_cache_is_found_again(tmp_path: Path) -> None:
    put = [
        completion("a", 'Line one\nline "two" \\ || ⛴️'),
        completion("b", "\u2028\u0085\r"),
        Completion("c", "", "length", 0, 0),
    ]
    with CompletionWriter(tmp_path) as writer:
        for one in put:
            writer.add(one)
    assert lookup(tmp_path, ["a", "b", "c"]) == {one.key: one for one in put}


def test_half_an_emoji_is_kept_and_does_not_end_the_run(tmp_path: Path) -> None:
    with CompletionWriter(tmp_path) as writer:
        writer.add(completion("a", "half \ud83d"))
        writer.add(completion("b"))
    assert lookup(tmp_path, ["a"]) == {"a": completion("a", "half \ud83d")}


def test_each_completion_is_readable_before_the_next_is_asked_for(tmp_path: Path) -> None:
    with CompletionWriter(tmp_path) as writer:
        writer.add(completion("a"))
        assert lookup(tmp_path, ["a"])


def test_a_writer_without_answers_leaves_no_file(tmp_path: Path) -> None:
    with CompletionWriter(tmp_path / "folder"):
        pass
    assert not (tmp_path / "folder").exists()


def test_an_absent_cache_is_empty(tmp_path: Path) -> None:
    assert lookup(tmp_path / "none", ["a"]) == {}


def test_unrelated_answers_are_passed_over(tmp_path: Path) -> None:
    write_cache(tmp_path / "x.jsonl", *(completion(f"k{i}") for i in range(50)))
    assert lookup(tmp_path, ["k7", "other"]) == {"k7": completion("k7")}


def test_a_key_inside_a_text_is_no_key(tmp_path: Path) -> None:
    write_cache(tmp_path / "x.jsonl", completion("a", '{"key": "b"}'))
    assert lookup(tmp_path, ["b"]) == {}


def test_lines_that_other_tools_wrote_are_read_too(tmp_path: Path) -> None:
    row = {"finish": "stop", "text": "x", "completion_tokens": 1, "prompt_tokens": 1, "key": "a"}
    (tmp_path / "x.jsonl").write_text(json.dumps(row, separators=(",", ":")) + "\n")
    assert lookup(tmp_path, ["a"]) == {"a": Completion("a", "x", "stop", 1, 1)}


@pytest.mark.parametrize("length", [1, 9, 10, 14, 30, -30, -2])
def test_a_torn_last_line_is_passed_over(tmp_path: Path, length: int) -> None:
    torn = json.dumps(asdict(completion("b", "é" * 20)), ensure_ascii=False)[:length]
    write_cache(tmp_path / "x.jsonl", completion("a"), tail=torn)
    assert lookup(tmp_path, ["a", "b"]) == {"a": completion("a")}


def test_a_line_that_is_finished_while_it_is_read_is_found_by_the_next_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = json.dumps(asdict(completion("b"))) + "\n"
    file = write_cache(tmp_path / "x.jsonl", completion("a"), tail=whole[:30])
    real = cache_module._parse

    def finishing(line: bytes, wanted: Collection[str]) -> Completion | None:
        if not line.endswith(b"\n"):
            with file.open("a") as handle:
                handle.write(whole[30:])
        return real(line, wanted)

    monkeypatch.setattr(cache_module, "_parse", finishing)
    reader = cache_module.CompletionCache(tmp_path)
    assert [[found.key for found in reader.read({"a", "b"})] for _ in range(2)] == [["a"], ["b"]]


def test_a_line_torn_inside_a_character_is_passed_over(tmp_path: Path) -> None:
    file = write_cache(tmp_path / "x.jsonl", completion("a"))
    file.write_bytes(file.read_bytes() + '{"key": "b", "text": "é'.encode()[:-1])
    assert set(lookup(tmp_path, ["a", "b"])) == {"a"}


@pytest.mark.parametrize(
    "line", ["", "null", "[1]", '"text"', "{}", '{"key": "b"}', '{"key": "b", "text": "x", "other": 1}']
)
def test_a_line_that_is_no_completion_is_passed_over(tmp_path: Path, line: str) -> None:
    write_cache(tmp_path / "x.jsonl", completion("a"), tail=line + "\n")
    assert set(lookup(tmp_path, ["a", "b"])) == {"a"}


IMPOSSIBLE = {
    "no text": {"text": None},
    "a number for a text": {"text": 5},
    "a list for a finish reason": {"finish": ["stop"]},
    "10^400 tokens": {"prompt_tokens": 10**400},
    "less than no tokens": {"completion_tokens": -1},
    "more tokens from a cache than there are": {"cached_tokens": 101},
    "half a token": {"prompt_tokens": 0.5},
    "tokens that are true": {"completion_tokens": True},
    "tokens that are words": {"cached_tokens": "5"},
}


@pytest.mark.parametrize("values", IMPOSSIBLE.values(), ids=IMPOSSIBLE.keys())
def test_a_line_with_impossible_values_is_passed_over_counted_and_its_file_is_named(
    tmp_path: Path, values: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    bad = json.dumps(asdict(completion("b")) | values) + "\n"
    file = write_cache(tmp_path / "x.jsonl", completion("a"), tail=bad + bad)
    assert set(lookup(tmp_path, ["a", "b"])) == {"a"}
    assert caplog.text.count(f"{file}: 2 lines are no answers") == 1
    caplog.clear()
    assert set(lookup(tmp_path, ["a"])) == {"a"} and not caplog.text  # nobody asked for them


def test_a_number_of_more_digits_than_python_reads_harms_no_other_line(tmp_path: Path) -> None:
    huge = '{"key": "b", "text": "x", "finish": "stop", "prompt_tokens": 1' + "0" * 5000 + ', "completion_tokens": 1}\n'
    write_cache(tmp_path / "x.jsonl", completion("a"), tail=huge + "[" * 100_000 + "\n")
    assert set(lookup(tmp_path, ["a", "b"])) == {"a"}


def test_tokens_from_the_providers_cache_are_kept_and_old_lines_have_none(tmp_path: Path) -> None:
    cached = replace(completion("a"), cached_tokens=64)
    with CompletionWriter(tmp_path) as writer:
        writer.add(cached)
        writer.add(completion("b"))
    rows = [json.loads(line) for line in writer.path.read_text("utf-8").splitlines()]
    assert [row.get("cached_tokens") for row in rows] == [64, None]  # so that earlier versions read the second
    assert lookup(tmp_path, ["a", "b"]) == {"a": cached, "b": completion("b")}


def test_a_writer_goes_on_after_a_line_that_was_torn_in_its_own_file(tmp_path: Path) -> None:
    with CompletionWriter(tmp_path) as writer:
        writer.add(completion("a"))
    writer.path.write_bytes(writer.path.read_bytes() + b'{"key": "b", "te')
    with CompletionWriter(tmp_path) as again:
        again.add(completion("c"))
    assert again.path == writer.path
    assert set(lookup(tmp_path, ["a", "b", "c"])) == {"a", "c"}


WRITES = """
import sys, time
from pathlib import Path
from littlehuman.prompt_models import cache as cache_module
from littlehuman.prompt_models.cache import CompletionWriter
from littlehuman.records import Completion
folder, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
with CompletionWriter(folder) as writer:
    for i in range(count):
        writer.add(Completion(f"{name}{i}", "text " * 100, "stop", 1, 1))
    print("written", flush=True)
    if name == "killed":
        writer._handle.write(b'{"key": "killed9", "text": "torn')
        writer._handle.flush()
        time.sleep(60)
"""


def writer_process(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITES, str(folder), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_two_processes_write_at_once_and_readers_merge_them(tmp_path: Path) -> None:
    both = [writer_process(tmp_path, name, 200) for name in ("a", "b")]
    assert [process.wait(30) for process in both] == [0, 0]
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert len(lookup(tmp_path, [f"{name}{i}" for name in "ab" for i in range(200)])) == 400


def test_a_killed_writer_loses_the_line_that_it_was_writing_and_no_other(tmp_path: Path) -> None:
    process = writer_process(tmp_path, "killed", 5)
    assert process.stdout and process.stdout.readline() == "written\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait(30)
    assert set(lookup(tmp_path, [f"killed{i}" for i in range(10)])) == {f"killed{i}" for i in range(5)}


def test_models_do_not_share_a_cache(cache: Path) -> None:
    folders = {cache_path(m) for m in (MODEL, replace(MODEL, name="other"), prompt_model("qwen-1.5b"))}
    assert len(folders) == 3 and all(path.parent == cache / "completions" for path in folders)


# --- asking, and the bill ----------------------------------------------------------------------


@dataclass
class Known:
    """A prompt model that knows some answers; the others fail. It counts what it is asked."""

    known: set[str]
    asked: list[str] = field(default_factory=list)
    batched, undelivered = False, ()

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
        for prompt in reversed(list(prompts)):
            self.asked.append(prompt.key)
            yield completion(prompt.key) if prompt.key in self.known else Failure(prompt.key, f"no {prompt.key}")


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Known:
    model = Known(set("abcdefgh"))
    monkeypatch.setattr(completions, "open_model", lambda config: model)
    return model


def ask(*keys: str) -> tuple[dict[str, Completion | Failure], Bill]:
    return gather(requests(*keys), MODEL, 9, progress=False)


def test_each_request_is_paid_once(known: Known) -> None:
    first = ask("a", "b")
    second = ask("b", "c", "a")
    assert known.asked == ["b", "a", "c"]
    assert first[0] == {"a": completion("a"), "b": completion("b")}
    assert second[0].keys() == {"a", "b", "c"}


def test_equal_requests_are_asked_once(known: Known) -> None:
    _, bill = ask("a", "a")
    assert (known.asked, bill.requests) == (["a"], 1)


def test_the_bill_counts_what_was_asked_now_and_what_the_cache_saved(known: Known) -> None:
    ask("a")
    _, bill = ask("a", "b", "c", "?")
    one = (100 * 2.0 + 20 * 10.0) / 1e6
    assert (bill.requests, bill.from_cache, bill.failed) == (4, 1, 1)
    assert (bill.prompt_tokens, bill.completion_tokens) == (200, 40)
    assert bill.usd == pytest.approx(2 * one)
    assert bill.usd_without_cache == pytest.approx(3 * one)


def test_a_free_cache_costs_nothing(known: Known) -> None:
    ask("a", "b")
    _, bill = ask("a", "b")
    assert (bill.from_cache, bill.prompt_tokens, bill.usd) == (2, 0, 0.0)


def test_failures_are_never_cached(known: Known) -> None:
    answers, _ = ask("a", "?")
    assert answers["?"] == Failure("?", "no ?")
    ask("a", "?")
    assert known.asked.count("?") == 2 and known.asked.count("a") == 1


def test_no_request_at_all_is_no_error(known: Known) -> None:
    assert ask() == ({}, Bill())


def test_a_model_that_never_answers_is_an_error_with_the_most_frequent_reason(known: Known) -> None:
    with pytest.raises(
        GenerationError, match=r"prompt_model.name=gpt-3.5-turbo: all 2 requests failed, 1 of them so: no [?!]\nTry: "
    ):
        ask("?", "!")


def test_a_refused_spare_does_not_end_a_run_that_had_answers(known: Known) -> None:
    ask("a", "b")
    answers, _ = ask("?")
    assert answers == {"?": Failure("?", "no ?")}


def test_many_failures_and_no_answer_are_an_error_though_the_cache_has_others(known: Known) -> None:
    ask("a")
    with pytest.raises(GenerationError, match="all 5 requests failed"):
        ask("1", "2", "3", "4", "5")


def test_an_interrupted_run_keeps_what_came(known: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(Known):
        def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Iterator[Completion | Failure]:
            for count, answer in enumerate(super().complete(prompts, max_tokens)):
                if count == 2:
                    raise KeyboardInterrupt
                yield answer

    monkeypatch.setattr(completions, "open_model", lambda config: Interrupted(known.known))
    with pytest.raises(KeyboardInterrupt):
        ask("a", "b", "c", "d")
    monkeypatch.setattr(completions, "open_model", lambda config: known)
    ask("a", "b", "c", "d")
    assert known.asked == ["b", "a"]  # the last two were answered before


def test_a_spoilt_line_is_asked_again_and_ends_no_run(known: Known) -> None:
    spoilt = json.dumps(asdict(completion("a")) | {"text": None, "prompt_tokens": 10**400}) + "\n"
    write_cache(cache_path(MODEL) / "spoilt.jsonl", tail=spoilt)
    assert ask("a")[0] == {"a": completion("a")} and known.asked == ["a"]
    assert ask("a")[1].from_cache == 1
