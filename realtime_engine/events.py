"""The events of the Realtime protocol (GA), typed, and how they are read from the wire.

An event is for understanding, never for forwarding: what is passed on is the frame itself. So a type that is
not listed here, or a known type in an unknown shape, becomes an `UnknownEvent` and is carried on unchanged.

Source: protocol.md, sections 3 (client events) and 4 (server events); design.md section 3 for the few that a
managed front and the engine say to each other.
"""

from typing import Final, Literal, TypeAlias, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct, UnsetType

from realtime_engine.audio import encode_base64
from realtime_engine.objects import (
    NO_RAW,
    ContentPart,
    Conversation,
    Count,
    ErrorDetail,
    Item,
    RateLimit,
    Response,
    SessionConfig,
    TranscriptionUsage,
    Usage,
)

Maybe: TypeAlias = str | UnsetType


class Event(Struct, frozen=True, kw_only=True, tag_field="type"):
    """The base of all events. Key order on the wire is type, event_id, then the fields as listed."""

    event_id: Maybe = UNSET

    @property
    def type(self) -> str:
        """The event's type, as on the wire."""
        return str(self.__struct_config__.tag)


class UnknownEvent(Event, frozen=True, kw_only=True):
    """An event of a type, or in a shape, that the engine does not know."""

    name: str
    problem: str = ""

    @property
    def type(self) -> str:
        """The event's type, as on the wire."""
        return self.name


# --- what a client says -------------------------------------------------------------------------------------


class SessionUpdate(Event, frozen=True, kw_only=True, tag="session.update"):
    """Change the fields that are present, at any depth; answered by ``session.updated``, or by one error."""

    session: Raw


class InputAudioBufferAppend(Event, frozen=True, kw_only=True, tag="input_audio_buffer.append"):
    """Microphone audio, base64, at most 15 MiB. Not answered."""

    audio: str


class InputAudioBufferCommit(Event, frozen=True, kw_only=True, tag="input_audio_buffer.commit"):
    """Make the buffered audio a user's message; at least 100 ms. Gives no response by itself."""


class InputAudioBufferClear(Event, frozen=True, kw_only=True, tag="input_audio_buffer.clear"):
    """Forget the buffered audio."""


class OutputAudioBufferClear(Event, frozen=True, kw_only=True, tag="output_audio_buffer.clear"):
    """Fall silent now. From a managed front it is the person's own interruption."""


class ConversationItemCreate(Event, frozen=True, kw_only=True, tag="conversation.item.create"):
    """Add an item: at the end, at the front (``"root"``), or after the item named."""

    previous_item_id: str | None | UnsetType = UNSET
    item: Item


class ConversationItemRetrieve(Event, frozen=True, kw_only=True, tag="conversation.item.retrieve"):
    """Ask for an item with its audio."""

    item_id: str


class ConversationItemTruncate(Event, frozen=True, kw_only=True, tag="conversation.item.truncate"):
    """Cut an assistant's audio to what was heard, in whole milliseconds."""

    item_id: str
    content_index: int
    audio_end_ms: int


class ConversationItemDelete(Event, frozen=True, kw_only=True, tag="conversation.item.delete"):
    """Take an item out of the context."""

    item_id: str


class ResponseCreate(Event, frozen=True, kw_only=True, tag="response.create"):
    """Ask for a response; ``response`` overrides the session for this response only."""

    response: Raw | UnsetType = UNSET


class ResponseCancel(Event, frozen=True, kw_only=True, tag="response.cancel"):
    """Stop a response: the one named, or the active one."""

    response_id: str | None | UnsetType = UNSET


# --- what a managed front says besides ----------------------------------------------------------------------


class OutputAudioBufferPlayed(Event, frozen=True, kw_only=True, tag="output_audio_buffer.played"):
    """How much of an item's speech has really been heard.

    ``cleared_event_id`` names the ``output_audio_buffer.cleared`` that this report answers, as the last one.
    """

    item_id: str
    content_index: int = 0
    audio_ms: float
    cleared_event_id: Maybe = UNSET


