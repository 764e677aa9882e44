"""What a server says of a key is said in other words, before anything else sees it.

The hosted service repeats a wrong key in its answer. An error may stand in an ``error`` event, in a ``response.done``,
in whatever has failed (protocol.md, 10), and in what nobody has heard of yet.
"""

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
_DELTA: Final = ".delta"
_REFUSED: Final = "invalid_api_key"
_OUTPUT: Final = "output"
"""What the model itself has said."""

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
    """The message itself; or, where it may show a key, what is said in its place."""
    if message.raw.startswith(_SPEECH) or message.kind is not Kind.TEXT:
        return message
    name = _name(message)
    if not _may_tell(name):
        return message
    text = message.raw.decode(errors="replace")
    if "\\" not in text and not server.betrays(text):
        return message
    try:
        event: Json = msgspec.json.decode(message.raw)
        said = _left_out(event, server) if name != _ERROR and server.betrays(_text(event)) else event
    except (msgspec.DecodeError, *ev.UNREADABLE):
        event = said = text
    if said != event:
        return Message(message.side, message.kind, msgspec.json.encode(said))
    if _is_all_of_an_error(name, event) and (server.betrays(text) or server.betrays(_text(event))):
        return Message(message.side, message.kind, ev.encode(_error(event, server)))
    return message


def _name(message: Message) -> str:
    """The event's type; ``""``: it has none, or is no event."""
    try:
        return message.type
    except msgspec.DecodeError:
        return ""


def _may_tell(name: str) -> bool:
    """Whether such an event may say what went wrong."""
    return name in (_ERROR, _DONE) or name.endswith(_FAILED) or not (name.endswith(_DELTA) or ev.is_known(name))


def _is_all_of_an_error(name: str, event: Json) -> bool:
    """Whether nothing of it is the model's own words."""
    return name in ("", _ERROR) or name.endswith(_FAILED) or not isinstance(event, dict)


def _left_out(said: Json, server: Server) -> Json:
    """All of it but the texts in which a key is seen; an error that may show one is told in other words."""
    if isinstance(said, str):
        return server.silence if server.shows(said) else said
    if isinstance(said, list):
        return [_left_out(each, server) for each in said]
    if not isinstance(said, dict):
        return said
    kept: dict[str, Json] = {}
    for name, value in said.items():
        if name == "error" and server.betrays(_text(value)):
            kept[name] = cast("Json", msgspec.to_builtins(_in_other_words(value, server)))
        elif name == _OUTPUT:
            kept[name] = value
        else:
            kept[server.silence if server.shows(name) else name] = _left_out(value, server)
    return kept


def _text(said: Json) -> str:
    """All that can be read in it, however deep."""
    texts: list[str] = []
    left = [said]
    while left:
        each = left.pop()
        if isinstance(each, str):
            texts.append(each)
        elif isinstance(each, list):
            left += each
        elif isinstance(each, dict):
            left += [*each, *each.values()]
    return " ".join(texts)


def _error(event: Json, server: Server) -> ev.Error:
    """An error in place of an event."""
    known = event if isinstance(event, dict) else {}
    detail = _in_other_words(known.get("error"), server)
    return ev.Error(event_id=_safe(known.get("event_id"), server) or UNSET, error=detail)


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
