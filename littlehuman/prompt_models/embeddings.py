"""Zero-shot classification by sentence embeddings: the class whose description is nearest (`prompt_model=embeddings`).

In: prompts of `prompting.class_comparison`: one turn per class, and the text. Out: per prompt the answer of the class
with the highest cosine similarity; of equal ones the first. Nothing is written and nothing is sampled: the same prompts
get the same answers. Source: zero-shot classification with SBERT (Reimers and Gurevych 2019), embeddings as in
`models/sentence_encoder.py`.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from littlehuman.prompt_models.settings import InProcess
from littlehuman.prompting.class_comparison import ANSWER, CLASS
from littlehuman.records import Completion, Failure, Prompt

if TYPE_CHECKING:
    from littlehuman.models.sentence_encoder import SentenceEncoder

BATCH = 32  # texts at once, where prompt_model.batch_size is null
WINDOW = 64  # batches of prompts that are embedded together: texts of similar length share a batch


class EmbeddingModel(InProcess):
    """Answers with the encoder that `prompt_model.weights` names."""

    def complete(self, prompts: Iterable[Prompt], max_tokens: int) -> Generator[Completion | Failure, None, None]:
        """Yield the answers in the order of the prompts; `prompt_tokens` are those of the text.

        Raises:
            WeightsError: when the encoder cannot be loaded.
        """
        from littlehuman.models.sentence_encoder import SentenceEncoder

        config, rest = self.config, iter(prompts)
        batch_size = config.batch_size or BATCH
        encoder: SentenceEncoder | None = None
        while window := list(islice(rest, WINDOW * batch_size)):
            if encoder is None:  # loaded with the first prompt
                device = config.device or "auto"
                encoder = SentenceEncoder.load(str(config.weights), config.dtype, config.revision, device)
            yield from _nearest(window, encoder, batch_size)


def _nearest(prompts: Sequence[Prompt], encoder: SentenceEncoder, batch_size: int) -> Generator[Completion, None, None]:
    """The answers to prompts; a text that several of them have, such as a description, is embedded once."""
    texts = list(dict.fromkeys(turn["content"] for prompt in prompts for turn in prompt.messages))
    vectors = dict(zip(texts, encoder.embed(texts, batch_size), strict=True))
    for prompt in prompts:
        *classes, point = prompt.messages
        text = vectors[point["content"]]
        scores = [vectors[turn["content"]].similarity(text) for turn in classes if turn["role"] == CLASS]
        answer = classes[scores.index(max(scores))][ANSWER]
        yield Completion(prompt.key, answer, "stop", text.tokens, 0)
