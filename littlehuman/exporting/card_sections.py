"""The sections of a data card: how the data was made, its cost, its quality, its limits, in Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from omegaconf import OmegaConf

from littlehuman.config.identity import identity_values
from littlehuman.exporting.rebuild import RebuiltCell
from littlehuman.formatting import markdown_text, without_folder, without_password
from littlehuman.generation.costs import dollars
from littlehuman.prompting.templates import asks_for_label, language_instruction
from littlehuman.schema import PromptText, Provider, Shots, StrategyConfig, Writes


def card_sections(cell: RebuiltCell) -> Iterator[tuple[str, Sequence[str]]]:
    """Title and Markdown lines of each section, in order."""
    provided = cell.config.prompt_model.provider is Provider.provided
    yield "How it was made", list(_made(cell, provided))
    yield "Model", list(_model(cell, provided))
    if not provided:
        yield "Prompts", list(_prompts(cell))
    yield "Cost", list(_cost(cell.result["cost"], provided))
    yield "Yield", list(_yield(cell.result))
    yield "Filters", list(_filters(cell))
    if cell.result["labels"]:
        yield "Labels, requested and returned", list(_labels(cell.result["labels"]))
    yield "Audit", list(_audit(cell.result["audit"]))
    yield "Human data", list(_human(cell, provided))
    yield "To reproduce it", list(_reproduction(cell))
    yield "Known limits", list(_limits(cell))


def _made(cell: RebuiltCell, provided: bool) -> Iterator[str]:
    config, version = cell.config, cell.result["versions"]["littlehuman"]
    asked, taken = (
        "the model was asked for a twin on the same evidence",
        "a twin from elsewhere was used",
    )
    yield (
        f"By littlehuman {version} (the method of arXiv 2410.13098), for a training set in which "
        f"{100 * config.synth_frac:g} % of {config.size:,} points are synthetic. For each point that is replaced, "
        f"{taken if provided else asked}; where there was none, or a filter dropped it, "
        "the next spare point of the dataset was used instead."
    )


def _model(cell: RebuiltCell, provided: bool) -> Iterator[str]:
    model = cell.config.prompt_model
    if provided:
        source = f"(`prompt_model=provided`, name {markdown_text(model.name)})"
        yield f"The rows came from a file {source}; who wrote them is not known here."
        return
    yield f"- name: {markdown_text(model.name)}"
    if model.weights:
        yield f"- weights: {without_folder(model.weights)}, {model.dtype}"
    limit = f"at most {cell.config.strategy.max_tokens} tokens an answer"
    sampling = (("temperature", model.temperature), ("top_p", model.top_p))
    named = ", ".join(f"{name} {'left to the endpoint' if value is None else f'{value:g}'}" for name, value in sampling)
    yield f"- {named}, {limit if model.token_limit_name else 'without a limit of tokens'}"
    if model.reasoning_effort:
        yield f"- reasoning_effort {model.reasoning_effort}"
    if model.extra_body:
        yield f"- further parameters: {json.dumps(model.extra_body, ensure_ascii=False)}"
    if model.json_schema:
        yield "- answers held to a JSON schema by the endpoint"


def _prompts(cell: RebuiltCell) -> Iterator[str]:
    strategy, task = cell.config.strategy, cell.config.task.name
    words = strategy.tasks[task]
    yield f"Strategy {strategy.name}: {_examples(strategy)}. {_label_request(words, bool(cell.result['labels']))}\n"
    classes = tuple(cell.config.task.classes) or tuple(cell.result["labels"])
    system = words.system.strip() + language_instruction(strategy, words, classes)
    for name, template in (("System turn", system), ("User turn", words.user), ("Form of an answer", words.assistant)):
        yield f"{name}:\n\n````text\n{template.strip()}\n````\n"
    for name, table in (
        ("{label} and {target} in words", words.label_words),
        ("{label_request}", words.label_requests),
    ):
        if table:
            yield (
                f"`{name}`: "
                + "; ".join(f"{markdown_text(key)}: {markdown_text(value)}" for key, value in table.items())
                + "\n"
            )
    if strategy.shots and strategy.shots_from is Shots.own:
        examples = f"````yaml\n{_demonstrations(words)}````\n"
        yield f"Examples, of which those with the requested label are shown:\n\n{examples}"
    limit = f"{strategy.max_evidence_words:,} words"
    yield f"Evidence is shown without URLs and cut after {limit}; the column evidence is not cut."


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


def _cost(cost: Mapping[str, Any], provided: bool) -> Iterator[str]:
    if provided:
        filtering = f" The filter's {cost['requests']:,} requests about them cost {dollars(cost['usd'])} here."
        yield "What these rows cost where they were made is not known here." + filtering * bool(cost["requests"])
        return
    before = cost.get("usd_before", 0.0)
    earlier = f" (earlier attempts of it paid {dollars(before)} more, whose answers came from the cache then)"
    yield (
        f"This run made {cost['requests']:,} requests, {cost['from_cache']:,} of which were answered from the cache, "
        f"and paid {dollars(cost['usd'])} for {cost['prompt_tokens']:,} + {cost['completion_tokens']:,} tokens"
        f"{earlier * bool(before)}; without the cache it would have been {dollars(cost['usd_without_cache'])}. "
        "Prices are those of the run's configuration; 0 may mean that none was set."
    )


def _yield(result: Mapping[str, Any]) -> Iterator[str]:
    counts = result["counts"]
    kept, lost = counts["synthetic"], result["rejected_twins"]
    share = f" ({kept / (kept + lost):.1%})" if kept + lost else ""
    missing = f"{counts['shortfall']:,} points are missing."
    yield f"{kept:,} of {kept + lost:,} became points{share}; {missing}"
    if result["rejected_because"]:
        yield from ["", "| dropped because | answers |", "|---|---|"]
        yield from (f"| {_table_cell(reason)} | {count:,} |" for reason, count in result["rejected_because"].items())


def _filters(cell: RebuiltCell) -> Iterator[str]:
    steps = {key: value for key, value in identity_values(cell.config)["filter"].items() if key != "name"}
    if not steps:
        yield "None: every answer that could be parsed, and had the requested label, was kept."
        return
    model = steps.pop("model", None)
    asked = f", asking {model['name']}" if model else ""
    options = OmegaConf.to_yaml(OmegaConf.create(steps))
    yield f"filter={cell.config.filter.name}: {', '.join(steps)}{asked}.\n\n````yaml\n{options}````"


def _labels(labels: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    returned = sorted({name for row in labels.values() for name in row} | set(labels))
    rows, columns = "the label of the human point (rows)", "the label that came back (columns)"
    yield f"Answers by {rows} and {columns}, dropped ones included:\n"
    yield f"| | {' | '.join(map(_table_cell, returned))} |"
    yield "|---" * (len(returned) + 1) + "|"
    for requested, row in labels.items():
        yield f"| {_table_cell(requested)} | {' | '.join(f'{row.get(name, 0):,}' for name in returned)} |"


def _audit(audit: Mapping[str, int]) -> Iterator[str]:
    yield "Of the whole training set, its human points included:\n"
    yield from (f"- {name.replace('_', ' ')}: {count:,}" for name, count in audit.items())


def _human(cell: RebuiltCell, provided: bool) -> Iterator[str]:
    labels, budget, human = cell.result["human_labels"], cell.config.human_budget, cell.result["counts"]["human"]
    yield f"Human budget: {budget}. The training set of the run had {human:,} human points besides the synthetic ones."
    if provided:
        yield "How many human points the prompts showed is not known here."
    else:
        yield f"Prompts showed {labels['in_prompts']:,} different human points."


def _reproduction(cell: RebuiltCell) -> Iterator[str]:
    config, prints = cell.config, cell.result["fingerprints"]
    seeds = f"seed {config.seed} (choice of points), strategy.seed {config.strategy.seed} (examples of the prompts)"
    yield f"- run {cell.result['id']}; {seeds}"
    yield f"- fingerprints: dataset {prints['dataset']}, training set {prints['mixture']}"
    hub = without_password(config.dataset.hub or "")
    source = markdown_text(f"{hub} {config.dataset.hub_revision or ''}".strip()) or "no hub"
    yield f"- source dataset: {markdown_text(config.dataset.name)} ({source})"
    yield f"- versions: {', '.join(f'{name} {version}' for name, version in cell.result['versions'].items())}"


def _limits(cell: RebuiltCell) -> Iterator[str]:
    config, audit, counts = cell.config, cell.result["audit"], cell.result["counts"]
    yield "- No person has checked these texts. Labels and answers are what the model gave them" + (
        "; a filter that asks a model can be wrong as well."
        if {"judge", "round_trip"} & set(map(str, config.filter.steps))
        else "."
    )
    yield (
        "- The column evidence, and human rows where there are any, are text of the source dataset: "
        "its licence holds for them."
    )
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
    yield (
        "- Points whose twins failed were replaced by others, "
        "so evidence on which the model fails is rarer than in the source."
    )


def _table_cell(value: str) -> str:
    return " ".join(markdown_text(value).split())
