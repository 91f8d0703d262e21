"""One odd but valid file does not break a study: it is named with the mend, and the other cells go on."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli_runs import QUICK, run_folder
from conftest import Cli

from littlehuman.cli import config_dir_of
from littlehuman.data.files import read_rows
from littlehuman.errors import DataError
from littlehuman.exporting.rebuild import config_of
from littlehuman.models import base_model
from littlehuman.store import read_json, write_json, write_text
from littlehuman.study import table
from littlehuman.study.load import load

DEEP = "[" * 100_000 + "]" * 100_000


def _result(change: Callable[[dict[str, Any]], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        result = read_json(folder / "result.json")
        change(result)
        write_json(folder / "result.json", result)

    return apply


def _cell_is_a_file(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()
    folder.write_text("a note of the user's")


def _begun_with(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        (folder / "result.json").unlink()
        for old in folder.glob(f"{name}*"):
            old.unlink()
        (folder / name).mkdir()

    return apply


ODD: dict[str, tuple[Callable[[Path], None], str]] = {
    "result.json with scores: {}": (_result(lambda r: r.update(scores={})), "result.json: has no score"),
    "result.json without knobs": (_result(lambda r: r.pop("knobs")), "result.json: has no knobs"),
    "scores that are no numbers": (
        _result(lambda r: r["scores"][r["headline"]].update(value="0.5")),
        "result.json: has no numbers for the score",
    ),
    "a cell folder that is a file": (_cell_is_a_file, "File exists; try: move that file away"),
    "a lock that is a directory": (_begun_with(".lock"), ".lock: is a folder"),
    "a checkpoint that is a directory": (_begun_with("training.safetensors"), "training.safetensors: is a folder"),
}


QUICK_KINDS = ("result.json with scores: {}",)
IMPOSSIBLE = {"300": "x" * 300, "bytes": "ä" * 100, "part": "deep/" + "y" * 200}


@pytest.mark.parametrize("launcher", [(), pytest.param(("hydra/launcher=fused",), marks=pytest.mark.slow)], ids=str)
@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK_KINDS else pytest.param(kind, marks=pytest.mark.slow) for kind in ODD]
)
def test_an_odd_file_is_named_and_the_other_cells_go_on(
    kind: str, launcher: tuple[str, ...], cli: Cli, multirun: Path
) -> None:
    make, said = ODD[kind]
    assert cli(*QUICK).code == 0
    folder = run_folder(multirun, *QUICK)
    make(folder)
    ended = cli("-m", *launcher, *QUICK, "seed=0,1")
    assert ended.code == 1 and "Traceback" not in ended.text, ended.text
    (line,) = [line for line in ended.err.splitlines() if line.startswith("NOT COMPLETE")]
    assert line.startswith(f"NOT COMPLETE  {folder}  ") and said in line
    assert (run_folder(multirun, *QUICK, "seed=1") / "result.json").exists()
    states = dict(zip(*(load(multirun / "default")[name] for name in ("cell", "state")), strict=True))
    assert states[run_folder(multirun, *QUICK, "seed=1").name] == "done" and states.get(folder.name) != "done"


@pytest.mark.parametrize("name", ["result.json", "status.json"])
@pytest.mark.parametrize("text", [DEEP, '{"knobs": [], "state": []}', '{"knobs": {"dataset": {}}, "scores": 1}', "7"])
def test_a_table_names_a_file_that_it_cannot_understand(name: str, text: str, tmp_path: Path) -> None:
    for cell in ("a", "b"):
        write_json(tmp_path / cell / "status.json", {"state": "failed", "reason": "no rows"})
    write_text(tmp_path / "a" / name, text)
    table.write(tmp_path)
    frame = load(tmp_path)
    assert list(frame["cell"]) == ["a", "b"] and frame["error"][1] == "no rows"
    assert frame["state"][0] != "done"


def test_a_table_is_written_where_its_lock_is_a_directory(tmp_path: Path) -> None:
    write_json(tmp_path / "a" / "status.json", {"state": "failed", "reason": "no rows"})
    (tmp_path / ".table.lock").mkdir()
    table.write(tmp_path)
    assert "no rows" in (tmp_path / "table.csv").read_text()


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *(pytest.param(name, (), id=f"single-{kind}") for kind, name in IMPOSSIBLE.items()),
        pytest.param(IMPOSSIBLE["300"], ("-m",), id="sweep-300"),
        *(
            pytest.param(IMPOSSIBLE[kind], ("-m",), id=f"sweep-{kind}", marks=pytest.mark.slow)
            for kind in ("bytes", "part")
        ),
    ],
)
def test_a_name_that_no_folder_can_have_is_refused_and_leaves_nothing(
    name: str, mode: tuple[str, ...], cli: Cli, multirun: Path
) -> None:
    ended = cli(*mode, *QUICK, f"study='{name}'")
    assert ended.code == 1 and "REFUSED  study=" in ended.err and "Traceback" not in ended.text, ended.text
    assert not list(multirun.glob("*"))


@pytest.mark.slow
def test_a_full_disk_leaves_no_cell_untried_and_unnamed(
    cli: Cli, multirun: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hydra.core.utils

    real = hydra.core.utils._save_config

    def full(config: Any, filename: str, output_dir: Path) -> None:
        if filename == "config.yaml" and config.seed == 1:
            raise OSError(errno.ENOSPC, "No space left on device", str(output_dir / filename))
        real(config, filename, output_dir)

    monkeypatch.setattr(hydra.core.utils, "_save_config", full)
    ended = cli("-m", *QUICK, "seed=0,1,2")
    named = [line for line in ended.err.splitlines() if line.startswith("NOT COMPLETE")]
    assert ended.code == 1 and len(named) == 1 and str(run_folder(multirun, *QUICK, "seed=1")) in named[0], ended.text
    assert "No space left on device; try: free space on that disk" in named[0] and "Traceback" not in ended.text
    assert len(list(multirun.rglob("result.json"))) == 2


def test_one_cell_whose_folder_is_a_file_is_named_with_the_mend(cli: Cli, multirun: Path) -> None:
    folder = run_folder(multirun, *QUICK)
    folder.parent.mkdir(parents=True)
    folder.write_text("")
    ended = cli(*QUICK)
    assert ended.code == 1 and f"{folder}: File exists; try: move that file away" in ended.err


TAGGED = "!!python/object/apply:os.system [echo]"


def test_yaml_with_tags_in_a_run_folder_is_no_configuration(tmp_path: Path) -> None:
    for name in ("config", "hydra", "overrides"):
        write_text(tmp_path / ".hydra" / f"{name}.yaml", TAGGED)
    assert config_dir_of(tmp_path) is None
    with pytest.raises(DataError, match=r"config\.yaml: is not the configuration of a run .*\nTry: run the cell again"):
        config_of(tmp_path / ".hydra" / "config.yaml")


@pytest.mark.parametrize("name", ["rows.json", "rows.jsonl"])
def test_deeply_nested_data_is_an_error_that_names_the_file(name: str, tmp_path: Path) -> None:
    write_text(tmp_path / name, DEEP)
    with pytest.raises(DataError, match=name):
        list(read_rows(tmp_path / name))


@pytest.mark.slow  # trains with weights of its own
def test_truncated_weights_in_the_cache_are_named_with_the_mend(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    base_model.release()
    assert cli(*QUICK).code == 0
    base_model.release()
    (weights,) = (tmp_path / "cache" / "weights").glob("*/model.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    ended = cli(*QUICK, "seed=1")
    assert ended.code == 1 and f"could not be loaded from {weights.parent}" in ended.err, ended.text
    assert f"Try: rm -r {weights.parent}" in ended.out
    shutil.rmtree(weights.parent)
    assert cli(*QUICK, "seed=1").code == 0
