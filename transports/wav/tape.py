"""What was heard, on file: the answers alone, and both sides in stereo on one time line. Written as it goes."""

import io
import os
import struct
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.errors import UsageError
from realtime_engine.sound import Resampler, Samples, decode, to_pcm16
from transports.wav import STANDARD
from transports.wav.timeline import Stretch

RATE: Final = 24_000
_STREAMED: Final = 0xFFFFFFFF  # the sizes of a WAV file that is written into a pipe


@dataclass(frozen=True, slots=True)
class Footage:
    """What happened since the last: sounds of both sides, and how far the time line has come, in seconds."""

    said: Sequence[Stretch]
    heard: Sequence[Stretch]
    until: float


class WaveFile:
    """A WAV file, PCM16 at 24 kHz, whose header is right after each write, where it can be changed at all.

    Raises:
        UsageError: The disk is full, or the reader of the pipe has gone.
    """

    def __init__(self, file: io.FileIO, channels: int, name: str) -> None:
        self._file = file
        self._channels = channels
        self._name = name
        self._size = 0
        self._seekable = file.seekable()
        self._put(wave_header(0 if self._seekable else _STREAMED, channels))

    def write(self, pcm: bytes) -> None:
        """Append sound.

        Raises:
            UsageError: As above.
        """
        if not pcm:
            return
        self._put(pcm)
        self._size += len(pcm)
        if self._seekable:
            self._file.seek(0)
            self._put(wave_header(self._size, self._channels))
            self._file.seek(0, os.SEEK_END)

    def _put(self, content: bytes) -> None:
        try:
            while content:
                content = content[self._file.write(content) :]
        except OSError as error:
            raise UsageError(f"{self._name}: cannot be written any more: {error.strerror}") from error


def wave_header(size: int, channels: int) -> bytes:
    """The 44 bytes before so many bytes of PCM16: RIFF, ``fmt ``, ``data``; sizes are of 32 bits."""
    width = 2 * channels
    riff = struct.pack("<4sI4s", b"RIFF", min(size + 36, _STREAMED), b"WAVE")
    format = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, RATE, RATE * width, width, 16)  # noqa: A001
    return riff + format + struct.pack("<4sI", b"data", min(size, _STREAMED))


class Track:
    """One side of the conversation, without gaps, at 24 kHz whatever its format."""

    def __init__(self, format: AudioFormat) -> None:  # noqa: A002 - the protocol's own word
        self._format = format
        self._resampler = Resampler(format.sample_rate, RATE)
        self._end = 0  # in samples of the format

    def put(self, stretches: Sequence[Stretch]) -> Samples:
        """Sound at its place, after silence where there was none; gives what is ready at 24 kHz."""
        parts = [part for start, audio in stretches for part in self._place(start, decode(audio, self._format))]
        return self._ready(parts)

    def until(self, seconds: float, *, last: bool = False) -> Samples:
        """Nothing is heard until then."""
        start = int(seconds * self._format.sample_rate + 1e-6)
        return self._ready(self._place(start, np.zeros(0, np.float32)), last=last)

    def _place(self, start: int, samples: Samples) -> list[Samples]:
        gap = max(0, start - self._end)
        self._end += gap + samples.size
        return [np.zeros(gap, np.float32), samples]

    def _ready(self, parts: Sequence[Samples], *, last: bool = False) -> Samples:
        sound = np.concatenate([np.zeros(0, np.float32), *parts])
        return self._resampler.feed(sound, last=last)


class Tape:
    """The files of one conversation.

    Attributes:
        running: Whether anything is written at all.
    """

    def __init__(self, output: WaveFile | None, mix: WaveFile | None) -> None:
        self.running = output is not None or mix is not None
        self._output = output
        self._mix = mix
        self._busy = Lock()  # a thread may still write when the conversation ends
        self.use(PCM16, PCM16)

    def use(self, said: AudioFormat, heard: AudioFormat) -> None:
        """The formats of the conversation, before any of it is written."""
        self._heard_format = heard
        self._answers = Resampler(heard.sample_rate, RATE)
        self._left, self._right = Track(said), Track(heard)
        self._unmixed = np.zeros(0, np.float32), np.zeros(0, np.float32)

    def write(self, footage: Footage, *, last: bool = False) -> None:
        """Write what happened.

        Raises:
            UsageError: A file cannot be written any more.
        """
        with self._busy:
            if self._output is not None:
                heard = b"".join(stretch.audio for stretch in footage.heard)
                self._output.write(to_pcm16(self._answers.feed(decode(heard, self._heard_format), last=last)))
            if self._mix is not None:
                self._write_mix(self._mix, footage, last=last)

    def _write_mix(self, mix: WaveFile, footage: Footage, *, last: bool) -> None:
        """As far as both sides are known."""
        said, heard = self._unmixed
        until = footage.until
        left = np.concatenate([said, self._left.put(footage.said), self._left.until(until, last=last)])
        right = np.concatenate([heard, self._right.put(footage.heard), self._right.until(until, last=last)])
        both = min(left.size, right.size)
        mix.write(to_pcm16(np.column_stack([left[:both], right[:both]]).ravel()))
        self._unmixed = left[both:], right[both:]


@contextmanager
def open_tape(output: Path | None, mix: Path | None, inputs: Sequence[Path]) -> Iterator[Tape]:
    """Open the files that are asked for; they are complete when the block ends.

    Raises:
        UsageError: A path cannot be written, or would overwrite what is to be spoken.
    """
    if output is not None and output == mix:
        raise UsageError(f"--output and --mix are both {output}: give each its own file")
    with ExitStack() as files:
        yield Tape(_open(files, "--output", output, 1, inputs), _open(files, "--mix", mix, 2, inputs))


def _open(files: ExitStack, flag: str, path: Path | None, channels: int, inputs: Sequence[Path]) -> WaveFile | None:
    if path is None:
        return None
    if path == STANDARD:
        return WaveFile(io.FileIO(sys.stdout.fileno(), "wb", closefd=False), channels, "standard output")
    if path.suffix.lower() not in {".wav", ".wave", ""}:
        raise UsageError(f"{flag} {path}: only WAV can be written; name it {path.with_suffix('.wav').name}")
    if path.exists() and any(each.exists() and path.samefile(each) for each in inputs):
        raise UsageError(f"{flag} {path}: this file is to be spoken; give another name")
    try:
        return WaveFile(files.enter_context(path.open("wb", buffering=0)), channels, str(path))
    except OSError as error:
        raise UsageError(f"{flag} {path}: cannot be written: {error.strerror}") from error
