"""What a user keeps of one version must mean the same to the next: ids, answers, prompts, mixtures, files, trainings.

The values lie in `fixtures/pins` and were written by version 3709adb. Compared as equal: run ids, cache keys, prompts,
mixtures, the help text, and what a resumed training comes to. Of columns, keys and file names all that are pinned must
still be there, in this order: later versions may add some, and never rename or remove one.

A pin is renewed only where another meaning is wanted; LOG.md then names each pin that changed, and says why:

    LITTLEHUMAN_PINS=write python -m pytest tests/test_pins.py -p no:xdist

and read the diff of `fixtures/pins`. LITTLEHUMAN_PINS=interrupt also makes `fixtures/pins/interrupted` anew, which is
to stay what that version saved.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
import pinned_runs
import pytest
from pinned_runs import RESUMED, SAVED, Ran, digest

import littlehuman.run  # noqa: F401  (registers what conf/ refers to)

PINS = Path(__file__).parent / "fixtures" / "pins"
CONF = Path(__file__).parents[1] / "conf"
INTERRUPTED = PINS / "interrupted"
STEPS, SAVED_STEPS = 9, 4
RENEWS = os.environ.get("LITTLEHUMAN_PINS")

CONFIGURATIONS: dict[str, tuple[str, ...]] = {  # beside those of `COMMANDS`; FOLDER: where `write_tables` wrote
    "nothing said": (),
    "fv, few_shot_free, judge, paper": ("dataset=fever", "strategy=few_shot_free", "filter=judge", "protocol=paper"),
    "fv, annotate, gpt-4-turbo": ("dataset=wanli", "strategy=annotate", "prompt_model=gpt-4-turbo", "n_train=3000"),
    "fv, encoder, extra human points": ("dataset=scifact", "model=bert-base", "extra_human=50", "synth_frac=1"),
    "qa, cot, round trip, code": (
        "dataset=ropes",
        "strategy=cot",
        "filter=round_trip",
        "protocol=code",
        "human_budget=0",
    ),
    "qa, tested on another dataset": ("dataset=squad", "test_dataset=ropes", "filter=rules", "n_test=500"),
    "qa, zero_shot, two filters": ("dataset=coqa", "strategy=zero_shot", "filter=judge", "filter.steps=[judge,rules]"),
    "classify, annotate": ("dataset=conference_titles", "model=llama-3.1-8b", "training.epochs=4"),
    "classify, another model judges": ("dataset=conference_titles", "strategy=few_shot", "filter=judge")
    + ("+prompt_model@filter.model=gpt-4-turbo",),
    "human points alone": ("dataset=wanli", "synthetic=false", "human_budget=200"),
    "untrained, a revision": ("dataset=qaconv", "n_train=0", "model=mistral-7b-instruct", "model.revision=main"),
    "all points human": (
        "dataset=factify",
        "synth_frac=0",
        "prompt_model=openai_compatible",
        "launch=cpu",
        "study=elsewhere",
    ),
    "own YAML, tested on": ("hydra.searchpath=[file://FOLDER/conf]", "dataset=fieldnotes_fv", "test_dataset=mine"),
    "own table": (
        "dataset=table",
        "dataset.path=FOLDER/claims.csv",
        "+dataset.labels.y=supported",
        "+dataset.labels.n=unsupported",
        *("n_train=1000", "dataset.valid_share=0.2"),  # what a table had before
    ),
    "own twins": ("dataset=fieldnotes_fv", "prompt_model=provided", "prompt_model.path=FOLDER/claims.csv"),
}


def pinned(name: str, now: Any) -> Any:
    """The stored value `name`, which is `now` where pins are being renewed."""
    file = PINS / f"{name}.json"
    if RENEWS:
        file.write_text(json.dumps(now, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return json.loads(file.read_text("utf-8"))


def lost(before: Sequence[str], now: Sequence[str]) -> list[str]:
    """Those of `before` that are not in `now`, or stand there before one that they followed."""
    missing, rest = [], list(now)
    for name in before:
        if name in rest:
            rest = rest[rest.index(name) + 1 :]
        else:
            missing.append(name)
    return missing


def key_paths(value: Any, path: str = "") -> Iterator[str]:
    """`a.b` for each key of a JSON value; items of a list are one."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield f"{path}.{key}".lstrip(".")
            yield from key_paths(inner, f"{path}.{key}")
    for inner in value if isinstance(value, list) else ():
        yield from key_paths(inner, f"{path}[]")


