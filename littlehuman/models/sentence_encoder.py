"""Sentence embeddings by an encoder: the mean of its last hidden states over the tokens of a text, of unit length.

Source: sentence-transformers' all-MiniLM-L6-v2 (mean pooling with the attention mask, then L2 normalisation). A text
longer than the encoder's window is cut at its end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from littlehuman.models import devices
from littlehuman.models.weights import commit_of, loading_error, resolve

KEY = "prompt_model.weights"
MAX_TOKENS = 512  # of a text, where the model names no limit of its own


@dataclass(frozen=True)
class Embedding:
    """A text as a vector of unit length, float32 [width] on the CPU, and its number of tokens."""

    vector: torch.Tensor
    tokens: int

    def similarity(self, other: Embedding) -> float:
        """Cosine similarity, -1 to 1."""
        return float(self.vector @ other.vector)


@dataclass(frozen=True)
class SentenceEncoder:
    """An encoder with its tokenizer."""

    tokenizer: Any
    model: Any

    @classmethod
    def load(cls, weights: str, dtype: str, revision: str | None = None, device: str = "auto") -> SentenceEncoder:
        """Load the encoder that `weights` names (as in `weights.resolve`), without a head.

        Raises:
            WeightsError: when it cannot be loaded.
            ConfigError: for a device that does not exist.
        """
        from transformers import AutoModel, AutoTokenizer

        devices.silence_libraries()
        path, commit = resolve(weights, KEY), commit_of(weights, revision, KEY)
        where = devices.device(device, key="prompt_model.device")
        try:
            tokenizer = AutoTokenizer.from_pretrained(path, revision=commit, trust_remote_code=False)
            kind = devices.dtype(dtype, where, key="prompt_model.dtype")
            model = AutoModel.from_pretrained(path, revision=commit, dtype=kind, trust_remote_code=False)
        except Exception as error:  # whatever the libraries raise about a file: there are too many kinds to name them
            raise loading_error(error, weights, path, KEY) from error
        tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
        return cls(tokenizer, model.to(where).eval())

    def embed(self, texts: Sequence[str], batch_size: int) -> list[Embedding]:
        """The embeddings of texts, in their order; batches hold texts of similar length."""
        order = sorted(range(len(texts)), key=lambda index: len(texts[index]), reverse=True)
        found: dict[int, Embedding] = {}
        for start in range(0, len(order), batch_size):
            batch = order[start : start + batch_size]
            found |= zip(batch, self._embed_batch([texts[index] for index in batch]), strict=True)
        return [found[index] for index in range(len(texts))]

    def _embed_batch(self, texts: list[str]) -> list[Embedding]:
        batch = self.tokenizer(texts, padding=True, truncation=True, max_length=self._limit, return_tensors="pt")
        batch = batch.to(self.model.device)
        with torch.inference_mode():
            states = self.model(**batch).last_hidden_state.float()
        mask = batch["attention_mask"][..., None].float()
        means = (states * mask).sum(1) / mask.sum(1).clamp(min=1)
        vectors = torch.nn.functional.normalize(means, dim=-1).cpu()
        return [Embedding(v, n) for v, n in zip(vectors, mask.sum((1, 2)).int().tolist(), strict=True)]

    @property
    def _limit(self) -> int:
        positions = getattr(self.model.config, "max_position_embeddings", MAX_TOKENS)
        return min(int(self.tokenizer.model_max_length), int(positions), MAX_TOKENS)