class InputAudioBufferStopped(Event, frozen=True, kw_only=True, tag="input_audio_buffer.stopped"):
    """The microphone went off: what is buffered goes upstream now."""


class EngineSpeechStarted(Event, frozen=True, kw_only=True, tag="engine.speech_started"):
    """The front's own detector hears the person speak."""


class EngineSpeechSuspected(Event, frozen=True, kw_only=True, tag="engine.speech_suspected"):
    """The front's own detector hears what may be speech: the front pauses what it plays until it knows."""


class EngineSpeechDismissed(Event, frozen=True, kw_only=True, tag="engine.speech_dismissed"):
    """It was none: the front goes on where it paused."""


class EngineSpeechStopped(Event, frozen=True, kw_only=True, tag="engine.speech_stopped"):
    """The front's own detector hears that the person has finished."""


class EngineSoundCard(Event, frozen=True, kw_only=True, tag="engine.sound_card"):
    """The front's sound card was not served in time, or is lost, or is there again; so far in this conversation.

    Attributes:
        state: ``lost`` until it, or another, is ``there``.
        overruns: How often microphone audio was lost.
        underruns: How often the speaker was silent though there was speech.
    """

    state: Literal["there", "lost"] = "there"
    overruns: int = 0
    underruns: int = 0


# --- what a server says -------------------------------------------------------------------------------------


class Error(Event, frozen=True, kw_only=True, tag="error"):
    """Something went wrong; the session goes on unless a close follows at once."""

    error: ErrorDetail


class SessionCreated(Event, frozen=True, kw_only=True, tag="session.created"):
    """The first event of a connection."""

    session: SessionConfig


class SessionUpdated(Event, frozen=True, kw_only=True, tag="session.updated"):
    """The whole effective session after an update."""

    session: SessionConfig


class ConversationCreated(Event, frozen=True, kw_only=True, tag="conversation.created"):
    """Listed by the protocol, sent by some vendors."""

    conversation: Conversation | UnsetType = UNSET


class _ItemEvent(Event, frozen=True, kw_only=True):
    previous_item_id: str | None | UnsetType = UNSET
    item: Item


class ConversationItemAdded(_ItemEvent, frozen=True, kw_only=True, tag="conversation.item.added"):
    """An item has its place: after ``previous_item_id`` (null: at the front)."""


class ConversationItemDone(_ItemEvent, frozen=True, kw_only=True, tag="conversation.item.done"):
    """An item is complete. Its ``previous_item_id`` may be null though it was not the first: trust added."""


class ConversationItemCreated(_ItemEvent, frozen=True, kw_only=True, tag="conversation.item.created"):
    """The beta's ``added``; still sent by some vendors."""


class ConversationItemRetrieved(Event, frozen=True, kw_only=True, tag="conversation.item.retrieved"):
    """An item with its audio, base64."""

    item: Item


class ConversationItemTruncated(Event, frozen=True, kw_only=True, tag="conversation.item.truncated"):
    """An assistant's audio now ends at ``audio_end_ms``; its transcript is out of the context."""

    item_id: str
    content_index: int
    audio_end_ms: Count


class ConversationItemDeleted(Event, frozen=True, kw_only=True, tag="conversation.item.deleted"):
    """An item is out of the context."""

    item_id: str


_TRANSCRIPTION = "conversation.item.input_audio_transcription"


