"""Items that a client makes, checked; and entries, which are items with the audio that events leave out.

Source: protocol.md, section 9, and section 11 for the limits.
"""

import re
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, UnsetType

from realtime_engine.audio import AudioFormat, decode_base64, encode_base64
from realtime_engine.objects import ContentPart, Item
from realtime_engine.upstreams.local.ids import Ids
from realtime_engine.upstreams.local.problems import RequestError
from realtime_engine.upstreams.local.settings import Strict
from realtime_engine.upstreams.local.sounds import loud_seconds

ItemId: TypeAlias = Annotated[str, Meta(max_length=32)]
Text: TypeAlias = Annotated[str, Meta(max_length=256_000)]
Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class InputText(Strict, frozen=True, tag_field="type", tag="input_text"):
    """What a user typed, or a system's word."""

    text: Text


class InputAudio(Strict, frozen=True, tag_field="type", tag="input_audio"):
    """What a user said: base64 in the session's input format."""

    audio: str
    transcript: str | None = None


class InputImage(Strict, frozen=True, tag_field="type", tag="input_image"):
    """A picture, as a data URI of a PNG or JPEG. It is checked, and not looked at."""

    image_url: str
    detail: Literal["auto", "low", "high"] | UnsetType = UNSET


class OutputText(Strict, frozen=True, tag_field="type", tag="output_text"):
    """What an assistant wrote."""

    text: Text


Part: TypeAlias = InputText | InputAudio | InputImage | OutputText


class _Given(Strict, frozen=True, kw_only=True, tag_field="type"):
    id: ItemId | None = None
    object: Literal["realtime.item"] | None = None
    status: Status | None = None


class Message(_Given, frozen=True, kw_only=True, tag="message"):
    """A message of anybody."""

    role: Literal["user", "assistant", "system"]
    content: tuple[Part, ...]


class FunctionCall(_Given, frozen=True, kw_only=True, tag="function_call"):
    """A call from a conversation of before."""

    name: str
    arguments: str
    call_id: ItemId | None = None


class FunctionCallOutput(_Given, frozen=True, kw_only=True, tag="function_call_output"):
    """What a function returned."""

    call_id: ItemId
    output: Text


class ItemReference(Strict, frozen=True, tag_field="type", tag="item_reference"):
    """An item of the conversation, in the input of a response."""

    id: str


GivenItem: TypeAlias = Message | FunctionCall | FunctionCallOutput

PARTS: Final[dict[str, tuple[type[Part], ...]]] = {
    "user": (InputText, InputAudio, InputImage),
    "assistant": (OutputText,),
    "system": (InputText,),
}
"""What each role may say. An assistant's audio cannot be created by a client."""


@dataclass(slots=True, eq=False)
class Entry:
    """An item of the conversation.

    Attributes:
        item: The item as events show it, without audio.
        format: The format of its audio.
        audio: Its audio, by content index.
        speech_seconds: How much of a user's audio is speech.
        truncated: It was cut to what the user heard: it gets no more audio, and has no transcript.
    """

    item: Item
    format: AudioFormat
    audio: dict[int, bytearray] = field(default_factory=dict)
    speech_seconds: float = 0.0
    truncated: bool = False

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.item.id)

    @property
    def parts(self) -> tuple[ContentPart, ...]:
        """The item's content, if it is a message."""
        return self.item.content if isinstance(self.item.content, tuple) else ()

    @property
    def size(self) -> int:
        """Bytes of audio."""
        return sum(map(len, self.audio.values()))

    @property
    def texts(self) -> str:
        """All that is written in it."""
        return "\n".join(part.text for part in self.parts if isinstance(part.text, str))

    def become(self, item: Item) -> None:
        """Take on a new state of the item; what a truncation took away stays away."""
        self.item = item
        if self.truncated:
            content = tuple(msgspec.structs.replace(part, transcript="") for part in self.parts)
            self.item = msgspec.structs.replace(item, content=content)

    def hear(self, audio: bytes) -> None:
        """Add to an assistant's speech, unless it was cut, or forgotten already."""
        if not self.truncated and 0 in self.audio:
            self.audio[0] += audio

    def truncate(self, size: int) -> None:
        """Cut an assistant's speech to ``size`` bytes, and forget what it says."""
        del self.audio[0][size:]
        self.truncated = True
        self.become(self.item)

    def with_audio(self) -> Item:
        """The item as ``conversation.item.retrieved`` shows it."""
        if not self.audio:
            return self.item
        content = tuple(
            msgspec.structs.replace(part, audio=encode_base64(bytes(self.audio[index])).decode())
            if index in self.audio
            else part
            for index, part in enumerate(self.parts)
        )
        return msgspec.structs.replace(self.item, content=content)


