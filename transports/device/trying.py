"""Whether a speaker can be heard, and whether a microphone hears: for ``engine devices --test``."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from realtime_engine.sound import Samples, rms
from transports.device.portaudio import SoundDevice, accepted, load, plain_words

TONE_HZ: Final = 440.0
TONE_SECONDS: Final = 0.7
LEVEL_EVERY: Final = 0.25
LISTENED_SECONDS: Final = 4.0

_LOUDNESS = 0.25  # of full scale, -12 dB
_EDGE = 0.02  # seconds in which the tone comes and goes, so that it does not click
_SILENT = 1e-6


def tone(rate: int) -> Samples:
    """The tone that is played, at a sample rate."""
    times = np.arange(int(TONE_SECONDS * rate)) / rate
    edges = np.clip(np.minimum(times, TONE_SECONDS - times) / _EDGE, 0.0, 1.0)
    return (_LOUDNESS * edges * np.sin(2 * np.pi * TONE_HZ * times)).astype(np.float32)


def play_tone(speaker: SoundDevice) -> None:
    """Play a tone, and return when it is over.

    Raises:
        UsageError: The speaker does not work.
    """
    sounddevice = load()
    with plain_words(sounddevice):
        setup = accepted(sounddevice, speaker, "output")
        with sounddevice.OutputStream(
            device=speaker.index, samplerate=setup.rate, channels=setup.channels, dtype="float32"
        ) as stream:
            stream.write(np.ascontiguousarray(np.repeat(tone(setup.rate)[:, None], setup.channels, axis=1)))
            stream.stop()  # once all is heard


def levels(microphone: SoundDevice) -> Iterator[float]:
    """How loud the microphone is, four times a second: decibels below full scale, at least -120.

    Raises:
        UsageError: The microphone does not work.
    """
    sounddevice = load()
    with plain_words(sounddevice):
        setup = accepted(sounddevice, microphone, "input")
        with sounddevice.InputStream(
            device=microphone.index, samplerate=setup.rate, channels=setup.channels, dtype="float32"
        ) as stream:
            for _ in range(round(LISTENED_SECONDS / LEVEL_EVERY)):
                heard, _overflowed = stream.read(round(setup.rate * LEVEL_EVERY))
                yield 20 * float(np.log10(max(rms(heard[:, 0]), _SILENT)))
