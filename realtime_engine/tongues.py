"""How a model's server speaks that does not speak the GA: what it says in the words of the GA, and back.

Source: protocol.md, section 2, for the beta; the recorded sessions of ``tests/traces/xai`` for xAI.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias, TypeVar

import msgspec

from realtime_engine.dialect import Translation, event_type, to_beta, to_ga
from realtime_engine.fields import (
    NOTHING,
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


_MOST_BEGUN: Final = 1000
"""Items of each kind that have begun, and whose end may still come."""


class _Placed:
    """Items that are in the conversation and not complete: a GA server says of each when it is, these do not."""

    def __init__(self) -> None:
        self._added: dict[bytes, Fields] = {}  # what said so, by the item's id as it is written

    def __len__(self) -> int:
        return len(self._added)

    def add(self, event: Fields, *, begun: bool = False) -> Sequence[Fields]:
        """An item is there: it has only begun, which may be known of it, or it is complete at once."""
        item = object_at("item", event)
        if not begun and value_at("status", item) != "in_progress":
            return (event, _done(event, item, event)) if item else (event,)
        _remember(self._added, _id(item), event)
        return (event,)

    def complete(self, event: Fields, item_id: bytes, item: Fields | None = None) -> Sequence[Fields]:
        """An event shows an item complete; nothing is to be said of one that is not in the conversation."""
        added = self._added.pop(item_id, None)
        if added is None:
            return ()
        known = object_at("item", added) | {"status": text("completed")}
        return (_done(added, known if item is None else item, event),)


RememberedT = TypeVar("RememberedT")


def _remember(known: dict[bytes, RememberedT], item_id: bytes, what: RememberedT) -> None:
    known[item_id] = what
    if len(known) > _MOST_BEGUN:
        del known[next(iter(known))]


def _done(added: Fields, item: Fields, shown: Fields) -> Fields:
    """``conversation.item.done`` for an item that was added, and that another event shows complete."""
    event_id = value_at("event_id", shown) or "event"
    done = {"type": text("conversation.item.done"), "event_id": text(f"{event_id}_done")}
    return done | {"previous_item_id": added.get("previous_item_id", NOTHING), "item": text(item)}


def _id(item: Fields) -> bytes:
    return bytes(item.get("id", NOTHING))


def _item_id(event: Fields) -> bytes:
    return bytes(event.get("item_id", NOTHING))


def _in_ga(raw: bytes, event: Fields, meant: Sequence[Fields]) -> Sequence[bytes]:
    """Frames for what an event means, in the words of the GA; the very frame where that is the event itself."""
    return tuple(to_ga(raw if each is event else bytes(text(each))).raw for each in meant)


# --- the beta ---------------------------------------------------------------------------------------------------

_YOUNGER: Final = ("include", "parallel_tool_calls", "prompt", "reasoning", "truncation")
"""Settings that the beta has not; one of them, and its servers refuse all that stands beside it."""

_OF_TRANSCRIPTION: Final = frozenset({"include"})
"""Those that it has where a session only transcribes."""

_SETTINGS: Final = {"session.update": "session", "response.create": "response"}


class BetaTongue:
    """The beta (2024-10).

    It says once of an item that it is there. The GA says too when it is complete, and of which function a call's
    arguments are: that is known from what came before.
    """

    def __init__(self) -> None:
        self._placed = _Placed()
        self._begun: dict[bytes, Fields] = {}  # items of answers, by their ids as they are written

    def hear(self, raw: bytes) -> Sequence[bytes]:
        """See `Tongue`."""
        handle = _BETA.get(event_type(raw))
        event = read_fields(raw) if handle is not None else None
        return (to_ga(raw).raw,) if handle is None or event is None else _in_ga(raw, event, handle(self, event))

    def say(self, raw: bytes) -> Translation:
        """See `Tongue`."""
        holder = _SETTINGS.get(event_type(raw))
        event = read_fields(raw) if holder is not None else None
        if holder is not None and event is not None:
            given = object_at(holder, event)
            known = _OF_TRANSCRIPTION if value_at("type", given) == "transcription" else ()
            younger = [key for key in _YOUNGER if key in given and key not in known]
            if younger:
                left = text(change_at(holder, event, lambda settings: without(younger, settings)))
                lost = tuple(key for key in younger if given[key] != NOTHING)
                return Translation(to_beta(bytes(left)) or bytes(left), lost)
        return Translation(to_beta(raw) or raw)

    def _created(self, event: Fields) -> Sequence[Fields]:
        """Not all servers say of an answer's item that it is in progress."""
        return self._placed.add(event, begun=_id(object_at("item", event)) in self._begun)

    def _item_added(self, event: Fields) -> Sequence[Fields]:
        item = object_at("item", event)
        _remember(self._begun, _id(item), item)
        return (event,)

    def _arguments_done(self, event: Fields) -> Sequence[Fields]:
        item = self._begun.get(_item_id(event), {})
        return (event,) if "name" in event or "name" not in item else (event | {"name": item["name"]},)

    def _item_done(self, event: Fields) -> Sequence[Fields]:
        item = object_at("item", event)
        self._begun.pop(_id(item), None)
        return *self._placed.complete(event, _id(item), item), event


