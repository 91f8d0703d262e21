"""Tokenisation of conversations for supervised fine-tuning: the messages are the prompt, the model's turn the target.

An example's text holds the messages as JSON. They are rendered by the function that renders them when the model is
asked (`models/chat_template.py`), so that a tuned model reads what it was tuned on. The loss is on the answer and the
end token.
"""

from __future__ import annotations

import json

from littlehuman.models.chat_template import render
from littlehuman.records import Example
from littlehuman.training.encoding import Encoder


class ChatEncoder(Encoder):
    """Encodes conversations. Nothing is cut: a conversation that is too long for the model is an error."""

    def _tokenize(self, example: Example, evidence: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        return tuple(render(self.tokenizer, json.loads(example.text))), ()

    def _answer(self, example: Example) -> str:
        return example.target
