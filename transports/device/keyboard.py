"""The keyboard of the terminal in which the engine was started: each key as it is pressed, not line by line.

The terminal is given back as it was found, whatever happens in the block. Ctrl-C stays the signal that it is.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, TypeAlias

import trio

from transports.device.keys import Keys

_Mode: TypeAlias = list[int | list[bytes | int]]  # as termios has it

_AT_ONCE: Final = 1024  # bytes
_MARK_PASTES: Final = b"\x1b[?2004h"  # xterm's bracketed paste, which nearly all terminals have
_MARK_NONE: Final = b"\x1b[?2004l"


def has_keyboard() -> bool:
    """Whether standard input is a terminal that listens to this process."""
    if sys.stdin is None or not sys.stdin.isatty():
        return False
    with suppress(ImportError):  # Windows has no such terminals
        import termios  # noqa: F401

        return _in_foreground(sys.stdin.fileno())
    return False


class Keyboard:
    """A terminal's keys; made by `open_keyboard`.

    Each is given at once, and shown by nobody. Nothing holds the output up (Ctrl-S) or stops the process (Ctrl-Z): a
    card would be lost meanwhile.
    """

    def __init__(self, number: int, before: _Mode, ours: _Mode) -> None:
        self._number = number
        self._keys = Keys()
        self._before = before
        self._ours = ours

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

    def take(self) -> None:
        """Have the keys, from now on."""
        import termios

        with suppress(termios.error):  # it is gone: a process whose terminal ends is woken, too
            termios.tcsetattr(self._number, termios.TCSANOW, self._ours)
        self._tell(_MARK_PASTES)

    def give_back(self) -> None:
        """Leave the terminal as it was found."""
        import termios

        self._tell(_MARK_NONE)
        with suppress(termios.error):  # it is gone
            termios.tcsetattr(self._number, termios.TCSAFLUSH, self._before)

    async def stand_by(self, hide: Callable[[], None]) -> None:
        """Give the terminal back while somebody has the process stop (``kill -TSTP``), and take it when it goes on.

        Args:
            hide: Takes away what is drawn.
        """
        with trio.open_signal_receiver(signal.SIGTSTP, signal.SIGCONT) as signals:
            async for number in signals:
                if number == signal.SIGTSTP:
                    hide()
                    self.give_back()
                    _stop()
                if _in_foreground(self._number):
                    self.take()

    def _tell(self, sequence: bytes) -> None:
        with suppress(OSError):  # it is gone, or cannot be written to
            os.write(self._number, sequence)


@contextmanager
def open_keyboard() -> Iterator[Keyboard]:
    """The keys that are pressed from now on, as long as the block lasts."""
    import termios

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    iflag, oflag, cflag, lflag, ispeed, ospeed, characters = before
    characters = list(characters)
    characters[termios.VMIN], characters[termios.VTIME] = 1, 0
    characters[termios.VSUSP] = os.fpathconf(number, "PC_VDISABLE").to_bytes(1, "little")
    iflag &= ~(termios.IXON | termios.ICRNL)
    lflag &= ~(termios.ICANON | termios.ECHO)
    keyboard = Keyboard(number, before, [iflag, oflag, cflag, lflag, ispeed, ospeed, characters])
    try:
        keyboard.take()
        yield keyboard
    finally:
        keyboard.give_back()


def _stop() -> None:
    """Stop this process, as the signal would have; returns when it goes on."""
    before = signal.signal(signal.SIGTSTP, signal.SIG_DFL)
    signal.raise_signal(signal.SIGTSTP)
    signal.signal(signal.SIGTSTP, before)


def _in_foreground(number: int) -> bool:
    """Who is in the background may not ask for keys."""
    try:
        return os.tcgetpgrp(number) == os.getpgrp()
    except OSError:  # a terminal that controls nobody
        return True
