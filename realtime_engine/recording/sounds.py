"""The audio files of a recording, read: WAV as it was recorded, or FLAC as `engine pack` made it.

A line names ``front.wav`` also after it has become ``front.flac``. A header may be older than its file (``kill -9``),
so the file's own size counts.
"""

import os
import re
import tempfile
from pathlib import Path
from typing import Final, Protocol

from realtime_engine.inputs import Side
from realtime_engine.recording.frames import Place, Stored
from realtime_engine.recording.tape import audio_name
from realtime_engine.recording.wav import audio_start

NAME: Final = re.compile(r"(front|upstream)(-[0-9]+)?\.wav")
"""What the engine calls its audio files, before they are packed."""
HEAD: Final = 64
"""Bytes; every header of ours is shorter."""
_AHEAD: Final = 1 << 16  # samples that are decoded at once


class Sound(Protocol):
    """The audio of one file."""

    @property
    def size(self) -> int:
        """Bytes of audio."""

    def read(self, start: int, stop: int) -> bytes:
        """Some of it; less where it ends."""

    def close(self) -> None:
        """Close the file."""


class Sounds:
    """All audio files of a recording; each is opened when it is first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, Sound] = {}

    def fetch(self, place: Place) -> bytes:
        """The audio that a line names.

        Raises:
            ValueError: It is not there; the message says what is missing.
        """
        audio = self._sound(place.file).read(place.start, place.stop)
        if len(audio) != place.stop - place.start or not audio:
            raise ValueError(f"{place.file} ends before byte {place.stop} of its audio")
        return audio

    def find(self, side: Side, start: int, stop: int, audio: bytes) -> Stored | None:
        """Where these bytes stand, if they are this stretch of all the audio of a side, and in one file."""
        number = 1
        while self._path(name := audio_name(side, number)):
            sound = self._sound(name)
            if stop <= sound.size:
                there = start >= 0 and start < stop and sound.read(start, stop) == audio
                return Stored(name, start, stop) if there else None
            start, stop = start - sound.size, stop - sound.size
            number += 1
        return None

    def close(self) -> None:
        """Close the files."""
        for sound in self._open.values():
            sound.close()
        self._open.clear()

    def _sound(self, name: str) -> Sound:
        sound = self._open.get(name)
        if sound is None:
            path = self._path(name)
            if path is None:
                raise ValueError(f"{name} is not there")
            sound = self._open[name] = Wav(path) if path.suffix == ".wav" else Flac(path)
        return sound

    def _path(self, name: str) -> Path | None:
        """The file of this name, as it is now; a name that is not the engine's own leads nowhere."""
        if not NAME.fullmatch(name):
            return None
        wav = self._folder / name
        return next((path for path in (wav, wav.with_suffix(".flac")) if path.is_file()), None)


class Wav:
    """A WAV file of ours: a header, then audio to its end."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDONLY)
        try:
            self._start = audio_start(os.pread(self._file, HEAD, 0))
        except ValueError as error:
            os.close(self._file)
            raise ValueError(f"{path.name}: {error}") from error
        self._size = os.fstat(self._file).st_size - self._start

    @property
    def size(self) -> int:
        """Bytes of audio."""
        return self._size

    def read(self, start: int, stop: int) -> bytes:
        """Some of it; less where it ends."""
        return os.pread(self._file, stop - start, self._start + start)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class Flac:
    """A FLAC file of PCM16. It is decoded once, in order and as far as it is needed, into a file without a name."""

    def __init__(self, path: Path) -> None:
        import soundfile  # only packed recordings need it

        self._error = soundfile.LibsndfileError
        try:
            self._flac = soundfile.SoundFile(path)
        except self._error as error:
            raise ValueError(f"{path.name} cannot be decoded: {error}") from error
        self._name = path.name
        self._decoded = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the object
        self._decoded_size = 0

    @property
    def size(self) -> int:
        """Bytes of audio."""
        return 2 * int(self._flac.frames)

    def read(self, start: int, stop: int) -> bytes:
        """Some of it; less where it ends.

        Raises:
            ValueError: It cannot be decoded.
        """
        while self._decoded_size < min(stop, self.size):
            self._decode_more()
        self._decoded.flush()
        return os.pread(self._decoded.fileno(), stop - start, start)

    def close(self) -> None:
        """Close both files."""
        self._flac.close()
        self._decoded.close()

    def _decode_more(self) -> None:
        try:
            audio = bytes(self._flac.buffer_read(_AHEAD, dtype="int16"))
        except self._error:
            audio = b""
        if not audio:
            raise ValueError(f"{self._name} cannot be decoded after byte {self._decoded_size} of its audio")
        self._decoded.write(audio)
        self._decoded_size += len(audio)
