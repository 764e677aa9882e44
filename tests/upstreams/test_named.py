"""An upstream by what a person calls it."""

from pathlib import Path
from typing import Any

import pytest

from realtime_engine.errors import RecordingError, UsageError
from realtime_engine.upstreams.azure import Azure
from realtime_engine.upstreams.local import Local
from realtime_engine.upstreams.named import upstream_named
from realtime_engine.upstreams.openai import OpenAI
from realtime_engine.upstreams.recorded import Recorded

GOLDENS = Path(__file__).parents[2] / "recordings"


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)


def server(upstream: Any) -> Any:
    assert isinstance(upstream, OpenAI)
    return upstream._server


def test_names_are_those_of_the_plug_ins() -> None:
    assert isinstance(upstream_named("local"), Local)
    assert isinstance(upstream_named(f"recorded:{GOLDENS / 'text-turn'}"), Recorded)


def test_what_stands_behind_a_name_fills_the_field_that_is_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "secret")

    upstream = upstream_named("azure:mine/gpt-realtime")

    assert isinstance(upstream, Azure)
    assert server(upstream).host == "mine.openai.azure.com"


def test_an_address_is_dialled_as_it_is_with_a_key_and_headers() -> None:
    upstream = upstream_named("wss://model.example/v1/realtime?x=1", key="secret", headers={"X-Mine": "7"})

    assert dict(server(upstream).headers) == {"X-Mine": "7", "Authorization": "Bearer secret"}
    assert server(upstream).host == "model.example"


def test_a_key_of_the_environment_is_used_where_none_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")

    assert dict(server(upstream_named("ws://127.0.0.1:8000")).headers) == {"Authorization": "Bearer secret"}
    assert server(upstream_named("openai")).host == "api.openai.com"


@pytest.mark.parametrize(
    ("name", "more", "problem"),
    [
        ("http://127.0.0.1:8000", {}, "the address of a Realtime server begins with wss:// or ws://"),
        ("nobody", {}, "unknown upstream 'nobody'"),
        ("recorded", {}, "recorded needs a path: recorded:PATH"),
        ("local:here", {}, "local takes nothing behind its name: leave :here out"),
        ("local", {"key": "secret"}, "a key and headers are for a server's address, not for 'local'"),
        ("ws://model.example", {"key": "secret"}, "the key would go to model.example in clear text: use wss://"),
        ("wss://model.example", {"key": "se\ncret"}, "Authorization: the value holds what HTTP cannot carry"),
        ("wss://", {"key": "secret"}, "the upstream's address must be a whole ws:// or wss:// URL"),
    ],
)
def test_what_is_wrong_is_named_with_its_mend_and_without_the_key(name: str, more: Any, problem: str) -> None:
    with pytest.raises(UsageError) as raised:
        upstream_named(name, **more)

    assert problem in str(raised.value)
    assert "cret" not in str(raised.value)


def test_a_recording_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecordingError):
        upstream_named(f"recorded:{tmp_path}/none")
