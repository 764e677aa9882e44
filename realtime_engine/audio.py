"""The arithmetic of audio formats: bytes, milliseconds, and the base64 text that carries them.

No samples are looked at here (that is `realtime_engine.sound`), so that the session can be imported and run
without numpy. Audio is ``bytes`` as on the wire: PCM16 little-endian, or G.711; always mono.
"""

from math import floor
from typing import Final, Literal

import msgspec
import pybase64

FormatType = Literal["audio/pcm", "audio/pcmu", "audio/pcma"]


class AudioFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """A wire format. ``audio/pcm`` is 16-bit at 24 kHz only; ``audio/pcmu`` and ``pcma`` are 8 kHz G.711.

    Source: protocol.md, section 5.
    """

    type: FormatType
    rate: int | None = None

    @property
    def sample_rate(self) -> int:
        """Samples a second."""
        return 24_000 if self.type == "audio/pcm" else 8_000

    @property
    def sample_bytes(self) -> int:
        """Bytes a sample."""
        return 2 if self.type == "audio/pcm" else 1

    @property
    def bytes_per_ms(self) -> int:
        """Bytes a millisecond."""
        return 48 if self.type == "audio/pcm" else 8

    @property
    def silent_byte(self) -> bytes:
        """The byte that silence is made of (G.711: ITU-T, the code of the smallest positive value)."""
        return {"audio/pcm": b"\x00", "audio/pcmu": b"\xff", "audio/pcma": b"\xd5"}[self.type]

    def ms(self, size: int) -> float:
        """Milliseconds that ``size`` bytes last."""
        return size / self.bytes_per_ms

    def seconds(self, size: int) -> float:
        """Seconds that ``size`` bytes last."""
        return size / (self.bytes_per_ms * 1000)

    def size(self, seconds: float) -> int:
        """Bytes of ``seconds`` of audio, in whole samples, rounded down."""
        return int(seconds * self.sample_rate + 1e-6) * self.sample_bytes

    def silence(self, seconds: float) -> bytes:
        """That much silence."""
        return self.silent_byte * self.size(seconds)


PCM16: Final = AudioFormat("audio/pcm", 24_000)
PCMU: Final = AudioFormat("audio/pcmu")
PCMA: Final = AudioFormat("audio/pcma")


def microseconds(seconds: float) -> float:
    """Round a time so that it survives being written down (design rule: times are whole microseconds)."""
    try:
        return floor(seconds * 1e6 + 0.5) / 1e6  # in a third of the time that `round` takes
    except OverflowError:  # infinity
        return seconds


def whole_microseconds_after(seconds: float) -> float:
    """The first whole microsecond that is not before a time: when a timer that is due then can fire."""
    rounded = round(seconds, 6)
    return rounded if rounded >= seconds else round(rounded + 1e-6, 6)


def base64_size(json_string: bytes) -> int:
    """Bytes that a JSON string of base64 stands for, undecoded, with its quotes; 0 of anything else.

    Raises:
        msgspec.DecodeError: It is not a JSON string.
    """
    raw = bytes(json_string)
    if b"\\" in raw:
        raw = b'"%b"' % msgspec.json.decode(raw, type=str).encode()
    padding = raw.count(b"=", -4)
    return max((len(raw) - 2) // 4 * 3 - padding, 0)


def encode_base64(audio: bytes) -> bytes:
    """Standard base64 with padding, as ASCII bytes."""
    return pybase64.b64encode(audio)


def decode_base64(text: bytes | str) -> bytes:
    """Decode standard base64.

    Raises:
        ValueError: It holds anything but the alphabet and its padding.
    """
    return pybase64.b64decode(text, validate=True)
