"""A small session to be recorded and replayed, and how to record it."""

from collections.abc import Sequence
from math import inf
from pathlib import Path

from realtime_engine.audio import encode_base64
from realtime_engine.commands import FORWARD, Command, HangUp, Note, Send, Span, Step
from realtime_engine.inputs import Closed, Input, Kind, Message, Opened, Side
from realtime_engine.options import SessionOptions
from realtime_engine.recording.about import About
from realtime_engine.recording.writer import Recorder

TICK = b'{"type":"tick"}'
Inputs = Sequence[tuple[float, Input]]


class Parrot:
    """Passes text on, sends audio of the front upstream by eight bytes, and ticks a second after each text of it."""

    def __init__(self, tick: bytes = TICK) -> None:
        self.deadline = inf
        self._tick = tick
        self._unsent = b""
        self._sent = 0

    def advance(self, now: float) -> Sequence[tuple[float, Sequence[Command]]]:
        if now < self.deadline:
            return []
        at, self.deadline = self.deadline, inf
        return [(at, [Send(Side.FRONT, self._tick)])]

    def step(self, now: float, given: Input) -> Sequence[Command]:
        match given:
            case Message(kind=Kind.BINARY, raw=raw):
                self._unsent += raw
                return list(self._send())
            case Message(side=side):
                self.deadline = now + 1.0 if side is Side.FRONT else self.deadline
                return [FORWARD]
            case Closed():
                self.deadline = inf
                return [HangUp(1000, "the front has left")]
            case _:
                return [Note("something happened")]

    def _send(self) -> Sequence[Send]:
        sends = []
        while len(self._unsent) >= 8:
            audio, self._unsent = self._unsent[:8], self._unsent[8:]
            raw = b'{"type":"input_audio_buffer.append","audio":"%b"}' % encode_base64(audio)
            sends.append(Send(Side.UPSTREAM, raw, audio=Span(self._sent, self._sent + 8)))
            self._sent += 8
        return sends


def speech(audio: bytes) -> Message:
    return Message(Side.FRONT, Kind.BINARY, audio)


def text(raw: bytes, side: Side = Side.FRONT) -> Message:
    return Message(side, Kind.TEXT, raw)


def delta(audio: bytes) -> Message:
    return text(b'{"type":"response.output_audio.delta","delta":"%b"}' % encode_base64(audio), Side.UPSTREAM)


TALK: Inputs = (
    (0.0, Opened(Side.FRONT)),
    (0.1, speech(b"abcdef")),
    (0.2, speech(b"ghijkl")),
    (0.3, text(b'{"type":"hello"}')),
    (0.4, delta(b"xyz!")),
    (2.0, text(b'{"type":"bye"}')),
    (2.5, Closed(Side.FRONT)),
)
"""A short talk: audio both ways, a timer at 1.3 s, an end before the second."""


def steps_of(inputs: Inputs, session: Parrot | None = None) -> list[Step]:
    """What a session makes of inputs."""
    session = session or Parrot()
    steps = []
    for at, given in inputs:
        steps += [Step(due, None, commands) for due, commands in session.advance(at)]
        steps.append(Step(at, given, session.step(at, given)))
    return steps


def about(options: SessionOptions | None = None) -> About:
    options = options or SessionOptions()
    return About(engine="0.1", started="2026-11-20T19:31:07.000+00:00", front="wav", upstream="local", options=options)


def unwarned(text: str) -> None:
    raise AssertionError(f"warned: {text}")


def record(
    folder: Path, inputs: Inputs = TALK, *, end: float | None = 3.0, options: SessionOptions | None = None
) -> Path:
    """Record a talk with the parrot; without ``end`` it is cut off."""
    folder.mkdir(parents=True)
    with Recorder(folder, about(options), unwarned) as recorder:
        recorder.record_all(steps_of(inputs))
        if end is not None:
            recorder.end(end, "the front has left")
    return folder
