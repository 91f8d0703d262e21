"""What is sent for one request, the same online and in a batch.

In: the settings, a prompt and a limit of tokens. Out: the body that `/chat/completions` takes.
"""

from __future__ import annotations

from typing import Any

from littlehuman.groups import PromptModelConfig
from littlehuman.records import Prompt


def body(config: PromptModelConfig, prompt: Prompt, max_tokens: int) -> dict[str, Any]:
    """The request as plain values; with a schema where the prompt has one (OpenAI's structured outputs)."""
    asked: dict[str, Any] = {
        "model": config.name,
        "messages": [dict(message) for message in prompt.messages],
        "temperature": config.temperature,
        "top_p": config.top_p,
        config.token_limit_name: max_tokens,
    }
    if prompt.schema:
        asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": prompt.schema}}
    return asked
