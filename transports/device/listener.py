"""Whether the person speaks, heard here and not at the server: at once a suspicion, then certainty or a false alarm.

A machine without a clock: it counts frames of 32 ms. The detector is passed in.
"""

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

import numpy as np

from realtime_engine.sound import Resampler, Samples
from realtime_engine.upstreams.local.frames import DETECTOR_RATE, DETECTOR_SAMPLES, Detector
from realtime_engine.upstreams.local.turns import FRAME_MS

THRESHOLD: Final = 0.5
"""A frame is speech from this probability on."""

SUSPECTED_AFTER: Final = 2
"""Frames of speech in a row that raise the suspicion: single ones are noise."""

CONFIRMED_MS: Final = 200
"""Milliseconds of speech that confirm it …"""

WITHIN_MS: Final = 500
"""… within so many; else it was a false alarm, a cough or a door."""

SILENCE_MS: Final = 500
"""Milliseconds of silence in which the person has finished."""


class Decision(Enum):
    """What has been heard."""

    SUSPECTED = auto()  # it may be speech
    CONFIRMED = auto()  # it is
    DISMISSED = auto()  # it was none
    STOPPED = auto()  # the person has finished


class _State(Enum):
    QUIET = auto()
    SUSPICIOUS = auto()
    SPEECH = auto()


class Listener:
    """One microphone.

    Frames are cut as the audio comes, so that nothing waits. How it comes, in blocks, may tip a decision at the margin:
    what counts is what was decided, which is recorded.
    """

    def __init__(self, detector: Detector, rate: int) -> None:
        self._detector = detector
        self._resampler = Resampler(rate, DETECTOR_RATE, quality="QQ")  # it holds nothing back, and is not for the ear
        self._samples: Samples = np.empty(0, np.float32)
        self._state = _State.QUIET
        self._in_a_row = 0  # frames of speech, or, while there is speech, of silence
        self._speech = 0  # frames of it since it was suspected
        self._frames_since = 0  # then

    def hear(self, samples: Samples) -> Iterator[Decision]:
        """Take what the microphone has recorded, at the rate; give what is decided, in order."""
        self._samples = np.concatenate([self._samples, self._resampler.feed(samples)])
        while self._samples.size >= DETECTOR_SAMPLES:
            frame, self._samples = self._samples[:DETECTOR_SAMPLES], self._samples[DETECTOR_SAMPLES:]
            decision = self._decide(speech=self._detector(frame) >= THRESHOLD)
            if decision is not None:
                yield decision

    def rest(self) -> Decision | None:
        """Somebody else has decided that the person has finished: what is said from now on is new speech."""
        if self._state is not _State.SPEECH:
            return None
        self._state, self._in_a_row = _State.QUIET, 0
        return Decision.STOPPED

    def _decide(self, *, speech: bool) -> Decision | None:
        match self._state:
            case _State.QUIET:
                return self._suspect(speech=speech)
            case _State.SUSPICIOUS:
                return self._confirm(speech=speech)
            case _State.SPEECH:
                return self._stop(speech=speech)

    def _suspect(self, *, speech: bool) -> Decision | None:
        self._in_a_row = self._in_a_row + 1 if speech else 0
        if self._in_a_row < SUSPECTED_AFTER:
            return None
        self._state = _State.SUSPICIOUS
        self._speech = self._frames_since = self._in_a_row
        return Decision.SUSPECTED

    def _confirm(self, *, speech: bool) -> Decision | None:
        self._frames_since += 1
        self._speech += speech
        if self._speech * FRAME_MS >= CONFIRMED_MS:
            self._state, self._in_a_row = _State.SPEECH, 0
            return Decision.CONFIRMED
        if self._frames_since * FRAME_MS >= WITHIN_MS:
            self._state, self._in_a_row = _State.QUIET, 0
            return Decision.DISMISSED
        return None

    def _stop(self, *, speech: bool) -> Decision | None:
        self._in_a_row = 0 if speech else self._in_a_row + 1
        if self._in_a_row * FRAME_MS < SILENCE_MS:
            return None
        self._state, self._in_a_row = _State.QUIET, 0
        return Decision.STOPPED
