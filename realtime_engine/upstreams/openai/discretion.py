"""What a server says of a key is said in other words, before anything else sees it.

The hosted service repeats a wrong key in its answer. An error may stand in an ``error`` event, in a ``response.done``
and in whatever has failed (protocol.md, 10).
"""

from collections.abc import Iterator
from typing import Final, cast

import msgspec
from msgspec import UNSET

from realtime_engine import events as ev
from realtime_engine.inputs import Kind, Message
from realtime_engine.objects import ErrorDetail, Json
from realtime_engine.upstreams.openai.server import Server

_ERROR: Final = ev.type_of(ev.Error)
_DONE: Final = ev.type_of(ev.ResponseDone)
_FAILED: Final = ".failed"
_REFUSED: Final = "invalid_api_key"

_SPEECH: Final = tuple(
    b'{"type":"%b"' % ev.type_of(event).encode()
    for event in (
        ev.ResponseOutputAudioDelta,
        ev.ResponseOutputAudioTranscriptDelta,
        ev.ResponseOutputTextDelta,
        ev.FunctionCallArgumentsDelta,
        ev.InputTranscriptionDelta,
    )
)
"""What nearly all events are, as every known server writes them: there is no error in it."""


def discreet(message: Message, server: Server) -> Message:
    """The message itself; or, if the error in it may show a key, what is said in its place."""
    if message.raw.startswith(_SPEECH) or not _may_tell(message):
        return message
    try:
        event: Json = msgspec.json.decode(message.raw)
    except (msgspec.DecodeError, *ev.UNREADABLE):
        event = message.raw.decode(errors="replace")
    holder = _holder(event, message.type)
    said = event if message.type == _ERROR or isinstance(event, str) else holder.get("error")
    if not server.betrays(" ".join(_texts(said))):
        return message
    detail = _in_other_words(holder.get("error"), server)
    if isinstance(event, dict) and message.type != _ERROR:
        holder["error"] = cast("Json", msgspec.to_builtins(detail))
        return Message(message.side, message.kind, msgspec.json.encode(event))
    event_id = _safe(event.get("event_id"), server) if isinstance(event, dict) else None
    return Message(message.side, message.kind, ev.encode(ev.Error(event_id=event_id or UNSET, error=detail)))


def _may_tell(message: Message) -> bool:
    """Whether it is an event that may hold an error."""
    try:
        name = message.type if message.kind is Kind.TEXT else ""
    except msgspec.DecodeError:
        return False  # it is the session that ends a conversation for it
    return name in (_ERROR, _DONE) or name.endswith(_FAILED)


def _holder(event: Json, name: str) -> dict[str, Json]:
    """The object in an event whose ``error`` tells what went wrong."""
    path = ("response", "status_details") if name == _DONE else ()
    for key in path:
        event = event.get(key) if isinstance(event, dict) else None
    return event if isinstance(event, dict) else {}


def _texts(said: Json) -> Iterator[str]:
    """All that can be read in it, however deep."""
    left = [said]
    while left:
        each = left.pop()
        if isinstance(each, str):
            yield each
        elif isinstance(each, list):
            left += each
        elif isinstance(each, dict):
            left += [*each, *each.values()]


def _in_other_words(error: Json, server: Server) -> ErrorDetail:
    """An error without what may show the key."""
    known = error if isinstance(error, dict) else {}
    return ErrorDetail(
        type=_safe(known.get("type"), server),
        code=_safe(known.get("code"), server),
        message=server.refusal if known.get("code") == _REFUSED else server.silence,
        param=_safe(known.get("param"), server),
        event_id=_safe(known.get("event_id"), server),
    )


def _safe(said: Json, server: Server) -> str | None:
    """A short text of the server's, unless it shows a secret."""
    return said if isinstance(said, str) and not server.shows(said) else None
