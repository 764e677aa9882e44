"""The two generations of the Realtime protocol, the beta (2024-10) and the GA (2025-08), in each other's words.

Both ways are pure and total: whatever a frame is, there is an answer to it, and what has not changed its name stays
byte for byte as it was, unknown events and unknown fields too. A setting has one place in each generation; where the
other's place is taken it stays where it is, and the server says what is wrong with it.

Source: protocol.md, section 2.
"""

from collections.abc import Mapping
from functools import partial
from typing import Final, Literal, NamedTuple, TypeAlias

import msgspec

from realtime_engine.events import ENGINE_EVENTS, peek_type, type_of
from realtime_engine.fields import (
    NOTHING,
    Change,
    Fields,
    change_at,
    change_each,
    object_at,
    put,
    read_fields,
    take,
    text,
    value,
    value_at,
    with_default,
    without,
)
from realtime_engine.objects import Json

Dialect: TypeAlias = Literal["ga", "beta"]
"""How a peer speaks."""


class Translation(NamedTuple):
    """A frame in the words of the GA.

    Attributes:
        lost: What a client set that the GA does not have; a server of it would refuse the whole.
    """

    raw: bytes
    lost: tuple[str, ...] = ()


class Setting(NamedTuple):
    """A field under its two names: the beta has all of them side by side, the GA has a path.

    Attributes:
        words: Its values, where these have changed too: the beta's and the GA's; the first that fits counts.
    """

    beta: str
    ga: str
    words: tuple[tuple[Json, Json], ...] = ()


class Inside(NamedTuple):
    """What has changed inside an event, and in which of its fields that stands."""

    field: str
    to_ga: Change
    to_beta: Change


# --- the table ----------------------------------------------------------------------------------------------

_NAMES: Final = {
    "response.audio.delta": "response.output_audio.delta",
    "response.audio.done": "response.output_audio.done",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
    "conversation.item.created": "conversation.item.added",
    "transcription_session.update": "session.update",
    "transcription_session.created": "session.created",
    "transcription_session.updated": "session.updated",
}
"""Events of the beta, and what the GA calls them. ``transcription_session.created`` is in no SDK's types, but is what a
session that only transcribes began with (mudler/LocalAI, pull request 6445)."""

_TRANSCRIBING: Final = "transcription_"
"""What the beta puts before the names of events that are about such a session; the GA says it by ``session.type``."""

_FORMER_NAMES: Final = {ga: beta for beta, ga in _NAMES.items() if not beta.startswith(_TRANSCRIBING)}

_UNSAID: Final = frozenset({"conversation.item.done", *map(type_of, ENGINE_EVENTS)})
"""What the beta has no event for. It says once of an item that it is there, and by ``response.output_item.done`` that
an answer's is complete; the engine's own events are for its own fronts."""

_MODALITIES: Final[tuple[tuple[Json, Json], ...]] = (
    (["text", "audio"], ["audio"]),
    (["audio", "text"], ["audio"]),
)
"""Speech always comes with its text, which the beta says and the GA does not. What is only text is so in both."""

_FORMATS: Final[tuple[tuple[Json, Json], ...]] = (
    ("pcm16", {"type": "audio/pcm", "rate": 24000}),
    ("pcm16", {"type": "audio/pcm"}),
    ("g711_ulaw", {"type": "audio/pcmu"}),
    ("g711_alaw", {"type": "audio/pcma"}),
)

_VOICE: Final = (
    Setting("modalities", "output_modalities", _MODALITIES),
    Setting("voice", "audio.output.voice"),
    Setting("output_audio_format", "audio.output.format", _FORMATS),
)
_MAX_TOKENS: Final = Setting("max_response_output_tokens", "max_output_tokens")

_SESSION: Final = (
    *_VOICE,
    Setting("speed", "audio.output.speed"),
    Setting("input_audio_format", "audio.input.format", _FORMATS),
    Setting("input_audio_transcription", "audio.input.transcription"),
    Setting("input_audio_noise_reduction", "audio.input.noise_reduction"),
    Setting("turn_detection", "audio.input.turn_detection"),
    _MAX_TOKENS,
)
_ASKED: Final = (*_VOICE, _MAX_TOKENS)
"""Of a response that is asked for. Of the response itself both generations say ``max_output_tokens``."""

_NAMED: Final = {"session": _SESSION, "response": _ASKED}
"""What an error can name, by what it begins with."""

_BY_HAND: Final = ("none", "disabled")
"""How turns by hand were asked for beside null: by such a type where Azure is told so, by the word alone too in the
reference client's own documentation (openai/openai-realtime-api-beta, pull request 67)."""

