"""The recordings in one folder: how much they take, and which must go.

Only what the engine has made is ever touched: a real folder of our own user's, under a name of the engine's, which
holds a ``recording.json`` and nothing but the files of a recording. Links are never followed, and a recording that a
process still writes is left alone, whichever process that is.
"""

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

from realtime_engine.recording.files import is_held, lock
from realtime_engine.recording.writer import ABOUT, begun

DAY: Final = 86400.0  # seconds

FIRST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""Before this there was no engine: a recording that says so was begun while the clock was wrong, and has no age."""

_FILES: Final = re.compile(r"recording\.json|events\.jsonl|(front|upstream)(-[0-9]+)?\.(wav|flac)")

Why: TypeAlias = Literal["quota", "age"]


class Kept(NamedTuple):
    """A recording on the shelf, finished or not.

    Attributes:
        begun: When, by its name.
        size: Bytes in its files.
        changed: When it was last written to, in seconds since 1970.
        running: A process writes it.
    """

    name: str
    begun: datetime
    size: int
    changed: float
    running: bool


class Swept(NamedTuple):
    """What a sweep has done.

    Attributes:
        size: Bytes that all recordings take now.
        gone: The names of those that were deleted, each with the reason.
    """

    size: int
    gone: tuple[tuple[str, Why], ...]


class Shelf:
    """A folder in which recordings are made. Its sweeps are for one thread at a time."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._finished: dict[str, tuple[int, Kept]] = {}  # each with its folder's time: until that changes, it does not

    def sweep(self, now: float, *, quota: int | None, keep_days: float | None) -> Swept:
        """Delete what is older than it may be, then the oldest, until the rest is within the quota.

        Args:
            now: Seconds since 1970.
            quota: Bytes that all recordings together may take, running ones included.
            keep_days: How long a finished recording is kept.

        Raises:
            OSError: The folder cannot be read.
        """
        gone: list[tuple[str, Why]] = []
        with _open_folder(self._root) as root:
            lock(root, alone=True)  # what has just begun is not held yet
            kept = self._look(root)
            size = sum(each.size for each in kept)
            for each in sorted(kept, key=lambda each: (each.begun, each.name)):
                why = _why_it_goes(each, now, keep_days, over=quota is not None and size > quota)
                if why is not None and _delete(root, each):
                    self._finished.pop(each.name, None)
                    gone.append((each.name, why))
                    size -= each.size
        return Swept(size, tuple(gone))

    def _look(self, root: int) -> list[Kept]:
        before, self._finished = self._finished, {}
        found = []
        with os.scandir(root) as entries:
            for entry in entries:
                when = begun(entry.name)
                if when is None:
                    continue
                with suppress(OSError):  # another process has just deleted it
                    changed = entry.stat(follow_symlinks=False).st_mtime_ns
                    seen, kept = before.get(entry.name, (0, None))
                    if kept is None or seen != changed:
                        kept = _look_at(root, entry.name, when)
                    if kept is not None:
                        found.append(kept)
                        if not kept.running:
                            self._finished[entry.name] = (changed, kept)
        return found


def _why_it_goes(each: Kept, now: float, keep_days: float | None, *, over: bool) -> Why | None:
    if each.running:
        return None
    age = now - max(each.begun.timestamp(), each.changed)
    if keep_days is not None and each.begun >= FIRST and age > keep_days * DAY:
        return "age"
    return "quota" if over else None


def _look_at(root: int, name: str, when: datetime) -> Kept | None:
    """What is under a name; None: nothing of the engine's, or nothing that can be read."""
    try:
        with _open_folder(name, root) as folder:
            files = _files(folder)
            if ABOUT not in files or not all(map(_is_ours, files, files.values())):
                return None
            about = os.open(ABOUT, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            try:
                running = is_held(about)
            finally:
                os.close(about)
    except OSError:
        return None
    size = sum(info.st_size for info in files.values())
    return Kept(name, when, size, max(info.st_mtime for info in files.values()), running)


def _delete(root: int, each: Kept) -> bool:
    """Delete a recording, ``recording.json`` last: what is cut off half way is still one, and goes the next time."""
    if _look_at(root, each.name, each.begun) is None:  # it is not any more what it was
        return False
    with suppress(OSError), _open_folder(each.name, root) as folder:
        for file in sorted(_files(folder), key=lambda file: file == ABOUT):
            os.unlink(file, dir_fd=folder)
        os.rmdir(each.name, dir_fd=root)
        return True
    return False


def _files(folder: int) -> dict[str, os.stat_result]:
    with os.scandir(folder) as entries:
        return {entry.name: entry.stat(follow_symlinks=False) for entry in entries}


def _is_ours(name: str, file: os.stat_result) -> bool:
    return bool(_FILES.fullmatch(name)) and stat.S_ISREG(file.st_mode) and file.st_uid == os.geteuid()


@contextmanager
def _open_folder(name: str | Path, inside: int | None = None) -> Iterator[int]:
    """A real folder, opened; never one behind a link."""
    follow = 0 if inside is None else os.O_NOFOLLOW
    folder = os.open(name, os.O_RDONLY | os.O_DIRECTORY | follow, dir_fd=inside)
    try:
        yield folder
    finally:
        os.close(folder)
