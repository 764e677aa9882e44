"""What a front may ask of the model.

A front's frame is passed on as it came, passed on without what it may not set, or refused. Only two things are
trusted: the plain form of an append, checked to its last byte, and a strict reading of everything else, which
refuses an object that names a key twice: parsers differ on which of the two they take.

Source: design.md, section 6.
"""

import json
from collections.abc import Sequence
from typing import Final, NamedTuple, TypeAlias, cast

from realtime_engine import events as ev
from realtime_engine.objects import Json
from realtime_engine.options import Policy

_PLAIN_APPEND: Final = b'{"type":"input_audio_buffer.append","audio":"'
_TRANSPARENT: Final = frozenset(map(ev.type_of, ev.CLIENT_EVENTS))
_MANAGED: Final = _TRANSPARENT | frozenset(map(ev.type_of, ev.MANAGED_FRONT_EVENTS))

_OWN: Final = frozenset({"type", "conversation", "input", "metadata"})
"""Fields that are no settings of the session, though they stand beside them."""

JsonObject: TypeAlias = "dict[str, Json]"


class Pass(NamedTuple):
    """The frame goes on as it came."""


class Changed(NamedTuple):
    """The frame goes on without what the front may not set."""

    raw: bytes
    removed: Sequence[str]


class Refused(NamedTuple):
    """The frame goes nowhere; the front gets an ``error`` event with these fields."""

    code: str
    message: str
    param: str | None = None
    event_id: str | None = None


Verdict: TypeAlias = Pass | Changed | Refused
PASS: Final = Pass()


class _PolicyError(Exception):
    """What is wrong with a frame."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


def is_plain_append(raw: bytes) -> bool:
    """Whether a frame is ``{"type":"input_audio_buffer.append","audio":"…"}`` and nothing else.

    With no quote and no backslash inside it, the string ends where the frame does: no reader can find another
    type in it.
    """
    return (
        raw.startswith(_PLAIN_APPEND)
        and raw.endswith(b'"}')
        and raw.find(b'"', len(_PLAIN_APPEND)) == len(raw) - 2
        and raw.find(b"\\") < 0
        and raw.isascii()
    )


def judge(raw: bytes, policy: Policy, *, managed: bool, our_calls: Sequence[str] = ()) -> Verdict:
    """Decide about one text frame of a front. ``our_calls`` are the open calls that the engine answers itself."""
    if is_plain_append(raw):
        return PASS
    event: JsonObject = {}
    try:
        event = _read_strictly(raw, policy.max_depth)
        kind = event.get("type")
        allowed = _MANAGED if managed else _TRANSPARENT
        if not isinstance(kind, str) or kind not in allowed:
            known = ", ".join(f"'{name}'" for name in sorted(allowed))
            raise _PolicyError("invalid_value", f"Invalid value: {kind!r}. Supported values are: {known}.", "type")
        if kind == "session.update":
            return _judge_settings(event, "session", policy)
        if kind == "response.create":
            return _judge_settings(event, "response", policy)
        if kind == "conversation.item.create":
            _judge_item(event.get("item"), "item", our_calls)
    except _PolicyError as refusal:
        event_id = event.get("event_id")
        return Refused(refusal.code, str(refusal), refusal.param, event_id if isinstance(event_id, str) else None)
    return PASS


def _judge_settings(event: JsonObject, holder: str, policy: Policy) -> Verdict:
    settings = event.get(holder)
    if not isinstance(settings, dict):
        return PASS  # the server says what is wrong with it
    _judge_reach(settings, holder)
    kept, removed = _strip(settings, "", policy)
    if not removed:
        return PASS
    event[holder] = kept
    return Changed(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(), removed)


def _strip(settings: JsonObject, path: str, policy: Policy) -> tuple[JsonObject, list[str]]:
    """The settings without what the front may not set, and the paths that were taken out."""
    kept: JsonObject = {}
    removed: list[str] = []
    for key, value in settings.items():
        name = f"{path}{key}"
        if name in _OWN or (_may_set(name, policy) and not _holds_pinned(name, policy)):
            kept[key] = value
        elif isinstance(value, dict) and (_holds_pinned(name, policy) or _holds_settable(name, policy)):
            kept[key], inner = _strip(value, f"{name}.", policy)
            removed += inner
        else:
            removed.append(name)
    return kept, removed


def _may_set(name: str, policy: Policy) -> bool:
    if any(_covers(pin, name) for pin in policy.pinned) or policy.may_set == "none":
        return False
    return policy.may_set == "all" or any(_covers(field, name) for field in policy.may_set)


def _holds_pinned(name: str, policy: Policy) -> bool:
    return any(pin.startswith(f"{name}.") for pin in policy.pinned)


def _holds_settable(name: str, policy: Policy) -> bool:
    return not isinstance(policy.may_set, str) and any(field.startswith(f"{name}.") for field in policy.may_set)


def _covers(field: str, name: str) -> bool:
    """Whether ``name`` is the field or under it. A response's fields are named like the session's."""
    return name == field or name.startswith(f"{field}.")


def _judge_reach(settings: JsonObject, holder: str) -> None:
    """What would make the model's server reach out to an address of the client's choice is never allowed."""
    tools = settings.get("tools")
    for n, tool in enumerate(tools if isinstance(tools, list) else []):
        if isinstance(tool, dict) and tool.get("type") != "function":
            raise _PolicyError("not_allowed", "Only function tools may be set by a client.", f"{holder}.tools[{n}].type")
    items = settings.get("input")
    for n, item in enumerate(items if isinstance(items, list) else []):
        _judge_item(item, f"{holder}.input[{n}]", ())


def _judge_item(item: Json, path: str, our_calls: Sequence[str]) -> None:
    if not isinstance(item, dict):
        return
    kind = item.get("type")
    if isinstance(kind, str) and kind.startswith("mcp_"):
        raise _PolicyError("not_allowed", f"Items of type '{kind}' may not be created by a client.", f"{path}.type")
    if kind == "function_call_output" and item.get("call_id") in our_calls:
        raise _PolicyError("not_allowed", "This call is answered by the engine.", f"{path}.call_id")
    content = item.get("content")
    for n, part in enumerate(content if isinstance(content, list) else []):
        url = part.get("image_url") if isinstance(part, dict) else None
        if url is not None and not (isinstance(url, str) and url.startswith("data:")):
            raise _PolicyError("not_allowed", "Images must be data URIs.", f"{path}.content[{n}].image_url")


def _read_strictly(raw: bytes, max_depth: int) -> JsonObject:
    """Read a JSON object in which no object names a key twice."""
    try:
        value: object = json.loads(raw.decode(), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError:
        raise _too_deep(max_depth) from None
    except ValueError as error:
        raise _PolicyError("invalid_json", f"Invalid event: failed to parse JSON value. {error}") from None
    if not isinstance(value, dict):
        raise _PolicyError("invalid_json", "Invalid event: not a JSON object.")
    if _depth_exceeds(value, max_depth):
        raise _too_deep(max_depth)
    return cast("JsonObject", value)


def _too_deep(max_depth: int) -> _PolicyError:
    return _PolicyError("invalid_json", f"Invalid event: nested more than {max_depth} deep.")


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _PolicyError("invalid_json", f"Invalid event: the key {twice!r} stands twice in one object.")
    return result


def _no_constant(name: str) -> object:
    raise _PolicyError("invalid_json", f"Invalid event: failed to parse JSON value. {name} is not JSON.")


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
