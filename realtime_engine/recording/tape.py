"""The audio of one side as it is recorded: a WAV for each format it came in, every byte in the order of its coming."""

from pathlib import Path

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.inputs import Side
from realtime_engine.recording.files import GrowingFile
from realtime_engine.recording.frames import Place, Stored
from realtime_engine.recording.wav import wav_header


def audio_name(side: Side, number: int) -> str:
    """The name of a side's file of this number, from 1: ``front.wav``, and so on."""
    return f"{side.value}.wav" if number == 1 else f"{side.value}-{number}.wav"


class Tape:
    """Takes the audio of one side, and writes it with `flush`. A file is made when there is something for it.

    Attributes:
        format: Of what comes next; another one starts another file.
    """

    def __init__(self, folder: Path, side: Side) -> None:
        self.format: AudioFormat = PCM16
        self._folder = folder
        self._side = side
        self._number = 0
        self._name = ""
        self._start = 0  # bytes of this side that are in the files before this one
        self._size = 0  # bytes in this one
        self._file: GrowingFile | None = None
        self._file_format = self.format
        self._header_size = 0
        self._said_size = 0  # by the header
        self._taken: list[bytes] = []  # and not yet written

    def append(self, audio: bytes) -> Stored:
        """Take audio, and say where it will be.

        Raises:
            OSError: Another format wants another file, and that, or what was taken before it, could not be written.
        """
        if self._file is None or self._file_format.type != self.format.type:
            self._next_file()
        start = self._size
        self._taken.append(audio)
        self._size += len(audio)
        return Stored(self._name, start, self._size)

    def flush(self) -> None:
        """Write what was taken.

        Raises:
            OSError: Not all of it could be written; `has` says what is there.
        """
        if self._taken and self._file is not None:
            audio = b"".join(self._taken) if len(self._taken) > 1 else self._taken[0]
            self._taken.clear()
            try:
                self._file.append(audio)
            finally:
                self._size = self._file.size - self._header_size

    def has(self, place: Place) -> bool:
        """Whether audio is in its file to its last byte, as far as that is a file of this side."""
        if self._file is None or place.file != self._name:
            return True  # a file is only left when all of it is written
        return self._header_size + place.stop <= self._file.size

    def find(self, start: int, stop: int, audio: bytes) -> Stored | None:
        """Where these bytes stand, if they are this stretch of the side's audio, and in the file of today.

        ``start`` and ``stop`` count all bytes of this side since the conversation began.

        Raises:
            OSError: It could not be read.
        """
        start, stop = start - self._start, stop - self._start
        if self._file is None or not 0 <= start < stop <= self._size:
            return None
        self.flush()
        if self._file.read(self._header_size + start, self._header_size + stop) != audio:
            return None
        return Stored(self._name, start, stop)

    def write_header(self) -> None:
        """Bring the sizes in the header up to date with what was flushed.

        Raises:
            OSError: It could not be written.
        """
        if self._file is not None and self._said_size != self._size:
            self._file.rewrite(wav_header(self._file_format, self._size))
            self._said_size = self._size

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _next_file(self) -> None:
        self.flush()
        self.write_header()
        self.close()
        self._start += self._size
        self._size = self._said_size = 0
        self._number += 1
        self._file_format = self.format
        header = wav_header(self.format, 0)
        self._header_size = len(header)
        self._name = audio_name(self._side, self._number)
        self._file = GrowingFile(self._folder / self._name)
        self._file.append(header)
