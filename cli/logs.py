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
import time
from collections import deque
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from types import NoneType
from typing import IO, Final, Literal, NamedTuple, TypeAlias

import structlog
from structlog.typing import EventDict

Shown: TypeAlias = str | int | float | None

_PLAIN: Final = (str, int, float, NoneType)

REDACTED: Final = "[redacted]"
LEAST_SECRET: Final = 4  # characters; blacking out less would black out everything
LONGEST: Final = 500
"""Characters of one value that are shown."""

MOST_WAITING: Final = 10_000
"""Lines that may wait to be read; what comes then is counted, and its number is said."""

GATHER: Final = 0.1
"""Seconds in which lines are gathered before they are written: a burst of sessions shall not wait for its log."""

GOODBYE: Final = 1.0
"""Seconds that the last lines have to be read."""

_SECRET_NAMES: Final = re.compile(r"(?i)authori[sz]ation|cookie|key|password|secret|token$")
_KEY_LIKE: Final = r"(?i:\b(?:ek_|sk-)[a-z0-9_-]{12,}|\bbearer\s+[\w.~+/=-]+)"
_KEY_SIGNS: Final = ("ek_", "sk-", "bearer")  # one of them is in all that is like a key
_COLOURS: Final = {"debug": 36, "info": 32, "warning": 33, "error": 31}


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
    render = _AsJson(secrets) if form == "json" else _AsText(secrets, sys.stderr)
    writer = _writer(sys.stderr, render, behind=behind)
    structlog.configure(
        processors=[structlog.contextvars.merge_contextvars, _said],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else level),
        logger_factory=lambda *_: writer,
        cache_logger_on_first_use=False,
    )


class _Said(NamedTuple):
    """What was said, and when; to make it readable takes longer, and can be done behind.

    Attributes:
        at: Seconds since 1970.
    """

    at: float
    level: str
    event: Shown
    values: Mapping[str, Shown]


def _said(_: object, method: str, line: EventDict) -> tuple[tuple[_Said], dict[str, object]]:
    """Structlog's last step: what to give to the writer. Of an exception the journal says what is to say."""
    line.pop("exc_info", None)
    values = {name: value if isinstance(value, _PLAIN) else repr(value) for name, value in line.items()}
    return (_Said(time.time(), method, values.pop("event"), values),), {}


