"""A conversation on the terminal: lines as it happens, and a bar while a file is spoken. Plain lines in a pipe.

Whoever watches may go away; the conversation, and its recording, go on.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from cli.out import abandon
from realtime_engine.show import Who

if TYPE_CHECKING:
    from rich.progress import TaskID

_COLOURS: Final = {Who.PERSON: "cyan", Who.MODEL: "green", Who.TOOL: "magenta", Who.ENGINE: "yellow"}
_LONG = 60.0  # seconds of a file, after which a pipe is told how far it is


class _Patient(Console):
    """A console that says nothing more when nobody reads it any more."""

    def on_broken_pipe(self) -> None:
        """Fall silent; rich itself would exit."""
        self.quiet = True
        abandon(self.file)


class Screen:
    """Where a conversation is shown (`realtime_engine.show.Show`)."""

    def __init__(self, console: Console, bar: Progress | None) -> None:
        self._console = console
        self._bar = bar
        self._task: TaskID | None = None
        self._told = 0.0  # seconds of the file, when a pipe was last told

    def line(self, at: float, who: Who, text: str) -> None:
        """One line: when, who, what."""
        self._end_bar()
        start = Text(f"{at:8.2f} s  ", "dim") + Text(f"{who.value:<6} ", _COLOURS[who])
        self._print(start + Text(_plain(text)))

    def say(self, text: str) -> None:
        """One line that belongs to no time."""
        self._end_bar()
        self._print(Text(text))

    def hint(self, text: str) -> None:
        """One line for the person, on standard error."""
        self._end_bar()
        with suppress(OSError):
            print(f"engine: {text}", file=sys.stderr)  # noqa: T201 - the command's own word

    def progress(self, name: str, seconds: float, total: float | None) -> None:
        """A bar, which is gone when the file is over; in a pipe a line every minute."""
        if self._bar is None:
            if seconds - self._told >= _LONG:
                self._told = seconds
                self._print(Text(f"  … {name}: {_clock(seconds)} of {_clock(total)}"))
            return
        if self._task is None:
            self._task = self._bar.add_task(name, total=total)
        self._bar.update(self._task, completed=seconds, description=f"{name} {_clock(seconds)} of {_clock(total)}")
        if total is not None and seconds >= total:
            self._end_bar()

    def _print(self, line: Text) -> None:
        try:
            self._console.print(line, soft_wrap=True)
        except OSError as error:  # a full disk
            self._console.quiet = True
            abandon(self._console.file)
            self.hint(f"nothing more is shown: {error.strerror}")

    def _end_bar(self) -> None:
        self._told = 0.0
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


@contextmanager
def open_screen(*, stdout_is_taken: bool) -> Iterator[Screen]:
    """A screen on standard output, or, where that carries sound, on standard error."""
    file: TextIO = sys.stderr if stdout_is_taken else sys.stdout
    console = _Patient(file=file, highlight=False)
    if not console.is_terminal:
        yield Screen(console, None)
        return
    with Progress(TextColumn("  {task.description}"), BarColumn(), console=console, transient=True) as bar:
        yield Screen(console, bar)


def _plain(text: str) -> str:
    """In one line, and nothing in it that a terminal would obey: the words are a stranger's."""
    return "".join(each if each.isprintable() else " " for each in text)


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"