def entry_of(given: GivenItem, ids: Ids, format: AudioFormat, *, root: str) -> Entry:  # noqa: A002
    """The entry that a client's item becomes; ids that the client has not chosen are made.

    Args:
        given: The item.
        ids: Where ids come from.
        format: The session's input format.
        root: Where it stands in the request, for the message.

    Raises:
        RequestError: A part does not suit the role, its audio is no base64, or its picture no PNG or JPEG.
    """
    item_id = ids.new("item") if given.id is None else given.id
    match given:
        case FunctionCall():
            item = Item(
                id=item_id,
                type="function_call",
                status="completed",
                name=given.name,
                call_id=ids.new("call") if given.call_id is None else given.call_id,
                arguments=given.arguments,
            )
            return Entry(item, format)
        case FunctionCallOutput():
            item = Item(id=item_id, type="function_call_output", call_id=given.call_id, output=given.output)
            return Entry(item, format)
        case _:
            return _message(given, item_id, format, root=root)


def _message(given: Message, item_id: str, format: AudioFormat, *, root: str) -> Entry:  # noqa: A002
    content: list[ContentPart] = []
    audio: dict[int, bytearray] = {}
    for index, part in enumerate(given.content):
        where = f"{root}.content[{index}]"
        _check_role(given.role, part, param=f"{where}.type")
        match part:
            case InputText():
                content.append(ContentPart(type="input_text", text=part.text))
            case OutputText():
                content.append(ContentPart(type="output_text", text=part.text))
            case InputImage():
                _check_picture(part.image_url, param=f"{where}.image_url")
                content.append(ContentPart(type="input_image", detail=part.detail))
            case _:
                content.append(ContentPart(type="input_audio", transcript=part.transcript))
                audio[index] = bytearray(whole(read_audio(part.audio, param=f"{where}.audio"), format))
    item = Item(id=item_id, type="message", status="completed", role=given.role, content=tuple(content))
    entry = Entry(item, format, audio)
    entry.speech_seconds = sum(loud_seconds(bytes(part), format) for part in audio.values())
    return entry


def _check_role(role: str, part: Part, *, param: str) -> None:
    if not isinstance(part, PARTS[role]):
        known = " and ".join(f"'{kind.__struct_config__.tag}'" for kind in PARTS[role])
        wrong = part.__struct_config__.tag
        raise RequestError("invalid_value", f"Invalid value: '{wrong}'. Supported values are: {known}.", param=param)


_PICTURE: Final = re.compile(r"data:image/(?:png|jpeg);base64,(?=.)", re.IGNORECASE)


def _check_picture(url: str, *, param: str) -> None:
    head = _PICTURE.match(url)
    try:
        if head is None:
            raise ValueError
        decode_base64(url[head.end() :])
    except ValueError:
        message = f"Invalid value for '{param}': expected a data URI of a PNG or JPEG, as in 'data:image/png;base64,…'."
        raise RequestError("invalid_value", message, param=param) from None


def read_audio(base64: str, *, param: str) -> bytes:
    """The audio of a base64 text.

    Raises:
        RequestError: It is no base64.
    """
    try:
        return decode_base64(base64)
    except ValueError:
        raise RequestError(
            "invalid_value", f"Invalid value for '{param}': it is not valid base64.", param=param
        ) from None


def whole(audio: bytes, format: AudioFormat) -> bytes:  # noqa: A002 - the protocol's own word
    """Audio without an incomplete last sample."""
    return audio[: len(audio) // format.sample_bytes * format.sample_bytes]
