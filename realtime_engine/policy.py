"""What a front may ask of the model.

A front's frame is passed on as it came, passed on without what it may not set, or refused. Only two things are
trusted: the plain form of an append, checked to its last byte, and a strict reading of everything else, which
refuses an object that names a key twice: parsers differ on which of the two they take. For some of them (Go's)
``Type`` is ``type``, so keys are compared without regard to case.

Source: design.md, section 6.
"""

import json
import re
from collections.abc import Collection, Sequence
from math import isfinite
from typing import Final, NamedTuple, TypeAlias, cast

from realtime_engine import events as ev
from realtime_engine.objects import Json
from realtime_engine.options import Policy
from realtime_engine.settings import FIELDS

_ID: Final = rb'"event_id": ?"[\w.:-]{0,512}"'
_APPEND: Final = rb'"type": ?"input_audio_buffer\.append"'
_PLAIN_APPEND: Final = re.compile(rb'\{ ?(?:%b|%b, ?%b|%b, ?%b), ?"audio": ?"' % (_APPEND, _ID, _APPEND, _APPEND, _ID))
_TRANSPARENT: Final = frozenset(map(ev.type_of, ev.CLIENT_EVENTS))
_MANAGED: Final = _TRANSPARENT | frozenset(map(ev.type_of, ev.MANAGED_FRONT_EVENTS))

_KIND: Final = "type"
"""The one field beside the settings that cannot be taken out: a session without it is refused by the server."""

_OWN: Final = {"session": frozenset[str](), "response": frozenset({"conversation", "input", "metadata"})}
"""Fields that are no settings of a session, though they stand beside them. They may be pinned all the same."""

_FORMER: Final = {
    "modalities": "output_modalities",
    "voice": "audio.output.voice",
    "speed": "audio.output.speed",
    "output_audio_format": "audio.output.format",
    "input_audio_format": "audio.input.format",
    "input_audio_transcription": "audio.input.transcription",
    "input_audio_noise_reduction": "audio.input.noise_reduction",
    "turn_detection": "audio.input.turn_detection",
    "max_response_output_tokens": "max_output_tokens",
}
"""Names from the beta that some vendors still take (protocol.md, section 2; xAI): they are the same fields."""

_NAMES: Final = FIELDS | {"conversation", "input", "metadata", "temperature"}
"""The settings of a session and of a response (protocol.md, sections 5 and 8), and one of the beta."""

_TEMPLATE: Final = "prompt"
"""A template on the server that brings instructions, tools and the like: a way around whatever is pinned."""

_ADDRESSES: Final = ("_url", "_uri")
"""How the names of fields end that hold an address, for images, files, sound or servers."""

_INSTRUCTING: Final = ("system", "developer")
"""Whose messages are instructions by another name."""

_FREE: Final = frozenset({"parameters", "metadata"})
"""What stands under these names is the client's own, and nobody follows it: a function's schema, labels."""

MOST_PARTS: Final = 20_000
"""Objects, lists, keys and elements of an event, each, at a glance: reading more would hold up everybody else."""

_SIGNS: Final = (b"{", b"[", b":", b",")
_CONTROL: Final = re.compile("[\x00-\x1f]")
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)

MOST_KEYS: Final = 1000
"""Keys of one object: each is held against all that is pinned."""

_ECHOED: Final = 100  # characters of what a client sent that an error repeats

JsonObject: TypeAlias = "dict[str, Json]"


class Pass(NamedTuple):
    """The frame goes on as it came."""


class Changed(NamedTuple):
    """The frame goes on without what the front may not set."""

    raw: bytes
    removed: Sequence[str]

    @property
    def told(self) -> str:
        """What was taken out, for the log: names that the protocol has, for any other may be a client's own words."""
        known = [name for name in self.removed if name in _NAMES]
        others = len(self.removed) - len(known)
        return ", ".join(known + ([f"{others} unknown"] if others else []))


class Refused(NamedTuple):
    """The frame goes nowhere; the front gets an ``error`` event with these fields."""

    code: str
    message: str
    param: str | None = None
    event_id: str | None = None


Verdict: TypeAlias = Pass | Changed | Refused
PASS: Final = Pass()
_TOO_DEEP: Final = Refused("invalid_json", "Invalid event: nested too deeply.")


