"""Write recordings while time is real: a step is queued and never waited for; a thread writes it down.

One thread writes all recordings of a process. It wakes every `PERIOD` while there are any, so that ``kill -9`` loses no
more than the last 200 ms. The event loop never touches the disk, and a disk that hangs holds up nothing but the end of
the block, for `GRACE`. What goes wrong with one recording ends that one, and no other.
"""

import threading
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Final, Self

import trio

from realtime_engine.commands import Send, Step
from realtime_engine.errors import place
from realtime_engine.inputs import Message, ToolResult
from realtime_engine.options import SessionOptions
from realtime_engine.recording.writer import Recorder, Warn, create_recording
from realtime_engine.session import PASSED_ON

PERIOD: Final = 0.1
"""Seconds from the beginning of a write to that of the next."""

HEADER_EVERY: Final = 10
"""Writes between two of which the headers of the audio files are brought up to date: about a second."""

MOST_BEHIND: Final = 8 << 20
"""Bytes that may wait to be written; more is a disk that does not keep up with speech (design.md, section 7)."""

GRACE: Final = 5.0
"""Seconds for what is still queued when the conversation is over."""

BEGINNINGS: Final = 4
"""Recordings that may begin at a time: of a disk that hangs no more threads wait, and others have theirs."""

_OVERHEAD: Final = 200  # bytes that a step takes besides what it carries, roughly


class Writer:
    """The thread that writes, for as long as the ``with`` block lasts; it sleeps while nothing is recorded.

    Attributes:
        beginnings: How many recordings begin; each does so in a thread of its own.
    """

    def __init__(self) -> None:
        self.beginnings = trio.CapacityLimiter(BEGINNINGS)
        self._open: dict[LiveRecorder, None] = {}
        self._over = False
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        self._news.set()

    def add(self, recorder: "LiveRecorder") -> None:
        """Write what this one takes, until it is closed."""
        self._open[recorder] = None
        self._news.set()

    def hurry(self) -> None:
        """Write at once."""
        self._news.set()

    def _write(self) -> None:
        due = 0.0
        while not self._over:
            self._news.wait(max(due - monotonic(), 0.0) if self._open else None)
            due = monotonic() + PERIOD  # however long this one takes
            self._news.clear()
            for recorder in tuple(self._open):
                if recorder.write():
                    del self._open[recorder]


@asynccontextmanager
async def open_recorder(
    root: Path,
    options: SessionOptions,
    *,
    front: str,
    upstream: str,
    warn: Warn,
    writer: Writer | None = None,
) -> AsyncIterator["LiveRecorder"]:
    """A recorder for as long as the block lasts; see `create_recording` for the arguments.

    ``writer`` is the one that all recorders of the process share; without it there is one for this recorder alone.
    When the block ends, however it does, what is queued is written first.

    Raises:
        UsageError: Nothing can be written there.
    """
    problems: deque[str] = deque()
    with nullcontext(writer) if writer is not None else Writer() as shared:
        recorder = await trio.to_thread.run_sync(
            lambda: create_recording(root, options, front=front, upstream=upstream, warn=problems.append),
            limiter=shared.beginnings,
        )
        live = LiveRecorder(recorder, problems, warn)
        shared.add(live)
        try:
            yield live
        finally:
            live.close()
            shared.hurry()
            await live.wait()
            live.tell()


class LiveRecorder:
    """Takes the steps of one conversation. Only the event loop's thread calls it, but for `write`.

    Attributes:
        folder: Where the recording is.
    """

    def __init__(self, recorder: Recorder, problems: deque[str], warn: Warn) -> None:
        self.folder = recorder.folder
        self._recorder = recorder
        self._problems = problems  # from the thread; `tell` passes them on
        self._warn = warn
        self._queue: list[Step] = []
        self._taken = 0  # bytes, changed by the event loop only
        self._written = 0  # bytes, no more than really are; changed by the thread only
        self._writes = 0
        self._overrun = False
        self._end: tuple[float, str] | None = None
        self._closed = False
        self._failed = False  # set by the thread only
        self._over = trio.Event()  # the thread has done with it
        self._trio = trio.lowlevel.current_trio_token()

    def record(self, step: Step) -> None:
        """Take a step, to be written within `PERIOD`. What a link may use again is copied."""
        given, size = step.input, _OVERHEAD
        if isinstance(given, Message):
            size += len(given.raw)
            given = given.kept()
        elif isinstance(given, ToolResult):
            size += len(given.output)
        for command in step.commands:
            if isinstance(command, Send):
                size += len(command.raw)
        self._take([Step(step.at, given, tuple(step.commands))], size)

    def passed(self, at: float, batch: Sequence[Message]) -> None:
        """Take what goes on as it came: to be written as a step for each (`realtime_engine.driving.Passed`)."""
        steps, size = [], 0
        for message in batch:
            steps.append(Step(at, message.kept(), PASSED_ON))
            size += len(message.raw) + _OVERHEAD
        self._take(steps, size)

    def _take(self, steps: Sequence[Step], size: int) -> None:
        if self._problems:
            self.tell()
        if self._overrun or self._failed:
            return
        self._queue += steps
        self._taken += size
        self._overrun = self._taken - self._written > MOST_BEHIND

    def end(self, at: float, reason: str) -> None:
        """The conversation is over, at this time: with the end of the block the recording is complete."""
        self._end = (at, reason)

    def close(self) -> None:
        """Nothing more will come."""
        self._closed = True

    async def wait(self) -> None:
        """Wait until all is written, for `GRACE` at most."""
        with trio.move_on_after(GRACE, shield=True):
            await self._over.wait()
            return
        self._problems.append(f"the recording {self.folder} is not all written: the disk does not answer")

    def tell(self) -> None:
        """Pass on the warnings."""
        while self._problems:
            self._warn(self._problems.popleft())

    def write(self) -> bool:
        """Write what is queued; whether that was the last of it. The writer's thread calls it, and it never raises."""
        closed = self._closed
        try:
            self._write()
            if closed:
                self._finish()
        except Exception as error:  # noqa: BLE001 - the thread writes other recordings too
            self._failed = closed = True
            self._give_up(f"a fault in the engine: {type(error).__name__} in {place(error)}")
        if closed:
            with suppress(trio.RunFinishedError):  # nobody waits any more
                self._trio.run_sync_soon(self._over.set)
        return closed

    def _write(self) -> None:
        overrun, taken = self._overrun, self._taken  # first: what comes meanwhile is counted the next time
        steps = self._queue[:]
        if steps:
            del self._queue[: len(steps)]
            self._recorder.record_all(steps, headers=self._writes % HEADER_EVERY == 0)
            self._writes += 1
        self._written = taken
        if overrun:
            self._recorder.stop(f"the disk is {MOST_BEHIND >> 20} MiB behind")

    def _finish(self) -> None:
        if self._end is not None:
            self._recorder.end(*self._end)
        self._recorder.close()

    def _give_up(self, reason: str) -> None:
        """Close what is there, as far as that can still be done."""
        if not self._recorder.recording:
            self._problems.append(f"the recording {self.folder} is not all written: {reason}")
        with suppress(Exception):
            self._recorder.stop(reason)
        with suppress(Exception):
            self._recorder.close()
