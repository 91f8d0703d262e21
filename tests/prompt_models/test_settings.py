"""Validation of a prompt model's settings: key, address, numbers."""

from pathlib import Path

import pytest
from chat_requests import ask, at, chain, closed_port, echo, requests
from config_groups import prompt_model
from conftest import Cli
from fake_endpoint import FakeEndpoint
from gather_completions import gather

from littlehuman.errors import ConfigError, GenerationError
from littlehuman.formatting import without_password
from littlehuman.prompt_models.chat_api import Endpoint
from littlehuman.prompt_models.connection import ApiKey
from littlehuman.prompt_models.settings import check_prompt_model, refuse_api_keys

pytestmark = pytest.mark.usefixtures("endpoint_environment")


# --- settings ----------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "  \n"], ids=["absent", "empty", "blank"])
def test_a_missing_key_is_an_error_before_any_request(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if value is not None:
        monkeypatch.setenv("MY_KEY", value)
    with FakeEndpoint(echo) as fake, pytest.raises(GenerationError) as error:
        gather(requests(3), at(fake, api_key_env="MY_KEY"), 50, progress=False)
    assert "prompt_model.api_key_env=MY_KEY: this environment variable is not set" in str(error.value)
    assert "Try: export MY_KEY=..." in str(error.value)
    assert fake.requests == []


def test_a_key_is_not_asked_for_when_the_cache_has_all_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    with FakeEndpoint(echo) as fake:
        gather(requests(3), at(fake), 50, progress=False)
        answers, _ = gather(requests(3), at(fake, api_key_env="MY_KEY"), 50, progress=False)
    assert len(answers) == 3


def test_all_impossible_settings_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as error:
        Endpoint(
            prompt_model(
                "openai_compatible",
                base_url="localhost:8000/v1",
                token_limit_name="limit",
                concurrency=0,
                timeout_s=0.0,
                retries=-1,
            )
        )
    text = str(error.value)
    assert text.startswith("5 problems")
    assert (
        "prompt_model.base_url=localhost:8000/v1" in text
        and "must be an address such as http://127.0.0.1:8000/v1" in text
    )
    assert "must be one of: max_tokens, max_completion_tokens" in text


WRONG_ADDRESSES = {
    "no port": "http://127.0.0.1:abc/v1",
    "too large a port": "http://127.0.0.1:99999/v1",
    "half a bracket": "http://[::1/v1",
    "no IPv6 address": "http://[zz]/v1",
    "no host": "http:///v1",
    "a host without a name": "http://a..b/v1",
    "two words": "http://my host/v1",
    "a line end": "http://127.0.0.1:8000/v1\n",
    "no http": "ftp://127.0.0.1/v1",
}


@pytest.mark.parametrize("url", WRONG_ADDRESSES.values(), ids=WRONG_ADDRESSES.keys())
def test_an_address_that_is_none_is_refused_before_anything_is_asked(url: str) -> None:
    with pytest.raises(
        ConfigError, match=r"1 problem(.|\n)*base_url=(.|\n)*must be an address such as http://127.0.0.1:8000/v1"
    ):
        Endpoint(prompt_model("openai_compatible", base_url=url))


@pytest.mark.parametrize(
    "url", ["http://[::1]:8000/v1", "https://me:p@ss@host/v1", "http://h", "http://bücher.example/v1?a=b"]
)
def test_an_address_of_any_form_is_taken(url: str) -> None:
    assert Endpoint(prompt_model("openai_compatible", base_url=url)).url == url


@pytest.mark.parametrize("url", ["http://me:hun/ter2@h/v1", "http://me:hunter2@h:abc/v1", "me:hunter2@h//hun@/"])
def test_a_wrong_address_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as error:
        Endpoint(prompt_model("openai_compatible", base_url=url))
    assert "hun" not in str(error.value) and "ter2" not in str(error.value)


@pytest.mark.parametrize("url", ["", "  "])
def test_an_empty_address_is_not_openai(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with pytest.raises(ConfigError, match="is empty .a shell variable that is not set.*null, which is OpenAI itself"):
        Endpoint(prompt_model("gpt-4-turbo", base_url=url))


def test_the_command_line_names_a_wrong_address_and_its_mend(cli: Cli) -> None:
    ended = cli("prompt_model=openai_compatible", "prompt_model.base_url='http://[::1/v1'", "n_train=4")
    assert ended.code == 1
    assert (
        "prompt_model.base_url=http://[::1/v1" in ended.text
        and "must be an address such as" in ended.text
        and "Traceback" not in ended.text
    )


# --- a key in the place of its variable's name ---------------------------------------------------

GIVEN_KEYS = [
    "sk-R3SECRETabc",
    "gsk_R3SECRET5abcdefghijkl",
    "R3SECRET0123456789abcdef",
    "12R3SECRET",
    "a R3SECRET",
    "$R3SECRET",
]


@pytest.mark.parametrize("key", GIVEN_KEYS)
@pytest.mark.parametrize("group", ["prompt_model", "filter.model"])
def test_a_key_in_the_place_of_its_variables_name_is_refused_and_not_shown(key: str, group: str) -> None:
    with pytest.raises(ConfigError) as error:
        check_prompt_model(
            prompt_model("openai_compatible", api_key_env=key)
        ) if group == "prompt_model" else refuse_api_keys([f"+{group}.api_key_env={key}"])
    assert f"{group}.api_key_env=***" in str(error.value) and "must be the NAME of an environment variable" in str(
        error.value
    )
    assert all("R3SECRET" not in str(link) + repr(link) for link in chain(error.value))
    with pytest.raises(GenerationError, match="must be the NAME") as of_key:
        ApiKey.from_environment(key)
    assert all("R3SECRET" not in str(link) for link in chain(of_key.value))


@pytest.mark.parametrize(
    "name", ["OPENAI_API_KEY", "_k", "my_key_2", "AZURE_OPENAI_API_KEY_SWEDEN_CENTRAL_2", "hf_token", None]
)
def test_the_name_of_a_variable_is_taken(name: str | None) -> None:
    check_prompt_model(prompt_model("openai_compatible", api_key_env=name))
    refuse_api_keys([f"prompt_model.api_key_env={name}", "prompt_model.name=sk-not-a-key"])


@pytest.mark.parametrize("value", ["A,B", "choice(A,B)", "null", "'A'", "${oc.env:WHICH,MY_KEY}", ""])
def test_whatever_hydra_reads_as_names_is_taken_on_the_command_line(value: str) -> None:
    refuse_api_keys([f"prompt_model.api_key_env={value}"])


def test_labels_and_settings_that_are_called_like_secrets_are_none() -> None:
    refuse_api_keys(
        [
            "+dataset.labels.secret=supported",
            "dataset.labels.token=supported",
            "dataset.max_tokens=64",
            "metrics.x_tokens=1",
        ]
    )


@pytest.mark.parametrize("value", ["A,sk-R3SECRET", "choice(A,sk-R3SECRET)", "'sk-R3SECRET'"])
def test_a_key_among_names_is_refused_on_the_command_line(value: str) -> None:
    with pytest.raises(ConfigError) as error:
        refuse_api_keys(["seed=0", f"prompt_model.api_key_env={value}"])
    assert "R3SECRET" not in str(error.value) and "prompt_model.api_key_env=***" in str(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        ["prompt_model=openai_compatible", "prompt_model.api_key_env=sk-R3SECRET"],
        ["prompt_model=openai_compatible", "prompt_model.api_key_env=sk-R3SECRET", "synth_frac=0"],
        ["filter=judge", "+prompt_model@filter.model=openai_compatible", "filter.model.api_key_env=sk-R3SECRET"],
        ["filter.model.api_key_env=sk-R3SECRET"],
    ],
    ids=["asked", "asked for nothing", "a filter", "a filter that asks nobody"],
)
def test_a_run_with_a_key_on_its_command_line_brings_it_into_no_file(
    arguments: list[str], cli: Cli, multirun: Path
) -> None:
    ended = cli(*arguments, "n_train=4")
    assert (
        ended.code == 1 and "must be the NAME of an environment variable" in ended.text and "R3SECRET" not in ended.text
    )
    assert [path for path in multirun.rglob("*") if path.is_file() and b"R3SECRET" in path.read_bytes()] == []


@pytest.mark.parametrize("password", ["hunter2", "hun@ter2", "@hunter@2@"])
def test_a_password_in_the_address_is_not_shown(password: str) -> None:
    port = closed_port()
    with pytest.raises(GenerationError) as error:
        ask(prompt_model("openai_compatible", base_url=f"http://me:{password}@127.0.0.1:{port}/v1"))
    assert f" at http://***@127.0.0.1:{port}/v1: " in str(error.value)
    assert "hun" not in str(error.value) and "ter" not in str(error.value).partition("Try")[0]


def test_what_is_no_password_is_shown() -> None:
    line = "prompt_model.base_url=http://h:8000/v1 prompt_model.name=you@home dataset.path=s3://me/x@2"
    assert without_password(line) == line
