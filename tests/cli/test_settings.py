"""What the session is asked to be, from a file and from flags."""

import json
import tomllib
from pathlib import Path

import pytest
from msgspec import Raw

from cli.options import RunOptions
from cli.settings import model_of, reconnect_of, session_settings
from realtime_engine.errors import UsageError
from realtime_engine.options import NO_SETTINGS, Reconnect


def test_nothing_is_asked_for_without_flags_and_file() -> None:
    assert session_settings(RunOptions()) == NO_SETTINGS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("session.json", '{"audio": {"input": {"turn_detection": null}}, "tools": [{"type": "mcp"}]}'),
        ("session", '{"type": "realtime", "audio": {"input": {"turn_detection": null}}, "tools": [{"type": "mcp"}]}'),
    ],
)
def test_a_json_file_is_the_session_object(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    settings = session_settings(RunOptions(session=tmp_path / name, voice="marin"))

    assert json.loads(bytes(settings)) == {
        "type": "realtime",
        "audio": {"input": {"turn_detection": None}, "output": {"voice": "marin"}},
        "tools": [{"type": "mcp"}],
    }


def test_a_toml_file_is_the_session_object_too(tmp_path: Path) -> None:
    (tmp_path / "session.TOML").write_text("output_modalities = ['text']\n[audio.input.format]\ntype = 'audio/pcmu'\n")

    assert json.loads(bytes(session_settings(RunOptions(session=tmp_path / "session.TOML")))) == {
        "type": "realtime",
        "output_modalities": ["text"],
        "audio": {"input": {"format": {"type": "audio/pcmu"}}},
    }


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("gone.json", None, "cannot be read: No such file"),
        ("list.json", b"[]", "not a session: it must be a JSON object"),
        ("broken.json", b'{"type":', "not JSON: Input data was truncated"),
        ("really.json", b"type = 'realtime'", "TOML files end in .toml"),
        ("broken.toml", b"type = \n", "not TOML: .*line 1"),
        ("latin.json", b'{"instructions": "\xe4"}', "not UTF-8"),
    ],
)
def test_a_file_that_is_no_session_is_named(tmp_path: Path, name: str, content: bytes | None, what: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(UsageError, match=f"--session .*{name}: .*{what}"):
        session_settings(RunOptions(session=tmp_path / name))


def test_dates_in_toml_are_written_as_json_writes_them(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text("[metadata]\nday = 2026-11-20\n")

    assert json.loads(bytes(session_settings(RunOptions(session=tmp_path / "session.toml"))))["metadata"] == {
        "day": "2026-11-20"
    }


def test_the_object_itself_counts_where_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text('{"instructions": "Be long."}')
    table = tomllib.loads("[audio.output]\nspeed = 1.1\n")

    options = RunOptions(voice="marin")

    assert json.loads(bytes(session_settings(options, session=table))) == {
        "type": "realtime",
        "audio": {"output": {"speed": 1.1, "voice": "marin"}},
    }
    assert table == {"audio": {"output": {"speed": 1.1}}}
    assert json.loads(bytes(session_settings(RunOptions(session=tmp_path / "session.json"), session=table))) == {
        "type": "realtime",
        "instructions": "Be long.",
    }


@pytest.mark.parametrize(
    ("settings", "model"), [('{"model": "gpt-realtime"}', "gpt-realtime"), ('{"model": 1}', None), ("null", None)]
)
def test_the_settings_say_which_model_is_wanted(settings: str, model: str | None) -> None:
    assert model_of(Raw(settings.encode())) == model


def test_how_a_lost_model_is_come_back_to_is_checked() -> None:
    assert reconnect_of(RunOptions(reconnect_attempts=2, renew_after=60)) == Reconnect(
        delays=(0.0, 0.5), renew_after=60
    )
    assert reconnect_of(RunOptions(reconnect_attempts=0)) is None
    for wrong in ({"reconnect_attempts": -1}, {"reconnect_attempts": 1001}, {"renew_after": 0.0}):
        with pytest.raises(UsageError, match=r"^--re"):
            reconnect_of(RunOptions(**wrong))
