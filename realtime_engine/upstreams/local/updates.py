"""How a client changes the session: only the fields that are present, at any depth, and all of them or none.

Source: protocol.md, section 5, "Update rules".
"""

from typing import Final

import msgspec

from realtime_engine.objects import Json
from realtime_engine.upstreams.local.problems import RequestError, explain
from realtime_engine.upstreams.local.settings import Session, refuse_depth

_SERVERS_OWN: Final = ("object", "id", "expires_at")
_REPLACED: Final = ("turn_detection", "format", "tool_choice", "truncation", "tracing", "voice")
"""Objects of which one kind cannot become another by merging."""


def updated(session: Session, patch: object, *, responding: bool, spoken: bool) -> Session:
    """The session after a ``session.update``.

    Args:
        session: The session before.
        patch: The request's ``session``.
        responding: A response is under way, so the speed stays.
        spoken: The assistant has been heard, so the voice stays.

    Raises:
        RequestError: The update is refused as a whole.
    """
    patch = _checked(patch)
    try:
        new = msgspec.convert(merged(msgspec.to_builtins(session), patch), Session)
    except msgspec.ValidationError as error:
        raise explain(error, Session, root="session") from None
    if new.audio.output.voice != session.audio.output.voice and spoken:
        raise cannot_update_voice("session.audio.output.voice")
    fixed = {
        "session.model": new.model != session.model,
        "session.tracing": session.tracing is not None and new.tracing != session.tracing,
        "session.audio.output.speed": responding and new.audio.output.speed != session.audio.output.speed,
    }
    for param in (param for param, changed in fixed.items() if changed):
        raise RequestError("invalid_value", f"'{param}' cannot be changed now.", param=param)
    return new


def _checked(patch: object) -> dict[str, Json]:
    """The object that an update must be, before its fields are looked at."""
    if not isinstance(patch, dict):
        raise RequestError("invalid_type", "Invalid type for 'session': expected an object.", param="session")
    try:
        refuse_depth(patch)
    except ValueError as error:
        raise RequestError("invalid_value", f"Invalid value for 'session': {error}.", param="session") from None
    if "type" not in patch:
        raise RequestError(
            "missing_required_parameter", "Missing required parameter: 'session.type'.", param="session.type"
        )
    for key in _SERVERS_OWN:
        if key in patch:
            raise RequestError("unknown_parameter", f"Unknown parameter: 'session.{key}'.", param=f"session.{key}")
    return patch


def cannot_update_voice(param: str) -> RequestError:
    """The assistant has been heard, so its voice stays."""
    return RequestError(
        "cannot_update_voice", "Cannot update a conversation's voice if assistant audio is present.", param=param
    )


def merged(old: Json, patch: Json, *, replace: bool = False) -> Json:
    """JSON with only the present fields changed. With ``replace``, a ``type`` that differs makes a new object."""
    if not isinstance(old, dict) or not isinstance(patch, dict):
        return patch
    if replace and "type" in patch and patch["type"] != old.get("type"):
        return patch
    return old | {key: merged(old.get(key), value, replace=key in _REPLACED) for key, value in patch.items()}
