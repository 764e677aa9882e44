"""The lines are exactly those of the format, and say again what they were made from."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from realtime_engine.commands import FORWARD, CancelTool, Command, Connect, HangUp, Note, RunTool, Send
from realtime_engine.inputs import Closed, Input, Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.recording.frames import Place
from realtime_engine.recording.lines import Line, command_line, command_of, end_line, input_line, input_of, read_line


def stays(audio: bytes) -> None:
    """No audio goes anywhere."""


def nothing(place: Place) -> bytes:
    raise AssertionError("there is no audio")


INPUTS: list[tuple[Input, str]] = [
    (Opened(Side.FRONT), '"from":"front","opened":1'),
    (Opened(Side.UPSTREAM, 2), '"from":"upstream","opened":2'),
    (
        Closed(Side.UPSTREAM, 2, 1006, "lost"),
        '"from":"upstream","closed":{"connection":2,"code":1006,"reason":"lost"}',
    ),
    (
        ToolResult("call_1", "42", failed=True),
        '"from":"tool","result":{"call_id":"call_1","output":"42","failed":true}',
    ),
    (
        Stop("the server goes", 2.5, 1012),
        '"from":"operator","stop":{"reason":"the server goes","grace":2.5,"code":1012}',
    ),
    (Message(Side.FRONT, Kind.TEXT, b'{"type":"x"}'), '"from":"front","event":{"type":"x"}'),
    (Message(Side.UPSTREAM, Kind.TEXT, b"{\n}"), '"from":"upstream","raw":"{\\n}"'),
    (Message(Side.UPSTREAM, Kind.TEXT, b"\xff"), '"from":"upstream","raw":{"base64":"/w=="}'),
    (Message(Side.UPSTREAM, Kind.BINARY, b"\xff"), '"from":"upstream","binary":"/w=="'),
]

COMMANDS: list[tuple[Command, str]] = [
    (FORWARD, '"to":"upstream","same":true'),
    (Send(Side.FRONT, b'{"type":"x"}'), '"to":"front","event":{"type":"x"}'),
    (Send(Side.UPSTREAM, b"{}", Kind.BINARY), '"to":"upstream","binary":"e30="'),
    (Connect(2), '"to":"upstream","connect":2'),
    (
        RunTool("call_1", "add", '{"a":1}'),
        '"to":"tool","run":{"call_id":"call_1","name":"add","arguments":"{\\"a\\":1}"}',
    ),
    (CancelTool("call_1"), '"to":"tool","cancel":{"call_id":"call_1"}'),
    (Note("odd"), '"to":"log","note":"odd"'),
    (HangUp(1000, "done"), '"to":"both","hang_up":{"code":1000,"reason":"done"}'),
]


@pytest.mark.parametrize(("given", "fields"), INPUTS)
def test_an_input_has_its_line(given: Input, fields: str) -> None:
    line = input_line(17, 1.234567, given, stays)

    assert line.decode() == f'{{"n":17,"at":1.234567,{fields}}}'
    assert input_of(read_line(line), nothing) == given


@pytest.mark.parametrize(("command", "fields"), COMMANDS)
def test_a_command_has_its_line(command: Command, fields: str) -> None:
    line = command_line(17, 1.234567, command, stays, Side.UPSTREAM)

    assert line.decode() == f'{{"n":17,"at":1.234567,{fields}}}'
    assert command_of(read_line(line), nothing) == command


def test_a_message_of_the_upstream_is_passed_on_to_the_front() -> None:
    assert b'"to":"front","same":true' in command_line(1, 0.0, FORWARD, stays, Side.FRONT)


def test_a_stop_of_a_recording_that_names_no_code_is_what_it_was_then() -> None:
    line = read_line(b'{"n":1,"at":0.5,"from":"operator","stop":{"reason":"bye","grace":2.5}}')

    assert input_of(line, nothing) == Stop("bye", 2.5, 1001)


def test_the_end_has_its_line() -> None:
    line = end_line(17, 60.0, "the front has left")

    assert line == b'{"n":17,"at":60.0,"end":"the front has left"}'
    assert read_line(line).end == "the front has left"


@given(at=st.integers(min_value=0, max_value=10**11))
def test_any_time_comes_back(at: int) -> None:
    seconds = at / 1e6

    for line in (end_line(0, seconds, ""), command_line(0, seconds, FORWARD, stays, Side.FRONT)):
        assert read_line(line).at == seconds
        assert json.loads(line)["at"] == seconds


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"n":1}',
        b'{"n":"1","at":0.0}',
        b'{"n":1,"at":0.0,"from":"moon"}',
        b'{"n":1,"at":0.0,"event":' + b"[" * 100_000,
    ],
)
def test_what_is_no_line_is_an_error(line: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_line(line)


@pytest.mark.parametrize(
    "fields", ['"from":"front"', '"from":"tool"', '"from":"operator"', '"to":"front"', '"end":"x"']
)
def test_a_line_that_lacks_what_it_is_about_is_no_input(fields: str) -> None:
    line = read_line(b'{"n":1,"at":0.0,%b}' % fields.encode())

    with pytest.raises(ValueError, match=r"it is no input|neither a frame"):
        input_of(line, nothing)


@pytest.mark.parametrize("fields", ['"to":"front"', '"to":"tool"', '"to":"both"', '"to":"log"', '"from":"front"'])
def test_a_line_that_lacks_what_it_is_about_is_no_command(fields: str) -> None:
    line = read_line(b'{"n":1,"at":0.0,%b}' % fields.encode())

    with pytest.raises(ValueError, match=r"it is no command|neither a frame"):
        command_of(line, nothing)


def test_the_lines_of_the_documentation_are_lines_of_the_format() -> None:
    text = (Path(__file__).parent.parent.parent / "docs" / "recording-format.md").read_text("utf-8")
    examples = [line.replace("{…}", "{}").replace('"…"', '"YQ=="') for line in re.findall(r'`(\{"n":.*\})`', text)]

    kinds = [type(_said(read_line(example.encode()))).__name__ for example in examples]

    assert kinds == [
        *("Opened", "Message", "Message", "Closed", "ToolResult", "Stop"),
        *("Forward", "Send", "Connect", "RunTool", "CancelTool", "Note", "HangUp", "str"),
    ]


def _said(line: Line) -> Input | Command | str:
    if isinstance(line.end, str):
        return line.end
    return command_of(line, nothing) if line.source is UNSET else input_of(line, nothing)
