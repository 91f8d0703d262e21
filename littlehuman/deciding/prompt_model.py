"""Who writes the twins: named or not, paid or not, good enough for more than a rehearsal.

In: an `Asked`, and the configuration that its words make. Out: errors with the command that works, and what the answer
must say of a model that is no ground for a decision.
"""

from __future__ import annotations

from littlehuman.config.run_config import RunConfig
from littlehuman.deciding.asked import Asked
from littlehuman.deciding.composing import options_of
from littlehuman.errors import ConfigError, Problem
from littlehuman.schema import PromptModelConfig, Provider

WEAK = "package:smollm2"  # weights whose twins are mostly wrong
_EXAMPLE_USD = 5.0


def refuse_unnamed(asked: Asked) -> None:
    """Refuse a command without a prompt model.

    Raises:
        ConfigError: with a command that works.
    """
    if asked.value("prompt_model") is None:
        what = "is missing: the answer holds for the model that writes the twins, so it must be named"
        listed = ", ".join(options_of("prompt_model"))
        recorded = str(asked.value("dataset")).startswith("fieldnotes")
        weak = asked.again("prompt_model=smollm2", rehearsal=True)  # works everywhere, and only rehearses
        tried = asked.again("prompt_model=recorded") if recorded else weak
        raise ConfigError([Problem("--prompt-model", f"{what}; there is: {listed}")], tried)


def refuse_unlimited(asked: Asked, config: RunConfig) -> None:
    """Refuse a paid endpoint without a limit, and a model that only rehearses without the word for it.

    Raises:
        ConfigError: with the command that works.
    """
    if is_paid(config.prompt_model) and asked.max_usd is None:
        what = f"is missing: {config.prompt_model.name} is paid, and no request is made without a limit in US dollars"
        tried = asked.again(max_usd=_EXAMPLE_USD)
        raise ConfigError([Problem("--max-usd", what)], tried)
    if is_weak(config.prompt_model) and not asked.rehearsal:
        what = "is too weak for a decision: most of its twins are wrong; it can show how the command works"
        tried = asked.again(rehearsal=True)
        raise ConfigError([Problem(f"--prompt-model {config.prompt_model.name}", what)], tried)


def is_paid(model: PromptModelConfig) -> bool:
    """Whether requests cost money: a price is stated, or the address is OpenAI's own."""
    priced = model.price.prompt > 0 or model.price.completion > 0
    return model.provider is Provider.openai and (priced or model.base_url is None)


def is_weak(model: PromptModelConfig) -> bool:
    """Whether a model of this process is the packaged small one, or has random weights."""
    return model.provider in (Provider.hf, Provider.vllm, Provider.llama_cpp) and (model.weights or "").startswith(
        (WEAK, "random:")
    )


def rehearsed(config: RunConfig, asked: Asked) -> str:
    """Why the answer is no ground for a decision; empty where it is one."""
    model = config.prompt_model
    if (config.model.weights or "").startswith("random:"):
        return f"model {config.model.name} has random weights: its scores mean nothing"
    if is_weak(model):
        return f"{model.name} is too weak a writer"
    if (config.dataset.path or "").startswith("package:fieldnotes"):
        return "the embedded data was written by a language model, not by people"
    return "you asked for one" if asked.rehearsal else ""
