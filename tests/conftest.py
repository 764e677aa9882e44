"""What all tests share: hypothesis that repeats itself, an environment without secrets, and a log of one's own."""

from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

settings.register_profile(
    "steady",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],  # that is the computer's fault
    derandomize=True,
    print_blob=True,
)
settings.register_profile("search", settings.get_profile("steady"), derandomize=False, max_examples=2000)
settings.load_profile("steady")  # pytest --hypothesis-profile=search looks further


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on, or spends, the key of whoever runs it."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("ENGINE_TOKEN", raising=False)


@pytest.fixture(autouse=True)
def _own_log() -> Iterator[None]:
    """No test finds the log as another has set it up."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()
