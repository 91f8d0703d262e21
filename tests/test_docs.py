"""README and docs/: their commands and settings exist, their links lead somewhere, and a stranger can follow them."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from conftest import CONF, ROOT, compose
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser

from littlehuman import run
from littlehuman.__main__ import BY_NAME
from littlehuman.config import run_config
from littlehuman.execution.invocation import OWN

PAGES = sorted((ROOT / "docs").glob("*.md"))
TEXTS = [ROOT / "README.md", ROOT / "notebooks" / "README.md", *PAGES]
LINKED = [*TEXTS, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md", ROOT / "multirun" / "README.md"]
OUTPUT = ("hydra/", "hydra.")  # launchers that need not be installed


def _code(text: str) -> Iterator[str]:
    """Lines of shell blocks: fenced ones, and indented ones of README."""
    for block in re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        yield from block.splitlines()
    yield from re.findall(r"^    (\S.*)$", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE), re.M)


def _commands() -> Iterator[tuple[str, str]]:
    """Page and command, of every `littlehuman ...` line and every whole command in running text."""
    for page in TEXTS:
        text = page.read_text("utf-8")
        inline = re.findall(r"`(littlehuman(?: [a-z-]+)? [^`]*=[^`]*)`", text)
        for line in [*_code(text), *inline]:
            if line.startswith("littlehuman ") and "..." not in line:
                yield page.name, line


COMMANDS = list(dict.fromkeys(_commands()))


def test_there_are_commands_in_readme_and_on_the_pages() -> None:
    assert {"README.md", "start.md", "runs.md", "paper.md", "own-data.md"} <= {page for page, _ in COMMANDS}


@pytest.fixture(scope="session")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of own options that own-data.md describes, with its files as they are printed there."""
    folder = tmp_path_factory.mktemp("mine")
    text = (ROOT / "docs" / "own-data.md").read_text("utf-8")
    for name, content in re.findall(r"```yaml\n# mine/(\S+)\n(.*?)```", text, re.DOTALL):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_printed_command_exists_with_its_options_and_settings(page: str, line: str, mine: Path) -> None:
    words = [os.path.expandvars(word) for word in shlex.split(line, comments=True)[1:]]
    if words[0] in BY_NAME and words[0] != "run":
        _parse(words[0], words[1:])
    elif words[0] not in ("--help", "-sc") and words[-1] != "--help":
        _choices_exist([word for word in words if "=" in word], mine)


@pytest.mark.slow
@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_printed_run_is_a_valid_configuration(page: str, line: str, mine: Path) -> None:
    words = [os.path.expandvars(word) for word in shlex.split(line, comments=True)[1:]]
    if words[0] == "run" or (words[0] not in (*BY_NAME, "--help", "-sc") and words[-1] != "--help"):
        _compose(words[words[0] == "run" :], mine)


def _choices_exist(settings: list[str], mine: Path) -> None:
    """Each option of a group has its file, and each other setting's first key is one of the configuration."""
    keys = {*vars(compose()), "hydra"}
    for key, _, value in (setting.lstrip("+~").partition("=") for setting in settings):
        if (CONF / key).is_dir():
            for name in set(value.split(",")) - set(OWN):
                assert any((place / key / f"{name}.yaml").is_file() for place in (CONF, mine)), f"{key}={name}"
        else:
            assert re.split(r"[./@]", key)[0] in keys, key


def _parse(name: str, words: list[str]) -> None:
    """Options by the command's own parser; settings, where it takes some, by Hydra."""
    parser = import_module(BY_NAME[name].function.partition(":")[0]).parser()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parser, "error", lambda message: pytest.fail(f"{name}: {message}"))
        parser.parse_intermixed_args(words)


