"""How a model's server speaks that does not speak the GA: what it says in the words of the GA, and back.

Source: protocol.md, section 2, for the beta; the recorded sessions of ``tests/traces/xai`` for xAI.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from realtime_engine.dialect import Translation, to_beta, to_ga
from realtime_engine.events import peek_type
from realtime_engine.fields import (
    NOTHING,
    Change,
    Fields,
    change_at,
    object_at,
    put,
    read_fields,
    take,
    text,
    value,
    value_at,
    without,
)
from realtime_engine.objects import Json

UpstreamDialect: TypeAlias = Literal["ga", "beta", "xai"]
"""How a server speaks."""


class Tongue(Protocol):
    """How one server speaks; what means the same in both is the very same frame."""

    def hear(self, raw: bytes) -> Sequence[bytes]:
        """What a frame of the server means, in the words of the GA, perhaps in several frames."""

    def say(self, raw: bytes) -> Translation:
        """What the server is told, in its own words, and what of it has no words there."""


class GaTongue:
    """The GA itself."""

    def hear(self, raw: bytes) -> Sequence[bytes]:
        """See `Tongue`."""
        return (raw,)

    def say(self, raw: bytes) -> Translation:
        """See `Tongue`."""
        return Translation(raw)


# --- the beta ---------------------------------------------------------------------------------------------------

_YOUNGER: Final = ("include", "parallel_tool_calls", "prompt", "reasoning", "truncation")
"""Settings that the beta has not; one of them, and its servers refuse all that stands beside it."""

_SETTINGS: Final = {"session.update": "session", "response.create": "response"}

_MOST_BEGUN: Final = 1000  # items of answers that have begun, and whose end may still come


class BetaTongue:
    """The beta (2024-10).

    It says once of an item that it is there. The GA says too when it is complete, and of which function a call's
    arguments are: that is known from what came before.
    """

    def __init__(self) -> None:
        self._begun: dict[bytes, Fields] = {}  # items of answers, by their ids as they are written
        self._placed: dict[bytes, msgspec.Raw] = {}  # those that are in the conversation: behind which they stand

    def hear(self, raw: bytes) -> Sequence[bytes]:
        """See `Tongue`."""
        handle = _BETA.get(_type(raw))
        event = read_fields(raw) if handle is not None else None
        said = to_ga(raw).raw
        return (said,) if handle is None or event is None else handle(self, event, said)

    def say(self, raw: bytes) -> Translation:
        """See `Tongue`."""
        holder = _SETTINGS.get(_type(raw))
        event = read_fields(raw) if holder is not None else None
        if holder is not None and event is not None:
            given = object_at(holder, event)
            younger = [key for key in _YOUNGER if key in given]
            if younger:
                left = text(change_at(holder, event, lambda settings: without(younger, settings)))
                lost = tuple(key for key in younger if given[key] != NOTHING)
                return Translation(to_beta(bytes(left)) or bytes(left), lost)
        return Translation(to_beta(raw) or raw)

    def _created(self, event: Fields, said: bytes) -> Sequence[bytes]:
        """An item of an answer has only begun; any other is complete."""
        item, previous = object_at("item", event), event.get("previous_item_id", NOTHING)
        if value_at("status", item) == "in_progress":
            _remember(self._placed, item, previous)
            return (said,)
        return (said, _done(said, previous)) if item else (said,)

    def _item_added(self, event: Fields, said: bytes) -> Sequence[bytes]:
        item = object_at("item", event)
        _remember(self._begun, item, item)
        return (said,)

    def _arguments_done(self, event: Fields, said: bytes) -> Sequence[bytes]:
        item = self._begun.get(bytes(event.get("item_id", NOTHING)), {})
        if "name" in event or "name" not in item:
            return (said,)
        return (bytes(text(event | {"name": item["name"]})),)

    def _item_done(self, event: Fields, said: bytes) -> Sequence[bytes]:
        item_id = _id(object_at("item", event))
        self._begun.pop(item_id, None)
        previous = self._placed.pop(item_id, None)
        return (said,) if previous is None else (_done(said, previous), said)


RememberedT = TypeVar("RememberedT")


def _remember(known: dict[bytes, RememberedT], item: Fields, what: RememberedT) -> None:
    known[_id(item)] = what
    if len(known) > _MOST_BEGUN:
        del known[next(iter(known))]


def _done(said: bytes, previous: msgspec.Raw) -> bytes:
    """``conversation.item.done`` for an item that another event shows complete."""
    event = read_fields(said) or {}
    event_id = value_at("event_id", event) or "event"
    done = {"type": text("conversation.item.done"), "event_id": text(f"{event_id}_done")}
    return bytes(text(done | {"previous_item_id": previous, "item": event.get("item", NOTHING)}))


def _id(item: Fields) -> bytes:
    return bytes(item.get("id", NOTHING))


_BETA: Final[Mapping[str, Callable[[BetaTongue, Fields, bytes], Sequence[bytes]]]] = {
    "conversation.item.created": BetaTongue._created,
    "response.output_item.added": BetaTongue._item_added,
    "response.function_call_arguments.done": BetaTongue._arguments_done,
    "response.output_item.done": BetaTongue._item_done,
}


# --- xAI --------------------------------------------------------------------------------------------------------


class XaiTongue:
    """xAI's: the GA, but for a few settings that stand where the beta had them, and for how usage is said.

    What it says besides (``ping``, ``conversation.created``, transcripts that are ``updated``) is passed on.
    """

    def hear(self, raw: bytes) -> Sequence[bytes]:
        """See `Tongue`."""
        change = _XAI.get(_type(raw))
        event = read_fields(raw) if change is not None else None
        if change is None or event is None:
            return (to_ga(raw).raw,)
        said = change(event)
        return (to_ga(raw if said is event else bytes(text(said))).raw,)

    def say(self, raw: bytes) -> Translation:
        """See `Tongue`."""
        if _type(raw) != "session.update":
            return Translation(raw)
        event = read_fields(raw) or {}
        said = change_at("session", event, _settings_to_xai)
        return Translation(raw if said is event else bytes(text(said)))


_MANUAL: Final[Json] = {"type": None}
"""What xAI has in place of a turn detection where there is none."""

_MOVED: Final = {"audio.input.turn_detection": "turn_detection", "audio.output.voice": "voice"}
"""Settings that xAI has at the top, by where the GA has them."""


def _settings_to_xai(session: Fields) -> Fields:
    for path, name in _MOVED.items():
        taken = None if name in session else take(path, session)
        if taken is not None:
            found, rest = taken
            session = rest | {name: _word_of_xai(name, found)}
    return session


def _word_of_xai(name: str, found: msgspec.Raw) -> msgspec.Raw:
    """A voice of one's own is an id to xAI, and an object with an id to the GA."""
    if name == "turn_detection":
        return text(_MANUAL) if found == NOTHING else found
    return (read_fields(found) or {}).get("id", found)


