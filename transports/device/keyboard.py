"""The keyboard of the terminal in which the engine was started: each key as it is pressed, not line by line.

The terminal is given back as it was found, whatever happens in the block. Ctrl-C stays the signal that it is.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import trio

from transports.device.keys import Keys

_AT_ONCE: Final = 1024  # bytes


def has_keyboard() -> bool:
    """Whether standard input is a terminal that listens to this process."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    with suppress(ImportError):  # Windows has no such terminals
        import termios  # noqa: F401

        return _in_foreground(sys.stdin.fileno())
    return False


class Keyboard:
    """A terminal's keys; made by `open_keyboard`."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._keys = Keys()

    async def read(self) -> list[str]:
        """The next keys that are pressed; none when the terminal is gone."""
        while True:
            await trio.lowlevel.wait_readable(self._number)
            try:
                sent = os.read(self._number, _AT_ONCE)
            except OSError:  # it has hung up
                return []
            keys = self._keys.feed(sent)
            if keys or not sent:
                return keys


@contextmanager
def open_keyboard() -> Iterator[Keyboard]:
    """The keys that are pressed from now on, as long as the block lasts.

    Each is given at once, and shown by nobody. Nothing holds the output up (Ctrl-S) or stops the process (Ctrl-Z): a
    card would be lost meanwhile.
    """
    import termios

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = before
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    characters[termios.VSUSP] = os.fpathconf(number, "PC_VDISABLE").to_bytes(1, "little")
    iflag &= ~(termios.IXON | termios.ICRNL)
    lflag &= ~(termios.ICANON | termios.ECHO)
    try:
        termios.tcsetattr(number, termios.TCSANOW, [iflag, oflag, cflag, lflag, ispeed, ospeed, characters])
        yield Keyboard(number)
    finally:
        with suppress(termios.error):  # it is gone
            termios.tcsetattr(number, termios.TCSAFLUSH, before)


def _in_foreground(number: int) -> bool:
    """Who is in the background may not ask for keys."""
    try:
        return os.tcgetpgrp(number) == os.getpgrp()
    except OSError:  # a terminal that controls nobody
        return True
