"""What an error says to try: a whole command with all that was typed, which can be pasted; else it is called a fix."""

from __future__ import annotations

import re
import shlex
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
from conftest import compose
from mends import places

from littlehuman import cli, pipeline
from littlehuman.__main__ import BY_NAME
from littlehuman.errors import LittlehumanError

TYPED = ["-m", "dataset=fieldnotes_fv", "'dataset.labels={a: supported, b: unsupported}'", "study=mine", "seed=0,1"]
RUN = "littlehuman " + shlex.join(shlex.split(" ".join(TYPED)))
SWEEP = "littlehuman -m dataset=wanli n_train=5000 synth_frac=0,0.9 seed=0,1 study=pilot"
DECIDE = "littlehuman decide claims.csv prompt_model=qwen-1.5b --human-price 0.8"
TUNE = "littlehuman tune-writer dataset=wanli prompt_model=smollm2"
OPTIONS = {"plan": ["study", "--budget", "300"], "audit": ["--train", "a.csv", "--test", "b.csv"], "price": ["study"]}
READING = ("economics", "figures", "reporting", "report.py", "stats", "study", "exporting", "verify.py", "plan.py")
# What the expressions stand for that a mend begins with, or has in its settings
SAMPLES = {
    "{cli.command(near[0], words) if near else cli.program('run') + ' --help'}": "littlehuman report study",
    "{hint}": "synth_frac=0.95",
    "{command}": SWEEP,
    "{tune_command(config)}": TUNE,
    "{tries}": "dataset.csv.delimiter=comma or dataset.csv.delimiter=semicolon",
    "{'; or '.join(tries)}": 'dataset.csv.quoting=backslash, where \\" is a quote inside a cell; or the row corrected',
    "{QUOTED}": "dataset.csv.quoting=minimal",
    "{NO_HEADER}": "dataset.csv.header=false, with columns by number (dataset.columns.text=2)",
    "{MENDS[suffix]}": "dataset.csv.delimiter=tab (or comma, semicolon, pipe), if it is a table",
    "{self._suggestions()}": "'dataset.labels={maybe: CLASS}'  (CLASS: supported or unsupported)",
    "{listing}": "littlehuman run --help",
    "{other}": "; or dataset.csv.encoding=NAME",
    "{mend}": "launch.dtype=auto, or another one",
    "{shlex.quote(str(study / look_design.FILE))}": "'my study/next.json'",
    "{shlex.quote(cell)}": "'my study/cell'",
    "{shlex.quote(str(path))}": "'my study/cell'",
    "{shlex.quote(str(file))}": "'my study/cell'",
    "{shlex.quote(str(folder / RESULT))}": "'my study/cell/result.json'",
    "{cell.command}": SWEEP,
    "{_replacement(study, frame)}": SWEEP,
    "{_sweep(study, curve, absent, seeds)}": SWEEP,
    "{_more_seeds(study, curve)}": SWEEP,
    "{next_runs.sweep(study, _rows(first), [*axes, 'seed=0,1'])}": SWEEP,
    "{command('next', [str(study), '--series', meant[0].name])}": "littlehuman next study --series 'a, b'",
    "{again(looks=looks)}": "littlehuman next study --looks 3,5",
    "{stated}": "littlehuman plan --seed-sd 0.01 --item-sd 0.3",
    "{cli.command('report', [str(study)])}": "littlehuman report study",
    "{max(plain.items // 5, 2)}": "20",
    "{others[0]}": "macro_f1",
    "{low if at < low else high}": "1000",
    "{cli.again(changes, name) if changes else ''}": RUN,
    "{cli.command(name, ['-m', *words])}": RUN,
    "{again}": RUN,
    "{tried}": DECIDE,
    "{cli.again(_mended(cells))}": RUN,
    "{_renamed(error.hint)}": "filter.model.json_schema=false",
    "{key}": "launch.max_usd",
    "{key}=package:": "prompt_model.weights=package:",
    "{file.quantisation}": "Q4_K_M",
    "{possible}": "40",
    "{count}": "2",
    "{VARIABLE}": "LITTLEHUMAN_WORKER",
    "{name}": "RANK",
    "{SEGMENTS}": "segments.json",
    "{config.path}": "answers.jsonl",
    "{' '.join((str(store.path(submission)) for submission in paid))}": "batch.json",
    "{1 - LEVEL}": "0.05",
    "{trained}": "8",
    "{spec.command}": "python -m pip install --no-deps test-weights==1.0",
    "{INSTALL}": "python -m pip install vllm",
    "{variable}": "MY_KEY",
    "{' '.join(overrides[:SHOWN])}": "'++dataset.class_descriptions.bad=WHAT IT IS ABOUT'",
    "{limit - room + 2 * STRIDE}": "320",
    "{memory.MEND}": "launch.gradient_checkpointing=true, launch.dtype=bfloat16, a smaller dataset.max_tokens",
    "{DELTA}": "0.02",
    "{mends[group]}": "another prompt_model",
    "{EXAMPLE}": "n_synthetic,n_human,score",
    "{_mend(column, text)}": "a number",
}
LEADING = re.compile(r"\{[^}]*\}|[+~']*[\w@./-]+=|--|rm |pip |python |export ")


