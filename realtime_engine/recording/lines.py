"""One line of ``events.jsonl`` and one input or command of a session: the same thing in two forms.

No file is opened here: what a line does not hold itself is put away, and fetched, by functions that are passed in.
The format is fixed (docs/recording-format.md): version 1.
"""

from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec
from msgspec import UNSET, Struct, UnsetType

from realtime_engine.commands import (
    FORWARD,
    CancelTool,
    Command,
    Connect,
    Forward,
    HangUp,
    Note,
    RunTool,
    Send,
)
from realtime_engine.inputs import Closed, Input, Message, Opened, Side, Stop, ToolResult
from realtime_engine.recording.frames import Fetch, FrameFields, Keep, frame_fields, restore

Source: TypeAlias = Literal["front", "upstream", "tool", "operator"]
Target: TypeAlias = Literal["front", "upstream", "tool", "log", "both"]


class Came(NamedTuple):
    """An input and its time, in seconds on the session's clock."""

    at: float
    input: Input


class Done(NamedTuple):
    """A command and its time."""

    at: float
    command: Command


class Ending(Struct, frozen=True):
    """How a connection ended; see `Closed`."""

    connection: int
    code: int
    reason: str


class Line(FrameFields, frozen=True, kw_only=True, rename={"source": "from"}):
    """One line, decoded. Besides ``n`` and ``at`` it has ``from`` (an input), ``to`` (a command) or ``end``.

    Attributes:
        n: The number of the input, from 1; of a command: the number of the last input before it.
        at: Seconds on the session's clock.
        same: The command passes on the message of line ``n``.
        end: Why the conversation ended; the last line of a complete recording.
    """

    n: int
    at: float
    source: Source | UnsetType = UNSET
    to: Target | UnsetType = UNSET
    opened: int | UnsetType = UNSET
    closed: Ending | UnsetType = UNSET
    result: ToolResult | UnsetType = UNSET
    stop: Stop | UnsetType = UNSET
    same: Literal[True] | UnsetType = UNSET
    connect: int | UnsetType = UNSET
    run: RunTool | UnsetType = UNSET
    cancel: CancelTool | UnsetType = UNSET
    note: str | UnsetType = UNSET
    hang_up: HangUp | UnsetType = UNSET
    end: str | UnsetType = UNSET


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Line).decode


def read_line(text: bytes) -> Line:
    """Decode a line.

    Raises:
        ValueError: It is none; the message says why.
    """
    try:
        return _decode(text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def input_line(n: int, at: float, given: Input, keep: Keep) -> bytes:
    """The line for an input, without its line feed."""
    match given:
        case Message():
            return message_line(n, at, given, keep)
        case Opened(side=side, connection=connection):
            return _encode(Line(n=n, at=at, source=side.value, opened=connection))
        case Closed(side=side):
            ending = Ending(given.connection, given.code, given.reason)
            return _encode(Line(n=n, at=at, source=side.value, closed=ending))
        case ToolResult():
            return _encode(Line(n=n, at=at, source="tool", result=given))
        case _:
            return _encode(Line(n=n, at=at, source="operator", stop=given))


def command_line(n: int, at: float, command: Command, keep: Keep, passed_on: Side) -> bytes:
    """The line for a command, without its line feed. ``passed_on`` is who gets a message that is forwarded."""
    match command:
        case Forward():
            return same_line(n, at, passed_on)
        case Send(side=side, raw=raw, kind=kind):
            return _frame_line(n, at, b"to", side, frame_fields(raw, kind, side.other, keep))
        case Connect(connection=connection):
            return _encode(Line(n=n, at=at, to="upstream", connect=connection))
        case RunTool():
            return _encode(Line(n=n, at=at, to="tool", run=command))
        case CancelTool():
            return _encode(Line(n=n, at=at, to="tool", cancel=command))
        case Note(text=text):
            return _encode(Line(n=n, at=at, to="log", note=text))
        case _:
            return _encode(Line(n=n, at=at, to="both", hang_up=command))


def end_line(n: int, at: float, reason: str) -> bytes:
    """The last line of a complete recording, without its line feed."""
    return _encode(Line(n=n, at=at, end=reason))


def input_of(line: Line, fetch: Fetch) -> Input:
    """The input that a line with ``from`` stands for.

    Raises:
        ValueError: It stands for none, or its audio is not there.
    """
    match line:
        case Line(source="tool", result=ToolResult() as result):
            return result
        case Line(source="operator", stop=Stop() as stop):
            return stop
        case Line(source="front" | "upstream" as name):
            side = Side(name)
        case _:
            raise ValueError("it is no input")
    match line:
        case Line(opened=int(connection)):
            return Opened(side, connection)
        case Line(closed=Ending() as ending):
            return Closed(side, ending.connection, ending.code, ending.reason)
        case _:
            raw, kind = restore(line, fetch)
            return Message(side, kind, raw)


def command_of(line: Line, fetch: Fetch) -> Command:
    """The command that a line with ``to`` stands for; a `Send` comes without its span.

    Raises:
        ValueError: It stands for none, or its audio is not there.
    """
    match line:
        case Line(same=True):
            return FORWARD
        case Line(connect=int(connection)):
            return Connect(connection)
        case Line(run=RunTool() as run):
            return run
        case Line(cancel=CancelTool() as cancel):
            return cancel
        case Line(note=str(text)):
            return Note(text)
        case Line(hang_up=HangUp() as hang_up):
            return hang_up
        case Line(to="front" | "upstream" as name):
            raw, kind = restore(line, fetch)
            return Send(Side(name), raw, kind)
        case _:
            raise ValueError("it is no command")


def message_line(n: int, at: float, given: Message, keep: Keep) -> bytes:
    """The line for a message, without its line feed; what `input_line` gives."""
    return _frame_line(n, at, b"from", given.side, frame_fields(given.raw, given.kind, given.side, keep))


def passed_on_lines(n: int, at: float, given: Message, keep: Keep) -> bytes:
    """Both lines for a message that goes on as it came, each with its line feed: `message_line` and `same_line`."""
    when, fields = _encode(at), frame_fields(given.raw, given.kind, given.side, keep)
    return (_FROM_FRONT if given.side is _FRONT else _FROM_UPSTREAM) % (n, when, fields, n, when)


def same_line(n: int, at: float, passed_on: Side) -> bytes:
    """The line for a message that is forwarded, without its line feed; what `command_line` gives."""
    return b'{"n":%d,"at":%b,"to":"%b","same":true}' % (n, _encode(at), _name(passed_on))


def _frame_line(n: int, at: float, way: bytes, side: Side, fields: bytes) -> bytes:
    return b'{"n":%d,"at":%b,"%b":"%b",%b}' % (n, _encode(at), way, _name(side), fields)


def _name(side: Side) -> bytes:
    return b"front" if side is _FRONT else b"upstream"  # `Enum.value` would cost as much as all the rest


_FRONT: Final = Side.FRONT  # looking up an enum's member is slow
_PASSED_ON: Final = b'{"n":%%d,"at":%%b,"from":"%b",%%b}\n{"n":%%d,"at":%%b,"to":"%b","same":true}\n'
_FROM_FRONT: Final = _PASSED_ON % (b"front", b"upstream")
_FROM_UPSTREAM: Final = _PASSED_ON % (b"upstream", b"front")
