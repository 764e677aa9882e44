"""Whether a sound file is shorter than it says. libsndfile reads such a file to its end and says nothing."""

import os
from typing import IO, Final

_UNKNOWN: Final = 0x7FFF0000
"""Sizes from here on mean that the writer could not know: it wrote into a pipe."""


def is_cut_off(file: IO[bytes]) -> bool:
    """Look at the header of a WAV or AIFF file, and at the last page of an Ogg file; leaves the file anywhere."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    match file.read(4):
        case b"RIFF":
            return _chunk_missing(file, size, b"data", "little")
        case b"FORM":
            return _chunk_missing(file, size, b"SSND", "big")
        case b"OggS":
            return _last_page_missing(file, size)
        case _:
            return False


def _chunk_missing(file: IO[bytes], size: int, name: bytes, order: str) -> bool:
    """Whether the chunk of that name says it is longer than the file (RIFF and IFF: id, size, padding to 2)."""
    at = 12
    while at + 8 <= size:
        file.seek(at)
        header = file.read(8)
        length = int.from_bytes(header[4:], "little" if order == "little" else "big")
        if header[:4] == name:
            return length < _UNKNOWN and at + 8 + length > size
        at += 8 + length + length % 2
    return False


def _last_page_missing(file: IO[bytes], size: int) -> bool:
    """Whether the last page does not say that it is the last (RFC 3533, section 6: header type, 0x04)."""
    file.seek(max(0, size - 65_536))
    tail = file.read()
    page = tail.rfind(b"OggS")
    return page < 0 or len(tail) < page + 6 or not tail[page + 5] & 0x04