class _Renderer:
    """Makes a line of what was said: every value a short printable text, and no secret.

    What is hidden is hidden in the whole line at once.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted((secret for secret in secrets if len(secret) >= LEAST_SECRET), key=len, reverse=True)
        self._secret = re.compile("|".join([*map(re.escape, known), _KEY_LIKE]))
        self._signs = (*map(str.casefold, known), *_KEY_SIGNS)
        self._named: dict[str, bool] = {}
        self._second = -1
        self._clock = ""  # then

    def __call__(self, said: _Said) -> str:
        event = self._shown(said.event)
        values = {
            name: REDACTED if self._is_secret(name) else self._shown(value) for name, value in said.values.items()
        }
        return self._hidden(self._write(self._when(said.at), said.level, str(event), values))

    def _write(self, when: str, level: str, event: str, values: Mapping[str, Shown]) -> str:
        raise NotImplementedError

    def _to_the_second(self, at: datetime) -> str:
        raise NotImplementedError

    def _when(self, at: float) -> str:
        """To the millisecond; many lines are of one second."""
        second, microseconds = divmod(round(at * 1e6), 1_000_000)
        if second != self._second:
            self._second, self._clock = second, self._to_the_second(datetime.fromtimestamp(second, UTC))
        return f"{self._clock}.{microseconds // 1000:03}"

    def _hidden(self, text: str) -> str:
        """Without its secrets; that there is none is sooner seen than where one is."""
        folded = text.casefold()
        return self._secret.sub(REDACTED, text) if any(sign in folded for sign in self._signs) else text

    def _shown(self, text: Shown) -> Shown:
        if not isinstance(text, str):
            return text
        if len(text) > LONGEST:  # a secret is hidden before it is cut
            text = f"{self._hidden(text)[:LONGEST]}… ({len(text)} characters)"
        return text if text.isprintable() else "".join(sign if sign.isprintable() else " " for sign in text)

    def _is_secret(self, name: str) -> bool:
        known = self._named.get(name)
        if known is None:
            known = self._named[name] = bool(_SECRET_NAMES.search(name)) and not name.endswith("tokens")
        return known


class _AsJson(_Renderer):
    """For machines: an object a line; time, level and event first."""

    def __init__(self, secrets: Iterable[str]) -> None:
        import msgspec  # the help can do without

        self._encode = msgspec.json.Encoder().encode
        super().__init__(self._encode(secret)[1:-1].decode() for secret in secrets)

    def _to_the_second(self, at: datetime) -> str:
        return f"{at:%Y-%m-%dT%H:%M:%S}"

    def _write(self, when: str, level: str, event: str, values: Mapping[str, Shown]) -> str:
        return self._encode({"time": f"{when}Z", "level": level, "event": event, **values}).decode()


class _AsText(_Renderer):
    """For persons: the local time, and colours on a terminal."""

    def __init__(self, secrets: Iterable[str], stream: IO[str] | None) -> None:
        super().__init__(form for secret in secrets for form in {secret, repr(secret)[1:-1]})
        self._coloured = stream is not None and stream.isatty()

    def _to_the_second(self, at: datetime) -> str:
        return f"{at.astimezone():%H:%M:%S}"

    def _write(self, when: str, level: str, event: str, values: Mapping[str, Shown]) -> str:
        shown = f"\x1b[{_COLOURS.get(level, 0)}m{level:7}\x1b[0m" if self._coloured else f"{level:7}"
        more = " ".join(f"{name}={value}" if _is_word(value) else f"{name}={value!r}" for name, value in values.items())
        return f"{when} {shown} {event:28} {more}".rstrip()


def _is_word(value: Shown) -> bool:
    return not isinstance(value, str) or (value != "" and " " not in value and "'" not in value)


class _AtOnce:
    """Writes lines where it is told to, before the call returns."""

    def __init__(self, stream: IO[str] | None, render: _Renderer) -> None:
        self._stream = stream
        self._render = render

    def msg(self, said: _Said) -> None:
        """Write a line."""
        if self._stream is not None:
            with suppress(OSError, ValueError):  # it is gone, or closed
                self._stream.write(f"{self._render(said)}\n")
                self._stream.flush()

    log = debug = info = warning = error = critical = exception = msg


class _Behind:
    """Writes lines to a file from a thread of its own.

    The file's own number is written to, without a buffer: a thread that hangs there holds no lock.
    """

    def __init__(self, number: int, render: _Renderer) -> None:
        self._number = number
        self._render = render
        self._lines: deque[_Said] = deque()
        self._lost = 0
        self._news = threading.Event()
        self._over = False
        self._hurry = threading.Event()  # nothing more is gathered
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def msg(self, said: _Said) -> None:
        """Have a line written."""
        if len(self._lines) < MOST_WAITING:
            self._lines.append(said)
        else:
            self._lost += 1
        if not self._news.is_set():
            self._news.set()

    def urgent(self, said: _Said) -> None:
        """Have a line written, and all before it, at once: it may be the last."""
        self.msg(said)
        self._hurry.set()

    log = debug = info = msg
    warning = error = critical = exception = urgent

    def close(self) -> None:
        """Wait until all is written, for `GOODBYE` at most. It blocks."""
        atexit.unregister(self.close)
        self._over = True
        self._hurry.set()
        self._news.set()
        with suppress(KeyboardInterrupt):  # who cannot wait need not
            self._thread.join(GOODBYE)

    def _write(self) -> None:
        """The thread."""
        while self._lines or not self._over:
            self._news.wait()
            self._hurry.wait(GATHER)
            self._hurry.clear()
            self._news.clear()
            while lines := [self._render(self._lines.popleft()) for _ in range(len(self._lines))]:
                self._put("\n".join(lines))
            if self._lost:
                lost, self._lost = self._lost, 0
                self._put(f"{lost} lines of the log are lost: nobody has read it")

    def _put(self, line: str) -> None:
        rest = f"{line}\n".encode(errors="replace")
        with suppress(OSError):  # nobody reads any more
            while rest:
                rest = rest[os.write(self._number, rest) :]


def _writer(stream: IO[str] | None, render: _Renderer, *, behind: bool) -> _AtOnce | _Behind:
    if behind and stream is not None:
        with suppress(OSError, ValueError):  # it is no file, or closed
            return _Behind(stream.fileno(), render)
    return _AtOnce(stream, render)
