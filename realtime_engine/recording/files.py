"""A file that grows at its end. Written without a buffer: what `GrowingFile.append` took survives the process."""

import os
from pathlib import Path


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
        rest = memoryview(content)
        while rest:
            written = os.pwrite(self._file, rest, self.size)
            self.size += written
            rest = rest[written:]

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

    def close(self) -> None:
        """Close it."""
        os.close(self._file)
