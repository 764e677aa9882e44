"""The audio of one side as it is recorded: a WAV for each format it came in, every byte in the order of its coming."""

from pathlib import Path

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.inputs import Side
from realtime_engine.recording.files import GrowingFile
from realtime_engine.recording.frames import Stored
from realtime_engine.recording.wav import wav_header


def audio_name(side: Side, number: int) -> str:
    """The name of a side's file of this number, from 1: ``front.wav``, and so on."""
    return f"{side.value}.wav" if number == 1 else f"{side.value}-{number}.wav"


class Tape:
    """Takes the audio of one side. A file is made when there is something for it.

    Attributes:
        format: Of what comes next; another one starts another file.
    """

    def __init__(self, folder: Path, side: Side) -> None:
        self.format: AudioFormat = PCM16
        self._folder = folder
        self._side = side
        self._number = 0
        self._start = 0  # bytes of this side that are in the files before this one
        self._size = 0  # bytes in this one
        self._file: GrowingFile | None = None
        self._file_format = self.format
        self._header_size = 0
        self._said_size = 0  # by the header

    def append(self, audio: bytes) -> Stored:
        """Write audio down.

        Raises:
            OSError: It could not be written.
        """
        file = self._file
        if file is None or self._file_format.type != self.format.type:
            file = self._next_file()
        start = self._size
        file.append(audio)
        self._size += len(audio)
        return Stored(audio_name(self._side, self._number), start, self._size)

    def find(self, start: int, stop: int, audio: bytes) -> Stored | None:
        """Where these bytes stand, if they are this stretch of the side's audio, and in the file of today.

        ``start`` and ``stop`` count all bytes of this side since the conversation began.

        Raises:
            OSError: It could not be read.
        """
        start, stop = start - self._start, stop - self._start
        if self._file is None or not 0 <= start < stop <= self._size:
            return None
        if self._file.read(self._header_size + start, self._header_size + stop) != audio:
            return None
        return Stored(audio_name(self._side, self._number), start, stop)

    def write_header(self) -> None:
        """Bring the sizes in the header up to date.

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

    def _next_file(self) -> GrowingFile:
        self.write_header()
        self.close()
        self._start += self._size
        self._size = self._said_size = 0
        self._number += 1
        self._file_format = self.format
        header = wav_header(self.format, 0)
        self._header_size = len(header)
        self._file = GrowingFile(self._folder / audio_name(self._side, self._number))
        self._file.append(header)
        return self._file
