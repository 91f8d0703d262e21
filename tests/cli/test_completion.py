"""Completion in a real bash: Hydra's shell function asks `littlehuman`, and what it offers is read back."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from cli_runs import console_script, typed

pytestmark = pytest.mark.skipif(not shutil.which("bash"), reason="bash is not installed")
TAB = """
eval "$(littlehuman -sc install=bash)"
[[ $(complete -p littlehuman) == *"-F hydra_bash_completion littlehuman" ]] || exit 3
COMP_LINE={line}; COMP_POINT=${{#COMP_LINE}}
COMP_WORDS=($COMP_LINE); [[ $COMP_LINE == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
hydra_bash_completion
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return console_script(tmp_path_factory.mktemp("bin")).parent


def offered(line: str, scripts: Path, cwd: Path) -> set[str]:
    """What TAB offers at the end of a line; nothing may be printed beside it."""
    ended = typed(TAB.format(line=shlex.quote(line)), scripts, cwd)
    assert ended.code == 0 and ended.err == "", ended.text
    return set(ended.out.split())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("littlehuman data", {"dataset=", "dataset."}),
        ("littlehuman run data", {"dataset=", "dataset."}),
        ("littlehuman run dataset=fieldnotes", {"dataset=fieldnotes_fv", "dataset=fieldnotes_qa"}),
        ("littlehuman run -m seed=0,1 strategy=few", {"strategy=few_shot", "strategy=few_shot_free"}),
        ("littlehuman rep", {"report"}),
        ("littlehuman price --human", {"--human-price"}),
        ("littlehuman report multi", set()),
        ("littlehuman nothing data", set()),
        ("littlehuman run {{ data", set()),
    ],
)
def test_what_is_offered(line: str, choices: set[str], scripts: Path, tmp_path: Path) -> None:
    assert offered(line, scripts, tmp_path) == choices
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_after_the_command_both_subcommands_and_settings_are_offered(scripts: Path, tmp_path: Path) -> None:
    assert {"run", "report", "price", "plan", "export", "dataset=", "synth_frac="} <= offered(
        "littlehuman ", scripts, tmp_path
    )
    within = offered("littlehuman run ", scripts, tmp_path)
    assert "dataset=" in within and "report" not in within


def test_an_executable_that_is_called_by_its_path_completes_too(scripts: Path, tmp_path: Path) -> None:
    console_script(tmp_path / "bin")
    assert offered("bin/littlehuman run data", scripts, tmp_path) == {"dataset=", "dataset."}


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_what_is_installed_for_a_shell_is_for_littlehuman(shell: str, scripts: Path, tmp_path: Path) -> None:
    ended = typed(f"python -m littlehuman -sc install={shell}", scripts, tmp_path)
    assert ended.code == 0 and ended.err == "" and "littlehuman" in ended.out.splitlines()[-1 - (shell == "fish")]
    answered = typed(f"littlehuman -sc query={shell}", scripts, tmp_path, COMP_LINE="littlehuman run data")
    assert set(answered.out.split()) == {"dataset=", "dataset."}
