"""Stands between a front that speaks the beta and a session, which hears and says everything in the words of the GA.

So whatever a session is bound to, its policy, its limits, its recording of what the model is told, holds for what a
client's words mean, and not for how they are said.
"""

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from realtime_engine import events as ev
from realtime_engine.audio import base64_size
from realtime_engine.commands import Command, Send, Span
from realtime_engine.dialect import to_beta, to_ga
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.options import Limits, Policy
from realtime_engine.outbox import Outbox
from realtime_engine.policy import is_plain_append, misread

Hear: TypeAlias = Callable[[float, Message], None]
"""Takes a message of one side, and when it came."""

_SPEECH: Final = ev.type_of(ev.ResponseOutputAudioDelta)


class BetaOutbox(Outbox):
    """An outbox whose front is told everything in the words of the beta, or nothing where the beta has none.

    Attributes:
        heard: What the front has said in this step, in the words of the GA; None where these are its own.
        speech: Which of the model's audio the message carries that is passed on in this step.
    """

    def __init__(self, limits: Limits) -> None:
        super().__init__(limits)
        self.heard: Message | None = None
        self.speech: Span | None = None

    def do(self, command: Command) -> None:
        """A command of any kind."""
        if isinstance(command, Send) and command.side is Side.FRONT:
            self._tell(command)
        else:
            super().do(command)

    def forward(self, message: Message) -> None:
        """Pass on the message that is being stepped, as it came if it means the same in both."""
        if message is self.heard:
            self.send_upstream(message.raw)
        elif message.side is Side.FRONT or message.kind is Kind.BINARY:
            super().forward(message)
        else:
            said = to_beta(message.raw)
            if said is message.raw:
                super().forward(message)
            elif said is not None:
                super().do(Send(Side.FRONT, said, audio=self.speech))

    def _tell(self, command: Send) -> None:
        said = to_beta(command.raw) if command.kind is Kind.TEXT else command.raw
        if said is not None:
            super().do(Send(command.side, said, command.kind, command.audio))


class Interpreter:
    """Hears both sides in a session's place, and says it to the session in the words of the GA."""

    def __init__(self, policy: Policy, out: BetaOutbox, *, front_said: Hear, upstream_said: Hear) -> None:
        self._policy = policy
        self._out = out
        self._front_said = front_said
        self._upstream_said = upstream_said
        self._spoken = 0  # bytes of speech that the model has sent

    def front_said(self, now: float, message: Message) -> None:
        """A message of the front. Only what all readers read alike is translated."""
        raw = message.raw
        self._out.heard = None
        if message.kind is Kind.BINARY or is_plain_append(raw):
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
            message = self._out.heard = Message(Side.FRONT, Kind.TEXT, said)
        self._front_said(now, message)

    def upstream_said(self, now: float, message: Message) -> None:
        """A message of the upstream, which speaks the GA; its audio is counted, so that it can be found again."""
        size = _speech_size(message)
        self._out.speech = Span(self._spoken, self._spoken + size) if size else None
        self._spoken += size
        self._upstream_said(now, message)


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
