"""Samples: G.711, resampling, levels. What needs numpy is here, and nothing else is.

Samples are float32 arrays of shape ``(n,)``, full scale ±1.0, unless a name says PCM16.
"""

from typing import Final, Literal, TypeAlias

import numpy as np
import soxr
from numpy.typing import NDArray

from realtime_engine.audio import AudioFormat

Samples: TypeAlias = NDArray[np.float32]
Quality: TypeAlias = Literal["QQ", "LQ", "HQ"]
"""soxr's own names: quick, low, high."""

_PCM16_LE: Final = np.dtype("<i2")
_INDEX_LE: Final = np.dtype("<u2")
_FULL_SCALE: Final = 32768.0


def from_pcm16(pcm: bytes) -> Samples:
    """PCM16 little-endian bytes as samples. The length must be even.

    Raises:
        ValueError: The bytes end within a sample.
    """
    return np.frombuffer(pcm, _PCM16_LE).astype(np.float32) / np.float32(_FULL_SCALE)


def to_pcm16(samples: Samples) -> bytes:
    """Samples as PCM16 little-endian bytes, rounded, clipped at full scale."""
    scaled = np.clip(np.rint(samples * np.float32(_FULL_SCALE)), -32768, 32767)
    return bytes(scaled.astype(_PCM16_LE).data)


def decode(audio: bytes, format: AudioFormat) -> Samples:  # noqa: A002 - the protocol's own word
    """Wire audio as samples, at the format's own rate."""
    if format.type == "audio/pcm":
        return from_pcm16(audio)
    table = _PCMU_DECODED if format.type == "audio/pcmu" else _PCMA_DECODED
    return table[np.frombuffer(audio, np.uint8)].astype(np.float32) / np.float32(_FULL_SCALE)


def encode(samples: Samples, format: AudioFormat) -> bytes:  # noqa: A002 - the protocol's own word
    """Samples at the format's own rate as wire audio."""
    pcm = to_pcm16(samples)
    if format.type == "audio/pcm":
        return pcm
    table = _PCMU_ENCODED if format.type == "audio/pcmu" else _PCMA_ENCODED
    return table[np.frombuffer(pcm, _INDEX_LE)].tobytes()


def rms(samples: Samples) -> float:
    """The root mean square, 0.0 to 1.0; 0.0 of nothing."""
    if not samples.size:
        return 0.0
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


class Resampler:
    """A stream of samples brought to another rate.

    It computes in float32, which gives the same samples on every run and however the input is cut; soxr's
    int16 stream does not (±2). Of chunks of 10 ms at 16 to 48 kHz ``HQ`` holds back up to 40 ms, ``LQ`` up to 21 ms,
    and both give them in bursts; ``QQ`` nothing, and does not filter. From 8 kHz it is three times as much
    (`tests.test_sound`).
    """

    def __init__(self, from_rate: int, to_rate: int, *, quality: Quality = "HQ") -> None:
        self._stream = (
            None if from_rate == to_rate else soxr.ResampleStream(from_rate, to_rate, 1, "float32", quality=quality)
        )

    def feed(self, samples: Samples, *, last: bool = False) -> Samples:
        """Take samples, give those that are ready; with ``last`` all that remain."""
        if self._stream is None:
            return samples
        out: Samples = self._stream.resample_chunk(samples, last=last)
        return out


def resample(samples: Samples, from_rate: int, to_rate: int) -> Samples:
    """All samples at once at another rate."""
    return Resampler(from_rate, to_rate).feed(samples, last=True)


def _pcmu_decoded() -> NDArray[np.int16]:
    """The 256 values of mu-law (ITU-T G.711, table 2a), 14 bits scaled to 16."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4) & 7, (code & 15).astype(np.int32)
    magnitude = ((mantissa << 3) + 0x84 << exponent.astype(np.int32)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _pcma_decoded() -> NDArray[np.int16]:
    """The 256 values of A-law (ITU-T G.711, table 1a), 13 bits scaled to 16."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = ((code >> 4) & 7).astype(np.int32), (code & 15).astype(np.int32)
    magnitude = np.where(exponent, (mantissa << 4) + 0x108 << np.maximum(exponent - 1, 0), (mantissa << 4) + 8)
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _encoded(decoded: NDArray[np.int16]) -> NDArray[np.uint8]:
    """The nearest code of every PCM16 value, in a table that is indexed by its bits as unsigned."""
    order = np.argsort(decoded, kind="stable")
    values = decoded[order].astype(np.int32)
    middles = (values[:-1] + values[1:] + 1) // 2
    pcm = np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
    return order[np.searchsorted(middles, pcm, side="right")].astype(np.uint8)


_PCMU_DECODED: Final = _pcmu_decoded()
_PCMA_DECODED: Final = _pcma_decoded()
_PCMU_ENCODED: Final = _encoded(_PCMU_DECODED)
_PCMA_ENCODED: Final = _encoded(_PCMA_DECODED)