def file_names(folder: Path) -> list[str]:
    """Every file below a folder, sorted; what names the process that wrote it is left out."""
    own = re.compile(rf"{re.escape(socket.gethostname())}-{os.getpid()}(-[0-9a-f]{{8}})?")
    return sorted({own.sub("PROCESS", str(path.relative_to(folder))) for path in folder.rglob("*") if path.is_file()})


def rows_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def json_files(folder: Path) -> dict[str, list[str]]:
    """The key paths of each JSON file at the top of a run folder, sorted."""
    values: dict[str, Any] = {file.name: json.loads(file.read_text("utf-8")) for file in folder.glob("*.json")}
    values |= {file.name: rows_of(file) for file in folder.glob("*.jsonl")}
    return {name: sorted(set(key_paths(value))) for name, value in sorted(values.items())}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pins")


@pytest.fixture(scope="module")
def cells(world: Path) -> dict[str, Ran]:
    return pinned_runs.run_cells(world)


def test_a_configuration_has_the_run_id_that_it_had(tmp_path: Path) -> None:
    pinned_runs.write_tables(tmp_path)
    names = {}
    with hydra.initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        for what, overrides in CONFIGURATIONS.items():
            words = [word.replace("FOLDER", str(tmp_path)) for word in overrides]
            names[what] = hydra.compose("config", overrides=words, return_hydra_config=True).hydra.sweep.subdir
    assert not [name for name in names.values() if "refused" in name]
    assert names == pinned("run_ids", names)


def test_a_cell_that_was_computed_lies_in_the_folder_in_which_it_lay(cells: dict[str, Ran]) -> None:
    names = {name: ran.folder.name for name, ran in cells.items()}
    assert names == pinned("run_folders", names)


def test_an_answer_that_was_paid_for_is_found_again(cells: dict[str, Ran]) -> None:
    """Each key of the cache, with the words that were asked; the order in which they are asked may change."""
    keys = {
        name: {key: digest(request["messages"]) for key, request in sorted(zip(ran.keys, ran.requests, strict=True))}
        for name, ran in cells.items()
    }
    assert sum(map(len, keys.values())) >= 20
    assert keys == pinned("cache_keys", keys)


def test_prompts_are_worded_as_they_were(cells: dict[str, Ran]) -> None:
    """All requests of the three seeds, and the first one of each other cell; the rest have a digest by their key."""
    whole = {name: ran.requests if name.startswith("fv-seed-") else ran.requests[:1] for name, ran in cells.items()}
    assert whole == pinned("prompts", whole)


def test_mixtures_hold_the_points_that_they_held(cells: dict[str, Ran]) -> None:
    mixtures = {name: json.loads((ran.folder / "mixture.json").read_text("utf-8")) for name, ran in cells.items()}
    now = {
        name: {
            **{key: mixture[key] for key in ("fingerprint", "counts", "human_labels")},
            "points": [f"{point['id']} {point['origin']}" for point in mixture["points"]],
            "rejected": [f"{twin['example_id']}: {twin['reason']}" for twin in mixture["rejected"]],
        }
        for name, mixture in mixtures.items()
    }
    assert now == pinned("mixtures", now)


def test_no_column_of_the_table_is_lost(cells: dict[str, Ran], world: Path) -> None:
    with (world / "multirun" / "pins" / "table.csv").open(encoding="utf-8", newline="") as handle:
        columns = next(csv.reader(handle))
    assert lost(pinned("table_columns", columns), columns) == []


