"""The headers of the audio files, by hand: what is written while a conversation runs must open after a crash.

The libraries write the sizes when a file is closed. Here the header is simply written anew, in place, as the file
grows; and a reader of recordings goes by the size of the file.

Source: Multimedia Programming Interface and Data Specifications 1.0 (RIFF WAVE); RFC 2361 (format tags).
"""

import struct
from typing import Final

from realtime_engine.audio import AudioFormat, FormatType

_TAGS: Final[dict[FormatType, int]] = {"audio/pcm": 1, "audio/pcmu": 7, "audio/pcma": 6}
_LARGEST: Final = 0xFFFF_FFFF  # a WAV's sizes are 32 bits: 24 h of PCM16; a longer file says that it is full


def wav_header(format: AudioFormat, size: int) -> bytes:  # noqa: A002 - the protocol's own word
    """The header for ``size`` bytes of audio. Its length depends on the format only."""
    rate, width = format.sample_rate, format.sample_bytes
    tag = _TAGS[format.type]
    fmt = struct.pack("<HHIIHH", tag, 1, rate, rate * width, width, 8 * width)
    if tag == 1:
        chunks = _chunk(b"fmt ", fmt)
    else:
        samples = struct.pack("<I", min(size, _LARGEST))
        chunks = _chunk(b"fmt ", fmt + b"\0\0") + _chunk(b"fact", samples)
    total = 4 + len(chunks) + 8 + size
    riff = b"RIFF" + struct.pack("<I", min(total, _LARGEST)) + b"WAVE"
    return riff + chunks + b"data" + struct.pack("<I", min(size, _LARGEST))


def audio_start(head: bytes) -> int:
    """Where the audio begins in a file, by its first bytes.

    Raises:
        ValueError: It is no WAV of ours.
    """
    start = head.find(b"data")
    if not head.startswith(b"RIFF") or head[8:12] != b"WAVE" or start < 0 or len(head) < start + 8:
        raise ValueError("it is no WAV file")
    return start + 8


def is_pcm16(head: bytes) -> bool:
    """Whether a file of ours holds PCM16, by its first bytes."""
    return head[20:22] == b"\x01\x00"


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body
