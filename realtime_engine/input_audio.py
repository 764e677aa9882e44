"""Microphone audio on its way to the model: gathered into messages of a fair size, and the newest kept.

Messages are 8192 bytes, or what there is after 1 s, whichever comes first (design.md, section 3, fixed
default). Where the cuts of the input fall makes no difference to the bytes that go upstream.
"""

from collections import deque
from math import inf
from typing import NamedTuple

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.commands import Span


class Chunk(NamedTuple):
    """Audio for one message, and where it stood in all that the front has sent."""

    audio: bytes
    span: Span


class InputAudio:
    """The buffer between the microphone and the upstream.

    ``now`` is in seconds on the session's clock, never decreasing. Only whole samples leave it.
    """

    def __init__(self, *, flush_bytes: int, flush_seconds: float, format: AudioFormat = PCM16) -> None:  # noqa: A002
        self.format = format
        self._flush_bytes = flush_bytes
        self._flush_seconds = flush_seconds
        self._unsent = bytearray()
        self._received = 0  # bytes, since the conversation began
        self._oldest = inf  # when the first of the unsent bytes came

    @property
    def deadline(self) -> float:
        """When what there is goes upstream though it is not a full message, or ``inf``."""
        return self._oldest + self._flush_seconds

    def append(self, now: float, audio: bytes) -> list[Chunk]:
        """Take audio; give the messages that are full."""
        unsent = self._unsent
        if len(unsent) < self.format.sample_bytes:
            self._oldest = now
        unsent += audio
        self._received += len(audio)
        full = self._full
        if len(unsent) < full:
            return []
        chunks = []
        while len(unsent) >= full:
            chunks.append(self._take(full))
        self._oldest = now if len(unsent) >= self.format.sample_bytes else inf
        return chunks

    def flush(self) -> list[Chunk]:
        """Give what there is, in whole samples: nothing, or one message."""
        self._oldest = inf
        whole = len(self._unsent) // self.format.sample_bytes * self.format.sample_bytes
        return [self._take(whole)] if whole else []

    def stop(self) -> list[Chunk]:
        """The microphone went off: give what there is. Half a sample at the very end is no sound: it is dropped."""
        chunks = self.flush()
        self._unsent.clear()
        return chunks

    def clear(self) -> None:
        """Forget what is not sent."""
        self._unsent.clear()
        self._oldest = inf

    @property
    def _full(self) -> int:
        """The size of a full message: whole samples, and at least one."""
        sample = self.format.sample_bytes
        return max(self._flush_bytes // sample * sample, sample)

    def _take(self, size: int) -> Chunk:
        start = self._received - len(self._unsent)
        chunk = Chunk(bytes(self._unsent[:size]), Span(start, start + size))
        del self._unsent[:size]
        return chunk


class RecentAudio:
    """The newest audio of one upstream connection, found again by the milliseconds the server counts in.

    The server's offsets (``audio_start_ms``, ``audio_end_ms``) count the audio written to its buffer since the
    connection began, over all commits and clears (protocol.md, section 6).
    """

    def __init__(self, *, seconds: float, format: AudioFormat = PCM16) -> None:  # noqa: A002
        self.format = format
        self._seconds = seconds
        self._chunks: deque[Chunk] = deque()
        self._base_ms = 0.0  # what was written in a format that is no more
        self._start = 0  # bytes since then, the oldest kept
        self._stop = 0  # bytes since then, all there ever were

    @property
    def start_ms(self) -> float:
        """The oldest millisecond that is kept."""
        return self._base_ms + self.format.ms(self._start)

    @property
    def stop_ms(self) -> float:
        """The end of all that was written."""
        return self._base_ms + self.format.ms(self._stop)

    def use(self, format: AudioFormat) -> None:  # noqa: A002
        """Audio comes in this format from now on; what was kept in another is let go of, and its time still counts."""
        if format != self.format:
            self._base_ms = self.stop_ms
            self.format = format
            self._chunks.clear()
            self._start = self._stop = 0

    def append(self, chunk: Chunk) -> None:
        """Keep audio, and let go of the oldest that is too much, by whole pieces."""
        self._chunks.append(chunk)
        self._stop += len(chunk.audio)
        limit = self.format.size(self._seconds)
        while self._chunks and self._stop - self._start - len(self._chunks[0].audio) >= limit:
            self._start += len(self._chunks.popleft().audio)

    def between(self, start_ms: float, stop_ms: float) -> bytes:
        """What is still kept of the audio between two offsets, in milliseconds."""
        return b"".join(chunk.audio for chunk in self._chunks)[self._offset(start_ms) : self._offset(stop_ms)]

    def sent_between(self, start_ms: float, stop_ms: float) -> list[Chunk]:
        """The same as it was sent, in pieces of whole samples."""
        sample = self.format.sample_bytes
        start, stop = (self._offset(ms) // sample * sample for ms in (start_ms, stop_ms))
        pieces = []
        for audio, span in self._chunks:
            piece = audio[max(start, 0) : max(stop, 0)]
            if piece:
                begins = span.start + max(start, 0)
                pieces.append(Chunk(piece, Span(begins, begins + len(piece))))
            start, stop = start - len(audio), stop - len(audio)
        return pieces

    def _offset(self, ms: float) -> int:
        """Where a millisecond stands in what is kept."""
        return max(int((ms - self._base_ms) * self.format.bytes_per_ms) - self._start, 0)
