"""What is ordered with a response: the session's settings, or the request's own (protocol.md, section 8)."""

from collections.abc import Sequence
from typing import TypeVar

from msgspec import Struct

from realtime_engine.audio import AudioFormat
from realtime_engine.upstreams.local.conversation import Conversation
from realtime_engine.upstreams.local.ids import Ids
from realtime_engine.upstreams.local.items import Entry, ItemReference, entry_of
from realtime_engine.upstreams.local.problems import RequestError
from realtime_engine.upstreams.local.requests import Overrides
from realtime_engine.upstreams.local.settings import (
    CustomVoice,
    FunctionTool,
    MaxTokens,
    Session,
    ToolChoice,
    audio_format,
)

T = TypeVar("T")


class Order(Struct, frozen=True, kw_only=True):
    """How a response is to be.

    Attributes:
        conversation_id: None for a response out of band.
        modality: ``audio`` or ``text``.
        instructions: In force for this response.
        tools: That may be called.
        tool_choice: Whether they must be.
        max_output_tokens: At most so many tokens.
        format: Of the speech.
        voice: Its name or id.
        speed: Of the speech, 1.0 is normal.
        metadata: Comes back with the response.
        idle: Nobody asked: it has been silent for long.
    """

    conversation_id: str | None
    modality: str
    instructions: str
    tools: tuple[FunctionTool, ...]
    tool_choice: ToolChoice
    max_output_tokens: MaxTokens
    format: AudioFormat
    voice: str
    speed: float
    metadata: dict[str, str] | None
    idle: bool = False


def order_of(session: Session, overrides: Overrides, conversation_id: str, *, idle: bool = False) -> Order:
    """What a request orders; without overrides, what the end of a turn does."""
    output = session.audio.output
    voice, wire = output.voice, output.format
    if overrides.audio is not None and overrides.audio.output is not None:
        voice = _either(overrides.audio.output.voice, voice)
        wire = _either(overrides.audio.output.format, wire)
    return Order(
        conversation_id=conversation_id if overrides.conversation == "auto" else None,
        modality=_either(overrides.output_modalities, session.output_modalities)[0],
        instructions=_either(overrides.instructions, session.instructions),
        tools=_either(overrides.tools, session.tools),
        tool_choice=_either(overrides.tool_choice, session.tool_choice),
        max_output_tokens=_either(overrides.max_output_tokens, session.max_output_tokens),
        format=audio_format(wire),
        voice=voice.id if isinstance(voice, CustomVoice) else voice,
        speed=output.speed,
        metadata=overrides.metadata,
        idle=idle,
    )


def context_of(
    overrides: Overrides,
    conversation: Conversation,
    ids: Ids,
    format: AudioFormat,  # noqa: A002 - the protocol's own word
) -> Sequence[Entry] | None:
    """The items that a request wants answered; None: those of the conversation.

    Raises:
        RequestError: One of them is not as it must be, or refers to none.
    """
    if overrides.input is None:
        return None
    context = []
    for index, item in enumerate(overrides.input):
        where = f"response.input[{index}]"
        if isinstance(item, ItemReference):
            entry = conversation.find(item.id)
            if entry is None:
                message = f"Invalid value: the item with id '{item.id}' does not exist."
                raise RequestError("invalid_value", message, param=f"{where}.id")
        else:
            entry = entry_of(item, ids, format, root=where)
        context.append(entry)
    return context


def _either(given: T | None, default: T) -> T:
    return default if given is None else given