_BETA: Final[Mapping[str, Callable[[BetaTongue, Fields], Sequence[Fields]]]] = {
    "conversation.item.created": BetaTongue._created,
    "response.output_item.added": BetaTongue._item_added,
    "response.function_call_arguments.done": BetaTongue._arguments_done,
    "response.output_item.done": BetaTongue._item_done,
}


# --- xAI --------------------------------------------------------------------------------------------------------


class XaiTongue:
    """xAI's: the GA, but for what it says otherwise, or leaves out.

    A few settings stand where the beta had them, and usage stands beside the response. The transcript of a turn that is
    still being said is corrected, and called completed before it is; the GA has only words that are added. What ends an
    answer's part or item says nothing of its content, which is known from what came before; no event says that an item
    is complete. ``ping`` is a matter between xAI and whoever is connected to it.
    """

    def __init__(self) -> None:
        self._placed = _Placed()
        self._begun: dict[bytes, Fields] = {}  # items of answers, by their ids as they are written
        self._parts: dict[bytes, dict[bytes, Fields]] = {}  # and their parts, by their indexes
        self._heard: dict[bytes, str] = {}  # what of a turn's transcript has been said, by the item's id

    def hear(self, raw: bytes) -> Sequence[bytes]:
        """See `Tongue`."""
        handle = _XAI.get(event_type(raw))
        event = read_fields(raw) if handle is not None else None
        return (to_ga(raw).raw,) if handle is None or event is None else _in_ga(raw, event, handle(self, event))

    def say(self, raw: bytes) -> Translation:
        """See `Tongue`."""
        if event_type(raw) != "session.update":
            return Translation(raw)
        event = read_fields(raw) or {}
        said = change_at("session", event, _settings_to_xai)
        return Translation(raw if said is event else bytes(text(said)))

    def _ping(self, event: Fields) -> Sequence[Fields]:
        return ()

    def _session(self, event: Fields) -> Sequence[Fields]:
        return (change_at("session", event, _session_of_xai),)

    def _response_created(self, event: Fields) -> Sequence[Fields]:
        return (change_at("response", event, _response_of_xai),)

    def _response_done(self, event: Fields) -> Sequence[Fields]:
        """The usage stands beside the response, in which it is empty."""
        ended = change_at("response", event, _response_of_xai)
        if "usage" not in ended or object_at("usage", object_at("response", ended)):
            return (ended,)
        return (change_at("response", ended, lambda response: response | {"usage": event["usage"]}),)

    # --- turns ----------------------------------------------------------------------------------------------

    def _added(self, event: Fields) -> Sequence[Fields]:
        return self._placed.add(event)

    def _committed(self, event: Fields) -> Sequence[Fields]:
        """A turn that was added while it was said is complete."""
        return event, *self._placed.complete(event, _item_id(event))

    def _transcribed(self, event: Fields) -> Sequence[Fields]:
        """What is final replaces all that was said of it; of what is not, the GA can only say what is more."""
        item_id, words = _item_id(event), str(value_at("transcript", event) or "")
        if value_at("type", event) == _COMPLETED and value_at("status", event) != "in_progress":
            self._heard.pop(item_id, None)
            return (event,)
        heard = self._heard.get(item_id, "")
        if not words.startswith(heard) or words == heard:
            return ()
        _remember(self._heard, item_id, words)
        more = {"type": text(_DELTA), "delta": text(words.removeprefix(heard))}
        return (without(("transcript", "status"), event) | more,)

    # --- answers --------------------------------------------------------------------------------------------

    def _item_added(self, event: Fields) -> Sequence[Fields]:
        item = object_at("item", event)
        _remember(self._begun, _id(item), item)
        _remember(self._parts, _id(item), {})
        empty = value_at("type", item) == "message" and "content" not in item
        return (event | {"item": text(item | {"content": text([])})},) if empty else (event,)

    def _part(self, event: Fields) -> Fields:
        """What is known of the part that an event is about."""
        return self._parts.get(_item_id(event), {}).get(_index(event), {})

    def _part_added(self, event: Fields) -> Sequence[Fields]:
        if _item_id(event) in self._parts:
            self._parts[_item_id(event)][_index(event)] = object_at("part", event)
        return (event,)

    def _words_done(self, event: Fields) -> Sequence[Fields]:
        part = self._part(event)
        if part:
            said = {key: event[key] for key in ("transcript", "text") if key in event}
            self._parts[_item_id(event)][_index(event)] = part | said
        return (event,)

    def _part_done(self, event: Fields) -> Sequence[Fields]:
        part = self._part(event)
        return (event,) if "part" in event or not part else (event | {"part": text(part)},)

    def _arguments_done(self, event: Fields) -> Sequence[Fields]:
        item = self._begun.get(_item_id(event), {})
        whole = {key: item[key] for key in ("call_id", "name") if key in item} | event
        if item:
            said = {key: whole[key] for key in ("call_id", "name", "arguments") if key in whole}
            self._begun[_item_id(event)] = item | said
        return (event,) if whole.keys() == event.keys() else (whole,)

    def _item_done(self, event: Fields) -> Sequence[Fields]:
        item = object_at("item", event)
        item_id = _id(item)
        known, parts = self._begun.pop(item_id, {}), self._parts.pop(item_id, {})
        whole = known | item
        if parts and "content" not in item:
            whole |= {"content": text([text(part) for part in parts.values()])}
        ended = event if whole.keys() == item.keys() else event | {"item": text(whole)}
        return *self._placed.complete(event, item_id, whole), ended


