"""Logs on standard error: one line an event, for a person or for a machine.

Whoever logs takes care to say no secret (`realtime_engine.journal`); should one slip through all the same, it is
blacked out here. A reader of standard error that is gone, or that has stopped reading, harms nobody.
"""

import atexit
import logging
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from typing import IO, Final, Literal

import structlog
from structlog.typing import EventDict, Processor

REDACTED: Final = "[redacted]"
LEAST_SECRET: Final = 4  # characters; blacking out less would black out everything
LONGEST: Final = 500
"""Characters of one value that are shown."""

MOST_WAITING: Final = 10_000
"""Lines that may wait to be read; what comes then is counted, and its number is said."""

GOODBYE: Final = 1.0
"""Seconds that the last lines have to be read."""

_SECRET_NAMES: Final = re.compile(r"(?i)authori[sz]ation|cookie|key|password|secret|token$")
_LOOKS_SECRET: Final = re.compile(r"(?i)\b(?:ek_|sk-)[a-z0-9_-]{12,}|\bbearer\s+\S+")
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def configure(
    *,
    verbose: bool,
    level: int = logging.WARNING,
    form: Literal["console", "json"] = "console",
    secrets: Collection[str] = (),
    behind: bool = False,
) -> None:
    """Set structlog up.

    Args:
        verbose: Show everything.
        level: What is shown otherwise.
        form: Lines for a person, or JSON.
        secrets: What must never be shown, whoever says it.
        behind: A thread writes, so that a reader that has stopped reading holds up nobody: for servers.
    """
    shown: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        _Discretion(secrets),
    ]
    if form == "json":
        shown += [
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.JSONRenderer(),
        ]
    else:
        shown += [
            structlog.processors.TimeStamper(fmt="%H:%M:%S.%f", utc=False),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr is not None and sys.stderr.isatty(),
                exception_formatter=structlog.dev.plain_traceback,
            ),
        ]
    writer = _writer(sys.stderr, behind=behind)
    structlog.configure(
        processors=shown,
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )


class _Discretion:
    """Shows every value as one short printable text, and no secret. Of an exception the journal says what is to say."""

    def __init__(self, secrets: Collection[str]) -> None:
        known = sorted((secret for secret in secrets if len(secret) >= LEAST_SECRET), key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, logger: object, method: str, line: EventDict) -> EventDict:
        line.pop("exc_info", None)
        for name, value in line.items():
            if isinstance(value, str) and _SECRET_NAMES.search(name):
                line[name] = REDACTED
            elif not isinstance(value, int | float | None):
                line[name] = self._shown(value if isinstance(value, str) else repr(value))
        return line

    def _shown(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(REDACTED, text)
        text = _UNPRINTABLE.sub(" ", _LOOKS_SECRET.sub(REDACTED, text))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text)} characters)"


def _as_json(logger: object, method: str, line: EventDict) -> str:  # noqa: ARG001 - what a processor is given
    """Time, level and event first."""
    import msgspec  # the help can do without

    first = {name: line.pop(name) for name in ("time", "level", "event")}
    return msgspec.json.encode({**first, **line}).decode()


class _AtOnce:
    """Writes lines where it is told to, before the call returns."""

    def __init__(self, stream: IO[str] | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        """Write a line."""
        if self._stream is not None:
            with suppress(OSError, ValueError):  # it is gone, or closed
                self._stream.write(f"{line}\n")
                self._stream.flush()

    log = debug = info = warning = error = critical = exception = msg


class _Behind:
    """Writes lines to a file from a thread of its own.

    The file's own number is written to, without a buffer: a thread that hangs there holds no lock.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._lines: deque[str] = deque()
        self._lost = 0
        self._news = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def msg(self, line: str) -> None:
        """Have a line written."""
        if len(self._lines) < MOST_WAITING:
            self._lines.append(line)
        else:
            self._lost += 1
        self._news.set()

    log = debug = info = warning = error = critical = exception = msg

    def close(self) -> None:
        """Wait until all is written, for `GOODBYE` at most. It blocks."""
        atexit.unregister(self.close)
        self._over = True
        self._news.set()
        self._thread.join(GOODBYE)

    def _write(self) -> None:
        """The thread."""
        while not self._over or self._lines:
            self._news.wait()
            self._news.clear()
            while self._lines:
                self._put(self._lines.popleft())
            if self._lost:
                lost, self._lost = self._lost, 0
                self._put(f"{lost} lines of the log are lost: nobody has read it")

    def _put(self, line: str) -> None:
        rest = f"{line}\n".encode(errors="replace")
        with suppress(OSError):  # nobody reads any more
            while rest:
                rest = rest[os.write(self._number, rest) :]


def _writer(stream: IO[str] | None, *, behind: bool) -> _AtOnce | _Behind:
    if behind and stream is not None:
        with suppress(OSError, ValueError):  # it is no file, or closed
            return _Behind(stream.fileno())
    return _AtOnce(stream)
