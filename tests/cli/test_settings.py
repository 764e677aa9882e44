"""What the session is asked to be, from a file and from flags."""

import json
from pathlib import Path

import pytest

from cli.settings import session_settings
from realtime_engine.errors import UsageError
from realtime_engine.options import NO_SETTINGS, ToolSchema


def test_nothing_is_asked_for_without_flags_and_file() -> None:
    assert session_settings(None) == NO_SETTINGS


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("session.json", '{"audio": {"input": {"turn_detection": null}}, "tools": [{"type": "mcp"}]}'),
        ("session", '{"type": "realtime", "audio": {"input": {"turn_detection": null}}, "tools": [{"type": "mcp"}]}'),
    ],
)
def test_a_json_file_is_the_session_object(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)

    settings = session_settings(tmp_path / name, voice="marin", tools=(ToolSchema(name="lamp"),))

    assert json.loads(bytes(settings)) == {
        "type": "realtime",
        "audio": {"input": {"turn_detection": None}, "output": {"voice": "marin"}},
        "tools": [
            {"type": "mcp"},
            {
                "type": "function",
                "name": "lamp",
                "description": "",
                "parameters": {"type": "object", "properties": {}},
            },
        ],
    }


def test_a_toml_file_is_the_session_object_too(tmp_path: Path) -> None:
    (tmp_path / "session.TOML").write_text("output_modalities = ['text']\n[audio.input.format]\ntype = 'audio/pcmu'\n")

    assert json.loads(bytes(session_settings(tmp_path / "session.TOML"))) == {
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
        session_settings(tmp_path / name)


def test_dates_in_toml_are_written_as_json_writes_them(tmp_path: Path) -> None:
    (tmp_path / "session.toml").write_text("[metadata]\nday = 2026-11-20\n")

    assert json.loads(bytes(session_settings(tmp_path / "session.toml")))["metadata"] == {"day": "2026-11-20"}
