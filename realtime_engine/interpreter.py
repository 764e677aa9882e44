"""Stands between a session, which hears and says everything in the words of the GA, and sides that speak otherwise.

So whatever a session is bound to, its policy, its limits, what it knows of the conversation, holds for what words mean,
and not for how they are said. What means the same in both passes as it came.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from realtime_engine import events as ev
from realtime_engine.audio import base64_size
from realtime_engine.commands import Command, Send, Span
from realtime_engine.dialect import event_type, renamed, to_beta, to_ga
from realtime_engine.fields import object_at, read_fields
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.options import SessionOptions
from realtime_engine.outbox import Outbox
from realtime_engine.policy import is_plain_append, misread
from realtime_engine.tongues import TONGUES, Tongue

Hear: TypeAlias = Callable[[float, Message], None]
"""Takes a message of one side, and when it came."""

_SPEECH: Final = ev.type_of(ev.ResponseOutputAudioDelta)
_ADDED: Final = ev.type_of(ev.ConversationItemAdded)
_TELLING: Final = (_ADDED, ev.type_of(ev.ConversationItemCreated), ev.type_of(ev.ConversationItemDone))
"""What a server says of an item."""

_MOST_ITEMS: Final = 1000  # of which a front has been told and may yet be told that they are done


class BetaFront:
    """What a front of the beta is told: of an item that it is there, also where a server says only that it is done."""

    def __init__(self) -> None:
        self._there: dict[bytes, None] = {}  # items by their ids as they are written, the oldest first

    def told(self, raw: bytes) -> bytes | None:
        """A frame in the words of the beta; None: it is nothing to the front."""
        name = event_type(raw)
        item_id = object_at("item", read_fields(raw) or {}).get("id") if name in _TELLING else None
        if item_id is None or bytes(item_id) in self._there:
            return to_beta(raw)
        self._there[bytes(item_id)] = None
        if len(self._there) > _MOST_ITEMS:
            del self._there[next(iter(self._there))]
        return to_beta(renamed(raw, name, _ADDED))


class TranslatingOutbox(Outbox):
    """An outbox that tells each side everything in its own words, or nothing where it has none.

    Attributes:
        meant: What the message that is being stepped means in the words of the GA; None where these are its own.
        speech: Which of the model's audio it carries.
    """

    def __init__(self, options: SessionOptions) -> None:
        super().__init__(options.limits)
        self.meant: Message | None = None
        self.speech: Span | None = None
        self.tongue: Tongue = TONGUES[options.upstream_dialect]()
        self._to_front = BetaFront().told if options.dialect == "beta" else _as_it_is

    def do(self, command: Command) -> None:
        """A command of any kind."""
        if isinstance(command, Send) and command.side is Side.FRONT and command.kind is Kind.TEXT:
            said = self._to_front(command.raw)
            if said is not None:
                super().do(Send(Side.FRONT, said, audio=command.audio))
        else:
            super().do(command)

    def forward(self, message: Message) -> None:
        """Pass on the message that is being stepped, as it came if it means the same to both sides."""
        if message.kind is Kind.BINARY:
            super().forward(message)
        elif message.side is Side.FRONT:
            said = self._to_upstream(message.raw)
            if said is message.raw and message is not self.meant:
                super().forward(message)
            else:
                super().send_upstream(said)
        else:
            heard = self._to_front(message.raw)
            if heard is message.raw and message is not self.meant:
                super().forward(message)
            elif heard is not None:
                super().do(Send(Side.FRONT, heard, audio=self.speech))

    def send_upstream(self, raw: bytes, kind: Kind = Kind.TEXT, audio: Span | None = None) -> None:
        """Send a frame to the model, now or when it is there."""
        super().send_upstream(self._to_upstream(raw) if kind is Kind.TEXT else raw, kind, audio)

    def _to_upstream(self, raw: bytes) -> bytes:
        said, lost = self.tongue.say(raw)
        for name in lost:
            self.note(f"the model's server has no {name}: left out")
        return said


class Interpreter:
    """Hears both sides in a session's place, and says it to the session in the words of the GA."""

    def __init__(
        self, options: SessionOptions, out: TranslatingOutbox, *, front_said: Hear, upstream_said: Hear
    ) -> None:
        self._policy = options.policy
        self._beta = options.dialect == "beta"
        self._out = out
        self._front_said = front_said
        self._upstream_said = upstream_said
        self._spoken = 0  # bytes of speech that the model has sent

    def front_said(self, now: float, message: Message) -> None:
        """A message of the front. Only what all readers read alike is translated."""
        raw = message.raw
        self._out.meant = None
        if not self._beta or message.kind is Kind.BINARY or is_plain_append(raw):
            self._front_said(now, message)
            return
        refused = misread(raw, self._policy)
        if refused is not None:
            self._out.refuse(refused)
            return
        said, lost = to_ga(raw)
        for name in lost:
            self._out.note(f"the front asks for {name}, which the protocol no longer has: left out")
        if said is not raw:
            message = self._out.meant = Message(Side.FRONT, Kind.TEXT, said)
        self._front_said(now, message)

    def upstream_said(self, now: float, message: Message) -> None:
        """A message of the upstream; its audio is counted, so that it can be found again."""
        for raw in (message.raw,) if message.kind is Kind.BINARY else self._out.tongue.hear(message.raw):
            meant = message if raw is message.raw else Message(Side.UPSTREAM, Kind.TEXT, raw)
            self._out.meant = None if meant is message else meant
            size = _speech_size(meant)
            self._out.speech = Span(self._spoken, self._spoken + size) if size else None
            self._spoken += size
            self._upstream_said(now, meant)


def _as_it_is(raw: bytes) -> bytes:
    return raw


def _speech_size(message: Message) -> int:
    """Bytes of speech in a message."""
    if message.kind is Kind.BINARY:
        return 0
    plain = ev.read_plain_speech(message.raw)
    if plain is not None:
        return plain[1]
    try:
        event = message.event if message.type == _SPEECH else None
        return base64_size(event.delta) if isinstance(event, ev.ResponseOutputAudioDelta) else 0
    except msgspec.DecodeError:  # no event, or no audio; what that means is for the session to say
        return 0
