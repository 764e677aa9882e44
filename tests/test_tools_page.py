"""What docs/tools.md shows works as it stands there."""

import json
import shlex
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from cli.options import RunOptions
from realtime_engine.commands import RunTool
from realtime_engine.events import EngineToolFailed, encode
from realtime_engine.tool_modules import load_tools
from realtime_engine.tools import LONGEST, THREADS, WAITING
from tests.cli.fake import engine
from tests.pages import blocks, commands, page
from transports.wav.answers import SILENT_FOR

PAGE: Final = page("docs/tools.md")
LIGHTS, HOUSE = blocks(PAGE, "python")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("my_tools.py").write_text(LIGHTS, "utf-8")
    Path("my_house.py").write_text(HOUSE, "utf-8")


def test_the_command_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = commands(PAGE)

    assert engine(*shlex.split(command)[1:], "--speed", "max", "--speech", "tones") == 0
    assert "You said: Good morning" in capsys.readouterr().out


def test_the_functions_do_what_they_say() -> None:
    tools = load_tools("my_tools.py").tools()

    assert [(schema.name, schema.description) for schema in tools.schemas] == [
        ("light", "Light a room."),
        ("rooms", "Say which rooms there are."),
    ]
    properties = json.loads(bytes(tools.schemas[0].parameters))["properties"]
    assert properties["room"] == {"$ref": "#/$defs/Room", "description": "Which one."}
    lit = tools.run(RunTool("call_1", "light", '{"room":"hall","scene":{"brightness":0.4},"minutes":5}'))
    assert lit.output == "hall: 40% warm, 5 minutes"
    assert tools.run(RunTool("call_2", "rooms", "")).output == '["kitchen","hall"]'


def test_the_texts_for_the_model_are_the_real_ones() -> None:
    tools = load_tools("my_tools.py").tools()

    unknown = tools.run(RunTool("call_0", "lihgt", "{}")).output
    wrong = tools.run(RunTool("call_1", "light", '{"room":"hall","scene":{"brightness":"much"}}')).output

    assert unknown in " ".join(PAGE.split())
    assert wrong == "wrong arguments for light: Expected `float`, got `str` - at `$.scene.brightness`"
    assert wrong.replace("`", "") in " ".join(PAGE.split())


def test_the_event_is_the_real_one() -> None:
    (shown,) = [line.strip() for line in PAGE.splitlines() if "engine.tool_failed" in line]
    fields: Any = json.loads(shown)
    kind = EngineToolFailed.__struct_config__.tag

    assert fields.pop("type") == kind
    assert json.loads(encode(EngineToolFailed(**fields))) == json.loads(shown)


def test_options_are_those_of_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    (config,) = blocks(PAGE, "toml")
    read = tomllib.loads(config)
    Path("engine.toml").write_text(config, "utf-8")

    module = load_tools(read["serve"]["tools"])

    assert module.tools(module.Options(**read["tools"])).run(RunTool("call_1", "count", "")).output == "3"
    assert engine("config", "--check", "engine.toml") == 0


@pytest.mark.parametrize(
    "words",
    [
        lambda: f"| `--tool-timeout SECONDS` | {RunOptions().tool_timeout:g} |",
        lambda: f"| `--tools-at-once N` | {RunOptions().tools_at_once} |",
        lambda: f"{WAITING} more wait",
        lambda: f"have {THREADS} threads",
        lambda: f"at most {LONGEST:,} characters",
        lambda: f"gives an answer up after {SILENT_FOR:g} s",
    ],
)
def test_the_numbers_are_the_real_ones(words: Callable[[], str]) -> None:
    assert words() in PAGE
