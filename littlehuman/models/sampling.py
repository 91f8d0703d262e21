"""Seeded sampling in batches: each row has its own generator (the Gumbel-max trick).

The largest of log-probabilities plus Gumbel noise is a sample from the distribution (Gumbel 1954; Maddison et al.,
A* Sampling, 2014). A row therefore draws the same noise in any batch, and its answer depends on the other rows by
rounding only, like a greedy one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopPLogitsWarper

_SMALLEST = 2.0**-25  # half the resolution of a float32 draw: without it a draw of 0 would give infinite noise


class GumbelSampler(LogitsProcessor):  # type: ignore[misc]  # transformers is untyped here
    """Logits processor: temperature, then top-p, then Gumbel noise; the largest score is the sample.

    Args:
        seeds: one per row, 0 to 2**64 - 1.
        temperature: above 0.
        top_p: mass of the most probable tokens that are kept; the most probable one always is.
        device: of the logits; a seed gives different noise on a CPU and on a GPU.
    """

    def __init__(self, seeds: Sequence[int], temperature: float, top_p: float, device: torch.device) -> None:
        self.generators = [torch.Generator(device).manual_seed(seed) for seed in seeds]
        self.warpers: list[Any] = [TemperatureLogitsWarper(temperature)]
        if top_p < 1:
            self.warpers.append(TopPLogitsWarper(top_p))

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores [rows, vocabulary] -> the same with noise, in float32."""
        scores = scores.float()
        for warper in self.warpers:
            scores = warper(input_ids, scores)
        size, device = scores.shape[-1], scores.device
        uniform = torch.stack([torch.rand(size, generator=g, device=device) for g in self.generators])
        exponential = uniform.clamp_(min=_SMALLEST).neg_().log1p_().neg_()
        return scores - exponential.log_()
