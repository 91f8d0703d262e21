"""`dataset.class_descriptions`: one line for every class, in the requests that show them, and in their run ids."""

from __future__ import annotations

import pytest
from conftest import compose

from littlehuman.config.identity import identity_values, run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import ConfigError
from littlehuman.prompting import build_prompts
from littlehuman.prompting.class_descriptions import check_descriptions
from littlehuman.records import Example, Prompt

TITLES = ("dataset=conference_titles", "model=tiny", "prompt_model=smollm2", "n_train=8", "synth_frac=1")
DESCRIBED = (*TITLES, "strategy=annotate_described")


def requests(config: RunConfig) -> list[Prompt]:
    classes = ("INFOCOM", "ISCAS", "SIGGRAPH", "VLDB", "WWW")
    return list(
        build_prompts(
            [Example("1", "", "A fast index.", ("VLDB",))],
            [],
            config.strategy,
            "classify",
            config.prompt_model,
            classes,
            descriptions=config.dataset.class_descriptions,
        )
    )


def test_the_request_says_of_each_class_what_it_is_about() -> None:
    system = requests(compose(*DESCRIBED))[0].messages[0]["content"]
    for name, line in compose(*DESCRIBED).dataset.class_descriptions.items():
        assert f"{name}: {line}\n" in system


def test_braces_in_a_description_are_text() -> None:
    config = compose(*DESCRIBED, "dataset.class_descriptions.WWW='pages {of} {{the}} web'")
    assert "WWW: pages {of} {{the}} web\n" in requests(config)[0].messages[0]["content"]


def test_another_description_is_another_run_only_where_the_prompts_show_it() -> None:
    changed = "dataset.class_descriptions.WWW=pages"
    assert run_id(compose(*DESCRIBED)) != run_id(compose(*DESCRIBED, changed))
    assert run_id(compose(*TITLES)) == run_id(compose(*TITLES, changed))
    assert "class_descriptions" not in identity_values(compose(*TITLES))["dataset"]
    human = (*DESCRIBED, "synth_frac=0")
    assert run_id(compose(*human)) == run_id(compose(*human, changed))


def test_a_strategy_that_describes_classes_without_descriptions_is_an_error() -> None:
    with pytest.raises(ConfigError, match="dataset.class_descriptions=.*try strategy=annotate"):
        compose("dataset=wanli", "task=classify", "strategy=annotate_described", "model=tiny")


@pytest.mark.parametrize(
    ("descriptions", "said"),
    [
        ({"good": "praise"}, "class_descriptions.bad  is missing.*\nTry: '\\+\\+dataset.class_descriptions.bad="),
        ({"good": "praise", "bad": ""}, "class_descriptions.bad  is missing"),
        ({"good": "praise", "bad": "no", "god": "x"}, "class_descriptions.god  is no class.*'good'.*\nTry: '~dataset"),
    ],
)
def test_descriptions_that_do_not_fit_the_classes_are_one_error_where_they_are_shown(
    descriptions: dict[str, str], said: str
) -> None:
    def asked(strategy: str) -> list[Prompt]:
        config = compose(*TITLES, f"strategy={strategy}")
        arguments = ([], config.strategy, "classify", config.prompt_model, ("bad", "good"))
        return list(build_prompts([Example("1", "", "fine", ("good",))], *arguments, descriptions=descriptions))

    with pytest.raises(ConfigError, match=said):
        asked("annotate_described")
    assert asked("annotate")


def test_descriptions_for_free_answers_are_an_error() -> None:
    with pytest.raises(ConfigError, match="task=qa are free"):
        check_descriptions({"yes": "it is"}, (), "qa")
