"""The objects that events carry: items, content, responses, usage, and what the engine reads of a session.

They are lenient readers: a field that is not listed is ignored here, and is still in the frame that is passed
on. Optional fields are `UNSET` where a frame may leave them out, and None where it says null.

Source: protocol.md, sections 5, 8 and 9.
"""

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from realtime_engine.audio import AudioFormat

Count: TypeAlias = Annotated[int, Meta(ge=0, le=1 << 53)]
"""A number to reckon with: milliseconds, tokens. What is longer than any float can tell apart is no such number."""

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class ContentPart(Struct, frozen=True, kw_only=True):
    """A part of a message: text, audio or an image. ``audio`` is base64 in the session's format."""

    type: str
    text: str | None | UnsetType = UNSET
    audio: str | None | UnsetType = UNSET
    transcript: str | None | UnsetType = UNSET
    image_url: str | UnsetType = UNSET
    detail: str | UnsetType = UNSET


class Item(Struct, frozen=True, kw_only=True):
    """Something in the conversation: a message, a function call, its output, or a kind yet unknown."""

    id: str | UnsetType = UNSET
    object: str | UnsetType = UNSET
    type: str
    status: str | UnsetType = UNSET
    role: str | UnsetType = UNSET
    content: tuple[ContentPart, ...] | UnsetType = UNSET
    phase: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    call_id: str | UnsetType = UNSET
    arguments: str | UnsetType = UNSET
    output: str | None | UnsetType = UNSET


class CachedTokens(Struct, frozen=True, kw_only=True):
    """Which of the cached input tokens were text, audio, images."""

    text_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0


class InputTokens(Struct, frozen=True, kw_only=True):
    """What the input of a response was made of."""

    text_tokens: Count = 0
    audio_tokens: Count = 0
    image_tokens: Count = 0
    cached_tokens: Count = 0
    cached_tokens_details: CachedTokens | None = None


class OutputTokens(Struct, frozen=True, kw_only=True):
    """What a response was made of."""

    text_tokens: Count = 0
    audio_tokens: Count = 0


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens of one response: an input audio token is 100 ms, an output audio token 50 ms."""

    total_tokens: Count = 0
    input_tokens: Count = 0
    output_tokens: Count = 0
    input_token_details: InputTokens | None = None
    output_token_details: OutputTokens | None = None


class ErrorDetail(Struct, frozen=True, kw_only=True):
    """What went wrong. The hosted service sends all five keys, null where empty."""

    type: str | None = None
    code: str | None = None
    message: str = ""
    param: str | None | UnsetType = None
    event_id: str | None | UnsetType = UNSET


class StatusDetails(Struct, frozen=True, kw_only=True):
    """Why a response did not complete."""

    type: str
    reason: str | UnsetType = UNSET
    error: ErrorDetail | UnsetType = UNSET


class OutputVoice(Struct, frozen=True, kw_only=True):
    """The format and voice a response speaks with; a voice is a name or ``{"id": …}``."""

    format: AudioFormat | UnsetType = UNSET
    voice: str | dict[str, str] | UnsetType = UNSET


class OutputAudio(Struct, frozen=True, kw_only=True):
    """A response's ``audio``."""

    output: OutputVoice


MaxTokens: TypeAlias = int | Literal["inf"] | None


class Response(Struct, frozen=True, kw_only=True):
    """A response of the model. An out-of-band one has ``conversation_id`` None."""

    object: str | UnsetType = UNSET
    id: str = ""
    status: str | None = None
    status_details: StatusDetails | str | None = None  # a text: xAI
    output: tuple[Item, ...] = ()
    conversation_id: str | None | UnsetType = UNSET
    output_modalities: tuple[str, ...] | UnsetType = UNSET
    max_output_tokens: MaxTokens | UnsetType = UNSET
    audio: OutputAudio | UnsetType = UNSET
    usage: Usage | None | UnsetType = UNSET
    metadata: dict[str, str] | None | UnsetType = UNSET


