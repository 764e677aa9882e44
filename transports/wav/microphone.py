"""The person's sound in frames of 100 ms, on a steady grid, as a microphone gives it.

Speech is read ahead, a second or so; after it silence flows for as long as the microphone is on.
"""

from math import inf
from typing import Final

from realtime_engine.audio import AudioFormat, microseconds
from transports.wav.timeline import Stretch

FRAME: Final = 0.1
"""Seconds a frame."""

_AHEAD = 1.0  # seconds that are read ahead of the mouth


class Microphone:
    """What is said, frame by frame. ``now`` is in seconds on the session's clock, never decreasing.

    Attributes:
        format: The session's input format.
        spoken: Seconds of the source that have been spoken.
    """

    def __init__(self, format: AudioFormat) -> None:  # noqa: A002 - the protocol's own word
        self.format = format
        self.spoken = 0.0
        self._read = bytearray()  # read, and not yet said
        self._speaking = False
        self._ended = False  # the source has no more
        self._next = inf  # when the next frame is whole; inf: the microphone is off

    @property
    def deadline(self) -> float:
        """When `frame` next has one; ``inf``: the microphone is off, or waits for its source."""
        return inf if self._starves else self._next

    @property
    def hungry(self) -> bool:
        """Whether more should be read."""
        return self._speaking and not self._ended and len(self._read) < self.format.size(_AHEAD)

    @property
    def on(self) -> bool:
        """Whether it is switched on."""
        return self._next < inf

    @property
    def speaking(self) -> bool:
        """Whether a source is being spoken."""
        return self._speaking

    def speak(self, now: float) -> None:
        """Begin with a new source; switches the microphone on."""
        self._speaking, self._ended, self.spoken = True, False, 0.0
        if not self.on:
            self._next = microseconds(now + FRAME)

    def feed(self, now: float, audio: bytes) -> None:
        """More of the source; none: it is over. After waiting for it the grid begins anew."""
        waited = self._starves
        self._read += audio
        self._ended = not audio
        if waited:
            self._next = max(self._next, now)
        self._stop_if_over()

    def known(self, now: float) -> float:
        """Until when it is known what was said: the frame that is being filled is not."""
        return min(now, self._next - FRAME)

    def off(self) -> None:
        """Switch the microphone off."""
        self._next = inf

    def frame(self, now: float) -> Stretch | None:
        """The next frame that is whole by ``now``; the last one of a source is filled up with silence."""
        if now < self.deadline:
            return None
        size = self.format.size(FRAME)
        audio = bytes(self._read[:size])
        del self._read[:size]
        self.spoken += self.format.seconds(len(audio))
        self._stop_if_over()
        start = round((self._next - FRAME) * self.format.sample_rate)
        self._next = microseconds(self._next + FRAME)
        return Stretch(start, audio + self.format.silent_byte * (size - len(audio)))

    @property
    def _starves(self) -> bool:
        return self._speaking and not self._ended and len(self._read) < self.format.size(FRAME)

    def _stop_if_over(self) -> None:
        if self._ended and not self._read:
            self._speaking = False
