"""Counts of what a training step asks of a GPU: what counts, and that it does not grow unnoticed."""

from __future__ import annotations

import pytest
import torch

from benchmarks import gpu, kernel_ways, kernels
from benchmarks.operators import DEVICE, Counting


def test_views_and_allocations_are_free_and_other_operators_count_with_their_bytes() -> None:
    x = torch.empty(4, 8, device=DEVICE)
    with Counting() as counting:
        y = torch.empty(8, 2, device=DEVICE)
        (x.view(2, 16).view(4, 8) @ y).relu()
    assert counting.counts.names == {"aten.mm.default": 1, "aten.relu.default": 1}
    assert counting.counts.bytes == 4 * (4 * 8 + 8 * 2 + 4 * 2) + 4 * 2 * (4 * 2)
    assert counting.counts.flops == 2 * 4 * 8 * 2 and counting.counts.seconds > 0


def test_waiting_for_the_device_counts_as_a_sync_or_a_copy() -> None:
    x = torch.empty(4, device=DEVICE)
    with Counting() as counting:
        x.sum().item()
        x.tolist()
        torch.tensor([1, 2], device=DEVICE)
        torch.ones(3).to(DEVICE)
        torch.ones(3).to(DEVICE, non_blocking=True)
    assert (counting.counts.host_syncs, counting.counts.blocking_copies) == (2, 2)


def test_a_layer_of_a_step_needs_few_operators_and_the_step_no_sync() -> None:
    """With LoRA dropout on all seven linear layers; 494 operators at 16 cells before the blocks were padded once."""
    found = kernels.of_way(kernel_ways.ours, kernel_ways.SHAPES[0], 16)
    assert found["operators_of_a_layer"] <= 220 and found["host_syncs"] == 0


def test_operators_of_a_step_hardly_grow_with_the_cells_where_peft_needs_them_for_each() -> None:
    one, many = (kernels.of_way(kernel_ways.ours, kernel_ways.SHAPES[2], cells) for cells in (2, 8))
    assert many["operators"] < 1.2 * one["operators"]
    peft = kernels.of_way(kernel_ways.peft, kernel_ways.SHAPES[2], 8)
    assert peft["operators"] > 4 * many["operators"]


@pytest.mark.slow
def test_the_script_for_a_gpu_runs_through_on_a_cpu(capsys: pytest.CaptureFixture[str]) -> None:
    """With two layers: what must agree agrees, every line has its number, and nothing is written."""
    before = sorted(gpu.FOLDER.glob("*"))
    gpu.main(["--dry-run"])
    page = capsys.readouterr().out
    assert "DRY RUN" in page and page.count("| ok |") == 6 and "Error" not in page
    assert page.count("| littlehuman, ") == 2 and "answers of 3 tokens" in page
    assert sorted(gpu.FOLDER.glob("*")) == before


def test_the_script_says_that_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(SystemExit, match="no CUDA device here"):
        gpu.main([])
