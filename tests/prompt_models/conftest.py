from pathlib import Path

import pytest

from littlehuman.prompt_models import batch_api


@pytest.fixture
def endpoint_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no proxy, and no settings of OpenAI's client."""
    monkeypatch.setenv("LITTLEHUMAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def short_listing_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose creation was not confirmed is looked for during 50 ms instead of 30 s."""
    monkeypatch.setattr(batch_api, "LISTING_DELAY_S", 0.05)