def test_no_key_of_a_file_is_lost(cells: dict[str, Ran]) -> None:
    """What all cells have in common stands once, then what each has beside it."""
    keys = {name: json_files(ran.folder) for name, ran in cells.items()}
    files = sorted({file for mine in keys.values() for file in mine})
    paths_of = {file: [set(mine[file]) for mine in keys.values() if file in mine] for file in files}
    common = {file: sorted(set.intersection(*paths)) for file, paths in paths_of.items()}
    own = {name: {file: lost(paths, common[file]) for file, paths in mine.items()} for name, mine in keys.items()}
    before = pinned("json_keys", {"common": common, "own": own})
    for name, mine in keys.items():
        for file, paths in before["own"][name].items():
            assert set(before["common"][file] + paths) <= set(mine.get(file, ())), f"{file} of {name}"


def test_no_file_is_lost(cells: dict[str, Ran], world: Path) -> None:
    study = world / "multirun" / "pins"
    now = {name: file_names(ran.folder) for name, ran in cells.items()}
    now["the study's own"] = sorted(path.name for path in study.iterdir() if path.is_file())
    now["the cache"] = file_names(world / "cache")
    for name, before in pinned("file_names", now).items():
        assert lost(before, now[name]) == [], name


def test_an_interrupted_training_leaves_the_files_that_it_left(tmp_path: Path) -> None:
    folder = pinned_runs.interrupt(tmp_path, after=2)
    now = {"files": file_names(folder), **json_files(folder)}
    for name, before in pinned("interrupted_files", now).items():
        assert lost(before, now[name]) == [], name


@pytest.mark.skipif(RENEWS != "interrupt", reason="the interrupted training is to stay what an earlier version saved")
def test_begin_the_interrupted_training_anew(tmp_path: Path) -> None:
    """Not a test: writes `fixtures/pins/interrupted`, without what Hydra leaves, for that names this machine."""
    folder = pinned_runs.interrupt(tmp_path, after=SAVED_STEPS)
    shutil.rmtree(INTERRUPTED, ignore_errors=True)
    shutil.copytree(folder, INTERRUPTED / folder.name, ignore=shutil.ignore_patterns(".*", "run.log"))


def test_a_training_that_an_earlier_version_saved_goes_on_where_it_stood(tmp_path: Path) -> None:
    (saved,) = INTERRUPTED.glob("*/")
    shutil.copytree(saved, tmp_path / "taken up" / "multirun" / "resumed" / saved.name)
    for place in ("taken up", "undisturbed"):
        code, text = pinned_runs.command(*RESUMED, root=tmp_path / place)
        assert code == 0, text
    resumed, whole = (tmp_path / place / "multirun" / "resumed" / saved.name for place in ("taken up", "undisturbed"))
    steps, expected = rows_of(resumed / "train.jsonl"), rows_of(whole / "train.jsonl")
    # Speeds are in these rows: a training that is begun anew does not repeat them.
    assert steps[:SAVED_STEPS] == rows_of(saved / "train.jsonl"), "begun anew"
    assert [row["step"] for row in steps] == [row["step"] for row in expected] == list(range(1, STEPS + 1))
    for name in ("loss", "lr", "grad_norm"):  # the first ones may come from another processor
        assert [row[name] for row in steps] == pytest.approx([row[name] for row in expected], rel=1e-3), name
    assert not (resumed / SAVED).exists(), "nothing is left to take up again"
    result, other = (json.loads((folder / "result.json").read_text("utf-8")) for folder in (resumed, whole))
    assert (result["id"], result["scores"], result["counts"]) == (other["id"], other["scores"], other["counts"])
    assert rows_of(resumed / "predictions.jsonl") == rows_of(whole / "predictions.jsonl")


def test_help_says_what_it_said(tmp_path: Path) -> None:
    code, text = pinned_runs.command("--help", root=tmp_path)
    assert code == 0
    assert text.splitlines() == pinned("help", text.splitlines())
