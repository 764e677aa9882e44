"""The recordings of a server: one thread writes them, and a task keeps them within their quota and their time."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from errno import EACCES
from pathlib import Path
from time import monotonic, time
from typing import Final

import trio

from realtime_engine.errors import UsageError
from realtime_engine.journal import log
from realtime_engine.options import SessionOptions
from realtime_engine.recording.live import LiveRecorder, Writer, open_recorder
from realtime_engine.recording.shelf import DAY, Shelf
from realtime_engine.recording.writer import Warn

SWEEP: Final = 10.0
"""Seconds between two looks at what the recordings take; in between they may exceed the quota."""

HOUR: Final = 3600.0  # seconds


class Calendar:
    """The wall clock, as far as it can be believed.

    When it jumps ahead by more than an hour while the process runs, recordings do not grow old by that: the time since
    the start counts, until the jump has lasted for a day.
    """

    def __init__(self, wall: Callable[[], float] = time, steady: Callable[[], float] = monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._offset = wall() - steady()
        self._doubted: float | None = None  # since when, by the steady clock

    def now(self) -> float:
        """Seconds since 1970."""
        steady = self._steady()
        offset = self._wall() - steady
        if offset <= self._offset + HOUR:
            self._doubted = None
        elif self._doubted is None:
            self._doubted = steady
        if self._doubted is None or steady - self._doubted > DAY:
            self._offset = offset
        return self._offset + steady


class Recordings:
    """Where conversations are recorded; made by `open_recordings`.

    Attributes:
        full: Running recordings fill the quota; no new one begins.
    """

    def __init__(self, root: Path, writer: Writer, quota: int | None, keep_days: float | None) -> None:
        self._root = root
        self._writer = writer
        self._quota = quota
        self._keep_days = keep_days
        self._shelf = Shelf(root)
        self._calendar = Calendar()
        self.full = False

    @asynccontextmanager
    async def open(
        self, options: SessionOptions, *, front: str, upstream: str, warn: Warn
    ) -> AsyncIterator[LiveRecorder]:
        """A recorder for one conversation; see `open_recorder`.

        Raises:
            UsageError: Running recordings fill the quota, or nothing can be written.
        """
        if self.full:
            raise UsageError(f"the recordings that run fill the quota of {self._quota} bytes")
        async with open_recorder(
            self._root, options, front=front, upstream=upstream, warn=warn, writer=self._writer
        ) as recorder:
            yield recorder

    def sweep(self) -> None:
        """Delete what must go, and say so. It blocks.

        Raises:
            OSError: The folder cannot be read.
        """
        swept = self._shelf.sweep(self._calendar.now(), quota=self._quota, keep_days=self._keep_days)
        for name, why in swept.gone:
            log().info("recording deleted", recording=name, why=why)
        full = self._quota is not None and swept.size > self._quota
        if full and not self.full:
            log().warning("recordings are full: no new one begins", bytes=swept.size, quota=self._quota)
        elif self.full and not full:
            log().info("recordings have room again", bytes=swept.size, quota=self._quota)
        self.full = full

    async def keep(self) -> None:
        """Sweep again and again."""
        troubled = False
        while True:
            await trio.sleep(SWEEP)
            try:
                await trio.to_thread.run_sync(self.sweep, abandon_on_cancel=True)
                troubled = False
            except OSError as error:
                if not troubled:
                    log().warning("recordings cannot be looked through", why=error.strerror)
                troubled = True


@asynccontextmanager
async def open_recordings(
    root: Path, *, quota: int | None = None, keep_days: float | None = None
) -> AsyncIterator[Recordings]:
    """The recordings of this process, for as long as the block lasts; several processes may share a folder.

    Args:
        root: The folder; made if it is not there.
        quota: Bytes that all recordings in it may take: the oldest finished ones go first, a running one never.
            While those that run take more, no new one begins.
        keep_days: How long a finished recording is kept.

    Raises:
        UsageError: Nothing can be written there.
    """
    with Writer() as writer:
        recordings = Recordings(root, writer, quota, keep_days)
        bounded = quota is not None or keep_days is not None
        try:
            await trio.to_thread.run_sync(_prepare, root)
            if bounded:
                await trio.to_thread.run_sync(recordings.sweep)
        except OSError as error:
            raise UsageError(f"cannot record in {root}: {error.strerror}") from error
        async with trio.open_nursery() as nursery:
            if bounded:
                nursery.start_soon(recordings.keep)
            yield recordings
            nursery.cancel_scope.cancel()


def _prepare(root: Path) -> None:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(EACCES, os.strerror(EACCES))
