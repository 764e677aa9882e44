"""A transparent session: the front is itself a Realtime client, and frames pass untouched.

The session only watches: what the front may ask, whether a response is under way, what the conversation uses. It keeps
nothing of what is said.
"""

from collections.abc import Sequence
from math import inf
from typing import Final, cast

from realtime_engine import events as ev
from realtime_engine.inputs import Kind, Message, Side, ToolResult
from realtime_engine.limits import Meter
from realtime_engine.options import NO_SETTINGS, SessionOptions
from realtime_engine.outbox import Outbox, Upstream
from realtime_engine.policy import Changed, Pass, is_plain_append, judge

_READ: Final = frozenset(
    ev.type_of(event) for event in (ev.ResponseCreated, ev.ResponseDone, ev.InputTranscriptionCompleted, ev.Error)
)
"""What a server says that matters here."""

_READ_FOR_COST: Final = _READ | {ev.type_of(ev.SessionCreated), ev.type_of(ev.SessionUpdated)}
"""The same where it matters which models answer."""

_UNREAD: Final = (
    ev.ResponseOutputAudioDelta,
    ev.ResponseOutputAudioTranscriptDelta,
    ev.ResponseOutputTextDelta,
    ev.FunctionCallArgumentsDelta,
    ev.InputTranscriptionDelta,
    ev.ResponseContentPartAdded,
    ev.ResponseContentPartDone,
    ev.ResponseOutputAudioDone,
    ev.ResponseOutputAudioTranscriptDone,
    ev.ResponseOutputItemAdded,
    ev.ResponseOutputItemDone,
    ev.ConversationItemAdded,
    ev.ConversationItemDone,
)
"""What matters to nobody here, a watch neither (`realtime_engine.watch`); the most frequent first."""

_UNREAD_STARTS: Final = tuple(b'{"type":"%b"' % ev.type_of(event).encode() for event in _UNREAD)
"""The same as every known server writes it."""

_MOST_RUNNING: Final = 256  # responses at a time; of more, the oldest have ended without a word

_TEXT, _UPSTREAM, _OPEN = Kind.TEXT, Side.UPSTREAM, Upstream.OPEN  # looking up an enum's member costs as much as a step


class Transparent:
    """What a transparent session does with each message.

    Attributes:
        complaint: The server's last word, if that was an error, and when it said so.
    """

    def __init__(self, options: SessionOptions, out: Outbox, meter: Meter) -> None:
        self._options = options
        self._policy = options.policy
        self._out = out
        self._meter = meter
        self._read = _READ_FOR_COST if meter.counts_cost else _READ
        self._running: dict[str, None] = {}  # responses, in the order of their beginnings
        self.complaint: tuple[float, ev.Error] | None = None

    @property
    def deadline(self) -> float:
        """Nothing is ever due: frames pass as they come."""
        return inf

    @property
    def open_calls(self) -> Sequence[str]:
        """None: a Realtime client answers its calls itself."""
        return ()

    def opened(self) -> None:
        """The client hears the server's own first event, and nothing before it."""

    def upstream_opened(self, now: float) -> None:
        """The settings go first, then all that has waited."""
        if bytes(self._options.settings) != bytes(NO_SETTINGS):
            self._out.settle(ev.SessionUpdate(event_id=self._out.invent_id(), session=self._options.settings))
        self._out.send_pending()

    def advance(self, now: float) -> None:
        """Nothing is ever due."""

    def passes(self, now: float, batch: Sequence[Message]) -> int:
        """How many of the first of one side's messages go on as they came, and say nothing that matters here.

        Nearly all do, and show it at once.
        """
        if self._out.upstream is not _OPEN:
            return 0
        from_upstream = batch[0].side is _UPSTREAM
        passed = 0
        for message in batch:
            raw = message.raw
            plain = raw.startswith(_UNREAD_STARTS) if from_upstream else is_plain_append(raw)
            if not plain or message.kind is not _TEXT:
                break
            passed += 1
        if passed and from_upstream:
            self.complaint = None
        elif passed:
            self._meter.heard_from_front(now)
        return passed

    def front_said(self, now: float, message: Message) -> None:
        """A client's frame, as far as the policy lets it through."""
        if message.kind is Kind.BINARY:
            reason = "Expected a text WebSocket message; binary frames are not supported."
            self._out.to_front(self._out.error("invalid_event", reason))
            return
        verdict = judge(message.raw, self._policy, managed=False)
        if isinstance(verdict, Pass):
            self._out.forward(message)
        elif isinstance(verdict, Changed):
            self._out.note(f"not for the client to set: {verdict.told}")
            self._out.send_upstream(verdict.raw)
        else:
            self._out.refuse(verdict)

    def upstream_said(self, now: float, message: Message) -> None:
        """A server's frame goes on as it came, if it is one."""
        event = message.event if message.kind is Kind.TEXT and message.type in self._read else None
        self._out.forward(message)
        self.complaint = None
        if event is None:
            return
        if isinstance(event, ev.UnknownEvent):
            self._out.note(f"{event.type} in an unknown shape, passed on: {event.problem}")
        elif isinstance(event, ev.ResponseCreated):
            self._running[event.response.id] = None
            if len(self._running) > _MOST_RUNNING:
                del self._running[next(iter(self._running))]
        elif isinstance(event, ev.ResponseDone):
            self._running.pop(event.response.id, None)
            self._meter.responded(event.used)
        elif isinstance(event, ev.InputTranscriptionCompleted):
            self._meter.transcribed(event.usage)
        elif isinstance(event, ev.SessionCreated | ev.SessionUpdated):
            self._meter.session(event.session)
        else:
            error = cast("ev.Error", event)
            self.complaint = (now, error)
            self._out.note_refusal(error)

    def tool_ended(self, now: float, result: ToolResult) -> None:
        """No tool was run here."""

    def front_left(self) -> None:
        """Nothing was held back."""

    def upstream_left(self, now: float) -> None:
        """Nothing was held back."""
        self._running.clear()

    def idle(self, now: float) -> bool:
        """Whether no response is under way."""
        return not self._running

    def silent(self, now: float) -> bool:
        """What the client plays is its own business."""
        return True
