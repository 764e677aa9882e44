"""After an intended change: a recording keeps its inputs and its audio, and gets today's commands in their place."""

import filecmp
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from msgspec import UNSET

from realtime_engine.commands import Command, Send
from realtime_engine.errors import RecordingError
from realtime_engine.inputs import Message, Side
from realtime_engine.options import SessionOptions
from realtime_engine.recording.frames import Stored
from realtime_engine.recording.lines import command_line, input_of
from realtime_engine.recording.reader import Recording
from realtime_engine.recording.replay import Replayable
from realtime_engine.recording.writer import EVENTS


def accept(folder: Path, session: Callable[[SessionOptions], Replayable]) -> bool:
    """Put the commands of the session of today into a recording, in one atomic write.

    Returns:
        Whether anything has changed.

    Raises:
        RecordingError: It is cut, damaged, or of a newer version. It stays as it is, as after any other error.
        OSError: It cannot be written.
    """
    with Recording(folder) as recording:
        if recording.end is None:
            raise RecordingError(f"{recording.name} is not complete ({recording.cut}): it cannot be accepted")
        lines = _Rewriting(recording, session(recording.about.options)).lines()
        return _replace(folder / EVENTS, lines)


class _Rewriting:
    def __init__(self, recording: Recording, session: Replayable) -> None:
        self._recording = recording
        self._session = session
        self._n = 0
        self._passed_on = Side.UPSTREAM

    def lines(self) -> Iterator[bytes]:
        """The lines of today: those of the inputs and of the end as they are."""
        last = 0.0
        for number, text, line in self._recording.lines():
            if line.to is not UNSET:
                continue
            for at, commands in self._session.advance(line.at):
                yield from self._written(at, commands)
            yield text
            if isinstance(line.end, str):
                return
            try:
                given = input_of(line, self._recording.sounds.fetch)
            except ValueError as error:
                raise self._recording.damaged(number, last, error) from error
            last = line.at
            self._n = line.n
            self._passed_on = given.side.other if isinstance(given, Message) else self._passed_on
            yield from self._written(line.at, self._session.step(line.at, given))

    def _written(self, at: float, commands: Sequence[Command]) -> Iterator[bytes]:
        for command in commands:
            yield command_line(self._n, at, command, self._finder(command), self._passed_on) + b"\n"

    def _finder(self, command: Command) -> Callable[[bytes], Stored | None]:
        match command:
            case Send(side=side, audio=(start, stop)):
                return lambda audio: self._recording.sounds.find(side.other, start, stop, audio)
            case _:
                return lambda _: None


def _replace(path: Path, lines: Iterable[bytes]) -> bool:
    """Replace a file, unless it would be the same. A crash leaves the old one or the new one."""
    new = path.with_suffix(".new")
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.writelines(lines)
            file.flush()
            os.fsync(file.fileno())
        changed = not filecmp.cmp(path, new, shallow=False)
        if changed:
            new.replace(path)
            _sync_folder(path.parent)
        return changed
    finally:
        new.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
