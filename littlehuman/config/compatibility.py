"""Settings that exclude each other: what a model, a head or a provider cannot do with what else is chosen.

In: the configuration of a cell. Out: a `Problem` each, with the setting that would work. Asked by `validation`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from littlehuman.errors import Problem
from littlehuman.prompting.templates import describes_classes
from littlehuman.schema import Architecture, FilterStep, Head, Method, Provider, Writes

HALF = ("bfloat16", "float16")

if TYPE_CHECKING:
    from littlehuman.config.run_config import RunConfig


def problems(config: RunConfig) -> Iterator[Problem]:
    """All combinations that cannot work."""
    annotates = config.method is Method.annotator  # then nothing is trained
    if not annotates:
        yield from _of_the_model(config)
    if annotates or (config.synthetic and config.synth_frac != 0):
        yield from _of_descriptions(config)
        if config.prompt_model.provider is Provider.embeddings:
            yield from _of_embeddings(config)


def _of_the_model(config: RunConfig) -> Iterator[Problem]:
    task, model = config.task, config.model
    if task.head is Head.generation and model.architecture is Architecture.encoder:
        what = f"is an encoder and cannot write answers, which task={task.name} needs; a decoder can: model=smollm2"
        yield Problem(f"model={model.name}", what)
    if task.head is Head.span and model.architecture is Architecture.decoder:
        what = f"is a decoder, and task={task.name} marks an answer in its evidence with an encoder; try model=minilm"
        yield Problem(f"model={model.name}", what)
    if task.head is Head.span and config.dataset.unanswerable:
        what = f"keeps questions without answer, and task={task.name} always marks one; try dataset.unanswerable=drop"
        yield Problem(f"dataset.unanswerable={config.dataset.unanswerable}", what)
    if model.is_full and model.quantization is not None:
        what = (
            "trains all weights, and quantized ones are frozen; try model.adaptation=lora, or model.quantization=null"
        )
        yield Problem(f"model.adaptation=full model.quantization={model.quantization}", what)
    if model.is_full and config.launch.dtype in HALF:
        what = "loses the small steps of AdamW; all weights are trained in float32: try launch.dtype=auto"
        yield Problem(f"model.adaptation=full launch.dtype={config.launch.dtype}", what)


def _of_descriptions(config: RunConfig) -> Iterator[Problem]:
    """Prompts that describe the classes need descriptions; whether they fit the classes, the data shows."""
    words = config.strategy.tasks.get(config.task.name)
    if words and describes_classes(words) and not config.dataset.class_descriptions:
        what = f"strategy={config.strategy.name} tells what each class means; try strategy=annotate, or for each class"
        yield Problem("dataset.class_descriptions={}", f"{what} '++dataset.class_descriptions.CLASS=WHAT IT IS ABOUT'")


def _of_embeddings(config: RunConfig) -> Iterator[Problem]:
    """An encoder chooses one of several classes for a text that is there: nothing else."""
    where, strategy = f"prompt_model={config.prompt_model.name}", config.strategy
    if config.task.head is not Head.classification:
        yield Problem(where, f"chooses a class, and task={config.task.name} has none; try prompt_model=qwen-1.5b")
    if strategy.writes is not Writes.target:
        yield Problem(where, f"labels texts; strategy={strategy.name} wants new ones; try strategy=annotate")
    elif strategy.shots:
        yield Problem(where, f"reads no examples: strategy.shots={strategy.shots}; try strategy.shots=0")
    asks = {FilterStep.judge, FilterStep.round_trip}.intersection(config.filter.steps)
    if asks and not config.filter.has_own_model:
        what = f"filter={config.filter.name} asks it, and it judges none; try +prompt_model@filter.model=qwen-1.5b"
        yield Problem(where, what)