class _PolicyError(Exception):
    """What is wrong with a frame."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def is_plain_append(raw: bytes) -> bool:
    """Whether a frame is ``{"type":"input_audio_buffer.append","audio":"…"}``, perhaps with an ``event_id``.

    With no quote and no backslash inside it, the string ends where the frame does: no reader can find another
    type in it.
    """
    head = _PLAIN_APPEND.match(raw)
    return (
        head is not None
        and raw.find(b'"', head.end()) == len(raw) - 2
        and raw.endswith(b"}")
        and raw.find(b"\\", head.end()) < 0
        and raw.isascii()
    )


def misread(raw: bytes, policy: Policy) -> Refused | None:
    """Why a text frame of a front is not a JSON object that all readers read alike; None: it is one."""
    try:
        _read_strictly(raw, policy.max_depth)
    except _PolicyError as refusal:
        return Refused(refusal.code, str(refusal))
    except RecursionError:
        return _TOO_DEEP
    return None


def judge(raw: bytes, policy: Policy, *, managed: bool, our_calls: Collection[str] = ()) -> Verdict:
    """Decide about one text frame of a front. ``our_calls`` are those that the engine answers itself."""
    if is_plain_append(raw):
        return PASS
    event: JsonObject = {}
    try:
        event = _read_strictly(raw, policy.max_depth)
        kind = event.get("type")
        allowed = _MANAGED if managed else _TRANSPARENT
        if not isinstance(kind, str) or kind not in allowed:
            known = ", ".join(f"'{name}'" for name in sorted(allowed))
            raise _PolicyError("invalid_value", f"Invalid value: {_echo(kind)}. Supported values are: {known}.", "type")
        if kind == "session.update":
            return _judge_settings(event, "session", policy, our_calls)
        if kind == "response.create":
            return _judge_settings(event, "response", policy, our_calls)
        if kind == "conversation.item.create":
            item = _get(event, "item")
            _judge_reach(item, "item")
            _judge_item(item, "item", policy, our_calls)
    except _PolicyError as refusal:
        event_id = event.get("event_id")
        return Refused(refusal.code, str(refusal), refusal.param, event_id if isinstance(event_id, str) else None)
    except RecursionError:
        return _TOO_DEEP
    return PASS


def may_set(field: str, policy: Policy) -> bool:
    """Whether a front may set this field of a session, whatever is under it."""
    return _may_set(field, policy, frozenset())


def _judge_settings(event: JsonObject, holder: str, policy: Policy, our_calls: Collection[str]) -> Verdict:
    settings = _get(event, holder)
    if not isinstance(settings, dict):
        return PASS  # the server says what is wrong with it
    kept, removed = _strip(settings, "", policy, _OWN[holder])
    _judge_tools(_get(kept, "tools"), f"{holder}.tools")
    _judge_reach(kept, holder)
    items = _get(kept, "input")
    for n, item in enumerate(items if isinstance(items, list) else []):
        _judge_item(item, f"{holder}.input[{n}]", policy, our_calls)
    if not removed:
        return PASS
    changed = {key: kept if value is settings else value for key, value in event.items()}
    return Changed(json.dumps(changed, ensure_ascii=False, separators=(",", ":")).encode(), removed)


def _strip(settings: JsonObject, path: str, policy: Policy, own: frozenset[str]) -> tuple[JsonObject, list[str]]:
    """The settings without what the front may not set, and the paths that were taken out."""
    kept: JsonObject = {}
    removed: list[str] = []
    for key, value in settings.items():
        name = f"{path}{key.casefold()}"
        name = _FORMER.get(name, name)
        if _may_set(name, policy, own):
            kept[key] = value
        elif isinstance(value, dict) and _may_set_part(name, policy):
            rest, taken = _strip(value, f"{name}.", policy, own)
            removed += taken
            if rest:
                kept[key] = rest
        else:
            removed.append(name)
    return kept, removed


def _may_set(name: str, policy: Policy, own: frozenset[str]) -> bool:
    """Whether the front may set this field, and all that is under it."""
    if name == _KIND:
        return True
    if any(_covers(pin, name) or _covers(name, pin) for pin in policy.pinned):
        return False
    if name in own:
        return True
    if policy.may_set == "all":
        return not (policy.pinned and _covers(_TEMPLATE, name))
    return any(_covers(field, name) for field in _listed(policy))


def _may_set_part(name: str, policy: Policy) -> bool:
    """Whether the front may set some of what is under this field, of which it may not set all."""
    if any(_covers(pin, name) for pin in policy.pinned):
        return False
    return any(_covers(name, field) for field in (*policy.pinned, *_listed(policy)))


def _listed(policy: Policy) -> Sequence[str]:
    return () if isinstance(policy.may_set, str) else policy.may_set


def _covers(field: str, name: str) -> bool:
    """Whether ``name`` is the field or under it. A response's fields are named like the session's."""
    return name == field or name.startswith(f"{field}.")


def _judge_tools(tools: Json, path: str) -> None:
    for n, tool in enumerate(tools if isinstance(tools, list) else []):
        if isinstance(tool, dict) and _get(tool, "type") != "function":
            raise _PolicyError("not_allowed", "Only function tools may be set by a client.", f"{path}[{n}].type")


def _judge_item(item: Json, path: str, policy: Policy, our_calls: Collection[str]) -> None:
    """An item neither answers for the engine, nor tells the model what to be where that is not for the front to do."""
    if not isinstance(item, dict):
        return
    call_id = _get(item, "call_id")
    if _get(item, "type") == "function_call_output" and isinstance(call_id, str) and call_id in our_calls:
        raise _PolicyError("not_allowed", "This call is answered by the engine.", f"{path}.call_id")
    if _get(item, "role") in _INSTRUCTING and not may_set("instructions", policy):
        raise _PolicyError("not_allowed", "What the model is told to be is not for a client to say.", f"{path}.role")


def _judge_reach(value: Json, path: str) -> None:
    """What makes the model's server reach out, by MCP or to an address of the client's choice, is never allowed."""
    found = _reach(value)
    if found is not None:
        where, why = found
        raise _PolicyError("not_allowed", why, f"{path}{where}"[:_ECHOED])


def _reach(value: Json) -> tuple[str, str] | None:
    """Where in a value something reaches out, and what is wrong with that. Only what is found has its path built."""
    if isinstance(value, list):
        for n, inner in enumerate(value):
            if isinstance(inner, list | dict) and (found := _reach(inner)) is not None:
                return f"[{n}]{found[0]}", found[1]
    elif isinstance(value, dict):
        for key, inner in value.items():
            name = key.casefold()
            if name == "type" and isinstance(inner, str) and (inner == "mcp" or inner.startswith("mcp_")):
                return f".{key}", "MCP is not for a client to use."
            if (
                name.endswith(_ADDRESSES)
                and inner is not None
                and not (isinstance(inner, str) and inner.startswith("data:"))
            ):
                return f".{key}", "Images and files must be data URIs."
            if isinstance(inner, list | dict) and name not in _FREE and (found := _reach(inner)) is not None:
                return f".{key}{found[0]}", found[1]
    return None


def _get(holder: JsonObject, name: str) -> Json:
    """What any reader may take for the field of this name."""
    return next((value for key, value in holder.items() if key.casefold() == name), None)


def _echo(sent: object) -> str:
    return repr(sent)[:_ECHOED]


def _read_strictly(raw: bytes, max_depth: int) -> JsonObject:
    """Read a JSON object in which no object names a key twice.

    Raises:
        _PolicyError: It is something else.
        RecursionError: It is nested too deeply for Python itself.
    """
    if _has_many_parts(raw):
        raise _PolicyError("invalid_json", f"Invalid event: more than {MOST_PARTS} parts.")
    try:
        value: object = json.loads(
            raw.decode(), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except ValueError as error:
        raise _PolicyError("invalid_json", f"Invalid event: failed to parse JSON value. {error}") from None
    if not isinstance(value, dict):
        raise _PolicyError("invalid_json", "Invalid event: not a JSON object.")
    if _depth_exceeds(value, max_depth):
        raise _PolicyError("invalid_json", f"Invalid event: nested more than {max_depth} deep.")
    return cast("JsonObject", value)


def _has_many_parts(raw: bytes) -> bool:
    """Whether it would take long to read; a long text would not, whatever signs are in it."""
    if not any(raw.count(sign) > MOST_PARTS for sign in _SIGNS):
        return False
    if raw.count(b'"') - raw.count(b'\\"') > 4 * MOST_PARTS:
        return True
    bare = _STRING.sub(b"", raw)
    return any(bare.count(sign) > MOST_PARTS for sign in _SIGNS)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(pairs) > MOST_KEYS:
        raise _PolicyError("invalid_json", f"Invalid event: an object with more than {MOST_KEYS} keys.")
    names: set[str] = set()
    for key, _ in pairs:
        name = key.casefold()
        if _CONTROL.search(key):  # some readers take a key to end there
            raise _PolicyError("invalid_json", f"Invalid event: control characters in the key {_echo(key)}.")
        if name in names:
            raise _PolicyError("invalid_json", f"Invalid event: the key {_echo(key)} stands twice in one object.")
        names.add(name)
    return dict(pairs)


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON.")


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{_echo(text)} is out of range.")
    return value


def _depth_exceeds(value: object, limit: int) -> bool:
    """Level by level, so that depth costs no recursion."""
    level = [value]
    while level and limit >= 0:
        limit -= 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return bool(level)
