"""When a person's turn begins and ends, from the probability of speech in each frame. Nothing else is known here.

    QUIET ── speech ──► RISING ── `START_FRAMES` in a row ──► SPEAKING ── silence, long enough ──► QUIET
                          └── a silent frame ──► QUIET

A single frame over the threshold is no speech: the end of a word that was cut off can look like one.
Source: protocol.md, section 6: all offsets sit on the grid of frames.
"""

from enum import Enum, auto
from typing import Final, NamedTuple, TypeAlias

from realtime_engine.upstreams.local.hearing import Hearing

FRAME_MS: Final = 32
START_FRAMES: Final = 3  # about 100 ms, less than the shortest word


class Started(NamedTuple):
    """Speech began with this frame, counted since the connection began."""

    frame: int


class Stopped(NamedTuple):
    """The turn is over; this is the first frame after the silence that told."""

    frame: int


Change: TypeAlias = Started | Stopped | None


class Turn(Enum):
    """Where a person's turn stands."""

    QUIET = auto()
    RISING = auto()
    SPEAKING = auto()


class Turns:
    """Follows a person's turns."""

    def __init__(self) -> None:
        self.turn = Turn.QUIET
        self._run = 0  # frames in a row: of speech while RISING, of silence while SPEAKING

    def forget(self) -> None:
        """Whatever was being said is of no interest any more."""
        self.turn = Turn.QUIET
        self._run = 0

    def feed(self, frame: int, probability: float, hearing: Hearing) -> Change:
        """Take the next frame."""
        speech = probability >= hearing.threshold
        if self.turn is Turn.SPEAKING:
            self._run = 0 if speech else self._run + 1
            if speech or self._run * FRAME_MS < hearing.silence_ms:
                return None
            self.forget()
            return Stopped(frame + 1)
        self._run = self._run + 1 if speech else 0
        self.turn = Turn.RISING if speech else Turn.QUIET
        if self._run < START_FRAMES:
            return None
        self.turn, self._run = Turn.SPEAKING, 0
        return Started(frame + 1 - START_FRAMES)