_PARTS: Final = {"text": "output_text", "audio": "output_audio"}
"""Kinds of an assistant's content. In ``response.content_part.*`` the GA has kept the beta's."""

_FORMER_PARTS: Final = {ga: beta for beta, ga in _PARTS.items()}

_GONE: Final = {
    "session.update": ("temperature", "client_secret"),
    "transcription_session.update": ("modalities", "client_secret"),
    "response.create": ("temperature",),
}
"""What a client of the beta may set that the GA does not have. Where a server of the beta says it, it does no harm."""


# --- frames -------------------------------------------------------------------------------------------------


def to_ga(raw: bytes) -> Translation:
    """What a client or a server of the beta says, in the words of the GA."""
    name = event_type(raw)
    new_name = _NAMES.get(name, name)
    inside = _INSIDE.get(new_name)
    event = read_fields(raw) if inside is not None else None
    if inside is None or event is None:
        return Translation(renamed(raw, name, new_name))
    given = object_at(inside.field, event)
    gone = [key for key in _GONE.get(name, ()) if key in given]
    said = change_at(inside.field, event, partial(without, gone))
    if name.startswith(_TRANSCRIBING):
        said = change_at(inside.field, said, partial(with_default, "type", "transcription"))
    said = _named(new_name, change_at(inside.field, said, inside.to_ga), was=name)
    lost = tuple(key for key in gone if given[key] != NOTHING)
    return Translation(raw if said is event else bytes(text(said)), lost)


def to_beta(raw: bytes) -> bytes | None:
    """What a client or a server of the GA says, in the words of the beta; None: the beta does not say it."""
    name = event_type(raw)
    if name in _UNSAID:
        return None
    former_name = _FORMER_NAMES.get(name, name)
    inside = _INSIDE.get(name)
    event = read_fields(raw) if inside is not None else None
    if inside is None or event is None:
        return renamed(raw, name, former_name)
    if inside is _SESSION_CHANGES and value_at("type", object_at("session", event)) == "transcription":
        former_name = f"{_TRANSCRIBING}{name}"
    said = _named(former_name, change_at(inside.field, event, inside.to_beta), was=name)
    return raw if said is event else bytes(text(said))


def event_type(raw: bytes) -> str:
    """What a frame calls itself; ``""``: it is no event."""
    try:
        return peek_type(raw)
    except msgspec.DecodeError:
        return ""


def renamed(raw: bytes, name: str, new_name: str) -> bytes:
    """The frame under another name; nothing else in it is touched."""
    if name == new_name:
        return raw
    start = b'{"type":"%b"' % name.encode()
    if raw.startswith(start):  # as every known peer writes it
        return b'{"type":"%b"%b' % (new_name.encode(), raw[len(start) :])
    event = read_fields(raw)
    return raw if event is None else bytes(text(_named(new_name, event, was=name)))


def _named(name: str, event: Fields, *, was: str) -> Fields:
    return event if name == was else event | {"type": text(name)}


# --- what is inside -----------------------------------------------------------------------------------------


def _settings_to_ga(settings: tuple[Setting, ...], fields: Fields) -> Fields:
    for setting in settings:
        if setting.beta in fields:
            said = value(fields[setting.beta])
            word = next((text(ga) for beta, ga in setting.words if beta == said), fields[setting.beta])
            fields = put(setting.ga, word, without((setting.beta,), fields)) or fields
    return fields


def _settings_to_beta(settings: tuple[Setting, ...], fields: Fields) -> Fields:
    for setting in settings:
        taken = take(setting.ga, fields)
        if taken is not None and setting.beta not in fields:
            found, rest = taken
            said = value(found)
            word = next((text(beta) for beta, ga in setting.words if ga == said), found)
            fields = rest | {setting.beta: word}
    return fields


def _session_to_ga(session: Fields) -> Fields:
    """The GA wants to be told what kind of session it is."""
    return with_default("type", "realtime", _settings_to_ga(_SESSION, _turns_to_ga(_choice_to_ga(session))))


def _session_to_beta(session: Fields) -> Fields:
    """The beta tells the kind of a session by the names of its events."""
    if value_at("type", session) in ("realtime", "transcription"):
        session = without(("type",), session)
    return _settings_to_beta(_SESSION, session)


def _asked_to_ga(response: Fields) -> Fields:
    return change_each("input", _settings_to_ga(_ASKED, _choice_to_ga(response)), _item_to_ga)


def _asked_to_beta(response: Fields) -> Fields:
    return change_each("input", _settings_to_beta(_ASKED, response), _item_to_beta)


def _response_to_ga(response: Fields) -> Fields:
    return change_each("output", _settings_to_ga(_VOICE, response), _item_to_ga)


