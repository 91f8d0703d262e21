"""`task=span_qa`: windows, the loss of start and end, the best span, and whole trainings, alone and fused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from training_parts import (  # noqa: F401
    CPU,
    FIXTURES,
    Shared,
    adapter,
    adapter_distance,
    cell,
    encoder_for,
    job,
    leased_base,
    log_of,
    no_base_held,
    one_thread,
    release_base,
    settings,
    texts,
    tiny_cache,
    without_errors,
)

from littlehuman.errors import DataError
from littlehuman.languages.spans import find_answer, occurrences
from littlehuman.records import Example
from littlehuman.schema import Adaptation, Head, TaskConfig
from littlehuman.training import adapters
from littlehuman.training.encoding import EncodedRow, Window
from littlehuman.training.fit import fit
from littlehuman.training.span_encoding import END, START, _labels
from littlehuman.training.span_head import best_of_windows, best_span, span_losses

pytestmark = FIXTURES
TASK = TaskConfig(name="span_qa", head=Head.span)


def span_settings(*, max_tokens: int = 96, adaptation: Adaptation = Adaptation.lora, **values: object) -> Shared:
    values = {"learning_rate": 1e-2, "lora_r": 16, "lora_alpha": 32, **values}
    shared = settings("fv", "random:bert", max_tokens=max_tokens, adaptation=adaptation, **values)  # type: ignore[arg-type]
    return replace(shared, settings=replace(shared.settings, task=TASK, classes=()))


def questions(count: int = 12, before: int = 0) -> list[Example]:
    """Each answer stands behind the word `is`, after so many sentences that say nothing."""
    names = ("tin", "rye", "kelp", "salt")
    filler = "Fog lay on the yard all day. " * before
    return [
        Example(
            f"s{i}", f"{filler}The cargo of ship {i} is {names[i % 4]} today.", "What is the cargo?", (names[i % 4],)
        )
        for i in range(count)
    ]


@pytest.mark.parametrize(
    ("answer", "text", "places"),
    [
        ("art", "the art of starting", [(4, 7)]),
        ("art", "of starting", [(5, 8)]),
        ("New  York", "in new\nyork and New York", [(3, 11), (16, 24)]),
        ("c++ (x)", "uses C++ (x).", [(5, 12)]),
        ("absent", "nothing", []),
        ("", "nothing", []),
        ("東京", "在東京都", [(1, 3)]),
    ],
)
def test_an_answer_is_found_as_whole_words_whatever_its_case(
    answer: str, text: str, places: list[tuple[int, int]]
) -> None:
    assert occurrences(answer, text) == places


def test_of_several_accepted_answers_the_first_that_stands_in_the_text_is_marked() -> None:
    assert find_answer(("gone", "here"), "it is here") == [(6, 10)]


@pytest.mark.parametrize("before", [0, 12])
def test_windows_overlap_cover_all_evidence_and_mark_the_answer_wherever_it_is_whole(before: int) -> None:
    shared = span_settings(max_tokens=48)
    with leased_base(shared) as base:
        rows = encoder_for(base, shared).train_rows(questions(3, before))
        assert [row.index for row in rows] == list(range(len(rows)))
        assert (len(rows) > 3) == (before > 0)
        for number, example in enumerate(questions(3, before)):
            own = [row for row in rows if row.window and row.window.example == number]
            seen: set[int] = set()
            for row in own:
                assert row.window and len(row.input_ids) <= 48
                spans = [span for span in row.window.offsets if span]
                assert not seen or spans[0][0] < max(seen)  # overlap
                seen |= {place for a, b in spans for place in range(a, b)}
                starts = [t for t, label in enumerate(row.labels) if label & START]
                ends = [t for t, label in enumerate(row.labels) if label & END]
                if starts == [0]:
                    assert ends == [0]
                    continue
                (start,), (end,) = starts, ends
                first, last = row.window.offsets[start], row.window.offsets[end]
                assert first and last and example.evidence[first[0] : last[1]].strip() == example.target
            assert seen >= {place for place, sign in enumerate(example.evidence) if not sign.isspace()}
            assert any(row.labels[0] == 0 for row in own)


def test_a_question_that_fills_the_window_is_an_error_with_its_mend() -> None:
    shared = span_settings(max_tokens=24)
    with (
        leased_base(shared) as base,
        pytest.raises(DataError, match="s0: .*leaves .* of 24 tokens.*\nTry: dataset.max"),
    ):
        encoder_for(base, shared).train_rows([replace(questions(1)[0], text="why " * 40)])


def test_the_loss_is_the_cross_entropy_of_start_and_end_and_adds_up_right_places() -> None:
    logits = torch.randn(7, 2, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, START, END, START | END, 0, START, END])
    loss = span_losses(logits, labels, (0, 3, 7))
    first = torch.nn.functional.cross_entropy(logits[:3].T, torch.tensor([1, 2]))
    second = (
        -(logits[3:].log_softmax(0)[[0, 2], 0].logsumexp(0) + logits[3:].log_softmax(0)[[0, 3], 1].logsumexp(0)) / 2
    )
    assert torch.allclose(loss, torch.stack([first, second]), atol=1e-6)


def _row(text: str, example: int = 0) -> EncodedRow:
    """A question token, then one token per letter."""
    offsets = (None, *((t, t + 1) for t in range(len(text))))
    return EncodedRow(tuple(range(len(offsets))), (), window=Window(example, text, offsets))


@pytest.mark.parametrize(
    ("text", "answer", "tokens"),
    [
        ("a cafe\u0301 b", "cafe\u0301", [(0, 1), (2, 6), (8, 9)]),  # a combining accent that no token covers
        ("in \u200eParis now", "\u200eParis", [(0, 2), (4, 9), (10, 13)]),  # a mark of direction
        ("है में", "में", [(0, 1), (3, 4)]),  # a vowel sign and a nasal one
    ],
)
def test_an_answer_is_marked_and_found_whole_where_the_tokenizer_drops_its_marks(
    text: str, answer: str, tokens: list[tuple[int, int]]
) -> None:
    row = EncodedRow(tuple(range(1 + len(tokens))), (), window=Window(0, text, (None, *tokens)))
    assert [t for t, label in enumerate(_labels(row, find_answer([answer], text))) if label] == [2]
    logits = torch.zeros(len(row.input_ids), 2)
    logits[2] = 9.0
    assert best_span(row, logits, 1)[1] == answer.lstrip("\u200e")


def test_an_answer_that_a_window_cuts_is_not_marked_in_it() -> None:
    row = EncodedRow((0, 1, 2), (), window=Window(0, "the old town", (None, (4, 7), (8, 12))))
    assert _labels(row, [(0, 7)]) == (START | END, 0, 0)
    assert _labels(row, [(4, 12)]) == (0, START, END)


def test_the_best_span_lies_in_the_evidence_ends_after_it_starts_and_is_not_too_long() -> None:
    logits = torch.zeros(6, 2)
    logits[0] = 99.0  # the question
    logits[4, 0], logits[1, 1] = 5.0, 5.0  # an end before its start
    logits[2, 0], logits[5, 1], logits[3, 1] = 4.0, 4.5, 4.0
    assert best_span(_row("abcde"), logits, 4) == (9.5, "de")
    logits[4, 0] = 0.0
    assert best_span(_row("abcde"), logits, 4) == (8.5, "bcde")
    assert best_span(_row("abcde"), logits, 3) == (8.0, "bc")
    assert best_span(_row(""), logits[:1], 3)[1] == ""


def test_of_the_windows_of_an_example_the_one_with_the_highest_score_counts() -> None:
    rows = [_row("abc", 0), _row("bcd", 0), _row("xyz", 1)]
    assert best_of_windows(rows, [(1.0, "a"), (2.0, "d"), (-3.0, "x")]) == ["d", "x"]


@pytest.mark.parametrize("adaptation", [Adaptation.lora, pytest.param(Adaptation.full, marks=pytest.mark.slow)])
def test_a_tiny_encoder_learns_where_answers_stand(adaptation: Adaptation, tmp_path: Path) -> None:
    rate = 1e-2 if adaptation is Adaptation.lora else 2e-3
    shared = span_settings(max_tokens=64, adaptation=adaptation, epochs=25, learning_rate=rate)
    points = questions(8)
    outcome = job(tmp_path, points, points, shared)
    losses = [row["loss"] for row in log_of(tmp_path)]
    assert losses[-1] < losses[0] / 2
    right = [text == point.target for text, point in zip(texts(outcome), points, strict=True)]
    assert sum(right) >= 0.7 * len(points), texts(outcome)


def test_fused_cells_come_out_as_alone_and_say_how_to_read_them(tmp_path: Path) -> None:
    shared = span_settings(launch={"cells": 2})
    cells = [cell(tmp_path / f"together-{seed}", questions(), questions(5, 4), shared, seed) for seed in range(2)]
    together = without_errors(fit(cells, shared.launch))
    for seed, outcome in enumerate(together):
        release_base()
        alone = job(tmp_path / f"alone-{seed}", questions(), questions(5, 4), shared, seed)
        assert adapter_distance(adapter(tmp_path / f"alone-{seed}"), adapter(tmp_path / f"together-{seed}")) < 1e-3
        assert texts(alone) == texts(outcome)
        assert len(alone.predictions) == 5
    info = json.loads((tmp_path / "alone-0" / adapters.FOLDER / adapters.INFO).read_text())
    assert (info["head"], info["classes"], info["answer_tokens"]) == ("span", None, 12)
