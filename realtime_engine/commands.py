"""What a session wants done. A driver does it (`realtime_engine.engine`, `realtime_engine.simulate`)."""

from collections.abc import Sequence
from enum import Enum
from typing import Final, NamedTuple, TypeAlias

import msgspec

from realtime_engine.inputs import Input, Kind, Side


class Forward(Enum):
    """Pass the message that was just stepped to the other side, unchanged."""

    FORWARD = "forward"


FORWARD: Final = Forward.FORWARD


class Span(NamedTuple):
    """A stretch of the audio that came from one side, in bytes since the conversation began."""

    start: int
    stop: int


class Send(msgspec.Struct, frozen=True):
    """Send a message of the session's own making, or one that it had held back.

    Attributes:
        side: Who gets it.
        raw: The payload.
        kind: Text or binary.
        audio: Which audio of the *other* side it carries; None where it carries none.
    """

    side: Side
    raw: bytes
    kind: Kind = Kind.TEXT
    audio: Span | None = None


class Connect(msgspec.Struct, frozen=True):
    """Connect to the upstream; `Opened` or `Closed` with this number follows."""

    connection: int


class RunTool(msgspec.Struct, frozen=True):
    """Run a tool; `ToolResult` follows. ``arguments`` is the model's JSON text, unchecked."""

    call_id: str
    name: str
    arguments: str


class CancelTool(msgspec.Struct, frozen=True):
    """Nobody waits for this call any more."""

    call_id: str


class Note(msgspec.Struct, frozen=True):
    """A line for the log: something unexpected that was carried on, said once."""

    text: str


class HangUp(msgspec.Struct, frozen=True):
    """End the conversation: both sides are closed with this code, and told the reason."""

    code: int
    reason: str


Command: TypeAlias = Forward | Send | Connect | RunTool | CancelTool | Note | HangUp


class Step(NamedTuple):
    """One step of a session: when, what came (None: a timer), and what the session wanted done."""

    at: float
    input: Input | None
    commands: Sequence[Command]
