"""Sampling in batches: each row draws from the generator of its own request.

In: a batch's logits and one seed per row. Out: scores whose largest is the sampled token. Adding
Gumbel noise to log-probabilities and taking the largest samples from them (Gumbel 1954; Maddison
et al., A* Sampling, 2014). So a row draws the same noise whatever runs beside it, and its
answer depends on its neighbours by rounding alone, as a greedy one does: noise that makes another
token win after a tiny change of the logits is as rare as two greedy candidates that are as close.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopPLogitsWarper

_SMALLEST = 2.0**-25  # half of a float32 draw's step: the logarithm of 0 would win over any logit


class GumbelSampler(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Temperature, then top-p, then noise of each row's own.

    Args:
        seeds: one per row, 0 to 2**64 - 1.
        temperature: above 0.
        top_p: mass of the likeliest tokens that are kept, the likeliest always.
        device: where logits lie; noise of one seed differs between a CPU and a GPU.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float, device: torch.device) -> None:
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.warpers: list[Any] = [TemperatureLogitsWarper(temperature)]
        if top_p < 1:
            self.warpers.append(TopPLogitsWarper(top_p))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores [rows, vocabulary] with noise, in float32."""
        scores = scores.float()
        for warper in self.warpers:
            scores = warper(input_ids, scores)
        size, device = scores.shape[-1], scores.device
        uniform = torch.stack([torch.rand(size, generator=g, device=device) for g in self.generators])
        exponential = uniform.clamp_(min=_SMALLEST).neg_().log1p_().neg_()
        return scores - exponential.log_()
