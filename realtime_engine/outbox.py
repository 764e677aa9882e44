"""What a session wants done in one step, gathered in order.

It knows whether the upstream is there: what is said to it before waits here, bounded, and nothing is lost.
"""

from collections import deque
from enum import Enum, auto
from typing import Final

from realtime_engine.commands import FORWARD, Command, Note, Send, Span
from realtime_engine.events import Error, Event, SessionUpdate, encode
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.objects import ErrorDetail, text
from realtime_engine.options import Limits
from realtime_engine.policy import Refused

_NOTES: Final = 100  # different things a conversation says once; more is a peer that babbles
_NOTE_LENGTH: Final = 500  # characters; some of them may be a peer's own


class Overfull(Exception):  # noqa: N818 - a state, not a mistake
    """A buffer is full: the conversation ends, with this text as its reason."""


class Upstream(Enum):
    """Whether the upstream can be spoken to."""

    AWAITED = auto()  # what is said to it waits
    OPEN = auto()
    LOST = auto()  # and will be there again: what is said to it waits, and what still comes of it is not heard
    GONE = auto()  # for good: what is said to it is said to nobody


class Outbox:
    """The commands of the step under way.

    Attributes:
        upstream: Whether the upstream can be spoken to.
    """

    def __init__(self, limits: Limits) -> None:
        self.upstream = Upstream.AWAITED
        self._limits = limits
        self._pending_bytes = 0
        self._commands: list[Command] = []
        self._pending: deque[Send] = deque()
        self._noted: set[str] = set()
        self._settling = ""
        self._invented = 0

    def take(self) -> list[Command]:
        """The commands gathered so far; the next step starts afresh."""
        commands, self._commands = self._commands, []
        return commands

    def do(self, command: Command) -> None:
        """A command of any kind."""
        self._commands.append(command)

    def forward(self, message: Message) -> None:
        """Pass on the message that is being stepped."""
        if message.side is Side.UPSTREAM or self.upstream is Upstream.OPEN:
            self._commands.append(FORWARD)
        elif self.upstream is not Upstream.GONE:
            self._wait(Send(Side.UPSTREAM, bytes(message.raw), message.kind))

    def to_front(self, event: Event) -> None:
        """Say something to the front."""
        self.do(Send(Side.FRONT, encode(event)))

    def to_upstream(self, event: Event) -> None:
        """Say something to the model, now or when it is there."""
        self.send_upstream(encode(event))

    def settle(self, update: SessionUpdate) -> None:
        """Tell the model the settings with which a connection begins."""
        self._settling = text(update.event_id)
        self.to_upstream(update)

    def note_refusal(self, event: Error) -> None:
        """An upstream takes all of an update or nothing: if it refuses the first, whoever runs the engine must know."""
        error = event.error
        if self._settling and text(error.event_id) == self._settling:
            what = ", ".join(filter(None, (text(error.code), text(error.param))))
            self.note(f"the upstream refuses the settings that it is given first, so none of them holds: {what}")

    def send_upstream(self, raw: bytes, kind: Kind = Kind.TEXT, audio: Span | None = None) -> None:
        """Send a frame to the model, now or when it is there."""
        send = Send(Side.UPSTREAM, raw, kind, audio)
        if self.upstream is Upstream.OPEN:
            self._commands.append(send)
        elif self.upstream is not Upstream.GONE:
            self._wait(send)

    def send_pending(self) -> None:
        """The upstream is there: what waited goes out."""
        self._commands += self._pending
        self._pending.clear()
        self._pending_bytes = 0

    def note(self, what: str) -> None:
        """Something for the log, once."""
        what = what[:_NOTE_LENGTH]
        if what not in self._noted and len(self._noted) < _NOTES:
            self._noted.add(what)
            self._commands.append(Note(what))

    def invent_id(self) -> str:
        """An event id of the engine's own."""
        self._invented += 1
        return f"event_engine_{self._invented}"

    def with_id(self, raw: bytes) -> bytes:
        """An event that has no id, with one of the engine's own, so that an error can name it."""
        return b'{"event_id":"%b",%b' % (self.invent_id().encode(), raw.lstrip()[1:])

    def error(
        self,
        code: str,
        message: str,
        *,
        kind: str = "invalid_request_error",
        param: str | None = None,
        event_id: str | None = None,
    ) -> Error:
        """An ``error`` event of the engine's own; ``event_id`` names the client's event that it answers."""
        detail = ErrorDetail(type=kind, code=code, message=message, param=param, event_id=event_id)
        return Error(event_id=self.invent_id(), error=detail)

    def refuse(self, refused: Refused) -> None:
        """Tell the front that its event went nowhere, and why."""
        self.to_front(self.error(refused.code, refused.message, param=refused.param, event_id=refused.event_id))

    def _wait(self, send: Send) -> None:
        self._pending.append(send)
        self._pending_bytes += len(send.raw)
        if self._pending_bytes > self._limits.pending_bytes:
            raise Overfull(f"more than {self._limits.pending_bytes} bytes wait for the upstream")