_COMPLETED: Final = "conversation.item.input_audio_transcription.completed"
_UPDATED: Final = "conversation.item.input_audio_transcription.updated"
_DELTA: Final = "conversation.item.input_audio_transcription.delta"

_XAI: Final[Mapping[str, Callable[[XaiTongue, Fields], Sequence[Fields]]]] = {
    "ping": XaiTongue._ping,
    "session.created": XaiTongue._session,
    "session.updated": XaiTongue._session,
    "conversation.item.added": XaiTongue._added,
    "input_audio_buffer.committed": XaiTongue._committed,
    _UPDATED: XaiTongue._transcribed,
    _COMPLETED: XaiTongue._transcribed,
    "response.created": XaiTongue._response_created,
    "response.output_item.added": XaiTongue._item_added,
    "response.content_part.added": XaiTongue._part_added,
    "response.output_audio_transcript.done": XaiTongue._words_done,
    "response.text.done": XaiTongue._words_done,
    "response.output_text.done": XaiTongue._words_done,
    "response.content_part.done": XaiTongue._part_done,
    "response.function_call_arguments.done": XaiTongue._arguments_done,
    "response.output_item.done": XaiTongue._item_done,
    "response.done": XaiTongue._response_done,
}

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


def _index(event: Fields) -> bytes:
    return bytes(event.get("content_index", NOTHING))


TONGUES: Final[Mapping[UpstreamDialect, Callable[[], Tongue]]] = {
    "ga": GaTongue,
    "beta": BetaTongue,
    "xai": XaiTongue,
}
"""A new one for each session: what it hears may have to be remembered."""
