"""Whether the echo canceller can be trusted: it does not say whether it has learnt the way, or has lost it.

What is left of the microphone is laid beside what was played, at every delay that can be: where they are alike the
model is still heard. The person, and a noise, are like nothing that was played. No clock, no canceller in this file.
"""

from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from transports.device.duplex import Block

USUAL: Final = 0.22
"""The correlation of two voices that have nothing to do with each other is seldom more …"""

ENOUGH: Final = 0.15
"""… and what there is more of it is enough from here on: in one look that is clear, or in a few that are less so."""

LOOKS_AT: Final = 0.3
"""Seconds that are compared: less is like many things."""

REACH_SECONDS: Final = 0.5
"""How much longer than through the card alone the way may be: a room, and what has waited."""

PROVEN_AFTER: Final = 2.0
"""Seconds of the model's voice of which nothing may be left until the canceller is trusted: it suppresses much at once,
then lets some through, and only then has learnt."""

_EVERY = 0.05  # seconds between two looks
_RATE = 8000  # samples a second are enough for a voice, roughly: what is compared is thinned out to them
_SILENT = 10.0  # of 32768, about -70 dB: what is softer nobody hears
_PLAYED = 100.0  # of 32768, about -50 dB: something is played

_Line = NDArray[np.float32]


class Doubt:
    """One microphone beside its speaker; there is doubt at the beginning.

    Args:
        rate: The card's samples a second.
        latency: Seconds from the speaker's block to the microphone's, through the card.
    """

    def __init__(self, rate: int, latency: float) -> None:
        self._thin = max(rate // _RATE, 1)
        rate //= self._thin
        self._left = np.zeros(round(LOOKS_AT * rate), np.float32)
        self._played = np.zeros(self._left.size + round((latency + REACH_SECONDS) * rate), np.float32)
        self._look = round(_EVERY * rate)
        self._unseen = 0  # samples
        self._evidence = 0.0  # that the model is heard
        self._proven = 0.0  # seconds

    @property
    def there(self) -> bool:
        """Whether what is left may be the model's own voice."""
        return self._proven < PROVEN_AFTER

    def begin(self) -> None:
        """The way is another one: nothing is known of it."""
        self._evidence = self._proven = 0.0

    def hear(self, left: Block, played: Block) -> bool:
        """Take what is left of a frame, and what was played meanwhile; says whether trust is lost by it."""
        before = self.there
        self._left = _pushed(self._left, self._thinned(left))
        self._played = _pushed(self._played, self._thinned(played))
        self._unseen += left.size // self._thin
        if self._unseen >= self._look:
            self._unseen -= self._look
            self._compare()
        return self.there and not before

    def _compare(self) -> None:
        if _loudness(self._played) < _PLAYED:
            return
        alike = likeness(self._left, self._played) if _loudness(self._left) >= _SILENT else 0.0
        self._evidence = min(max(self._evidence + alike - USUAL, 0.0), ENOUGH)
        self._proven = self._proven + _EVERY if self._evidence < ENOUGH else 0.0

    def _thinned(self, block: Block) -> _Line:
        whole = block[: block.size // self._thin * self._thin]
        thinned: _Line = whole.reshape(-1, self._thin).mean(axis=1, dtype=np.float32)
        return thinned


def likeness(part: _Line, whole: _Line) -> float:
    """How like a part of the whole is to this one, at the place where it is most: 0.0 to 1.0.

    Of both only what changes from sample to sample counts, or all deep voices were alike. A part of the whole that is
    30 dB softer than its loudest counts as if it were not.
    """
    part, whole = np.diff(part), np.diff(whole)
    size = 1 << (whole.size - 1).bit_length()
    products = np.fft.irfft(np.conj(np.fft.rfft(part, size)) * np.fft.rfft(whole, size), size)
    powers = np.cumsum(np.concatenate([[0.0], np.square(whole, dtype=np.float64)]))
    windows = powers[part.size :] - powers[: -part.size]
    windows = np.maximum(windows, windows.max() / 1000)
    power = float(np.dot(part, part))
    if not power or not windows.any():
        return 0.0
    return float((np.abs(products[: windows.size]) / np.sqrt(windows)).max()) / sqrt(power)


def _pushed(line: _Line, block: _Line) -> _Line:
    return np.concatenate([line, block])[-line.size :]


def _loudness(line: _Line) -> float:
    return sqrt(float(np.dot(line, line)) / line.size)
