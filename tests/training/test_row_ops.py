"""Rows gathered, masked and scaled in one operator: the GPU's kernel gives the bits of torch's operators."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from littlehuman.training.dropout import cutoffs_and_scales, keep_mask, row_keys
from littlehuman.training.row_ops import NO_DRAWS, Draws, Dropped, add, take

ENTRIES, SOURCES, LAYER = 5, 3, 7
Launch = Callable[..., None]


@pytest.fixture
def launch(monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    """The kernel, run by Triton's interpreter on the CPU."""
    pytest.importorskip("triton", reason="the GPU's kernel needs triton (it comes with torch's CUDA builds)")
    monkeypatch.setenv("TRITON_INTERPRET", "1")
    monkeypatch.delitem(sys.modules, "littlehuman.training.row_kernel", raising=False)
    yield importlib.import_module("littlehuman.training.row_kernel").launch
    sys.modules.pop("littlehuman.training.row_kernel", None)


def _draws(rates: list[float]) -> Draws:
    keys = row_keys(range(ENTRIES), [3] * ENTRIES)
    return Draws(keys, torch.tensor(cutoffs_and_scales(rates)[0], dtype=torch.int16)[:, None])


def _inputs(width: int, dtype: torch.dtype) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(width)
    return {
        "x": torch.randn(SOURCES, width, generator=draw).to(dtype),
        "rows": torch.tensor([2, 0, 1, 2, 2]),
        "factors": torch.tensor([1.0, 0.0, 1.1, 0.3, 2.0]),
        "out": torch.randn(ENTRIES, width, generator=draw).to(dtype),
    }


@pytest.mark.parametrize("width", [1, 6, 1027])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_the_kernel_gives_the_bits_of_torchs_operators(width: int, dtype: torch.dtype, launch: Launch) -> None:
    given = _inputs(width, dtype)
    for rates in ([0.4], [0.0, 1.0, 0.1, 0.5, 0.9], None):
        draws = _draws(rates).of_layer(LAYER, width) if rates else NO_DRAWS
        for rows, factors in ((given["rows"], given["factors"]), (given["rows"], None), (None, given["factors"])):
            x = given["x"] if rows is not None else given["out"]
            arguments = (rows, factors, 1.25, *draws)
            found = torch.empty_like(given["out"])
            launch(found, x, *arguments, adds=False)
            assert torch.equal(found, take(x, *arguments))
            found, expected = given["out"].clone(), given["out"].clone()
            launch(found, x, *arguments, adds=True)
            add(expected, x, *arguments)
            assert torch.equal(found, expected)


def test_the_kernel_drops_the_same_features_of_bfloat16(launch: Launch) -> None:
    """Kept features too have equal bits, as they are not rounded; Triton's interpreter rounds bfloat16 towards 0."""
    given, draws = _inputs(1027, torch.bfloat16), _draws([0.4]).of_layer(LAYER, 1027)
    found = torch.empty_like(given["out"])
    launch(found, given["x"], given["rows"], None, 1.0, *draws, adds=False)
    assert torch.equal(found, take(given["x"], given["rows"], None, 1.0, *draws))


def test_a_taken_row_is_the_masked_row_times_its_factor() -> None:
    given, draws = _inputs(6, torch.float32), _draws([0.4])
    kept = -keep_mask(draws.keys, LAYER, 6, draws.cutoffs)
    assert 0 < kept.sum() < kept.numel()
    expected = given["x"][given["rows"]] * kept * given["factors"][:, None] * 2
    taken = take(given["x"], given["rows"], given["factors"], 2.0, *draws.of_layer(LAYER, 6))
    torch.testing.assert_close(taken, expected)
    out = given["out"].clone()
    add(out, given["x"], given["rows"], given["factors"], 2.0, *draws.of_layer(LAYER, 6))
    torch.testing.assert_close(out, given["out"] + expected)


def test_the_gradient_of_dropout_is_dropped_alike() -> None:
    x, draws = torch.randn(ENTRIES, 6, requires_grad=True), _draws([0.5]).of_layer(LAYER, 6)
    out = Dropped.apply(x, 2.0, *draws)
    (grad,) = torch.autograd.grad(out.sum(), x)
    assert torch.equal(grad * x, out) and set(grad.unique().tolist()) == {0.0, 2.0}
