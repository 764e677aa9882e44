"""What all tests share: hypothesis that repeats itself, and an environment without a key."""

import pytest
from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("search", settings.get_profile("steady"), derandomize=False, max_examples=2000)
settings.load_profile("steady")  # pytest --hypothesis-profile=search looks further


@pytest.fixture(autouse=True)
def _no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test depends on, or spends, the key of whoever runs it."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