def _sample(mend: str) -> str:
    """The mend with samples for its expressions.

    Raises:
        KeyError: for one that a command may come from, and has no sample: add it to SAMPLES.
    """
    for found in sorted(SAMPLES, key=len, reverse=True):
        mend = mend.replace(found, SAMPLES[found])
    if (
        (left := re.search(r"\{[^}]*\}", mend))
        and LEADING.match(mend)
        and "=CLASS" not in mend
        and ": CLASS" not in mend
    ):
        raise KeyError(left[0])
    return mend


@cache
def _typed_in(file: str) -> tuple[str, list[str]]:
    """The subcommand whose errors a file has, and what was typed."""
    if file.startswith("audit/") and file != "audit/cell.py":
        return "audit", OPTIONS["audit"]
    if file == "economics/study_model.py":
        return "price", OPTIONS["price"]
    if file.startswith(READING):
        return "plan", OPTIONS["plan"]
    return (
        ("tune-writer", ["dataset=fieldnotes_fv"])
        if file == "tune_writer.py"
        else ("run", shlex.split(" ".join(TYPED)))
    )


@pytest.mark.parametrize(("file", "mend"), [pytest.param(*place, id=": ".join(place)) for place in places()])
def test_each_mend_in_the_code_is_a_whole_command_or_called_a_fix(file: str, mend: str) -> None:
    name, words = _typed_in(file)
    cli.note_typed(name, words)
    sample = _sample(mend)
    shown, *_ = cli.whole_command(f"Try: {sample}").split("\n")
    if shown.startswith("Fix: "):
        whole = name in cli.SETTINGS and re.match(r"[+]*[a-z_.]+=[^A-Z]*$", sample) and " with " not in sample
        assert not whole, "a setting without blanks makes a command"
        return
    program, *rest = shlex.split(shown.removeprefix("Try: "))
    if program != "littlehuman":
        assert program in ("rm", "pip", "python", "export", "make")
        return
    _accepted(rest)
    if not sample.startswith("littlehuman"):  # then it was made of what was typed
        kept = [word for word in words if word.partition("=")[0] not in sample]
        assert set(kept) - {word for word in words if word.startswith("--")} <= {name, *rest}


def _accepted(words: list[str]) -> None:
    """Whether the command line takes these words: Hydra composes them, or the subcommand's options have them."""
    if words[0] in BY_NAME and words[0] not in cli.SETTINGS:
        import_module(BY_NAME[words[0]].function.partition(":")[0]).parser().parse_args(words[1:])
        return
    settings = [word for word in words if "=" in word and not word.startswith(("hydra/", "hydra.launcher."))]
    try:
        compose(*(word.partition(",")[0] if "{" not in word else word for word in settings))
    except LittlehumanError as error:  # it composes; that this dataset does not fit all mends is another matter
        assert "is no key" not in str(error)


DATA = {
    "two delimiters": ("text,x;target\nHere,is;supported\n", (), "dataset.csv.delimiter=comma"),
    "no test points": (None, ("dataset.test_share=0",), "dataset.test_share=0.2"),
}


@pytest.mark.parametrize("case", DATA)
def test_the_command_to_try_gets_further(case: str, tmp_path: Path) -> None:
    text, more, setting = DATA[case]
    rows = "".join(f"Ferry {i}.,It is {i}.,{('supported', 'unsupported')[i % 2]}\n" for i in range(20))
    file = tmp_path / "my claims.csv"
    file.write_text(text or f"evidence,text,target\n{rows}", "utf-8")
    words = ["dataset=table", f"dataset.path='{file}'", "task=classify", "synth_frac=0", *more]
    cli.note_typed("run", words)
    with pytest.raises(LittlehumanError) as caught:
        _test_points(words)
    shown = cli.said(caught.value)
    (line,) = (line for line in shown.splitlines() if line.startswith("Try: "))
    tried = shlex.split(line.removeprefix("Try: littlehuman"))
    assert setting in tried and set(words) - set(more) <= set(tried)
    if case == "no test points":
        assert _test_points(tried)


def _test_points(words: list[str]) -> int:
    from littlehuman.data.test_points import select_test_points

    return len(select_test_points(pipeline.load_dataset(compose(*words), None), None))
