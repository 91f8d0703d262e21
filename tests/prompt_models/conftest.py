import pytest

from littlehuman.prompt_models import batch_api


@pytest.fixture
def short_listing_delay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch whose creation was not confirmed is looked for during 50 ms instead of 30 s."""
    monkeypatch.setattr(batch_api, "LISTING_DELAY_S", 0.05)
