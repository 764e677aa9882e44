"""The files of a conversation on the front's behalf: read ahead of the mouth, written behind the ear.

It does no I/O: what does is given to the driver as work, one read and one write at a time.
"""

from collections.abc import Callable
from functools import partial
from math import inf
from pathlib import Path

from realtime_engine.audio import AudioFormat, microseconds
from realtime_engine.errors import EngineError, UsageError
from realtime_engine.machine import Done, Work
from realtime_engine.show import Show, Who
from realtime_engine.sound import encode
from transports.wav.microphone import Microphone
from transports.wav.sources import Opener, Source
from transports.wav.tape import Footage, Tape
from transports.wav.timeline import Stretch, Timeline

_WRITE_EVERY = 1.0  # seconds of sound that a crash may cost


class Files:
    """What is read into the microphone, and what is written of both sides.

    Attributes:
        seconds: How long the file is that is being spoken; None: nobody knows.
        problems: What went wrong with files.
        write_at: When `work` has something to write, or ``inf``.
    """

    def __init__(self, opener: Opener, tape: Tape, microphone: Microphone, heard: Timeline, show: Show) -> None:
        self._opener = opener
        self._tape = tape
        self._microphone = microphone
        self._heard = heard
        self._show = show
        self.seconds: float | None = None
        self.problems: list[EngineError] = []
        self.write_at = inf
        self._source: Source | None = None
        self._said: list[Stretch] = []  # since the last write
        self._works: dict[int, Callable[[float, Done], None]] = {}
        self._worked = 0

    def start(self, now: float) -> None:
        """The formats are known; from now on sound is written."""
        self._tape.use(self._microphone.format, self._heard.format)
        if self._tape.running:
            self.write_at = microseconds(now + _WRITE_EVERY)

    def open(self, path: Path) -> bool:
        """Begin to read a file. False if it has gone; then that is a problem."""
        try:
            self._source = self._opener(path, self._microphone.format.sample_rate)
        except UsageError as error:
            self.problems.append(error)
            return False
        self.seconds = self._source.seconds
        return True

    def said(self, frame: Stretch) -> None:
        """The microphone has given this."""
        if self._tape.running:
            self._said.append(frame)

    def work(self, now: float) -> list[Work]:
        """What is to be read or written now; `done` takes the results."""
        works = []
        source = self._source
        if source is not None and self._microphone.hungry and self._was_read not in self._works.values():
            works.append(self._work(partial(_read, source, self._microphone.format), self._was_read))
        if not self._tape.running:
            self._heard.take()  # nobody wants it
        elif now >= self.write_at:
            self.write_at = inf
            works.append(self._work(partial(self._tape.write, self._footage(now)), self._was_written))
        return works

    def done(self, now: float, done: Done) -> None:
        """A piece of work has ended."""
        self._works.pop(done.number)(now, done)

    def finish(self, now: float) -> None:
        """The conversation is over: write the rest. This waits for the disk."""
        if self._source is not None:
            self._source.close()
        if self._tape.running:
            try:
                self._tape.write(self._footage(now), last=True)
            except UsageError as error:
                self.problems.append(error)

    def _work(self, run: Callable[[], object], then: Callable[[float, Done], None]) -> Work:
        self._worked += 1
        self._works[self._worked] = then
        return Work(self._worked, run)

    def _was_read(self, now: float, done: Done) -> None:
        audio = done.result if isinstance(done.result, bytes) else b""
        if done.error is not None:
            self.problems.append(_as_usage_error(done.error))
        self._microphone.feed(now, audio)
        if not audio and self._source is not None:
            self._source.close()
            self._source = None

    def _was_written(self, now: float, done: Done) -> None:
        if done.error is None:
            self.write_at = microseconds(now + _WRITE_EVERY)
            return
        problem = _as_usage_error(done.error)
        self._tape.running = False
        self._show.line(now, Who.ENGINE, str(problem))
        self.problems.append(problem)

    def _footage(self, now: float) -> Footage:
        """What was said and heard since the last."""
        said, self._said = self._said, []
        self._heard.hear(now)
        return Footage(said, self._heard.take(), self._microphone.known(now))


def _read(source: Source, format: AudioFormat) -> bytes:  # noqa: A002 - the protocol's own word
    return encode(source.read(), format)


def _as_usage_error(error: Exception) -> UsageError:
    return error if isinstance(error, UsageError) else UsageError(f"a file failed: {type(error).__name__}: {error}")
