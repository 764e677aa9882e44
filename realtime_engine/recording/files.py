"""A file that grows at its end. Written without a buffer: what `GrowingFile.append` took survives the process."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

_CLOSED: Final = -1  # no file has this number


class GrowingFile:
    """A new file that only its owner can read (0600).

    Attributes:
        size: The bytes that are really there; after a failed `append` maybe a part of what it was given.
    """

    def __init__(self, path: Path) -> None:
        self.size = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)

    def append(self, content: bytes) -> None:
        """Write at the end.

        Raises:
            OSError: Not all of it could be written.
        """
        written = 0
        while written < len(content):
            rest = memoryview(content)[written:] if written else content
            size = os.pwrite(self._file, rest, self.size)
            self.size += size
            written += size

    def rewrite(self, content: bytes) -> None:
        """Write the beginning anew; the size stays. This needs no room on the disk.

        Raises:
            OSError: It could not be written.
        """
        os.pwrite(self._file, content, 0)

    def read(self, start: int, stop: int) -> bytes:
        """Read back what was written.

        Raises:
            OSError: It could not be read.
        """
        return os.pread(self._file, stop - start, start)

    def cut(self, size: int) -> None:
        """Take off the end.

        Raises:
            OSError: It could not be done.
        """
        os.ftruncate(self._file, size)
        self.size = size

    def hold(self) -> None:
        """Let other processes see that it is in use, until it is closed or this process ends (`is_held`)."""
        lock(self._file)

    def close(self) -> None:
        """Close it; once, whatever comes of it, for by the next time its number may be another file's."""
        file, self._file = self._file, _CLOSED
        if file != _CLOSED:
            os.close(file)


def lock(file: int, *, alone: bool = False) -> None:
    """Lock an open file or folder until it is closed: together with others who do so, or alone. It waits for that."""
    with suppress(ImportError, OSError):  # Windows, or a file system that knows no locks
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)


@contextmanager
def beginning(root: Path) -> Iterator[None]:
    """Something begins in a folder: whoever tidies up there waits until it is there, and held."""
    with ExitStack() as stack:
        with suppress(OSError):  # Windows opens no folders
            folder = os.open(root, os.O_RDONLY)
            stack.callback(os.close, folder)
            lock(folder)
        yield


def is_held(file: int) -> bool:
    """Whether a process has the open file in use (`GrowingFile.hold`)."""
    try:
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except (ImportError, OSError):
        return False
    fcntl.flock(file, fcntl.LOCK_UN)
    return False
