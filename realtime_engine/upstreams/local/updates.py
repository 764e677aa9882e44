"""How a client changes the session: only the fields that are present, at any depth, and all of them or none.

Source: protocol.md, section 5, "Update rules".
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from realtime_engine.objects import Json
from realtime_engine.upstreams.local.problems import RequestError, explain
from realtime_engine.upstreams.local.settings import (
    AnySession,
    Session,
    TranscriptionAudio,
    TranscriptionSession,
    refuse_depth,
    transcribing,
)

TYPES: Final = ("realtime", "transcription")
WITHOUT_TURNS: Final = ("gpt-realtime-whisper", "gpt-live-transcribe")
"""Models that transcribe only what the client commits itself."""

_SERVERS_OWN: Final = ("object", "id", "expires_at")
_REPLACED: Final = ("turn_detection", "format", "tool_choice", "truncation", "tracing", "voice")
"""Objects of which one kind cannot become another by merging."""


def updated(
    session: AnySession, patch: object, *, fresh: bool, named: bool, responding: bool, spoken: bool
) -> AnySession:
    """The session after a ``session.update``.

    Args:
        session: The session before.
        patch: The request's ``session``, in which null stands only where it is a value.
        fresh: Nothing was updated or answered yet, so the session may still become one of transcription.
        named: The client has named a model, which stays.
        responding: A response is under way, so the speed stays.
        spoken: The assistant has been heard, so the voice stays.

    Raises:
        RequestError: The update is refused as a whole.
    """
    patch = _checked(patch)
    old = _of_type(session, patch["type"], fresh=fresh)
    try:
        new: AnySession = msgspec.convert(merged(msgspec.to_builtins(old), patch), AnySession)
    except msgspec.ValidationError as error:
        raise explain(error, AnySession, root="session") from None
    if isinstance(old, Session) and isinstance(new, Session):
        _check_fixed(old, new, named=named, responding=responding, spoken=spoken)
    return new if isinstance(new, Session) else _without_turns(new, patch)


def _of_type(session: AnySession, wanted: Json, *, fresh: bool) -> AnySession:
    """The session that is to be updated; it may become one of another type while nothing has come of it."""
    own = session.__struct_config__.tag
    if wanted not in TYPES or wanted == own:
        return session
    if fresh and isinstance(session, Session):
        return transcribing(session)
    raise RequestError("invalid_value", f"'session.type' cannot be changed now: it is '{own}'.", param="session.type")


def _without_turns(session: TranscriptionSession, patch: Json) -> TranscriptionSession:
    """The session; without turn detection, if the model that shall transcribe can have none."""
    given = session.audio.input
    if given.turn_detection is None or given.transcription is None or given.transcription.model not in WITHOUT_TURNS:
        return session
    if _at(patch, "audio", "input", "turn_detection") is not None:
        message = f"The model '{given.transcription.model}' detects no turns: 'turn_detection' must be null or absent."
        raise RequestError("invalid_value", message, param="session.audio.input.turn_detection")
    return replace(session, audio=TranscriptionAudio(replace(given, turn_detection=None)))


def _at(given: Json, *path: str) -> Json:
    """What stands at a path; None where there is nothing."""
    for key in path:
        given = given.get(key) if isinstance(given, dict) else None
    return given


def _check_fixed(old: Session, new: Session, *, named: bool, responding: bool, spoken: bool) -> None:
    """Refuse what cannot be changed any more."""
    if new.audio.output.voice != old.audio.output.voice and spoken:
        raise cannot_update_voice("session.audio.output.voice")
    fixed = {
        "session.model": named and new.model != old.model,
        "session.tracing": old.tracing is not None and new.tracing != old.tracing,
        "session.audio.output.speed": responding and new.audio.output.speed != old.audio.output.speed,
    }
    for param in (param for param, changed in fixed.items() if changed):
        raise RequestError("invalid_value", f"'{param}' cannot be changed now.", param=param)


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


def merged(old: Json, patch: Json, *, of_a_type: bool = False) -> Json:
    """JSON with only the present fields changed. With ``of_a_type``, another ``type`` makes a new object."""
    if not isinstance(old, dict) or not isinstance(patch, dict):
        return patch
    if of_a_type and "type" in patch and patch["type"] != old.get("type"):
        return patch
    return old | {key: merged(old.get(key), value, of_a_type=key in _REPLACED) for key, value in patch.items()}
