"""Bad input is one clear message: no traceback, no result, no key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_runs import QUICK, claims_csv, no_result
from conftest import ROOT, TINY, Cli, python

from littlehuman.store import read_json

PLANTED = "sk-planted-0123456789-never-shown"


BAD: dict[str, tuple[Callable[[Path], list[str]], list[str]]] = {
    "unknown dataset": (lambda _: ["dataset=wanly"], ["dataset=wanly  is no option of dataset; did you mean 'wanli'?"]),
    "unknown protocol": (
        lambda _: ["protocol=mine"],
        ["is no option of protocol; there is: annotation, code, paper"],
    ),
    "share above one": (lambda _: ["synth_frac=1.2"], ["synth_frac=1.2", "must be between 0 and 1", "Try:"]),
    "too many points": (
        lambda _: ["synth_frac=0", "n_train=100000"],
        ["n_train=100000", "usable training points", "Try:"],
    ),
    "missing column": (
        lambda tmp: ["dataset=table", f"dataset.path={claims_csv(tmp)}", "dataset.columns.text=claim"],
        ["claims.csv", "'claim'", "evidence, target, text", "dataset.columns.text=NAME"],
    ),
    "label outside the map": (
        lambda tmp: ["dataset=table", f"dataset.path={claims_csv(tmp, label='maybe')}"],
        [
            "claims.csv",
            "'maybe' (1 rows)",
            "'dataset.labels={maybe: CLASS, unsupported: unsupported, supported: supported}'",
        ],
    ),
    "no such path": (
        lambda tmp: ["dataset=wanli", f"dataset.path={tmp}/nowhere"],
        ["/nowhere does not exist", "train.jsonl"],
    ),
    "no source": (
        lambda _: ["dataset=table"],
        ["dataset=table has neither a path nor a hub name", "dataset.path=FILE_OR_FOLDER"],
    ),
    "missing key": (
        lambda _: ["prompt_model=gpt-4-turbo", "n_train=4"],
        ["OPENAI_API_KEY", "not set", "export OPENAI_API_KEY"],
    ),
    "endpoint down": (
        lambda _: [
            "prompt_model=openai_compatible",
            "prompt_model.base_url=http://127.0.0.1:9/v1",
            "prompt_model.retries=0",
            "n_train=4",
        ],
        ["http://127.0.0.1:9/v1", "nothing answers there"],
    ),
    "no recording": (
        lambda _: ["prompt_model=recorded", "prompt_model.path=absent.jsonl", "n_train=4"],
        ["prompt_model.path=absent.jsonl", "no such file"],
    ),
    "an encoder for answers": (
        lambda _: ["model=minilm", "dataset=fieldnotes_qa"],
        ["model=minilm", "cannot write answers", "model=smollm2"],
    ),
    "budget too small": (
        lambda _: ["n_train=20", "synth_frac=0.5", "human_budget=5"],
        ["human_budget=5", "trains on 10 human points", "synth_frac=0.5 human_budget=10\n"],
    ),
    "unknown metric": (
        lambda _: ["task.metrics=[squad_f1,rouge]"],
        ["task.metrics=rouge", "is no metric", "did you mean 'rouge1'?"],
    ),
    "unknown LoRA target": (
        lambda _: ["training.lora_targets=atention"],
        ["training.lora_targets=atention", "all_linear, kv_down"],
    ),
    "test dataset of another task": (lambda _: ["test_dataset=wanli"], ["test_dataset=wanli", "task=fv", "task=qa"]),
    "unknown test dataset": (lambda _: ["test_dataset=sqad"], ["test_dataset=sqad", "did you mean 'squad'?"]),
    "test dataset with other labels": (
        lambda tmp: ["dataset=fieldnotes_fv", "test_dataset=table", f"test_path={claims_csv(tmp, label='perhaps')}"],
        ["'perhaps'"],
    ),
    "unknown reader": (lambda _: ["dataset.reader=tabel"], ["dataset.reader=tabel", "did you mean 'table'?"]),
    "unknown device": (
        lambda _: [*QUICK, "launch.device=gpu"],
        ["launch.device=gpu", "must be auto, cpu, cuda or cuda:N"],
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_message(case: str, cli: Cli, multirun: Path, tmp_path: Path) -> None:
    overrides, said = BAD[case]
    ended = cli(*TINY[1:], *([] if case in ("an encoder for answers",) else [TINY[0]]), *overrides(tmp_path))
    assert ended.code != 0
    for words in said:
        assert words in ended.text, ended.text
    assert "Traceback" not in ended.text and no_result(multirun)
    assert "littlehuman/" not in ended.text.replace(str(ROOT), "")  # no source line either


def test_bad_input_in_a_process_of_its_own_ends_the_same_way(tmp_path: Path) -> None:
    ended = python("-m", "littlehuman.run", "synth_frac=1.2", LITTLEHUMAN_MULTIRUN=str(tmp_path))
    assert ended.code == 1 and "Traceback" not in ended.text and ended.err.startswith("REFUSED  synth_frac=1.2")


def test_a_key_is_never_written_or_shown(cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
    ended = cli(
        *TINY,
        "prompt_model=gpt-4-turbo",
        "prompt_model.base_url=http://127.0.0.1:9/v1",
        "prompt_model.retries=0",
        "n_train=4",
    )
    assert ended.code == 1 and "127.0.0.1:9" in ended.text and PLANTED not in ended.text
    files = [path for path in multirun.rglob("*") if path.is_file()]
    assert len(files) > 5 and not [path for path in files if PLANTED.encode() in path.read_bytes()]


@pytest.mark.parametrize("mode", [[], ["-m"]], ids=["single", "sweep"])
def test_a_value_may_be_taken_from_another_key(mode: list[str], cli: Cli, multirun: Path) -> None:
    ended = cli(*mode, *QUICK, "extra_human=${seed}", "seed=1")
    assert ended.code == 0 and read_json(next(multirun.rglob("result.json")))["knobs"]["extra_human"] == 1, ended.text


def test_a_value_that_is_taken_from_nowhere_is_one_clear_message(cli: Cli, multirun: Path) -> None:
    ended = cli(*QUICK, "n_test=${nothing}")
    assert (
        ended.code == 1
        and "REFUSED  n_test Interpolation key 'nothing' not found" in ended.err
        and "Traceback" not in ended.text
    )
    assert not list(multirun.iterdir())
