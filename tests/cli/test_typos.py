"""A mistyped key, option or value: one line with what was meant, and the command with it."""

from __future__ import annotations

import pytest
from conftest import Cli

from littlehuman import export, plan, price, report


@pytest.mark.parametrize(
    ("words", "said", "meant"),
    [
        (["n_trian=40", "seed=1"], "n_trian=40  is no key; did you mean 'n_train'?", "seed=1 n_train=40"),
        (["dataset=wanly"], "dataset=wanly  is no option of dataset; did you mean 'wanli'?", "dataset=wanli"),
        (["-m", "dataset=fever,wanly"], "did you mean 'wanli'?", "-m dataset=fever,wanli"),
        (["-m", "experiment=smok", "seed=0"], "did you mean 'smoke'?", "-m experiment=smoke seed=0"),
        (["model=tinny"], "did you mean 'tiny'?", "model=tiny"),
        (["-m", "hydra/launcher=fusd", "seed=0,1"], "did you mean 'fused'?", "-m hydra/launcher=fused seed=0,1"),
        (["dataset.colums.text=x"], "did you mean 'columns'?", "dataset.columns.text=x"),
        (["seed=0,1"], "seed=0,1  is several values", "-m seed=0,1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_mistyped_setting_is_answered_once_by_what_was_meant(
    words: list[str], said: str, meant: str, cli: Cli
) -> None:
    ended = cli(*words)
    assert ended.code == 1 and ended.text.count(said) == 1, ended.text
    assert f"Try: littlehuman {meant}\n" in ended.err
    assert (
        len(ended.text.splitlines()) <= 4 and "search path" not in ended.text and "HYDRA_FULL_ERROR" not in ended.text
    )


def test_a_value_of_another_type_and_a_word_that_is_no_setting_are_one_line_too(cli: Cli) -> None:
    for word in ("seed=abc", "a b=c=["):
        ended = cli(word)
        assert ended.code == 1 and word in ended.err and len(ended.text.splitlines()) <= 3, ended.text


@pytest.mark.parametrize(
    ("command", "words", "meant"),
    [
        (plan.main, ["study", "--delat", "0.02"], "plan study --delta 0.02"),
        (price.main, ["study", "--human-prize=1"], "price study --human-price=1"),
        (report.main, ["study", "--metrik", "f1"], "report study --metric f1"),
    ],
)
def test_a_mistyped_option_is_answered_once_by_what_was_meant(
    command: object, words: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert callable(command)
    with pytest.raises(SystemExit) as ended:
        command(words)
    said = capsys.readouterr().err
    assert ended.value.code == 2 and said.count("did you mean") == 1 and "usage" not in said
    assert f"Try: littlehuman {meant}\n" in said


def test_an_option_that_resembles_none_is_answered_by_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        export.main(["cell", "out", "--zzz"])
    said = capsys.readouterr().err
    assert "--zzz is no option; there is: " in said and "Try:" not in said
