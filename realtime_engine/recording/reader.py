"""A recording, opened: what it says of itself, and its steps one after the other, every frame byte for byte.

Reading goes line by line, so it takes no more memory for an hour than for a minute. A recording that was cut off is
read as far as it goes; one that is damaged, up to the damage.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from msgspec import UNSET

from realtime_engine.commands import Command, Step
from realtime_engine.errors import RecordingError
from realtime_engine.recording.about import About, read_about
from realtime_engine.recording.lines import Came, Done, Line, command_of, input_of, read_line
from realtime_engine.recording.sounds import Sounds
from realtime_engine.recording.writer import ABOUT, EVENTS

_TAIL: Final = 1 << 13  # bytes; an end line is shorter, for its reason comes from a close frame or an option


class End(NamedTuple):
    """The end of a complete recording: when, in seconds, and why."""

    at: float
    reason: str


class WrittenLine(NamedTuple):
    """A line as it stands in the file, with its number from 1, and what it says."""

    number: int
    text: bytes
    line: Line


class Recording:
    """A folder with a recording. It is closed with `close`, or by a ``with`` block.

    Attributes:
        name: The folder's.
        about: What ``recording.json`` says.
        end: How it ends; None: it was cut off.
        sounds: Its audio.

    Raises:
        RecordingError: There is no recording, it is of a newer version, or ``recording.json`` is damaged.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = folder.name or str(folder)
        self.about: About = read_about(self._read_about(), self.name)
        try:
            self.end = _find_end(folder / EVENTS)
        except OSError as error:
            raise RecordingError(f"{self.name}: {EVENTS} cannot be read: {error.strerror}") from error
        self.sounds = Sounds(folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def cut(self) -> str | None:
        """Why it is incomplete, in a few words; None: it is complete."""
        if self.end is not None:
            return None
        ended = self.about.ended
        if ended is None:
            return "cut off"
        return f"{EVENTS} is cut off" if ended.complete else f"ended early: {ended.reason}"

    def close(self) -> None:
        """Close its files."""
        self.sounds.close()

    def lines(self) -> Iterator[WrittenLine]:
        """All lines, but for a torn one at the end.

        Raises:
            RecordingError: One cannot be used; the message says which, and how far one can go.
        """
        last = _BEFORE
        with (self.folder / EVENTS).open("rb") as file:
            for number, text in enumerate(file, 1):
                if not text.endswith(b"\n"):
                    return  # torn by the end of the process
                try:
                    line = read_line(text)
                    _check_order(last, line)
                except ValueError as error:
                    raise self.damaged(number, last.at, error) from error
                last = line
                yield WrittenLine(number, text, line)

    def entries(self) -> Iterator[Came | Done]:
        """All inputs and commands, one by one. A `Send` carries its frame, but not the span of its audio.

        Raises:
            RecordingError: See `lines`.
        """
        last = 0.0
        for number, _, line in self.lines():
            try:
                if line.source is not UNSET:
                    yield Came(line.at, input_of(line, self.sounds.fetch))
                elif line.to is not UNSET:
                    yield Done(line.at, command_of(line, self.sounds.fetch))
            except ValueError as error:
                raise self.damaged(number, last, error) from error
            last = line.at

    def steps(self) -> Iterator[Step]:
        """All steps. The commands of timers come as steps without input, those of one instant together.

        Raises:
            RecordingError: See `lines`; after the last step that can be read, which may lack commands.
        """
        step: Step | None = None
        commands: list[Command] = []
        damage = None
        try:
            for entry in self.entries():
                given = entry.input if isinstance(entry, Came) else None
                if step is None or given is not None or entry.at != step.at:
                    if step is not None:
                        yield step
                    commands = []
                    step = Step(entry.at, given, commands)
                if isinstance(entry, Done):
                    commands.append(entry.command)
        except RecordingError as error:
            damage = error
        if step is not None:
            yield step
        if damage is not None:
            raise damage

    def damaged(self, number: int, last: float, why: Exception) -> RecordingError:
        """The error for a line that cannot be used; ``last`` is the time of the line before it."""
        message = f"{self.name}: line {number} of {EVENTS} cannot be used: {why}"
        if number > 1:
            message += f"; the {number - 1} lines before it, up to {last:.3f} s, can still be replayed"
        return RecordingError(message, line=number)

    def _read_about(self) -> bytes:
        try:
            return (self.folder / ABOUT).read_bytes()
        except NotADirectoryError as error:
            raise RecordingError(f"{self.folder} is no recording: it is no folder") from error
        except OSError as error:
            if any(self.folder.glob(f"*/{ABOUT}")):
                wanted = f"name one of them, or {self.folder}/* for all"
                raise RecordingError(f"{self.folder} holds recordings and is none itself: {wanted}") from error
            raise RecordingError(f"{self.folder} is no recording: {ABOUT}: {error.strerror}") from error


_BEFORE: Final = Line(n=0, at=0.0)


def _check_order(last: Line, line: Line) -> None:
    """Lines come in the order in which things happened.

    Raises:
        ValueError: One is missing, or out of place.
    """
    kinds = (line.source is not UNSET) + (line.to is not UNSET) + (line.end is not UNSET)
    if kinds != 1:
        raise ValueError("it is not exactly one of an input, a command and the end")
    if last.end is not UNSET:
        raise ValueError("it comes after the end")
    n = last.n + 1 if line.source is not UNSET else last.n
    if line.n != n:
        raise ValueError(f"it has the number {line.n} where {n} is due: lines are missing")
    if not line.at >= last.at:
        raise ValueError(f"its time {line.at} is before that of the line above it, {last.at}")


def _find_end(events: Path) -> End | None:
    """The end of a complete recording, by a look at the file's end."""
    with events.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
        tail = file.read()
    if not tail.endswith(b"\n"):
        return None
    try:
        line = read_line(tail[tail.rfind(b"\n", 0, -1) + 1 :])
    except ValueError:
        return None
    return End(line.at, line.end) if isinstance(line.end, str) else None
