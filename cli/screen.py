"""A conversation on the terminal: lines as it happens, and below them a bar while a file is spoken, or a scene.

A pipe has plain lines.

Whoever watches may go away; the conversation, and its recording, go on.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from cli.out import abandon
from cli.scene import COLOURS, Drawing, clock, plain
from realtime_engine.show import Scene, Who

if TYPE_CHECKING:
    from rich.progress import TaskID

_LONG = 60.0  # seconds of a file, after which a pipe is told how far it is


class _Patient(Console):
    """A console that says nothing more when nobody reads it any more."""

    def on_broken_pipe(self) -> None:
        """Fall silent; rich itself would exit."""
        self.quiet = True
        abandon(self.file)


class Screen:
    """Where a conversation is shown (`realtime_engine.show.Show`).

    What is below the lines is drawn anew whenever it is told, by whoever tells it: rich's own thread would meet the
    lines half-way, and leave some of it behind. The cursor is hidden only while there is something.
    """

    def __init__(self, console: Console, *, lively: bool) -> None:
        self._console = console
        self._lively = lively
        self._bar = Progress(TextColumn("  {task.description}"), BarColumn(), console=console)
        self._task: TaskID | None = None
        self._scene: Scene | None = None
        self._live: Live | None = None
        self._told = 0.0  # seconds of the file, when a pipe was last told

    @property
    def lively(self) -> bool:
        """Whether there is more than lines."""
        return self._lively

    def line(self, at: float, who: Who, text: str) -> None:
        """One line: when, who, what."""
        self._end_bar()
        self._print(Text.assemble((f"{at:8.2f} s  ", "dim"), (f"{who.value:<6} ", COLOURS[who]), plain(text)))

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
        if not self._lively:
            if seconds - self._told >= _LONG:
                self._told = seconds
                self._print(Text(f"  … {name}: {clock(seconds)} of {clock(total)}"))
            return
        if self._task is None:
            self._task = self._bar.add_task(name, total=total)
        self._bar.update(self._task, completed=seconds, description=f"{name} {clock(seconds)} of {clock(total)}")
        self._draw()
        if total is not None and seconds >= total:
            self._end_bar()

    def scene(self, scene: Scene | None) -> None:
        """What is seen below the lines from now on."""
        self._scene = scene
        if scene is None:
            self.close()
        elif self._lively:
            self._draw()

    def close(self) -> None:
        """Take away what is below the lines, and give the cursor back."""
        live, self._live = self._live, None
        if live is not None:
            with suppress(OSError):  # the terminal itself is gone
                live.stop()

    def _draw(self) -> None:
        if self._console.quiet:
            return
        live = self._live or Live(console=self._console, transient=True, auto_refresh=False, get_renderable=self.below)
        try:
            live.start()
            self._live = live
            live.refresh()
        except OSError as error:
            self._give_up(error)

    def below(self) -> RenderableType:
        """What is drawn below the lines."""
        scene = self._scene
        return self._bar if scene is None else Drawing(scene)

    def _print(self, line: Text) -> None:
        try:
            self._console.print(line, soft_wrap=True)
        except OSError as error:  # a full disk
            self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self._console.quiet = True
        abandon(self._console.file)
        self.close()
        self.hint(f"nothing more is shown: {error.strerror}")

    def _end_bar(self) -> None:
        self._told = 0.0
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None


@contextmanager
def open_screen(*, stdout_is_taken: bool) -> Iterator[Screen]:
    """A screen on standard output, or, where that carries sound, on standard error."""
    file: TextIO = sys.stderr if stdout_is_taken else sys.stdout
    console = _Patient(file=file, highlight=False)
    screen = Screen(console, lively=console.is_terminal and not console.is_dumb_terminal)
    try:
        yield screen
    finally:
        screen.close()
