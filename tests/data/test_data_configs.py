"""Every dataset YAML of conf/dataset: it fits the schema, has a task, and comments every key."""

from __future__ import annotations

import pytest
from dataset_configs import FOLDER, FV, dataset_config, load_yaml
from omegaconf import OmegaConf

from littlehuman.data.labels import label_map
from littlehuman.data.loading import check_config

NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
TASKS = {
    "fv": ["fever", "scifact", "wanli", "factify", "fieldnotes_fv", "table"],
    "qa": ["ropes", "coqa", "qaconv", "fairytaleqa", "narrativeqa", "squad", "xquad", "fieldnotes_qa"],
    "classify": ["conference_titles", "banking77"],
}
LIMITS = {  # tokens of a point, tokens of an answer in the released code, sizes
    "fever": (256, None, [5000, 3000, 1000]),
    "scifact": (512, None, [500, 300, 100]),
    "wanli": (150, None, [5000, 3000, 1000]),
    "factify": (800, None, [5000, 3000, 1000]),
    "ropes": (400, 5, [5000, 3000, 1000]),
    "coqa": (512, 10, [5000, 3000, 1000]),
    "qaconv": (512, 5, [5000, 3000, 1000]),
    "fairytaleqa": (400, 15, [5000, 3000, 1000]),
    "narrativeqa": (800, 15, [5000, 3000, 1000]),
    "fieldnotes_fv": (256, None, [160, 80, 40]),
}


def test_the_datasets_of_the_paper_and_our_own_are_all_there() -> None:
    assert sorted(name for names in TASKS.values() for name in names) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_yaml_fits_the_schema_and_bears_its_own_name(name: str) -> None:
    config = dataset_config(name)
    assert config.name == (name if config.language is None else f"{name}.{config.language}")
    check_config(config)


@pytest.mark.parametrize(("task", "name"), [(task, name) for task, names in TASKS.items() for name in names])
def test_every_yaml_chooses_its_task(task: str, name: str) -> None:
    defaults = OmegaConf.to_object(load_yaml(name)["defaults"])
    assert isinstance(defaults, list)
    assert {"override /task@_global_.task": task} in defaults and defaults[-1] == "_self_"
    assert ({"override /strategy@_global_.strategy": "annotate"} in defaults) == (task == "classify")
    assert ({"override /prompt_model@_global_.prompt_model": "recorded"} in defaults) == name.startswith("fieldnotes")


@pytest.mark.parametrize("name", TASKS["fv"])
def test_labels_lead_to_the_classes_of_fact_verification(name: str) -> None:
    mapping = label_map(dataset_config(name), FV)
    assert mapping is not None
    assert set(mapping.values()) == {"supported", "unsupported"}


@pytest.mark.parametrize("name", LIMITS)
def test_token_limits_and_sizes_are_those_of_the_protocol(name: str) -> None:
    config = dataset_config(name)
    assert (config.max_tokens, config.code_answer_tokens, config.sizes) == LIMITS[name]
    assert config.answer_tokens == 32


@pytest.mark.parametrize("name", NAMES)
def test_every_line_of_a_yaml_is_explained(name: str) -> None:
    lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
    start, end = (
        lines.index("defaults:"),
        next((i for i, line in enumerate(lines) if line.startswith("how_to_get")), len(lines)),
    )
    assert lines[0].startswith("# ") and any("icence" in line for line in lines[:start]) or name == "table"
    bare = [line for line in lines[start:end] if line.strip() and "#" not in line]
    allowed = (
        "defaults:",
        "  - _self_",
        "columns:",
        "  text:",
        "  train:",
        "  valid:",
        "  test:",
        "  evidence:",
        "  target:",
        "  id:",
    )
    config = dataset_config(name)
    labels = [f"  {quote}{key}{quote}:" for key in (*config.labels, *config.class_descriptions) for quote in ("", '"')]
    assert [line for line in bare if not line.startswith((*allowed, *labels))] == []