class TurnDetection(Struct, frozen=True, kw_only=True):
    """Who decides when a turn is over; null in its place means that the client does (manual turns).

    ``prefix_padding_ms`` of audio before the detected speech belong to the turn, and the ``silence_duration_ms``
    that ended it; None where that is not said.
    """

    type: str = "server_vad"
    create_response: bool = True
    interrupt_response: bool = True
    prefix_padding_ms: float | None = None
    silence_duration_ms: float | None = None

    def speech(self, start_ms: int, end_ms: int) -> tuple[float, float] | None:
        """From when to when somebody really spoke in a turn, in seconds; None where that cannot be told.

        ``start_ms`` and ``end_ms`` are those of ``speech_started`` and ``speech_stopped``. A turn at the beginning of
        the audio may have less padding than the session says (protocol.md, section 6).
        """
        if self.prefix_padding_ms is None or self.silence_duration_ms is None:
            return None
        end = end_ms - self.silence_duration_ms
        return min(start_ms + self.prefix_padding_ms, end) / 1000, end / 1000


class _Named(Struct):
    model: str = ""


class InputAudioConfig(Struct, frozen=True, kw_only=True):
    """What the engine reads of ``session.audio.input``."""

    format: AudioFormat | UnsetType = UNSET
    turn_detection: TurnDetection | None | UnsetType = UNSET
    transcription: Raw | UnsetType = UNSET


class OutputAudioConfig(Struct, frozen=True, kw_only=True):
    """What the engine reads of ``session.audio.output``."""

    format: AudioFormat | UnsetType = UNSET


class AudioConfig(Struct, frozen=True, kw_only=True):
    """What the engine reads of ``session.audio``."""

    input: InputAudioConfig | UnsetType = UNSET
    output: OutputAudioConfig | UnsetType = UNSET


class SessionConfig(Struct, frozen=True, kw_only=True):
    """What the engine reads of a session object; all else passes it by."""

    type: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    model: str | UnsetType = UNSET
    output_modalities: tuple[str, ...] | UnsetType = UNSET
    audio: AudioConfig | UnsetType = UNSET
    expires_at: int | None | UnsetType = UNSET

    @property
    def turn_detection(self) -> TurnDetection | None | UnsetType:
        """``audio.input.turn_detection``; None: the client commits."""
        given = self._input
        return UNSET if given is None else given.turn_detection

    @property
    def input_format(self) -> AudioFormat | UnsetType:
        """``audio.input.format``."""
        given = self._input
        return UNSET if given is None else given.format

    @property
    def transcribes(self) -> bool:
        """Whether what the user says is written down: ``audio.input.transcription`` is there, and not null."""
        given = self._input
        return given is not None and isinstance(given.transcription, Raw) and bytes(given.transcription) != b"null"

    @property
    def transcriber(self) -> str:
        """The model that writes down what the user says; ``""``: none is named."""
        given = self._input
        if given is None or not isinstance(given.transcription, Raw):
            return ""
        try:
            return msgspec.json.decode(given.transcription, type=_Named).model
        except msgspec.DecodeError:  # null, most likely
            return ""

    @property
    def output_format(self) -> AudioFormat | UnsetType:
        """``audio.output.format``."""
        output = self.audio.output if isinstance(self.audio, AudioConfig) else UNSET
        return output.format if isinstance(output, OutputAudioConfig) else UNSET

    @property
    def _input(self) -> InputAudioConfig | None:
        given = self.audio.input if isinstance(self.audio, AudioConfig) else UNSET
        return given if isinstance(given, InputAudioConfig) else None


class Conversation(Struct, frozen=True, kw_only=True):
    """What ``conversation.created`` names; not sent by the hosted service today."""

    id: str | UnsetType = UNSET
    object: str | UnsetType = UNSET


class RateLimit(Struct, frozen=True, kw_only=True):
    """What is left of a limit, and when it is whole again."""

    name: str
    limit: int
    remaining: int
    reset_seconds: float


class TranscriptionUsage(Struct, frozen=True, kw_only=True):
    """What a transcription cost: tokens, or seconds of audio."""

    type: str
    seconds: float | UnsetType = UNSET
    total_tokens: Count | UnsetType = UNSET
    input_tokens: Count | UnsetType = UNSET
    input_token_details: InputTokens | None | UnsetType = UNSET
    output_tokens: Count | UnsetType = UNSET


NO_RAW: Final = msgspec.Raw()


def text(value: str | None | UnsetType) -> str:
    """An optional text, or ``""``."""
    return value if isinstance(value, str) else ""
