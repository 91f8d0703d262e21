"""The benchmarks: interleaved rounds, ratios, equal work of the baselines, and a page made of results only."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from benchmarks import __main__ as command
from benchmarks import jobs, page
from benchmarks.harness import SECONDS, WARM_UP, Comparison, Way, interleave, reached, times_as_fast, utilisation
from benchmarks.parts import MODULES

MACHINE = {"cpu": "A Processor (R) 3000", "cores": 2, "threads": 2, "torch": "2.13.0"}


def _way(name: str, log: list[tuple[str, int]], value: float = 1.0) -> Way:
    def way(turn: int) -> float:
        log.append((name, turn))
        return value

    return way


def _raising(error: Exception) -> Way:
    def way(turn: int) -> float:
        raise error

    return way


def _rates(**changes: Any) -> Comparison:
    values = {"ours": [100.0, 50.0, 90.0], "theirs": [50.0, 20.0, 60.0]}
    return Comparison(**({"title": "Rates", "unit": "rows/s", "ours": "ours", "values": values} | changes))


def _found(*comparisons: Comparison, **changes: Any) -> dict[str, Any]:
    part = {
        "question": "How fast?",
        "notes": ["A note."],
        "absent": [],
        "size": "full",
        "seconds": 60.0,
        "date": "2030-01-02",
        "commit": "abc",
    }
    return {"machine": MACHINE, "part": part | {"comparisons": [each.as_json() for each in comparisons]} | changes}


# Measuring


def test_ways_take_turns_and_the_warm_up_is_dropped() -> None:
    log: list[tuple[str, int]] = []
    values, failed = interleave({"a": _way("a", log), "b": _way("b", log, 2.0)}, 2)
    assert log == [("a", WARM_UP), ("b", WARM_UP), ("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert (values, failed) == ({"a": [1.0, 1.0], "b": [2.0, 2.0]}, {})


def test_no_warm_up_where_none_is_wanted() -> None:
    log: list[tuple[str, int]] = []
    interleave({"a": _way("a", log)}, 2, warm_up=False)
    assert log == [("a", 0), ("a", 1)]


def test_baseline_that_cannot_run_is_reported_and_left_out() -> None:
    log: list[tuple[str, int]] = []
    ways = {"ours": _way("ours", log), "trl": _raising(ModuleNotFoundError("No module named 'trl'\nmore"))}
    values, failed = interleave(ways, 2, may_fail=("trl",))
    assert values == {"ours": [1.0, 1.0]} and failed == {"trl": "ModuleNotFoundError: No module named 'trl'"}


def test_baseline_that_fails_in_a_later_round_is_left_out() -> None:
    def once(turn: int) -> float:
        if turn == 1:
            raise RuntimeError("out of memory")
        return 1.0

    values, failed = interleave({"ours": _way("ours", []), "other": once}, 3, may_fail=("other",))
    assert list(values) == ["ours"] and "out of memory" in failed["other"]


def test_an_error_of_our_own_is_raised() -> None:
    with pytest.raises(RuntimeError, match="ours"):
        interleave({"ours": _raising(RuntimeError("ours")), "other": _way("other", [])}, 1, may_fail=("other",))


def test_ratios_are_taken_within_a_round() -> None:
    found = times_as_fast(_rates(), "theirs")
    assert (found.median, found.low, found.high, found.rounds) == (2.0, 1.5, 2.5, 3)


def test_fewer_seconds_are_faster() -> None:
    seconds = _rates(unit=SECONDS, values={"ours": [2.0], "theirs": [6.0]})
    assert times_as_fast(seconds, "theirs").median == 3.0


def test_speed_up_as_a_share_of_its_bound() -> None:
    assert reached(_rates(bounds={"theirs": 2.5}), "theirs") == pytest.approx(0.8)


def test_utilisation_from_rates_and_from_seconds() -> None:
    assert utilisation(_rates(work=2.0, peak=360.0), "ours") == pytest.approx(0.5)  # 90 rows/s of 2 operations
    whole = _rates(unit=SECONDS, values={"ours": [4.0]}, work=100.0, peak=50.0)
    assert utilisation(whole, "ours") == pytest.approx(0.5)


# Rows and baselines


def test_packaged_rows_are_used_where_the_public_ones_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITTLEHUMAN_TEST_DATA", str(tmp_path))
    assert jobs.rows_of(jobs.CLAIMS) == "fieldnotes_fv" and "dataset=fieldnotes_qa" in jobs.overrides(
        jobs.QUESTIONS, "smollm2", "cpu"
    )
    (tmp_path / "wanli").mkdir()
    assert jobs.rows_of(jobs.CLAIMS) == "wanli" and f"dataset.path={tmp_path / 'wanli'}" in jobs.overrides(
        jobs.CLAIMS, "smollm2", "cpu"
    )


@pytest.fixture
def packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], jobs.Job]:
    """Jobs on the rows that come with the package."""
    monkeypatch.setenv("LITTLEHUMAN_TEST_DATA", str(tmp_path))
    return lambda task, model: jobs.job.__wrapped__(task, model, "cpu")


def test_each_round_has_other_rows(packaged: Callable[[str, str], jobs.Job]) -> None:
    job = packaged(jobs.CLAIMS, "tiny-decoder")
    warm, first, second = (job.train_rows(8, turn) for turn in (WARM_UP, 0, 1))
    assert len({example.id for example in (*warm, *first, *second)}) == 24
    assert len(job.train_rows(3 * len(job.train))) == 3 * len(job.train), "a small dataset is repeated"


def test_padding_is_counted_by_batch() -> None:
    from benchmarks.baselines import padded_tokens
    from littlehuman.training.encoding import EncodedRow

    rows = [EncodedRow((1,) * length, (0,)) for length in (3, 5, 2, 2, 7)]
    assert padded_tokens(rows, 2) == 2 * 5 + 2 * 2 + 7
    assert padded_tokens(rows, 2, 6) == 2 * 6 + 2 * 6 + 7, "a row that is longer than the maximum stays whole"


@pytest.mark.slow
def test_trainer_and_littlehuman_have_the_same_first_loss(
    packaged: Callable[[str, str], jobs.Job], tmp_path: Path
) -> None:
    """Same weights, tokens, order, batch and loss. LoRA starts at zero, so the first loss is that of the base."""
    from benchmarks import baselines, ours

    job = packaged(jobs.QUESTIONS, "tiny-decoder")
    job = replace(job, config=replace(job.config, launch=replace(job.config.launch, dtype="float32")))
    baseline = baselines.Baseline(job)
    examples = job.train_rows(2 * job.batch_size)
    ours.outcomes([ours.cell(job, tmp_path, examples)], job.launch)
    first = json.loads((tmp_path / "train.jsonl").read_text().splitlines()[0])["loss"]
    losses = []
    for padding, place in ((baselines.MAXIMUM, 0), (baselines.DYNAMIC, 0), (baselines.DYNAMIC, job.batch_size)):
        model = baseline.with_adapter()
        assert baseline.train_seconds(model, baseline.train_rows(examples)[place : place + job.batch_size], padding) > 0
        losses.append(baseline.loss)
        model.unload()
    assert losses[:2] == pytest.approx([first, first], rel=1e-5)
    assert losses[2] != pytest.approx(first, rel=1e-5), "the next batch has another loss, so the test can fail"


@pytest.mark.slow
def test_training_flops_equal_those_counted_by_hand(packaged: Callable[[str, str], jobs.Job]) -> None:
    from benchmarks import baselines, flops
    from littlehuman.training.encoding import EncodedRow

    model = baselines.Baseline(packaged(jobs.QUESTIONS, "tiny-decoder")).with_adapter()
    hidden, inner, keys, layers, vocabulary, rank = 32, 64, 16, 2, model.config.vocab_size, 16
    linear = [(hidden, hidden)] * 2 + [(hidden, keys)] * 2 + [(hidden, inner)] * 3  # q o, k v, gate up down
    assert flops.frozen_parameters(model) == layers * sum(a * b for a, b in linear)
    assert flops.adapter_parameters(model) == layers * sum(rank * (a + b) for a, b in linear)
    rows = [EncodedRow((1,) * 10, (-100,) * 7 + (1,) * 3)]
    expected = (
        10 * (4 * flops.frozen_parameters(model) + 6 * flops.adapter_parameters(model))
        + 3 * 4 * vocabulary * hidden
        + 6 * hidden * layers * 10**2
    )
    assert flops.training_flops(model, rows, causal=True) == expected


# The page


def test_page_shows_medians_ratios_and_bounds_without_empty_columns(tmp_path: Path) -> None:
    command.keep(
        tmp_path, "a", _found(_rates(bounds={"theirs": 2.5}), _rates(title="Alone", ours="", values={"x": [0.5]}))
    )
    text = page.page(tmp_path)
    assert "## A Processor (R) 3000, 2 cores" in text and "torch 2.13.0" in text and "- A note." in text
    assert "| theirs | 50.0 (20.0 to 60.0) rows/s | 2.00 (1.50 to 2.50) times as fast | 2.50 times | 80% |" in text
    assert "| way | median |\n|---|---|\n| x | 0.500 (one round) rows/s |" in text
    assert "use of the peak |" not in text


def test_page_lists_what_could_not_run(tmp_path: Path) -> None:
    found = _found(
        _rates(failed={"TRL": "ModuleNotFoundError: No module named 'trl'"}), absent=["Shapes: these need a GPU"]
    )
    command.keep(tmp_path, "a", found)
    text = page.page(tmp_path)
    assert (
        "- Could not run: TRL (ModuleNotFoundError: No module named 'trl')." in text
        and "- Not run here: Shapes: these need a GPU." in text
    )


def test_repeated_part_replaces_only_itself(tmp_path: Path) -> None:
    command.keep(tmp_path, "c", _found(_rates(title="Third")))
    command.keep(tmp_path, "a", _found(_rates(title="First")))
    command.keep(tmp_path, "c", _found(_rates(title="Third again")))
    text = page.page(tmp_path)
    assert [line for line in text.splitlines() if line.startswith("**")] == ["**First.**", "**Third again.**"]
    assert "All parts together: 2 min." in text
    assert len(list(tmp_path.iterdir())) == 1


def test_another_machine_has_its_own_file(tmp_path: Path) -> None:
    command.keep(tmp_path, "a", _found(_rates()))
    command.keep(tmp_path, "a", _found(_rates()) | {"machine": MACHINE | {"gpu": "A GPU"}})
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "a-gpu-2-cores.json",
        "a-processor-r-3000-2-cores.json",
    ]
    assert page.page(tmp_path).count("\n## ") == 2


def test_page_without_results_says_so(tmp_path: Path) -> None:
    assert "Not run yet" in page.page(tmp_path) and "|" not in page.page(tmp_path)


def test_page_in_the_repository_is_made_from_its_results() -> None:
    assert (ROOT / "benchmarks" / "README.md").read_text("utf-8") == page.page(ROOT / "benchmarks" / "results")


# The command


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=600
    )


def test_unknown_part_is_refused_with_the_known_ones() -> None:
    done = _bench("--only", "a,z")
    assert done.returncode == 2 and "there is no part z; there are a, b, c, d, e, f" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("letter", MODULES)
def test_part_runs_at_tiny_size_and_leaves_the_page_alone(letter: str) -> None:
    before = (ROOT / "benchmarks" / "README.md").read_text("utf-8")
    done = _bench("--size", "tiny", "--device", "cpu", "--only", letter)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| way | median |" in done.stdout and (ROOT / "benchmarks" / "README.md").read_text("utf-8") == before


def test_full_size_is_the_default() -> None:
    from benchmarks.__main__ import _options

    assert (
        _options([]).size == "full"
        and _options(["--quick"]).size == "quick"
        and _options(["--size", "tiny"]).size == "tiny"
    )
