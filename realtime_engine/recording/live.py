"""Write a recording while time is real: a step is queued and never waited for; a thread writes it down.

The thread wakes every `PERIOD`, so that ``kill -9`` loses no more than the last 200 ms. The event loop never
touches the disk, and a disk that hangs holds up nothing but the end of the block, for `GRACE`.
"""

import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from realtime_engine.commands import Send, Step
from realtime_engine.inputs import Message, ToolResult
from realtime_engine.options import SessionOptions
from realtime_engine.recording.writer import Recorder, Warn, create_recording

PERIOD: Final = 0.05
"""Seconds between two writes."""

MOST_BEHIND: Final = 8 << 20
"""Bytes that may wait to be written; more is a disk that does not keep up with speech (design.md, section 7)."""

GRACE: Final = 5.0
"""Seconds for what is still queued when the conversation is over."""

_OVERHEAD: Final = 200  # bytes that a step takes besides what it carries, roughly


@asynccontextmanager
async def open_recorder(
    root: Path, options: SessionOptions, *, front: str, upstream: str, warn: Warn
) -> AsyncIterator["LiveRecorder"]:
    """A recorder for as long as the block lasts; see `create_recording` for the arguments.

    When the block ends, however it does, what is queued is written first.

    Raises:
        UsageError: Nothing can be written there.
    """
    problems: deque[str] = deque()
    recorder = await trio.to_thread.run_sync(
        lambda: create_recording(root, options, front=front, upstream=upstream, warn=problems.append)
    )
    live = LiveRecorder(recorder, problems, warn)
    live.start()
    try:
        yield live
    finally:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(live.close)
        live.tell()


class LiveRecorder:
    """Takes the steps of one conversation. Only the event loop's thread calls it, but for `close`.

    Attributes:
        folder: Where the recording is.
    """

    def __init__(self, recorder: Recorder, problems: deque[str], warn: Warn) -> None:
        self.folder = recorder.folder
        self._recorder = recorder
        self._problems = problems  # from the thread; `tell` passes them on
        self._warn = warn
        self._steps: deque[Step] = deque()
        self._taken = 0  # bytes, changed by the event loop only
        self._written = 0  # bytes, changed by the thread only
        self._overrun = False
        self._end: tuple[float, str] | None = None
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def record(self, step: Step) -> None:
        """Take a step, to be written within `PERIOD`. What a link may use again is copied."""
        self.tell()
        if self._overrun:
            return
        given = step.input
        if isinstance(given, Message):
            given = Message(given.side, given.kind, bytes(given.raw))
        self._steps.append(Step(step.at, given, tuple(step.commands)))
        self._taken += _size(step)
        self._overrun = self._taken - self._written > MOST_BEHIND

    def end(self, at: float, reason: str) -> None:
        """The conversation is over, at this time: with the end of the block the recording is complete."""
        self._end = (at, reason)

    def close(self) -> None:
        """Wait until all is written, for `GRACE` at most. It blocks."""
        self._over.set()
        self._thread.join(GRACE)
        if self._thread.is_alive():
            self._problems.append(f"the recording {self.folder} is not all written: the disk does not answer")

    def tell(self) -> None:
        """Pass on the warnings."""
        while self._problems:
            self._warn(self._problems.popleft())

    def _write(self) -> None:
        """The thread."""
        while not self._over.wait(PERIOD):
            self._write_queued()
        self._write_queued()
        if self._end is not None:
            self._recorder.end(*self._end)
        self._recorder.close()

    def _write_queued(self) -> None:
        overrun = self._overrun
        batch = [self._steps.popleft() for _ in range(len(self._steps))]
        self._recorder.record_all(batch)
        self._written += sum(map(_size, batch))
        if overrun:
            self._recorder.stop(f"the disk is {MOST_BEHIND >> 20} MiB behind")


def _size(step: Step) -> int:
    """What a step takes in memory, roughly."""
    size = _OVERHEAD
    match step.input:
        case Message(raw=raw):
            size += len(raw)
        case ToolResult(output=output):
            size += len(output)
    return size + sum(len(command.raw) for command in step.commands if isinstance(command, Send))
