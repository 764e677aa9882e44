"""What goes over a client's wire, as it goes: for logs, and for what the client itself makes nothing of."""

from dataclasses import dataclass
from typing import Literal, cast

import msgspec

from realtime_engine.events import Event
from realtime_engine.inputs import Kind, Message
from realtime_engine.objects import Json


@dataclass(frozen=True, slots=True)
class RawEvent:
    """One event as it went over the wire.

    Attributes:
        at: When, in seconds since the conversation began.
        source: Who has said it.
        message: What was said.
    """

    at: float
    source: Literal["client", "server"]
    message: Message

    @property
    def type(self) -> str:
        """The event's type; ``""`` of what is no event."""
        if self.message.kind is Kind.BINARY:
            return ""
        try:
            return self.message.type
        except msgspec.DecodeError:
            return ""

    @property
    def event(self) -> Event | None:
        """The event, typed; `UnknownEvent` of a type that the engine does not know. None: it is no event."""
        if self.message.kind is Kind.BINARY:
            return None
        try:
            return self.message.event
        except msgspec.DecodeError:
            return None

    @property
    def json(self) -> dict[str, Json]:
        """The event with all its fields.

        Raises:
            msgspec.DecodeError: It is no event.
        """
        return cast("dict[str, Json]", msgspec.json.decode(self.message.raw))