def _response_to_beta(response: Fields) -> Fields:
    return change_each("output", _settings_to_beta(_VOICE, response), _shown_to_beta)


def _turns_to_ga(session: Fields) -> Fields:
    detection = value_at("turn_detection", session)
    kind = detection.get("type") if isinstance(detection, dict) else detection
    return session | {"turn_detection": NOTHING} if kind in _BY_HAND else session


def _choice_to_ga(settings: Fields) -> Fields:
    """The documents of the beta name the function that must be called one level deeper; its servers took both."""
    return change_at("tool_choice", settings, _flat_choice)


def _flat_choice(choice: Fields) -> Fields:
    function = object_at("function", choice)
    if "name" not in function or "name" in choice:
        return choice
    return without(("function",), choice) | {"name": function["name"]}


def _item_to_ga(item: Fields) -> Fields:
    """Only an assistant's content has changed."""
    return change_each("content", item, _part_to_ga) if value_at("role", item) == "assistant" else item


def _item_to_beta(item: Fields) -> Fields:
    return change_each("content", item, _part_to_beta)


def _shown_to_beta(item: Fields) -> Fields:
    """A server of the beta also says of an item what kind of object it is."""
    return with_default("object", "realtime.item", _item_to_beta(item))


def _part_to_ga(part: Fields) -> Fields:
    return _reworded(_PARTS, part)


def _part_to_beta(part: Fields) -> Fields:
    return _reworded(_FORMER_PARTS, part)


def _reworded(kinds: Mapping[str, str], part: Fields) -> Fields:
    kind = value_at("type", part)
    return part | {"type": text(kinds[kind])} if isinstance(kind, str) and kind in kinds else part


def _same(fields: Fields) -> Fields:
    return fields


def _error_to_ga(error: Fields) -> Fields:
    param = value_at("param", error)
    if not isinstance(param, str) or (new := _param_to_ga(param)) == param:
        return error
    return error | {"param": text(new)}


def _error_to_beta(error: Fields) -> Fields:
    """What an error is about it calls what the client has called it, in its words to people too."""
    param, message = value_at("param", error), value_at("message", error)
    if not isinstance(param, str) or (former := _param_to_beta(param)) == param:
        return error
    error = error | {"param": text(former)}
    return error | {"message": text(message.replace(param, former))} if isinstance(message, str) else error


def _param_to_ga(param: str) -> str:
    where, _, path = param.partition(".")
    for setting in _NAMED.get(where, ()):
        if (rest := _under(setting.beta, path)) is not None:
            return f"{where}.{setting.ga}{rest}"
    return param


def _param_to_beta(param: str) -> str:
    """What is an object in the GA and a word in the beta has no parts there."""
    where, _, path = param.partition(".")
    for setting in _NAMED.get(where, ()):
        if (rest := _under(setting.ga, path)) is not None:
            return f"{where}.{setting.beta}{'' if setting.words else rest}"
    return param


def _under(field: str, path: str) -> str | None:
    """What of a path is under a field, with the sign before it; None: it is another's."""
    rest = path.removeprefix(field)
    return rest if path.startswith(field) and rest[:1] in ("", ".", "[") else None


_SESSION_CHANGES: Final = Inside("session", _session_to_ga, _session_to_beta)
_RESPONSE_CHANGES: Final = Inside("response", _response_to_ga, _response_to_beta)
_SHOWN_CHANGES: Final = Inside("item", _item_to_ga, _shown_to_beta)
_PART_CHANGES: Final = Inside("part", _same, _part_to_beta)

_INSIDE: Final[Mapping[str, Inside]] = {
    "session.update": _SESSION_CHANGES,
    "session.created": _SESSION_CHANGES,
    "session.updated": _SESSION_CHANGES,
    "conversation.item.create": Inside("item", _item_to_ga, _item_to_beta),
    "conversation.item.added": _SHOWN_CHANGES,
    "conversation.item.created": _SHOWN_CHANGES,
    "conversation.item.done": _SHOWN_CHANGES,
    "conversation.item.retrieved": _SHOWN_CHANGES,
    "response.create": Inside("response", _asked_to_ga, _asked_to_beta),
    "response.created": _RESPONSE_CHANGES,
    "response.done": _RESPONSE_CHANGES,
    "response.output_item.added": _SHOWN_CHANGES,
    "response.output_item.done": _SHOWN_CHANGES,
    "response.content_part.added": _PART_CHANGES,
    "response.content_part.done": _PART_CHANGES,
    "error": Inside("error", _error_to_ga, _error_to_beta),
}
"""By the GA's names; ``conversation.item.created`` is still sent by some of its servers."""