def _session_of_xai(session: Fields) -> Fields:
    detection = session.get("turn_detection")
    if detection is None or value(detection) != _MANUAL:
        return session
    rest = without(("turn_detection",), session)
    return put("audio.input.turn_detection", NOTHING, rest) or session


def _response_of_xai(response: Fields) -> Fields:
    """There are no details where xAI says that it has none to give."""
    details = isinstance(value_at("status_details", response), str)
    return response | {"status_details": NOTHING} if details else response


def _ended_by_xai(event: Fields) -> Fields:
    """The usage stands beside the response, in which it is empty."""
    event = change_at("response", event, _response_of_xai)
    if "usage" not in event or object_at("usage", object_at("response", event)):
        return event
    return change_at("response", event, lambda response: response | {"usage": event["usage"]})


def _begun_by_xai(event: Fields) -> Fields:
    return change_at("response", event, _response_of_xai)


def _session_said_by_xai(event: Fields) -> Fields:
    return change_at("session", event, _session_of_xai)


_XAI: Final[Mapping[str, Change]] = {
    "session.created": _session_said_by_xai,
    "session.updated": _session_said_by_xai,
    "response.created": _begun_by_xai,
    "response.done": _ended_by_xai,
}


TONGUES: Final[Mapping[UpstreamDialect, Callable[[], Tongue]]] = {
    "ga": GaTongue,
    "beta": BetaTongue,
    "xai": XaiTongue,
}
"""A new one for each session: what it hears may have to be remembered."""


def _type(raw: bytes) -> str:
    try:
        return peek_type(raw)
    except msgspec.DecodeError:
        return ""