class InputTranscriptionDelta(Event, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.delta"):
    """A piece of what the user said; may come at any time after ``speech_started``."""

    item_id: str
    content_index: int = 0
    delta: str | None | UnsetType = UNSET


class InputTranscriptionCompleted(Event, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.completed"):
    """All that the user said; may come after the answer."""

    item_id: str
    content_index: int = 0
    transcript: str
    usage: TranscriptionUsage | UnsetType = UNSET
    status: Maybe = UNSET  # of a turn that is still being said: in_progress (xAI)

    @property
    def final(self) -> bool:
        """Whether no other will come."""
        return self.status != "in_progress"


class InputTranscriptionUpdated(Event, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.updated"):
    """All that the user has said so far, in place of all that was known of it: xAI."""

    item_id: str
    content_index: int = 0
    transcript: str


class InputTranscriptionFailed(Event, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.failed"):
    """The user's words could not be transcribed; the conversation goes on."""

    item_id: str
    content_index: int = 0
    error: ErrorDetail


class InputTranscriptionSegment(Event, frozen=True, kw_only=True, tag=f"{_TRANSCRIPTION}.segment"):
    """A stretch of the user's words with its speaker; times in seconds."""

    id: str
    item_id: str
    content_index: int = 0
    text: str
    speaker: Maybe = UNSET
    start: float
    end: float


class InputAudioBufferCommitted(Event, frozen=True, kw_only=True, tag="input_audio_buffer.committed"):
    """The buffered audio has become the item named."""

    previous_item_id: str | None | UnsetType = UNSET
    item_id: str


class InputAudioBufferCleared(Event, frozen=True, kw_only=True, tag="input_audio_buffer.cleared"):
    """The buffered audio is forgotten."""


class SpeechStarted(Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_started"):
    """The user speaks. Milliseconds of audio written to the buffer, padding taken off; of this connection."""

    audio_start_ms: Count
    item_id: str


class SpeechStopped(Event, frozen=True, kw_only=True, tag="input_audio_buffer.speech_stopped"):
    """The user has stopped; ``audio_end_ms`` includes the silence that told."""

    audio_end_ms: Count
    item_id: str


class TimeoutTriggered(Event, frozen=True, kw_only=True, tag="input_audio_buffer.timeout_triggered"):
    """Nobody spoke for ``idle_timeout_ms``: the model speaks up."""

    audio_start_ms: Count
    audio_end_ms: Count
    item_id: str


class DtmfEventReceived(Event, frozen=True, kw_only=True, tag="input_audio_buffer.dtmf_event_received"):
    """A key was pressed on a telephone (SIP)."""

    event: str
    received_at: int


class OutputAudioBufferStarted(Event, frozen=True, kw_only=True, tag="output_audio_buffer.started"):
    """A response begins to be heard."""

    response_id: str


class OutputAudioBufferStopped(Event, frozen=True, kw_only=True, tag="output_audio_buffer.stopped"):
    """A response has been heard to its end."""

    response_id: str


class OutputAudioBufferCleared(Event, frozen=True, kw_only=True, tag="output_audio_buffer.cleared"):
    """Fall silent now: a response was cut."""

    response_id: str


class ResponseCreated(Event, frozen=True, kw_only=True, tag="response.created"):
    """A response is under way."""

    response: Response


class ResponseDone(Event, frozen=True, kw_only=True, tag="response.done"):
    """A response has ended, one way or another; always sent. Not the last event of a turn."""

    response: Response
    usage: Usage | None | UnsetType = UNSET  # beside a response in which it is empty: xAI

    @property
    def used(self) -> Usage | None:
        """What the response has used, as far as that is said."""
        return next((said for said in (self.usage, self.response.usage) if isinstance(said, Usage)), None)


class _OutputItemEvent(Event, frozen=True, kw_only=True):
    response_id: Maybe = UNSET
    output_index: int = 0
    item: Item


class ResponseOutputItemAdded(_OutputItemEvent, frozen=True, kw_only=True, tag="response.output_item.added"):
    """A response begins an item."""


class ResponseOutputItemDone(_OutputItemEvent, frozen=True, kw_only=True, tag="response.output_item.done"):
    """A response has ended an item."""


class _PartEvent(Event, frozen=True, kw_only=True):
    response_id: Maybe = UNSET
    item_id: str
    output_index: int = 0
    content_index: int = 0


class ResponseContentPartAdded(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.added"):
    """A part begins; its type is ``text`` or ``audio``, without ``output_``."""

    part: ContentPart | UnsetType = UNSET


class ResponseContentPartDone(_PartEvent, frozen=True, kw_only=True, tag="response.content_part.done"):
    """A part has ended."""

    part: ContentPart | UnsetType = UNSET


class ResponseOutputTextDelta(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.delta"):
    """A piece of written text."""

    delta: str


class ResponseOutputTextDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_text.done"):
    """All of a written text."""

    text: str


class ResponseOutputAudioDelta(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio.delta"):
    """A piece of speech: a JSON string of base64, undecoded."""

    delta: Raw = NO_RAW


class ResponseOutputAudioDone(_PartEvent, frozen=True, kw_only=True, tag="response.output_audio.done"):
    """All of the speech has been sent, not heard."""


class ResponseOutputAudioTranscriptDelta(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.delta"
):
    """A piece of what the speech says; it runs ahead of the audio."""

    delta: str


class ResponseOutputAudioTranscriptDone(
    _PartEvent, frozen=True, kw_only=True, tag="response.output_audio_transcript.done"
):
    """All that the speech says."""

    transcript: str


class _ArgumentsEvent(Event, frozen=True, kw_only=True):
    response_id: Maybe = UNSET
    item_id: str
    output_index: int = 0


class _CallEvent(_ArgumentsEvent, frozen=True, kw_only=True):
    call_id: Maybe = UNSET


class FunctionCallArgumentsDelta(_CallEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.delta"):
    """A piece of a call's arguments."""

    delta: str


class FunctionCallArgumentsDone(_CallEvent, frozen=True, kw_only=True, tag="response.function_call_arguments.done"):
    """All of a call's arguments, as JSON text."""

    name: Maybe = UNSET
    arguments: str


class McpCallArgumentsDelta(_ArgumentsEvent, frozen=True, kw_only=True, tag="response.mcp_call_arguments.delta"):
    """A piece of the arguments of a call that the server makes itself."""

    delta: str


class McpCallArgumentsDone(_ArgumentsEvent, frozen=True, kw_only=True, tag="response.mcp_call_arguments.done"):
    """All of the arguments of a call that the server makes itself."""

    arguments: str


class _McpCallEvent(Event, frozen=True, kw_only=True):
    item_id: str
    output_index: int = 0


class McpCallInProgress(_McpCallEvent, frozen=True, kw_only=True, tag="response.mcp_call.in_progress"):
    """The server's own call runs."""


class McpCallCompleted(_McpCallEvent, frozen=True, kw_only=True, tag="response.mcp_call.completed"):
    """The server's own call has succeeded."""


class McpCallFailed(_McpCallEvent, frozen=True, kw_only=True, tag="response.mcp_call.failed"):
    """The server's own call has failed."""


class _McpListEvent(Event, frozen=True, kw_only=True):
    item_id: str


class McpListToolsInProgress(_McpListEvent, frozen=True, kw_only=True, tag="mcp_list_tools.in_progress"):
    """The server asks an MCP server for its tools."""


class McpListToolsCompleted(_McpListEvent, frozen=True, kw_only=True, tag="mcp_list_tools.completed"):
    """The MCP server has named its tools."""


class McpListToolsFailed(_McpListEvent, frozen=True, kw_only=True, tag="mcp_list_tools.failed"):
    """The MCP server has not named its tools."""


class RateLimitsUpdated(Event, frozen=True, kw_only=True, tag="rate_limits.updated"):
    """What is left of the limits, after a response."""

    rate_limits: tuple[RateLimit, ...]


# --- what the engine says to a managed front besides --------------------------------------------------------


class EngineSession(Event, frozen=True, kw_only=True, tag="engine.session"):
    """The first event a managed front gets: who answers, what the operator has pinned and why, and what is left open.

    Attributes:
        may_set: ``none``, or the session fields that the front may set (dotted paths); absent: all that is not pinned.
    """

    upstream: str
    pinned: dict[str, str]
    may_set: Literal["all", "none"] | tuple[str, ...] | UnsetType = UNSET


class EngineUpstream(Event, frozen=True, kw_only=True, tag="engine.upstream"):
    """The connection to the model is lost, or made anew, and comes back: nothing that was said is forgotten.

    Attributes:
        state: ``reconnecting``, until it is ``connected`` or the conversation ends.
        attempt: Which attempt follows, or has succeeded, from 1.
        retry_in: Seconds until the attempt.
        reason: Why, for the person.
    """

    state: Literal["reconnecting", "connected"]
    attempt: int
    retry_in: float = 0.0
    reason: str = ""


class EngineToolFailed(Event, frozen=True, kw_only=True, tag="engine.tool_failed"):
    """A function that the engine ran for the model has given no result; the model is told why, and goes on.

    Attributes:
        call_id: The call.
        name: The function.
        message: What went wrong, as the model is told.
    """

    call_id: str
    name: str
    message: str


CLIENT_EVENTS: Final[tuple[type[Event], ...]] = (
    SessionUpdate,
    InputAudioBufferAppend,
    InputAudioBufferCommit,
    InputAudioBufferClear,
    OutputAudioBufferClear,
    ConversationItemCreate,
    ConversationItemRetrieve,
    ConversationItemTruncate,
    ConversationItemDelete,
    ResponseCreate,
    ResponseCancel,
)

MANAGED_FRONT_EVENTS: Final[tuple[type[Event], ...]] = (
    OutputAudioBufferPlayed,
    InputAudioBufferStopped,
    EngineSpeechStarted,
    EngineSpeechSuspected,
    EngineSpeechDismissed,
    EngineSpeechStopped,
    EngineSoundCard,
)

SERVER_EVENTS: Final[tuple[type[Event], ...]] = (
    Error,
    SessionCreated,
    SessionUpdated,
    ConversationCreated,
    ConversationItemAdded,
    ConversationItemDone,
    ConversationItemCreated,
    ConversationItemRetrieved,
    ConversationItemTruncated,
    ConversationItemDeleted,
    InputTranscriptionDelta,
    InputTranscriptionCompleted,
    InputTranscriptionFailed,
    InputTranscriptionSegment,
    InputAudioBufferCommitted,
    InputAudioBufferCleared,
    SpeechStarted,
    SpeechStopped,
    TimeoutTriggered,
    DtmfEventReceived,
    OutputAudioBufferStarted,
    OutputAudioBufferStopped,
    OutputAudioBufferCleared,
    ResponseCreated,
    ResponseDone,
    ResponseOutputItemAdded,
    ResponseOutputItemDone,
    ResponseContentPartAdded,
    ResponseContentPartDone,
    ResponseOutputTextDelta,
    ResponseOutputTextDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioDone,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputAudioTranscriptDone,
    FunctionCallArgumentsDelta,
    FunctionCallArgumentsDone,
    McpCallArgumentsDelta,
    McpCallArgumentsDone,
    McpCallInProgress,
    McpCallCompleted,
    McpCallFailed,
    McpListToolsInProgress,
    McpListToolsCompleted,
    McpListToolsFailed,
    RateLimitsUpdated,
)

VENDOR_EVENTS: Final[tuple[type[Event], ...]] = (InputTranscriptionUpdated,)
"""What the protocol has not, and a vendor's servers say."""

ENGINE_EVENTS: Final[tuple[type[Event], ...]] = (EngineSession, EngineUpstream, EngineToolFailed)

EventT = TypeVar("EventT", bound=Event)


def type_of(event: type[Event]) -> str:
    """The wire's name for an event class."""
    return str(event.__struct_config__.tag)


_DECODERS: Final[dict[str, msgspec.json.Decoder[Event]]] = {
    type_of(event): msgspec.json.Decoder(event)
    for event in CLIENT_EVENTS + MANAGED_FRONT_EVENTS + SERVER_EVENTS + VENDOR_EVENTS + ENGINE_EVENTS
}
_KNOWN: Final = {name.encode(): name for name in _DECODERS}


class _Type(Struct, gc=False):
    type: str | None = None


_decode_type = msgspec.json.Decoder(_Type).decode
_decode_speech = msgspec.json.Decoder(ResponseOutputAudioDelta).decode
_encode = msgspec.json.Encoder().encode
_START: Final = b'{"type":"'
_SPEECH_START: Final = b'{"type":"response.output_audio.delta"'
_DELTA: Final = b',"delta":"'
UNREADABLE: Final = (UnicodeDecodeError, RecursionError)
"""What msgspec raises beside its own `msgspec.DecodeError`: text that is no UTF-8, or nested too deeply."""


def is_known(name: str) -> bool:
    """Whether the engine knows events of this type."""
    return name in _DECODERS


def peek_type(raw: bytes) -> str:
    """An event's type, from the beginning of its text where it stands there, as on every known server.

    ``""`` where an object has no type, or one that is no string. What a *client* may do is never decided by
    this (design.md, section 6): an object can name a key twice.

    Raises:
        msgspec.DecodeError: The text is not a JSON object. Only what is looked at is checked.
    """
    if raw.startswith(_START):
        end = raw.find(b'"', 9)
        name = raw[9:end]
        if end > 0 and (known := _KNOWN.get(name)) is not None:
            return known
        if end > 0 and name.isascii() and b"\\" not in name:
            return name.decode("ascii")
    try:
        return _decode_type(raw).type or ""
    except msgspec.ValidationError:
        _check_object(raw)
        return ""
    except UNREADABLE as error:
        raise msgspec.DecodeError(str(error)) from error


def decode(raw: bytes) -> Event:
    """Read an event.

    Raises:
        msgspec.DecodeError: The text is not a JSON object.
    """
    name = peek_type(raw)
    decoder = _DECODERS.get(name)
    if decoder is None:
        _check_object(raw)
        return UnknownEvent(name=name)
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        _check_object(raw)
        return UnknownEvent(name=name, problem=str(error))
    except UNREADABLE as error:
        raise msgspec.DecodeError(str(error)) from error


def read_plain_speech(raw: bytes) -> tuple[ResponseOutputAudioDelta, int] | None:
    """Read a ``response.output_audio.delta`` without looking at its audio: the event, and the audio's size in bytes.

    Every known server writes the type first and the audio last. Then the short beginning is decoded, and the rest is
    only measured. None: it is not in that form, or is another event; `decode` tells.
    """
    if not raw.startswith(_SPEECH_START):
        return None
    head = raw.find(_DELTA)
    start, end = head + len(_DELTA), len(raw) - 2
    if head < 0 or raw.find(b'"', start) != end or not raw.endswith(b'"}') or raw.find(b"\\") >= 0:
        return None
    try:
        return _decode_speech(b"%b}" % raw[:head]), (end - start) // 4 * 3 - raw.count(b"=", end - 2, end)
    except (msgspec.DecodeError, *UNREADABLE):
        return None


def _check_object(raw: bytes) -> None:
    """Make sure that a text is a JSON object.

    Raises:
        msgspec.DecodeError: It is not.
    """
    try:
        msgspec.json.decode(raw, type=dict[str, Raw])
    except UNREADABLE as error:
        raise msgspec.DecodeError(str(error)) from error


def encode(event: Event) -> bytes:
    """Write an event: compact, keys in the order of the class, `UNSET` fields left out."""
    return _encode(event)


def append_frame(audio: bytes) -> bytes:
    """An ``input_audio_buffer.append``, written without looking at the audio twice."""
    return b'{"type":"input_audio_buffer.append","audio":"%b"}' % encode_base64(audio)
