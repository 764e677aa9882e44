"""What a client may ask, typed strictly, and how a frame becomes a request.

Source: protocol.md, section 3 (client events), section 8 (``response.create``), section 10 (what is wrong with it).
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from realtime_engine.inputs import Kind
from realtime_engine.machine import Frame
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

    event_id: str | None | UnsetType = UNSET


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

    previous_item_id: str | None | UnsetType = UNSET
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

    format: WireFormat | UnsetType = UNSET
    voice: Voice | UnsetType = UNSET


class AudioOverride(Strict, frozen=True):
    """``audio`` of one response."""

    output: VoiceOverride | UnsetType = UNSET


MetadataText: TypeAlias = Annotated[str, Meta(max_length=512)]
MetadataKey: TypeAlias = Annotated[str, Meta(max_length=64)]
Metadata: TypeAlias = Annotated[dict[MetadataKey, MetadataText], Meta(max_length=16)]


class Overrides(Strict, frozen=True, kw_only=True):
    """What one response does otherwise than the session."""

    conversation: Literal["auto", "none"] = "auto"
    input: tuple[GivenItem | ItemReference, ...] | UnsetType = UNSET
    instructions: str | UnsetType = UNSET
    tools: tuple[FunctionTool, ...] | UnsetType = UNSET
    tool_choice: ToolChoice | UnsetType = UNSET
    output_modalities: Modalities | UnsetType = UNSET
    audio: AudioOverride | UnsetType = UNSET
    max_output_tokens: MaxTokens | UnsetType = UNSET
    metadata: Metadata | None = None
    prompt: Prompt | None = None
    reasoning: Reasoning | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET


class CreateResponse(Request, frozen=True, kw_only=True, tag="response.create"):
    """Answer."""

    response: Overrides = Overrides()


class CancelResponse(Request, frozen=True, kw_only=True, tag="response.cancel"):
    """Stop answering."""

    response_id: ItemId | UnsetType = UNSET


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

_decoder: Final = msgspec.json.Decoder(AnyRequest)


def read(frame: Frame) -> AnyRequest:
    """Read a request.

    Raises:
        RequestError: It is none.
    """
    if frame.kind is Kind.BINARY:
        raise RequestError("invalid_event", "Expected a text WebSocket message; binary frames are not supported.")
    try:
        request: AnyRequest = _decoder.decode(frame.raw)
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
