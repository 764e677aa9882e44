"""Where the person's speech comes from: sound files, and raw PCM or a sound file on standard input.

Whatever its rate and channels, it is read in small pieces, mixed down, and brought to the session's rate.
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO, Final, Protocol, TypeAlias

import numpy as np
import soundfile

from realtime_engine.errors import UsageError
from realtime_engine.sound import Resampler, Samples, from_pcm16
from transports.wav import STANDARD
from transports.wav.cuts import is_cut_off

RAW_RATE: Final = 24_000
"""The rate of raw PCM16 on standard input: what ``--output -`` of a conversation holds."""

_FILE_SECONDS = 1.0  # a piece of a file
_PIPE_SECONDS = 0.1  # a piece of a pipe, which may be a live microphone
_PIPED = "standard input"
_MAGIC = (b"RIFF", b"RF64", b"RIFX", b"fLaC", b"OggS", b"FORM", b"caff", b".snd", b"ID3")


class Source(Protocol):
    """Speech, read in pieces.

    Attributes:
        seconds: How long it is; None: nobody knows.
    """

    seconds: float | None

    def read(self) -> Samples:
        """The next piece, mono, at the rate asked for; empty: it is over.

        Raises:
            UsageError: The file is damaged.
        """

    def close(self) -> None:
        """Let go of the file."""


class FileSource:
    """A sound file that libsndfile reads."""

    def __init__(self, file: Path | IO[bytes], name: str, rate: int) -> None:
        self._name = name
        try:
            self._sound = soundfile.SoundFile(file)
        except soundfile.LibsndfileError as error:
            raise UsageError(
                f"{name}: not a sound file ({_reason(error)}); give WAV, FLAC, Ogg, MP3 or AIFF"
            ) from error
        self._resampler = Resampler(self._sound.samplerate, rate)
        self._block = int(self._sound.samplerate * _FILE_SECONDS)
        self._over = False
        self._busy = Lock()  # a thread may still read when the conversation ends
        frames = self._sound.frames
        self.seconds: float | None = frames / self._sound.samplerate

    def check_end(self) -> None:
        """Read the last sample.

        Raises:
            UsageError: There is none, or it is not where the file says.
        """
        frames = self._sound.frames
        if not frames:
            self.close()
            raise UsageError(f"{self._name}: there is no sound in it")
        try:
            self._sound.seek(frames - 1)
            whole = len(self._sound.read(1)) == 1
            self._sound.seek(0)
        except soundfile.LibsndfileError:
            whole = False
        if not whole:
            self.close()
            raise _cut_off(self._name)

    def read(self) -> Samples:
        """The next second; see `Source.read`."""
        while not self._over:
            try:
                with self._busy:
                    sound = self._sound.read(self._block, dtype="float32", always_2d=True)
            except soundfile.LibsndfileError as error:
                raise UsageError(f"{self._name}: damaged ({_reason(error)}); save it again") from error
            self._over = not len(sound)
            mono = np.nan_to_num(sound.mean(axis=1, dtype=np.float32), posinf=1.0, neginf=-1.0)
            samples = self._resampler.feed(mono, last=self._over)
            if samples.size:
                return samples
        return np.zeros(0, np.float32)

    def close(self) -> None:
        """Let go of the file."""
        with self._busy:
            self._sound.close()


class PipeSource:
    """Raw PCM16 little-endian, mono, 24 kHz, from a pipe that may be live."""

    seconds: float | None = None

    def __init__(self, pipe: io.FileIO, rate: int, begin: bytes) -> None:
        self._pipe = pipe
        self._begin = begin
        self._resampler = Resampler(RAW_RATE, rate)
        self._size = int(RAW_RATE * _PIPE_SECONDS) * 2
        self._over = False

    def read(self) -> Samples:
        """The next tenth of a second; see `Source.read`."""
        while not self._over:
            pcm = self._begin + _read(self._pipe, self._size - len(self._begin))
            self._begin = b""
            self._over = len(pcm) < self._size
            samples = self._resampler.feed(from_pcm16(pcm[: len(pcm) // 2 * 2]), last=self._over)
            if samples.size:
                return samples
        return np.zeros(0, np.float32)

    def close(self) -> None:
        """The pipe is not ours: it stays open."""


Opener: TypeAlias = Callable[[Path, int], Source]
"""Opens a source that was checked, at a sample rate; UsageError: it has gone since."""


@contextmanager
def open_all(paths: Sequence[Path]) -> Iterator[Opener]:
    """Check everything that will be spoken, before anything is; each is opened when its turn has come.

    Raises:
        UsageError: A file is missing, empty, cut off, or no sound; the message names it and the mend.
    """
    for path in paths:
        if path != STANDARD:
            open_file(path, RAW_RATE).close()
    if STANDARD not in paths:
        yield open_file
        return
    if paths.count(STANDARD) > 1:
        raise UsageError("--input - can be given once: standard input has one end")
    pipe = io.FileIO(sys.stdin.fileno(), closefd=False)  # unbuffered: a thread that waits in it blocks nobody
    begin = _begin(pipe)
    if not begin.startswith(_MAGIC):
        yield lambda path, rate: PipeSource(pipe, rate, begin) if path == STANDARD else open_file(path, rate)
        return
    with tempfile.TemporaryFile() as whole:  # libsndfile must be able to go back and forth
        whole.write(begin)
        shutil.copyfileobj(pipe, whole)
        _check_piped(whole)
        yield lambda path, rate: _open_piped(whole, rate) if path == STANDARD else open_file(path, rate)


def open_file(path: Path, rate: int) -> FileSource:
    """Open a sound file and check that it is whole.

    Raises:
        UsageError: It cannot be read; the message names it and the mend.
    """
    try:
        with path.open("rb") as file:
            if not file.read(1):
                raise UsageError(f"{path}: the file is empty; record it again")
            if is_cut_off(file):
                raise _cut_off(str(path))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    source = FileSource(path, str(path), rate)
    source.check_end()
    return source


def _open_piped(whole: IO[bytes], rate: int) -> FileSource:
    whole.seek(0)
    return FileSource(whole, _PIPED, rate)


def _check_piped(whole: IO[bytes]) -> None:
    if is_cut_off(whole):
        raise _cut_off(_PIPED)
    _open_piped(whole, RAW_RATE).check_end()


def _begin(pipe: io.FileIO) -> bytes:
    """The first bytes of standard input.

    Raises:
        UsageError: There are none, or they would have to be typed.
    """
    if pipe.isatty():
        raise UsageError("--input - reads sound from a pipe: engine run --input - < question.wav")
    begin = _read(pipe, 4)
    if not begin:
        raise UsageError("standard input is empty: there is no sound to speak")
    return begin


def _read(pipe: io.FileIO, size: int) -> bytes:
    """So many bytes, or fewer at the end; waits for them."""
    parts: list[bytes] = []
    while size and (part := pipe.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _cut_off(name: str) -> UsageError:
    return UsageError(f"{name}: the file is cut off: it ends before its sound does; copy or record it again")


def _reason(error: soundfile.LibsndfileError) -> str:
    return str(error.error_string).rstrip(".")
