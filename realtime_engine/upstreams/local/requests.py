"""What a client may ask, typed strictly, and how a frame becomes a request.

Source: protocol.md, section 3 (client events), section 8 (``response.create``), section 10 (what is wrong with it).
"""

from collections.abc import Mapping
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from realtime_engine.inputs import Kind
from realtime_engine.machine import Frame
from realtime_engine.objects import Json
from realtime_engine.upstreams.local.items import GivenItem, ItemId, ItemReference
from realtime_engine.upstreams.local.problems import RequestError, explain
from realtime_engine.upstreams.local.settings import (
    FunctionTool,
    MaxTokens,
    Modalities,
    Prompt,
    Reasoning,
    Strict,
    ToolChoice,
    Voice,
    WireFormat,
)

APPEND_BYTES: Final = 15 << 20  # audio of one append (protocol.md, section 11)


class Request(Strict, frozen=True, kw_only=True, tag_field="type"):
    """The base of all requests."""

    event_id: str | None = None


class SessionUpdate(Request, frozen=True, kw_only=True, tag="session.update"):
    """Change the session."""

    session: object


class Append(Request, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """Microphone audio, base64."""

    audio: str


class Commit(Request, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """Make the buffer an item."""


class Clear(Request, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Forget the buffer."""


class CreateItem(Request, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Add an item: at the end, at the ``root``, or after another."""

    previous_item_id: str | None = None
    item: GivenItem


class TruncateItem(Request, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Cut what the assistant said."""

    item_id: str
    content_index: Annotated[int, Meta(ge=0, le=0)]
    audio_end_ms: Annotated[int, Meta(ge=0, le=1 << 53)]


class DeleteItem(Request, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Take an item out."""

    item_id: str


class RetrieveItem(Request, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """Show an item with its audio."""

    item_id: str


class VoiceOverride(Strict, frozen=True):
    """``audio.output`` of one response."""

    format: WireFormat | None = None
    voice: Voice | None = None


class AudioOverride(Strict, frozen=True):
    """``audio`` of one response."""

    output: VoiceOverride | None = None


MetadataText: TypeAlias = Annotated[str, Meta(max_length=512)]
MetadataKey: TypeAlias = Annotated[str, Meta(max_length=64)]
Metadata: TypeAlias = Annotated[dict[MetadataKey, MetadataText], Meta(max_length=16)]


class Overrides(Strict, frozen=True, kw_only=True):
    """What one response does otherwise than the session."""

    conversation: Literal["auto", "none"] = "auto"
    input: tuple[GivenItem | ItemReference, ...] | None = None
    instructions: str | None = None
    tools: tuple[FunctionTool, ...] | None = None
    tool_choice: ToolChoice | None = None
    output_modalities: Modalities | None = None
    audio: AudioOverride | None = None
    max_output_tokens: MaxTokens | None = None
    metadata: Metadata | None = None
    prompt: Prompt | None = None
    reasoning: Reasoning | None = None
    parallel_tool_calls: bool | None = None


class CreateResponse(Request, frozen=True, kw_only=True, tag="response.create"):
    """Answer."""

    response: Overrides | None = None


class CancelResponse(Request, frozen=True, kw_only=True, tag="response.cancel"):
    """Stop answering."""

    response_id: ItemId | None = None


AnyRequest: TypeAlias = (
    SessionUpdate
    | Append
    | Commit
    | Clear
    | CreateItem
    | TruncateItem
    | DeleteItem
    | RetrieveItem
    | CreateResponse
    | CancelResponse
)

_NULLS: Final = frozenset(
    {
        *("turn_detection", "transcription", "noise_reduction", "idle_timeout_ms", "language"),
        *("tracing", "prompt", "include"),
    }
)
"""Fields of a session in which null is a value: it switches them off."""
_FREE: Final = frozenset({"parameters", "metadata", "variables"})
"""Objects with keys of the client's own."""
_KINDS: Final[Mapping[type, str]] = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}


def _without_nulls(given: Json) -> Json:
    """A request as if all that is null were absent: many clients write so what they have not set."""
    match given:
        case dict():
            return {
                key: value if key in _FREE else _without_nulls(value)
                for key, value in given.items()
                if value is not None or key in _NULLS
            }
        case list():
            return [_without_nulls(value) for value in given]
        case _:
            return given


def read(frame: Frame) -> AnyRequest:
    """Read a request.

    Raises:
        RequestError: It is none.
    """
    if frame.kind is Kind.BINARY:
        raise RequestError("invalid_event", "Expected a text WebSocket message; binary frames are not supported.")
    try:
        given = _without_nulls(msgspec.json.decode(frame.raw))
        if not isinstance(given, dict):
            got = _KINDS.get(type(given), "a number")
            raise RequestError("invalid_json", f"Invalid event: expected a JSON object, but got {got}.")
        request: AnyRequest = msgspec.convert(given, AnyRequest)
    except msgspec.ValidationError as error:
        raise explain(error, AnyRequest) from None
    except (ValueError, RecursionError) as error:
        raise RequestError("invalid_json", f"Invalid event: failed to parse JSON value. {error}") from None
    return request


class _WithId(msgspec.Struct):
    event_id: object = None


def event_id(raw: bytes) -> str | None:
    """The ``event_id`` of a frame, however wrong the rest is; None if it has none."""
    try:
        found = msgspec.json.decode(raw, type=_WithId).event_id
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, str) else None
