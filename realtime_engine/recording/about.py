"""``recording.json``: what a conversation was, what its session was made of, and how the recording ended.

One field a line, so that it reads and diffs well; the values are compact, because replay needs the settings byte for
byte. Behind it stands room, in spaces, for the way it ends: that is written in place, which works on a full disk.
"""

from importlib.metadata import version
from typing import Final

import msgspec
from msgspec import Struct

from realtime_engine.errors import RecordingError
from realtime_engine.options import SessionOptions
from realtime_engine.recording.redact import redact

VERSION: Final = 1
_ROOM: Final = 2048
REASON: Final = 300  # characters of a reason that are kept: they fit the room however they are escaped


class Ended(Struct, frozen=True, kw_only=True):
    """How the recording ended. If it is not ``complete``, the conversation may have gone on.

    Attributes:
        complete: It ends with the ``end`` line.
        n: The last input that it holds.
        at: The time of its last line, in seconds.
        reason: Why the conversation, or only the recording, ended.
    """

    complete: bool
    n: int
    at: float
    reason: str


class About(Struct, frozen=True, kw_only=True):
    """The contents of ``recording.json``.

    Attributes:
        version: Of the format.
        engine: The version of the engine that wrote it.
        started: When, in UTC, as ISO 8601.
        front, upstream: The names of the plug-ins.
        options: What the session was made of, without its secrets.
        ended: None: it was cut off, or goes on.
    """

    version: int = VERSION
    engine: str
    started: str
    front: str
    upstream: str
    options: SessionOptions
    ended: Ended | None = None


class _Version(Struct):
    version: int
    engine: str = "?"


def engine_version() -> str:
    """The version of this engine."""
    return version("realtime-engine")


def ending(*, complete: bool, n: int, at: float, reason: str) -> Ended:
    """How a recording ended, with a reason that fits the room."""
    return Ended(complete=complete, n=n, at=at, reason=reason[:REASON])


def write_about(about: About) -> bytes:
    """The text of ``recording.json``; of the same size whatever `About.ended` says."""
    fields = [
        f'  "version": {about.version}',
        *(f'  "{name}": {_json(getattr(about, name))}' for name in ("engine", "started", "front", "upstream")),
        f'  "options": {redact(msgspec.json.encode(about.options)).decode()}',
    ]
    start = ("{\n" + ",\n".join(fields) + ',\n  "ended": ').encode()
    end = _json(about.ended).encode() + b"\n}"
    return start + end.ljust(_ROOM) + b"\n"


def read_about(text: bytes, name: str) -> About:
    """Read ``recording.json``. ``name`` is the recording's, for the messages.

    Raises:
        RecordingError: It is of a newer version, or damaged.
    """
    try:
        found = msgspec.json.decode(text, type=_Version)
        if found.version > VERSION:
            raise RecordingError(
                f"{name} is in version {found.version} of the format, written by engine {found.engine}; "
                f"this engine {engine_version()} reads version {VERSION}: use a newer one"
            )
        return msgspec.json.decode(text, type=About)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{name}: recording.json cannot be read: {error}") from error


def _json(value: str | Ended | None) -> str:
    return msgspec.json.encode(value).decode()
