"""The battery of attacks: what it says does not hold, does not; each scenario attacks what its name says."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT

from benchmarks.attack import __main__ as command
from benchmarks.attack import faults, files, kills, sweeps
from benchmarks.attack.damages import DAMAGES, Damage
from benchmarks.attack.endpoint import FaultServer, answer, healthy, paid_again, twin
from benchmarks.attack.fault_types import Fault, FaultyScript, Hits
from benchmarks.attack.ground import SECRET, Ground, differences, outcome
from benchmarks.attack.processes import Process
from benchmarks.attack.trials import Problems, Trial, guarded, side_by_side

CELL = "data-f1-s1-0123abcd"


@pytest.fixture
def place(tmp_path: Path) -> Ground:
    """A ground with the files of one cell, its study and its cache."""
    made = Ground(tmp_path / "ground")
    cell = made.study / CELL
    texts = {
        "result.json": json.dumps({"id": "0123abcd", "scores": {"f1": {"value": 0.5}}}),
        "predictions.jsonl": '{"id": "a", "scores": {"f1": 1.0}}\n{"id": "b", "scores": {"f1": 0.0}}\n',
        "mixture.json": '{"points": ["a", "b"]}',
        "status.json": '{"state": "done"}',
        ".hydra/overrides.yaml": "- seed=1\n",
        "adapter/adapter_model.safetensors": "weights",
        ".lock": "",
        "../table.csv": "cell\n",
        "../next.json": "{}",
        "../../../cache/completions/model/host-1.jsonl": '{"key": "k", "text": "t"}\n',
        "../../../cache/weights/tiny/model.safetensors": "weights",
    }
    for name, text in texts.items():
        (cell / name).parent.mkdir(parents=True, exist_ok=True)
        (cell / name).write_text(text)
    return made


def _everything(place: Ground) -> dict[str, bytes]:
    return {str(path.relative_to(place.folder)): path.read_bytes() for path in place.files()}


def _python(code: str, folder: Path) -> Process:
    return Process([sys.executable, "-c", code], os.environ, folder / "output.txt")


# Scenarios


def test_the_battery_has_the_attacks_that_it_names() -> None:
    assert (len(faults.names()), len(files.names()), len(sweeps.names())) == (48, 26, 4)
    for names in (faults.names(), files.names()):
        assert len(set(names)) == len(names)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.name)
def test_each_damage_changes_the_study_that_it_is_done_to(damage: Damage, place: Ground) -> None:
    before = _everything(place)
    victim = damage.apply(place)
    assert _everything(place) != before and place.folder in victim.parents


def test_a_fault_hits_the_requests_that_it_says() -> None:
    questions = [f"question {i}" for i in range(12)]
    hit = {}
    for hits in Hits:
        script = FaultyScript(Fault("f", lambda _: answer("bad"), hits))
        for question in questions:
            script.script()(question, 1)
            script.script()(question, 2)
        hit[hits] = sorted(script.hit, key=questions.index)
    assert hit == {Hits.SOME: [questions[5], questions[8], questions[11]], Hits.FIRST: questions, Hits.ALL: questions}


@pytest.mark.parametrize(("kept", "good"), [(False, {"q0"}), (True, {"q0", "q5"})])
def test_an_answer_that_a_fault_spoils_is_paid_for_where_it_is_whole(kept: bool, good: set[str]) -> None:
    script = FaultyScript(Fault("f", lambda _: answer("bad"), kept=kept))
    for i in range(6):
        script.script()(f"q{i}", 1)
    assert script.good(Counter(q0=1, q5=1)) == good


def test_twins_depend_on_the_request_alone() -> None:
    assert twin("one two three") == twin("one two three") != twin("four five six")


# What does not hold is found


def _torn(cell: Path) -> None:
    (cell / "result.json").write_text('{"scores": ')


def _other_prediction(cell: Path) -> None:
    (cell / "predictions.jsonl").write_text('{"id": "a", "scores": {"f1": 0.0}}\n')


def _lost_mixture(cell: Path) -> None:
    (cell / "mixture.json").unlink()


@pytest.mark.parametrize("harm", [_torn, _other_prediction, _lost_mixture])
def test_a_result_that_is_not_the_undisturbed_one_is_told(harm: Callable[[Path], None], place: Ground) -> None:
    reference = {name: outcome(cell) for name, cell in place.cells().items()}
    assert differences(reference, place) == []
    harm(place.study / CELL)
    (problem,) = differences(reference, place)
    assert problem.startswith(CELL)


def test_the_planted_key_and_control_characters_are_found_wherever_they_stand(place: Ground) -> None:
    assert place.leaks() == place.escapes() == []
    (place.folder / "output" / "0.txt").write_text(f"Bearer {SECRET}")
    (place.folder / "runs" / "table.csv").write_text("a\x1b[2J\n")
    assert (place.leaks(), place.escapes()) == (["output/0.txt"], ["runs/table.csv"])


def test_answers_beyond_the_first_of_a_request_are_counted_as_paid_again() -> None:
    assert paid_again(Counter(a=1, b=3, c=2)) == 3


def test_an_error_of_a_scenario_is_a_failure_and_no_attack() -> None:
    trial = guarded("files", "broken", lambda problems: [][1])
    assert trial.weight == 0 and "IndexError" in trial.problems[0]


def test_what_does_not_hold_is_said_once_with_the_command_that_repeats_it() -> None:
    problems = Problems()
    assert problems.expect(True, "never said")
    assert not problems.expect(False, "lost") and not problems.expect(False, "lost")
    first, second = Trial("faults", "hang", tuple(problems.found)).lines()
    assert first == "FAILED  faults hang: lost"
    assert second.endswith("python -m benchmarks.attack --only faults --scenario hang")


@pytest.mark.parametrize(("problems", "code"), [((), 0), (("lost",), 1)])
def test_the_exit_code_is_1_where_anything_did_not_hold(
    problems: tuple[str, ...], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(kills, "trials", lambda *_: iter([Trial("kills", "0", problems, weight=4)]))
    monkeypatch.setattr(sys, "argv", ["attack", "--only", "kills"])
    assert command.main() == code
    assert f"4 kills in 1 scenarios: {1 - code} held, {code} did not" in capsys.readouterr().out


def test_a_scenario_that_does_not_exist_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["attack", "--only", "files", "--scenario", "result-truncatd", "3"])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 2 and "result-truncatd, 3" in capsys.readouterr().err


# Processes


def test_a_command_that_does_not_end_is_killed_at_its_limit(tmp_path: Path) -> None:
    ended = _python("import time; print('begun', flush=True); time.sleep(60)", tmp_path).wait(2.0)
    assert ended.timed_out and ended.code == -signal.SIGKILL and ended.seconds < 30


def test_a_worker_that_outlives_its_killed_parent_is_found_and_ended(tmp_path: Path) -> None:
    code = "import os, time\nif os.fork() == 0:\n    time.sleep(60)\nprint('begun', flush=True)\ntime.sleep(60)"
    process = _python(code, tmp_path)
    assert process.until(lambda: "begun" in process.output.read_text(), 30)
    process.send(signal.SIGKILL)
    process.wait(10)
    assert process.outlived(0.2)
    assert not process.outlived(10)


def test_output_exit_code_and_memory_of_a_command_are_noted(tmp_path: Path) -> None:
    ended = _python("import sys; print('said'); sys.exit(3)", tmp_path).wait(30)
    assert (ended.code, ended.text, ended.timed_out) == (3, "said\n", False) and 1 < ended.peak_mb < 1_000


def test_what_is_shown_of_an_output_cannot_reach_the_terminal(tmp_path: Path) -> None:
    code = r"import sys; sys.stdout.buffer.write(b'first\n\x1b[2Jsaid \xff\n')"
    assert _python(code, tmp_path).wait(30).said == "first | ?[2Jsaid ?"


def test_trials_are_drawn_when_they_can_start_and_run_side_by_side() -> None:
    drawn: list[int] = []

    def trial(number: int) -> Callable[[], Trial]:
        drawn.append(number)
        return lambda: (time.sleep(0.01), Trial("kills", str(number)))[1]

    results = side_by_side((trial(number) for number in range(6)), workers=2)
    assert next(results).name in ("0", "1") and len(drawn) <= 4
    assert len(list(results)) == 5


def test_the_battery_imports_nothing_of_the_project() -> None:
    for file in (ROOT / "benchmarks" / "attack").glob("*.py"):
        assert "import littlehuman" not in (text := file.read_text("utf-8")) and "from littlehuman" not in text


def test_the_healthy_server_counts_what_it_was_paid_for() -> None:
    body = json.dumps({"messages": [{"content": "what stands where"}]}).encode()
    with FaultServer(healthy()) as server:
        for _ in range(2):
            urllib.request.urlopen(f"{server.url}/chat/completions", body, timeout=10).read()
    assert paid_again(server.paid) == 1  # counted by the server's thread, which has ended
