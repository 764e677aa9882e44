"""What happens to a session: everything it ever learns comes in as one of these.

A session that is given the same inputs at the same times gives the same commands, byte for byte; so this is
also what a recording holds. Timers are not inputs: they follow from the times.
"""

from enum import Enum
from typing import TypeAlias

import msgspec

from realtime_engine.events import Event, decode, peek_type


class Side(Enum):
    """The two peers of a conversation.

    Attributes:
        other: The peer on the far side of the session.
    """

    other: "Side"
    FRONT = "front"  # where the person is
    UPSTREAM = "upstream"  # where the model is

    __hash__ = object.__hash__  # an enum's own is written in Python, and this is the data path


Side.FRONT.other, Side.UPSTREAM.other = Side.UPSTREAM, Side.FRONT


class Kind(Enum):
    """The two kinds of WebSocket message (RFC 6455, section 5.6)."""

    TEXT = "text"
    BINARY = "binary"


class Message(msgspec.Struct, eq=False):
    """One message as it came over the wire, decoded only when somebody looks.

    Attributes:
        side: The peer it came from.
        kind: Text (an event in JSON) or binary (PCM16 microphone audio).
        raw: The payload, byte for byte.
    """

    side: Side
    kind: Kind
    raw: bytes
    _type: str | None = None
    _event: Event | None = None

    def __repr__(self) -> str:
        return f"Message({self.side}, {self.kind}, {self.raw[:200]!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Message):
            return NotImplemented
        return self.side is other.side and self.kind is other.kind and self.raw == other.raw

    __hash__ = None  # type: ignore[assignment]  # equal by content, and content may be large

    def kept(self) -> "Message":
        """The same, to be kept: what a link may use again is copied, and what was looked at need not be again."""
        raw = bytes(self.raw)
        if raw is self.raw:
            return self
        kept = Message(self.side, self.kind, raw)
        kept._type = self._type
        return kept

    @property
    def type(self) -> str:
        """The event's type, by a look at the beginning of the text; ``""`` if it has none.

        Raises:
            msgspec.DecodeError: It is not JSON.
        """
        if self._type is None:
            self._type = peek_type(self.raw)
        return self._type

    @property
    def event(self) -> Event:
        """The event, typed; `UnknownEvent` for a type, or a shape, that the engine does not know.

        Raises:
            msgspec.DecodeError: It is not a JSON object.
        """
        if self._event is None:
            self._event = decode(self.raw)
        return self._event


class Batch(list[Message]):
    """Messages of one side that came together.

    Attributes:
        framed: The bytes they came in, where a WebSocket server may send just these: a whole text frame without a mask
            for each message. They are valid until whoever is given the batch returns. Empty: there are none.
    """

    __slots__ = ("framed",)
    framed: memoryview | bytes


class Opened(msgspec.Struct, frozen=True):
    """A peer is connected. An upstream can be connected again; then the number is one higher."""

    side: Side
    connection: int = 1


class Closed(msgspec.Struct, frozen=True):
    """A peer's connection has ended: closed, lost, or never made.

    ``code`` is the WebSocket close code; 1006 where there was none (RFC 6455, section 7.1.5).
    """

    side: Side
    connection: int = 1
    code: int = 1000
    reason: str = ""


class ToolResult(msgspec.Struct, frozen=True):
    """A tool has ended: what it returned, as the text the model gets, or what went wrong."""

    call_id: str
    output: str
    failed: bool = False


class Stop(msgspec.Struct, frozen=True):
    """The operator ends the conversation: at once, or when it falls idle within ``grace`` seconds.

    ``code`` is the WebSocket close code that both sides are given.
    """

    reason: str
    grace: float = 0.0
    code: int = 1001


Input: TypeAlias = Message | Opened | Closed | ToolResult | Stop
