"""Write a recording as it happens: the audio first, then the sizes in its headers, then the lines that name it.

After ``kill -9`` all that was written can be read and replayed, with at most one torn last line. A full disk ends the
recording and not the conversation.
"""

import re
import secrets
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeAlias

import msgspec
from msgspec import UnsetType

from realtime_engine.commands import FORWARD, Command, Send, Step
from realtime_engine.dialect import to_ga
from realtime_engine.errors import UsageError
from realtime_engine.events import SessionCreated, SessionUpdated
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.objects import SessionConfig
from realtime_engine.options import SessionOptions
from realtime_engine.recording.about import REASON, About, ending, engine_version, write_about
from realtime_engine.recording.files import GrowingFile, beginning
from realtime_engine.recording.frames import Keep
from realtime_engine.recording.lines import (
    command_line,
    end_line,
    input_line,
    message_line,
    passed_on_lines,
    read_line,
)
from realtime_engine.recording.tape import Tape

ABOUT: Final = "recording.json"
EVENTS: Final = "events.jsonl"

_WHEN: Final = "%Y-%m-%dT%H-%M-%S"
_NAME: Final = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(-[0-9]{2}){2}-[0-9a-f]{6}")

Warn: TypeAlias = Callable[[str], None]


def create_recording(root: Path, options: SessionOptions, *, front: str, upstream: str, warn: Warn) -> "Recorder":
    """Make a folder for a new recording, and begin it.

    The name is the engine's own: when (UTC), and six random digits. Nobody else can read it (0700, files 0600).

    Args:
        root: Where the folder goes; made if it is not there.
        options: What the session is made of.
        front: The name of the front's plug-in.
        upstream: The name of the upstream's plug-in.
        warn: Called at most once: when the recording ends before the conversation.

    Raises:
        UsageError: Nothing can be written there.
    """
    started = datetime.now(UTC)
    about = About(
        engine=engine_version(),
        started=started.isoformat(timespec="milliseconds"),
        front=front,
        upstream=upstream,
        options=options,
    )
    folder = root / f"{started:{_WHEN}}-{secrets.token_hex(3)}"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with beginning(root):
            folder.mkdir(mode=0o700)
            return Recorder(folder, about, warn)
    except OSError as error:
        with suppress(OSError):  # what cannot begin leaves nothing behind
            (folder / ABOUT).unlink(missing_ok=True)
            folder.rmdir()
        raise UsageError(f"cannot record in {root}: {error.strerror}") from error


def begun(name: str) -> datetime | None:
    """When the recording of this name was begun; None: the name is not one of the engine's own."""
    if not _NAME.fullmatch(name):
        return None
    try:
        return datetime.strptime(name[:-7], _WHEN).replace(tzinfo=UTC)
    except ValueError:
        return None


