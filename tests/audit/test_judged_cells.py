"""The judge of an audit in a run: asked over HTTP, within the spending limit, cached."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import TINY, claims, compose, write_csv
from fake_endpoint import FakeEndpoint, Reply, says

from littlehuman import pipeline
from littlehuman.config.identity import run_id
from littlehuman.config.run_config import RunConfig
from littlehuman.errors import GenerationError
from littlehuman.runs.status import RunStatus
from littlehuman.schema import PriceConfig


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))


def script(question: str, attempt: int) -> Reply:
    """Writes claims; judges a label right if it is that of the ferry's number: even ones are supported."""
    ferry = int(question.split("Ferry ")[1].split()[0])
    if "Label: " in question:
        return says("Score: 5" if ("Label: True" in question) == (ferry % 2 == 0) else "Score: 1")
    return says(f"Claim: Boat {ferry} is on time || Label: {question.split('Wanted: ')[1]}")


def cell(fake: FakeEndpoint, folder: Path, *overrides: str) -> RunConfig:
    table = write_csv(folder / "claims.csv", ("evidence", "text", "target"), claims(60))
    named = ("dataset=table", f"dataset.path={table}", "prompt_model=openai_compatible", "strategy=zero_shot")
    asked = "strategy.tasks.fv.user='Context: {evidence}\n\nWanted: {label}'"
    config: RunConfig = compose(*TINY, *named, asked, "n_train=24", "synth_frac=1", *overrides)
    price = PriceConfig(prompt=1.0, completion=2.0)
    return replace(
        config, prompt_model=replace(config.prompt_model, base_url=fake.url, retries=0, timeout_s=5.0, price=price)
    )


def prepared(config: RunConfig, folder: Path) -> pipeline.PreparedCell:
    return pipeline.prepare(config, folder, RunStatus(folder))


def test_a_judge_sees_twins_human_points_and_wrong_points_and_is_paid_once(tmp_path: Path) -> None:
    with FakeEndpoint(script) as fake:
        config = cell(fake, tmp_path, "filter@audit.judge=judge", "audit.judge_sample=20")
        found = prepared(config, tmp_path / "one").audit.findings["factuality"]
        before = len(fake.requests)
        again = prepared(config, tmp_path / "two").audit.findings["factuality"]
    assert [found[name]["count"] for name in ("synthetic", "human", "wrong")] == [20, 20, 0]
    assert found["share_right"]["value"] == 1.0 and found["share_right"]["low"] < 1.0
    assert found["cost"]["requests"] == 60 and found["cost"]["usd"] > 0
    assert len(fake.requests) == before and again["cost"]["usd"] == 0, "the cache has the verdicts"


def test_the_judge_keeps_the_spending_limit_and_changes_no_run_id(tmp_path: Path) -> None:
    with FakeEndpoint(script) as fake:
        plain = cell(fake, tmp_path)
        judged = cell(fake, tmp_path, "filter@audit.judge=judge", "audit.judge_sample=20")
        assert run_id(plain) == run_id(judged)
        prepared(plain, tmp_path / "twins")  # they are in the cache now
        limited = replace(judged, launch=replace(judged.launch, max_usd=0.0))
        with pytest.raises(GenerationError, match="launch.max_usd=0"):
            prepared(limited, tmp_path / "limited")


def test_without_a_judge_factuality_is_not_measured(tmp_path: Path) -> None:
    with FakeEndpoint(script) as fake:
        found = prepared(cell(fake, tmp_path), tmp_path / "run").audit.findings["factuality"]
    assert list(found) == ["not measured"]
