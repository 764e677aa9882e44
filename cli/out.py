"""Standard output, which may be a pipe whose reader goes away, or a file on a disk that is full.

A command that prints ends then, as other tools do; a conversation goes on, unseen (`cli.screen`).
"""

import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import IO

from rich.console import Console


class Out(Console):
    """A console for the lines of a command.

    Raises:
        BrokenPipeError: From any print: nobody reads any more. Rich itself would exit with status 1.
    """

    def on_broken_pipe(self) -> None:
        """Leave it to the command; rich calls this where it has caught the error."""
        raise  # noqa: PLE0704 - what is being handled


def lines(*, stderr: bool = False) -> Out:
    """A console for plain lines: no markup, no colours, nothing wrapped."""
    return Out(stderr=stderr, highlight=False, markup=False, soft_wrap=True)


def escape() -> None:
    """What standard output cannot show in its encoding is written as an escape, as on standard error."""
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def flush() -> None:
    """Write what standard output still holds back, as long as an error can be told.

    Raises:
        OSError: It cannot be written.
    """
    stdout: IO[str] | None = sys.stdout  # None: it was closed before Python began
    if stdout is not None:
        stdout.flush()


def abandon(stream: IO[str] | None) -> None:
    """Nobody can read this any more: what is still to come, and what is held back, goes nowhere."""
    if stream is None:
        return
    with suppress(OSError):  # what is no file has nothing to lose
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
        stream.flush()
