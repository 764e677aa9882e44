"""What the model does with recorded speech: bring it to another format, and trim the silence around it."""

from typing import Final

import numpy as np

from realtime_engine.audio import AudioFormat
from realtime_engine.sound import decode, encode, resample

_SILENCE: Final = 0.01  # of full scale, -40 dB
_MARGIN: Final = 0.05  # seconds kept around what is louder


def converted(audio: bytes, given: AudioFormat, wanted: AudioFormat) -> bytes:
    """The same sound in another format."""
    if given == wanted:
        return audio
    return encode(resample(decode(audio, given), given.sample_rate, wanted.sample_rate), wanted)


def trimmed(audio: bytes, format: AudioFormat) -> bytes:  # noqa: A002 - the protocol's own word
    """Sound without the silence around it; all of it where there is nothing louder than silence."""
    loud = _loud(audio, format)
    if loud is None:
        return audio
    margin = int(_MARGIN * format.sample_rate)
    start, stop = max(0, loud[0] - margin), loud[1] + margin
    return audio[start * format.sample_bytes : stop * format.sample_bytes]


def loud_seconds(audio: bytes, format: AudioFormat) -> float:  # noqa: A002 - the protocol's own word
    """Seconds from the first to the last sample that is louder than silence."""
    loud = _loud(audio, format)
    return 0.0 if loud is None else (loud[1] - loud[0]) / format.sample_rate


def _loud(audio: bytes, format: AudioFormat) -> tuple[int, int] | None:  # noqa: A002
    """The stretch, in samples, in which something is louder than silence."""
    loud = np.flatnonzero(np.abs(decode(audio, format)) > _SILENCE)
    return (int(loud[0]), int(loud[-1]) + 1) if loud.size else None