class Recorder:
    """Writes the steps of one conversation into a folder, each before the call returns. It never raises.

    This is the recorder for `simulate`; `realtime_engine.recording.live` has the one that never waits. A recording
    that is closed without `end` counts as cut off.

    Attributes:
        folder: Where the recording is.
        recording: Whether what comes is still written down.
    """

    def __init__(self, folder: Path, about: About, warn: Warn) -> None:
        self.folder = folder
        self.recording = True
        self._about = about
        self._warn = warn
        self._n = 0  # of the last line, though it may not be written yet
        self._at = 0.0
        self._last = (0, 0.0)  # the same, of the last line in the file
        self._managed = about.options.mode == "managed"
        self._front, self._upstream = self._tapes = (Tape(folder, Side.FRONT), Tape(folder, Side.UPSTREAM))
        self._take_formats(about.options.settings)
        self._about_file = GrowingFile(folder / ABOUT)
        try:
            self._about_file.append(write_about(about))
            self._about_file.hold()
            self._events_file = GrowingFile(folder / EVENTS)
        except OSError:
            self._about_file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record(self, step: Step) -> None:
        """Write one step down."""
        self.record_all((step,))

    def record_all(self, steps: Iterable[Step], *, headers: bool = True) -> None:
        """Write several steps down, with one write for all their lines.

        Without ``headers`` those of the audio files say less than is there until the next call, or the end.
        """
        if not self.recording:
            return
        lines: list[bytes] = []
        problem = None
        try:
            for step in steps:
                self._take(step, lines)
            self._front.flush()
            self._upstream.flush()
            if headers:
                self._front.write_header()
                self._upstream.write_header()
        except OSError as error:
            problem = error
        self._write(b"".join(lines), problem)

    def end(self, at: float, reason: str) -> None:
        """The conversation is over, at this time: the recording is complete."""
        if not self.recording:
            return
        self._at = max(at, self._at)  # after the session has hung up, the upstream may still close
        self._write(end_line(self._n, self._at, reason[:REASON]) + b"\n")
        if self.recording:
            self._say_how_it_ends(complete=True, reason=reason)

    def stop(self, reason: str) -> None:
        """The recording ends here, though the conversation may go on."""
        if self.recording:
            self._warn(f"the recording {self.folder} ends at {self._last[1]:.3f} s: {reason}")
            self._say_how_it_ends(complete=False, reason=reason)

    def close(self) -> None:
        """Close the files."""
        self.recording = False
        for tape in self._tapes:
            with suppress(OSError):
                tape.write_header()
            tape.close()
        self._events_file.close()
        self._about_file.close()

    def _take(self, step: Step, lines: list[bytes]) -> None:
        """Put the audio of a step away and add its lines."""
        at, given, commands = step
        passed_on = _UPSTREAM
        if isinstance(given, Message):
            self._n += 1
            keep: Keep = self._tape(given.side).append if self._may_have_audio(given) else _stays
            if len(commands) == 1 and commands[0] is FORWARD:  # nearly always
                lines.append(passed_on_lines(self._n, at, given, keep))
                commands = ()
            else:
                lines.append(message_line(self._n, at, given, keep) + b"\n")
            if given.side is _UPSTREAM:
                passed_on = _FRONT
                self._follow_formats(given)
        elif given is not None:
            self._n += 1
            lines.append(input_line(self._n, at, given, _stays) + b"\n")
        lines += [command_line(self._n, at, each, self._finder(each), passed_on) + b"\n" for each in commands]
        self._at = at

    def _may_have_audio(self, message: Message) -> bool:
        """Only a managed front has audio in binary frames."""
        return message.kind is _TEXT or (message.side is _FRONT and self._managed)

    def _finder(self, command: Command) -> Keep:
        """Where the audio of a command stands already."""
        match command:
            case Send(side=side, audio=(start, stop)):
                tape = self._tape(side.other)
                return lambda audio: tape.find(start, stop, audio)
            case _:
                return _stays

    def _tape(self, side: Side) -> Tape:
        return self._front if side is _FRONT else self._upstream

    def _follow_formats(self, message: Message) -> None:
        """The upstream may say that audio comes in another format from now on."""
        if message.raw.startswith(_TYPE) and not message.raw.startswith(_SESSION):
            return
        if self._about.options.upstream_dialect == "beta":
            message = Message(message.side, message.kind, to_ga(message.raw).raw)
        try:
            event = message.event if message.type in _SESSION_EVENTS else None
        except (ValueError, RecursionError):
            return
        if isinstance(event, SessionCreated | SessionUpdated):
            self._use(event.session)

    def _take_formats(self, settings: msgspec.Raw) -> None:
        """What is asked for holds until the upstream says otherwise."""
        with suppress(msgspec.DecodeError):
            self._use(msgspec.json.decode(settings, type=SessionConfig))

    def _use(self, session: SessionConfig) -> None:
        for side, format in ((Side.FRONT, session.input_format), (Side.UPSTREAM, session.output_format)):  # noqa: A001
            if not isinstance(format, UnsetType):
                self._tape(side).format = format

    def _write(self, text: bytes, problem: OSError | None = None) -> None:
        """Write lines: if there was a problem with their audio, those before the first that lacks it.

        A problem ends the recording with the last whole line.
        """
        if problem is not None:
            whole = list(takewhile(self._has_its_audio, text.splitlines(keepends=True)))
            text = b"".join(whole)
        size = self._events_file.size
        try:
            self._events_file.append(text)
        except OSError as error:
            problem = error
            text = text[: text.rfind(b"\n", 0, self._events_file.size - size) + 1]
            with suppress(OSError):
                self._events_file.cut(size + len(text))
        if problem is None:
            self._last = self._n, self._at
            return
        if text:
            last = read_line(text.splitlines()[-1])
            self._last = last.n, last.at
        self.stop(str(problem.strerror))

    def _has_its_audio(self, text: bytes) -> bool:
        place = read_line(text).audio
        return isinstance(place, UnsetType) or all(tape.has(place) for tape in self._tapes)

    def _say_how_it_ends(self, *, complete: bool, reason: str) -> None:
        """Into the room that was kept for it; that much may fail, for the lines say it too."""
        self.recording = False
        n, at = self._last
        how = ending(complete=complete, n=n, at=at, reason=reason)
        with suppress(OSError):
            self._about_file.rewrite(write_about(msgspec.structs.replace(self._about, ended=how)))


_FRONT, _UPSTREAM, _TEXT = Side.FRONT, Side.UPSTREAM, Kind.TEXT  # looking up an enum's member is slow
_TYPE: Final = b'{"type":"'
_SESSION: Final = b'{"type":"session.'
_SESSION_EVENTS: Final = ("session.created", "session.updated")


def _stays(audio: bytes) -> None:
    """The audio stays in the line."""