def _compose(words: list[str], mine: Path) -> None:
    """The first run of a command is a valid configuration."""
    own = words[: words.index("--config-dir")] + words[words.index("--config-dir") + 2 :] if "mine" in words else None
    settings = [word for word in (own or words) if "=" in word and not word.startswith(OUTPUT)]
    first = [
        f"{o.key_or_group}={next(iter(o.sweep_string_iterator()))}" if o.is_sweep_override() else str(o.input_line)
        for o in OverridesParser.create().parse_overrides(settings)
    ]
    if own is None:
        compose(*first)
        return
    path = f"hydra.searchpath=[file://{mine}]"
    with initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
        run_config.from_hydra(hydra_compose("config", overrides=[path, *first]))


def _anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and MyST make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    heads = [re.sub(r"[`*]|\]\(.*?\)|\[", "", head) for head in re.findall(r"^#+ (.*)$", text, re.MULTILINE)]
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_exist(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?://", target):
            continue
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)
    assert broken == []


def test_every_page_is_named_on_the_first_one_and_in_readme() -> None:
    index, readme = ((ROOT / name).read_text("utf-8") for name in ("docs/index.md", "README.md"))
    names = {page.stem for page in PAGES} - {"index"}
    assert {name for name in names if f"\n{name}\n" not in index or f"({name}.md)" not in index} == set()
    assert {name for name in names if f"(docs/{name}.md)" not in readme} <= {"reference"}


def test_the_badges_say_what_pyproject_says() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert f">{project['license']}<" in (ROOT / "docs" / "figures" / "licence.svg").read_text()
    oldest = project["requires-python"].removeprefix(">=")
    assert f">{oldest} or newer<" in (ROOT / "docs" / "figures" / "python.svg").read_text()


def test_no_page_names_a_folder_of_the_machine_that_it_was_written_on() -> None:
    for page in LINKED:
        assert not re.search(r"(?<![\w.])/(work|tmp|root|home/(?!me/))", page.read_text("utf-8")), page


@pytest.mark.slow
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("myst_parser")
    built = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", str(ROOT / "docs"), str(tmp_path)]
    done = subprocess.run(built, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    made = {page.stem: page.read_text("utf-8") for page in tmp_path.glob("*.html")}
    assert {page.stem for page in PAGES} | {"search"} <= set(made)
    assert [name for name, html in made.items() if re.search(r'(src|<link[^>]*href)="(https?:)?//', html)] == []


@pytest.mark.slow
def test_a_stranger_can_follow_readme_and_the_start_page_on_a_fresh_clone(tmp_path: Path) -> None:
    """In their order, but for the tests themselves, and lines that need another dataset, model or shell."""
    index = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(tmp_path / "pip"), "ruff"]
    env = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    if not shutil.which("make") or subprocess.run(index, env=env, capture_output=True, timeout=120).returncode:
        pytest.skip("needs make and a package index")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, timeout=120)
    env |= {"LITTLEHUMAN_CACHE": str(tmp_path / "cache"), "LITTLEHUMAN_MULTIRUN": str(clone / "multirun")}
    lines = [line for page in ("README.md", "docs/start.md") for line in _code((clone / page).read_text("utf-8"))]
    followed = [
        line for line in dict.fromkeys(lines) if not re.search(r"make test|wanli|NAME|multirun/replacement", line)
    ]
    assert {"make run", "make smoke"} <= {line.partition("#")[0].strip() for line in followed}
    script = "set -e\n" + "\n".join(followed)
    done = subprocess.run(["bash", "-c", script], cwd=clone, env=env, capture_output=True, text=True, timeout=7200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (clone / "multirun" / "smoke" / "report.html").exists()
    (ends,) = re.findall(r"^```\n(.*?)^```", (clone / "README.md").read_text("utf-8"), re.DOTALL | re.MULTILINE)
    for line in [line for line in ends.splitlines() if line.startswith(("smollm2", "tested on", "  squad_f1"))]:
        assert line in done.stdout  # the scores of the default are those that README prints
    assert "usage: littlehuman" in done.stdout
