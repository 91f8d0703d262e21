"""The passages of a data card: how the data was made, what it cost, what is known of its quality.

In: a rebuilt cell. Out: titles with lines of Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from littlehuman.config.identity import identity_values
from littlehuman.exporting.rebuild import Rebuilt
from littlehuman.generation.costs import dollars
from littlehuman.prompting.templates import asks_for_label, language_instruction
from littlehuman.schema import PromptText, Provider, Shots, StrategyConfig, Writes


def card_sections(found: Rebuilt) -> Iterator[tuple[str, Sequence[str]]]:
    """Title and lines of each passage, in order."""
    given = found.config.prompt_model.provider is Provider.provided
    yield "How it was made", list(_made(found, given))
    yield "Model", list(_model(found, given))
    if not given:
        yield "Prompts", list(_prompts(found))
    yield "Cost", list(_cost(found.result["cost"], given))
    yield "Yield", list(_yield(found.result))
    yield "Filters", list(_filters(found))
    if found.result["labels"]:
        yield "Labels, requested and returned", list(_labels(found.result["labels"]))
    yield "Audit", list(_audit(found.result["audit"]))
    yield "Human data", list(_human(found, given))
    yield "To make it again", list(_again(found))
    yield "Known limits", list(_limits(found))


def _made(found: Rebuilt, given: bool) -> Iterator[str]:
    config, version = found.config, found.result["versions"]["littlehuman"]
    how = (
        "a twin was taken that had been made elsewhere"
        if given
        else "the model was asked for a twin on the same evidence"
    )
    yield (
        f"By littlehuman {version} (the method of arXiv 2410.13098), for a training set in which {100 * config.synth_frac:g} % of "
        f"{config.size:,} points are synthetic. For each point that is replaced, {how}; where there was none, or a filter dropped it, "
        "the next spare point of the dataset stands in."
    )


def _model(found: Rebuilt, given: bool) -> Iterator[str]:
    model = found.config.prompt_model
    if given:
        yield f"The rows came from a file (`prompt_model=provided`, name {model.name}); who wrote them is not known here."
        return
    yield f"- name: {model.name}"
    if model.weights:
        yield f"- weights: {_without_place(model.weights)}, {model.dtype}"
    yield f"- temperature {model.temperature:g}, top_p {model.top_p:g}, at most {found.config.strategy.max_tokens} tokens an answer"
    if model.json_schema:
        yield "- answers held to a JSON schema by the endpoint"


def _without_place(weights: str) -> str:
    """A hub id or package as it is; of a folder its name alone."""
    return Path(weights).name if weights.startswith(("/", "~", ".")) or "\\" in weights else weights


def _prompts(found: Rebuilt) -> Iterator[str]:
    strategy, task = found.config.strategy, found.config.task.name
    words = strategy.tasks[task]
    yield f"Strategy {strategy.name}: {_examples(strategy)}. {_label_request(words, bool(found.result['labels']))}\n"
    classes = tuple(found.config.task.classes) or tuple(found.result["labels"])
    system = words.system.strip() + language_instruction(strategy, words, classes)
    for name, template in (("System turn", system), ("User turn", words.user), ("Form of an answer", words.assistant)):
        yield f"{name}:\n\n````text\n{template.strip()}\n````\n"
    for name, table in (
        ("{label} and {target} in words", words.label_words),
        ("{label_request}", words.label_requests),
    ):
        if table:
            yield f"`{name}`: " + "; ".join(f"{key}: {value}" for key, value in table.items()) + "\n"
    if strategy.shots and strategy.shots_from is Shots.own:
        yield f"Examples, of which those with the requested label are shown:\n\n````yaml\n{_demonstrations(words)}````\n"
    yield f"Evidence is shown without URLs and cut after {strategy.max_evidence_words:,} words; the column evidence is not cut."


def _demonstrations(words: PromptText) -> str:
    return OmegaConf.to_yaml(OmegaConf.create([asdict(demonstration) for demonstration in words.demonstrations]))


def _examples(strategy: StrategyConfig) -> str:
    if not strategy.shots:
        return "no examples"
    whose = "human points of the dataset" if strategy.shots_from is Shots.human else "examples written for the strategy"
    return f"up to {strategy.shots} {whose} in each prompt"


def _label_request(words: PromptText, labelled: bool) -> str:
    if not labelled:
        return "Answers are free, so no label was requested."
    return (
        "The label of the human point was requested."
        if asks_for_label(words)
        else "No label was requested: it is the model's own."
    )


def _cost(cost: Mapping[str, Any], given: bool) -> Iterator[str]:
    if given:
        asked = (
            f" The filter's {cost['requests']:,} requests about them cost {dollars(cost['usd'])} here."
            if cost["requests"]
            else ""
        )
        yield "What these rows cost where they were made is not known here." + asked
        return
    before = cost.get("usd_before", 0.0)
    earlier = (
        f" (earlier attempts of it paid {dollars(before)} more, whose answers came from the cache then)"
        if before
        else ""
    )
    yield (
        f"This run made {cost['requests']:,} requests, {cost['from_cache']:,} of which were answered from the cache, and paid "
        f"{dollars(cost['usd'])} for {cost['prompt_tokens']:,} + {cost['completion_tokens']:,} tokens{earlier}; without the cache it "
        f"would have been {dollars(cost['usd_without_cache'])}. Prices are those of the run's configuration; 0 may mean that none was set."
    )


def _yield(result: Mapping[str, Any]) -> Iterator[str]:
    counts = result["counts"]
    kept, lost = counts["synthetic"], result["rejected_twins"]
    share = f" ({kept / (kept + lost):.1%})" if kept + lost else ""
    yield f"{kept:,} of {kept + lost:,} became points{share}; {counts['shortfall']:,} points that were wanted could not be had."
    if result["rejected_because"]:
        yield from ["", "| dropped because | answers |", "|---|---|"]
        yield from (f"| {_cell(reason)} | {count:,} |" for reason, count in result["rejected_because"].items())


def _filters(found: Rebuilt) -> Iterator[str]:
    steps = {key: value for key, value in identity_values(found.config)["filter"].items() if key != "name"}
    if not steps:
        yield "None: every answer that could be read, and had the requested label, was kept."
        return
    model = steps.pop("model", None)
    asked = f", asking {model['name']}" if model else ""
    yield f"filter={found.config.filter.name}: {', '.join(steps)}{asked}.\n\n````yaml\n{OmegaConf.to_yaml(OmegaConf.create(steps))}````"


def _labels(labels: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    returned = sorted({name for row in labels.values() for name in row} | set(labels))
    yield "Answers by the label of the human point (rows) and the label that came back (columns), dropped ones included:\n"
    yield f"| | {' | '.join(map(_cell, returned))} |"
    yield "|---" * (len(returned) + 1) + "|"
    for requested, row in labels.items():
        yield f"| {_cell(requested)} | {' | '.join(f'{row.get(name, 0):,}' for name in returned)} |"


def _audit(audit: Mapping[str, int]) -> Iterator[str]:
    yield "Of the whole training set, its human points included:\n"
    yield from (f"- {name.replace('_', ' ')}: {count:,}" for name, count in audit.items())


def _human(found: Rebuilt, given: bool) -> Iterator[str]:
    labels, budget, human = found.result["human_labels"], found.config.human_budget, found.result["counts"]["human"]
    yield f"Human budget: {budget}. The training set of the run had {human:,} human points beside the synthetic ones."
    if given:
        yield "How many human points the prompts showed is not known here."
    else:
        yield f"Prompts showed {labels['in_prompts']:,} different human points."


def _again(found: Rebuilt) -> Iterator[str]:
    config, prints = found.config, found.result["fingerprints"]
    yield f"- run {found.result['id']}; seed {config.seed} says who is in it, strategy.seed {config.strategy.seed} who stands in prompts"
    yield f"- fingerprints: dataset {prints['dataset']}, training set {prints['mixture']}"
    source = f"{config.dataset.hub} {config.dataset.hub_revision or ''}".strip() if config.dataset.hub else "no hub"
    yield f"- source dataset: {config.dataset.name} ({source})"
    yield f"- versions: {', '.join(f'{name} {version}' for name, version in found.result['versions'].items())}"


def _limits(found: Rebuilt) -> Iterator[str]:
    config, audit, counts = found.config, found.result["audit"], found.result["counts"]
    yield "- No person has checked these texts. Labels and answers are what the model gave them" + (
        "; a filter that asks a model can be wrong as well."
        if {"judge", "round_trip"} & set(map(str, config.filter.steps))
        else "."
    )
    yield "- The column evidence, and human rows where there are any, are text of the source dataset: its licence holds for them."
    yield "- The terms of the model's provider may limit what the texts may be used for."
    if config.strategy.writes is Writes.target:
        yield "- The texts are those of the human points; only the targets were written by the model."
    repeated = counts["synthetic"] - audit["distinct_twins"]
    if repeated:
        yield f"- {repeated:,} synthetic points repeat another one."
    if config.strategy.language:
        yield f"- {config.strategy.language} was asked for; nothing checked in which language the answers are."
    else:
        yield "- The language was not set: it is that of the evidence, as far as the model kept to it."
    yield "- Points whose twins failed were replaced by others, so evidence on which the model fails is rarer than in the source."


def _cell(value: str) -> str:
    return " ".join(value.replace("|", "\\|").split())
