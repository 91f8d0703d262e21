"""Datasets that are not in conf/: tables and YAML files of the user's own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from cli_runs import HUMAN, QUICK, claims_csv, no_result, table_rows
from conftest import Cli, claims, write_csv

from littlehuman.store import read_json, write_text


def test_a_dataset_of_the_users_own_is_one_file_anywhere(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    table = write_csv(tmp_path / "ferries.csv", ("evidence", "claim", "target"), claims(40))
    mine = tmp_path / "conf" / "dataset"
    write_text(
        mine / "ferries.yaml", f"defaults: [table, _self_]\nname: ferries\npath: {table}\ncolumns: {{text: claim}}\n"
    )
    write_text(mine / "boats.yaml", "defaults: [ferries, _self_]\nname: boats\n")
    own = cli("--config-dir", str(tmp_path / "conf"), *HUMAN, "dataset=ferries", "n_train=4")
    assert own.code == 0 and "fine-tuned on ferries" in own.out, own.text
    assert (
        f"littlehuman -m --config-dir {tmp_path / 'conf'} synth_frac=0,0.9,1" in own.out
    )  # what is to be typed next finds it too
    other = cli("--config-dir", str(tmp_path / "conf"), *QUICK, "test_dataset=boats", "n_test=null")
    assert other.code == 0 and "fine-tuned on fieldnotes_fv" in other.out, other.text
    assert any("test points of boats" in str(read_json(path)["notes"]) for path in multirun.rglob("result.json"))


@pytest.mark.slow
def test_a_test_dataset_of_the_users_own_that_was_edited_is_another_cell(
    cli: Cli, multirun: Path, tmp_path: Path
) -> None:
    table, conf = tmp_path / "ferries.csv", tmp_path / "conf" / "dataset" / "ferry.yaml"
    own = f"defaults: [table, _self_]\nname: ferry\npath: {table}\ncolumns: {{text: claim}}\n"
    command = ["--config-dir", str(tmp_path / "conf"), *QUICK, "test_dataset=ferry", "n_test=null"]
    tested = []
    for count, words in ((40, own), (60, own), (60, own + "max_tokens: 100\n")):
        write_csv(table, ("evidence", "claim", "target"), claims(count))
        write_text(conf, words)
        ended = cli(*command)
        assert ended.code == 0 and "already complete" not in ended.out, ended.text
        tested.append(re.findall(r"tested on (\d+) human points", ended.out)[0])
        assert "already complete" in cli(*command).out
    assert tested == ["8", "12", "12"] and len(table_rows(multirun / "default")) == 3
    assert {row["test_dataset"] for row in table_rows(multirun / "default").values()} == {"ferry"}


def test_a_test_dataset_whose_yaml_is_wrong_is_one_clear_message(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    write_text(tmp_path / "conf" / "dataset" / "ferry.yaml", "defaults: [table, _self_]\nname: ferry\nlables: {}\n")
    write_text(tmp_path / "conf" / "dataset" / "barge.yaml", "defaults: [tabel, _self_]\nname: barge\n")
    for name, said in (("ferry", "lables"), ("barge", "did you mean 'table'?")):
        ended = cli("--config-dir", str(tmp_path / "conf"), *QUICK, f"test_dataset={name}")
        assert (
            ended.code == 1 and "test_dataset=" in ended.err and said in ended.err and "Traceback" not in ended.text
        ), ended.text
    assert no_result(multirun)


def test_another_dataset_may_be_the_test_from_a_local_copy(cli: Cli, multirun: Path, tmp_path: Path) -> None:
    ended = cli(*QUICK, "test_dataset=table", f"test_path={claims_csv(tmp_path)}", "n_test=2")
    assert ended.code == 0 and "tested on 2 human points" in ended.out, ended.text
