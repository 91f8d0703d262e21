"""`littlehuman tune-writer dataset=... synth_frac=0.9 seed=0`: tunes a prompt model on the human points of a cell.

Takes the overrides of `littlehuman run`, which say whose human points (n_train, synth_frac, seed, extra_human), in
which prompts (strategy), for which prompt model, and with which hyperparameters (writer.*). Writes a LoRA adapter in
PEFT's format. `littlehuman run prompt_model.adapter=FOLDER` then writes twins with it. Supervised fine-tuning alone:
learning from preferences (DPO) is not here yet.
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from littlehuman import cli

if TYPE_CHECKING:
    from omegaconf import DictConfig

    from littlehuman.config.run_config import RunConfig
    from littlehuman.writer import Writer


def main(argv: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    arguments = parser().parse_intermixed_args(argv)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S")
    for name in ("absl", "httpx"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return cli.print_lines(lambda: _lines(arguments))


def parser() -> argparse.ArgumentParser:
    """The options of the command line."""
    made = cli.Parser(
        prog=cli.program("tune-writer"),
        description="Tune a prompt model on the human points of a cell, so that it writes twins as people wrote those.",
    )
    made.add_argument("overrides", nargs="*", metavar="KEY=VALUE", help="of the cell, as for littlehuman run")
    made.add_argument("--out", metavar="DIR", help="the folder to write (default: writer inside the cell's run folder)")
    made.add_argument("--config-dir", metavar="DIR", help="a folder with config groups of your own")
    return made


def _lines(arguments: argparse.Namespace) -> Iterator[str]:
    from littlehuman.store import multirun_root

    config, cell = _composed(arguments.overrides, arguments.config_dir)
    out = Path(arguments.out) if arguments.out else multirun_root() / config.study / cell / "writer"
    writer = _tune(config, out)
    info = writer.info
    yield f"writer of {info['weights']}: {info['points']} points, {info['steps']} steps, digest {info['digest']}"
    yield f"it saw {len(writer.human_ids)} human points, which count where its twins are used"
    yield f"results: {out}"
    words = [*(word for word in arguments.overrides if not word.startswith("study=")), f"study={config.study}"]
    folder = ["--config-dir", arguments.config_dir] if arguments.config_dir else []
    yield f"next:    {cli.command('run', [*folder, *words, f'prompt_model.adapter={out}'])}"


def _tune(config: RunConfig, out: Path) -> Writer:
    from littlehuman import pipeline
    from littlehuman.config import writers
    from littlehuman.config.mixture_spec import mixture_spec
    from littlehuman.errors import ConfigError, DataError, Problem
    from littlehuman.mixture import mixing
    from littlehuman.prompt_models.settings import check_prompt_model
    from littlehuman.schema import Provider
    from littlehuman.writer import tune_for

    if config.prompt_model.provider is not Provider.hf:
        problem = Problem(f"prompt_model={config.prompt_model.name}", "is not local, and only local weights are tuned")
        raise ConfigError([problem], "prompt_model=smollm2, or prompt_model=hf prompt_model.weights=DIR_OR_ID")
    check_prompt_model(config.prompt_model)
    if found := list(writers.tuning_problems(config)):
        raise ConfigError(found)
    if out.is_file() or (out.is_dir() and (out / "config.json").is_file()):
        raise DataError(f"{out}: is no folder for a writer\nTry: --out with a new folder")
    dataset = pipeline.load_dataset(config, None)
    plan = mixing.plan_mixture(dataset.train, mixture_spec(config), dataset.name)
    return tune_for(plan, dataset, config.with_launch_device(), out)


def _composed(overrides: Sequence[str], config_dir: str | None) -> tuple[RunConfig, str]:
    """The cell's configuration, and the name of its run folder."""
    from littlehuman.config import run_config

    composed = _compose(
        [*overrides, *([f"hydra.searchpath=[file://{Path(config_dir).absolute()}]"] if config_dir else [])]
    )
    return run_config.from_hydra(composed), str(composed.hydra.sweep.subdir)


def _compose(overrides: Sequence[str]) -> DictConfig:
    """The configuration as `littlehuman run` would compose it.

    Raises:
        ConfigError: when Hydra refuses the overrides.
    """
    import hydra
    from hydra.errors import HydraException
    from omegaconf.errors import OmegaConfBaseException

    from littlehuman import run
    from littlehuman.config.addresses import refuse_passwords
    from littlehuman.execution import composing
    from littlehuman.prompt_models.settings import refuse_api_keys

    refuse_api_keys(overrides)
    refuse_passwords(overrides)
    try:
        with hydra.initialize_config_dir(version_base="1.3", config_dir=str(run.conf_folder())):
            return hydra.compose("config", overrides=list(overrides), return_hydra_config=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise composing.error_of(error, overrides, "tune-writer") from error


if __name__ == "__main__":
    cli.note_form(module=True)
    sys.exit(main())
