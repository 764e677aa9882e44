"""What a model was sent, and what it said, in each connection of a recorded conversation. No file is opened here."""

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from realtime_engine.audio import base64_size, microseconds
from realtime_engine.commands import Connect, Forward, HangUp, Send, Step
from realtime_engine.events import (
    InputAudioBufferAppend,
    InputAudioBufferClear,
    InputAudioBufferCommit,
    decode,
    peek_type,
    type_of,
)
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side
from realtime_engine.machine import Close, Frame
from realtime_engine.objects import Json
from realtime_engine.recording.redact import redact

COMMIT: Final = type_of(InputAudioBufferCommit)
_TURN_ENDS: Final = (COMMIT, type_of(InputAudioBufferClear))
_APPEND: Final = type_of(InputAudioBufferAppend)
_FAILED: Final = 1011  # RFC 6455, section 7.4.1: something unexpected kept the server from going on


class Amount(NamedTuple):
    """How much microphone audio a model has been sent. A later amount is greater.

    Attributes:
        turns: How often the client has committed or cleared the audio.
        size: Bytes since then; how they were cut into messages does not count.
    """

    turns: int = 0
    size: int = 0


class Sent(NamedTuple):
    """An event that a model was sent, after so much audio. Its secrets are replaced, as in a recording."""

    type: str
    value: Json
    audio: Amount


class Heard(Struct, frozen=True):
    """An event of the recording.

    Attributes:
        at: When it was sent, in seconds.
        gap: Seconds since whatever came before it, in either direction.
        cues: How many cues of the model came before it.
    """

    at: float
    gap: float
    sent: Sent
    cues: int


class Cue(Struct, frozen=True):
    """Something that the model said, and what it had been sent before it.

    Messages that came at one instant, one after the other, were all on their way before the first was answered.

    Attributes:
        output: A frame, or the end of the connection.
        gap: Seconds since whatever came before it, in either direction.
        heard: How many events the model had been sent.
        audio: How much audio the model had been sent.
    """

    output: Frame | Close
    gap: float
    heard: int
    audio: Amount


class Script(Struct, frozen=True):
    """One connection to the model. If it was never ``opened``, the model heard nothing, and refused."""

    opened: bool
    heard: tuple[Heard, ...]
    cues: tuple[Cue, ...]


class Ear:
    """Counts the microphone audio of a connection, and reads everything else."""

    def __init__(self) -> None:
        self.audio = Amount()

    def hear(self, frame: Frame) -> Sent | None:
        """The event that a frame is; None: it was audio."""
        size = _audio_size(frame)
        if size is not None:
            self.audio = Amount(self.audio.turns, self.audio.size + size)
            return None
        sent = Sent(*_read(frame), self.audio)
        if sent.type in _TURN_ENDS:
            self.audio = Amount(self.audio.turns + 1)
        return sent


def sent(step: Step, side: Side) -> Iterator[Frame]:
    """What a step sends to a side, in order."""
    for command in step.commands:
        match command:
            case Forward() if isinstance(step.input, Message) and step.input.side is side.other:
                yield Frame(bytes(step.input.raw), step.input.kind)
            case Send(side=to, raw=raw, kind=kind) if to is side:
                yield Frame(raw, kind)


def scripts(steps: Iterable[Step]) -> list[Script]:
    """The script of each connection to the model, in order.

    All that the model said is held in memory: 64 kB for a second of speech.

    Raises:
        RecordingError: The steps cannot be read to their end.
    """
    connections: list[_Connection] = []
    over = False
    for step in steps:
        if connections:
            connections[-1].take(step)
        for command in step.commands:
            if isinstance(command, Connect):
                connections.append(_Connection(step.at))
            over = over or isinstance(command, HangUp)
    if connections and not over:
        connections[-1].cut_off()
    return [connection.script for connection in connections]


def refusal(reason: str) -> Script:
    """The script of a connection that is refused at once."""
    return Script(opened=False, heard=(), cues=(Cue(Close(_FAILED, reason), 0.0, 0, Amount()),))


class _Connection:
    """Writes the script of one connection."""

    def __init__(self, at: float) -> None:
        self._opened = False
        self._closed = False
        self._last = at
        self._ear = Ear()
        self._batch: tuple[float, int, Amount] | None = None  # when its messages came, and what had been sent before
        self._heard: list[Heard] = []
        self._cues: list[Cue] = []

    @property
    def script(self) -> Script:
        return Script(self._opened, tuple(self._heard), tuple(self._cues))

    def take(self, step: Step) -> None:
        match step.input:
            case Message(side=Side.UPSTREAM, raw=raw, kind=kind):
                self._say(step.at, Frame(bytes(raw), kind))
            case Closed(side=Side.UPSTREAM, code=code, reason=reason):
                self._closed = True
                self._say(step.at, Close(code, reason))
            case Opened(side=Side.UPSTREAM):
                self._opened = True
                self._last = step.at
                self._batch = None
            case _:
                self._batch = None
        for frame in sent(step, Side.UPSTREAM):
            gap, self._last = microseconds(step.at - self._last), step.at
            event = self._ear.hear(frame)
            if event is not None:
                self._heard.append(Heard(step.at, gap, event, len(self._cues)))

    def cut_off(self) -> None:
        """The recording ends, and the conversation had not."""
        self._batch = None
        if not self._closed:
            self._say(self._last, Close(_FAILED, "the recording ends here, before its conversation did"))

    def _say(self, at: float, output: Frame | Close) -> None:
        if self._batch is None or self._batch[0] != at:
            self._batch = at, len(self._heard), self._ear.audio
        _, heard, audio = self._batch
        self._cues.append(Cue(output, microseconds(at - self._last), heard, audio))
        self._last = at


def _audio_size(frame: Frame) -> int | None:
    """Bytes of microphone audio in a frame; None: it is not an ``append``."""
    try:
        if frame.kind is Kind.BINARY or peek_type(frame.raw) != _APPEND:
            return None
        event = decode(frame.raw)
    except msgspec.DecodeError:
        return None
    return base64_size(b'"%b"' % event.audio.encode()) if isinstance(event, InputAudioBufferAppend) else None


def _read(frame: Frame) -> tuple[str, Json]:
    """The type and the value of an event. What is none has a type in words."""
    if frame.kind is Kind.BINARY:
        return "a binary frame", len(frame.raw)
    try:
        value: Json = msgspec.json.decode(redact(frame.raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "a text that is no JSON", frame.raw.decode(errors="replace")
    kind = value.get("type") if isinstance(value, dict) else None
    return (kind if isinstance(kind, str) else "an event without a type"), value
