"""The session object, as strict types: fields, defaults, bounds, and the order of the keys.

Source: protocol.md, section 5, and section 6 for turn detection.
"""

from typing import Annotated, Final, Literal, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

from realtime_engine.audio import PCM16, PCMA, PCMU, AudioFormat
from realtime_engine.events import Event

Milliseconds: TypeAlias = Annotated[int, Meta(ge=0, le=86_400_000)]
MaxTokens: TypeAlias = Annotated[int, Meta(ge=1, le=4096)] | Literal["inf"]
Modalities: TypeAlias = tuple[Literal["audio", "text"]]  # exactly one: never both


class Strict(Struct, frozen=True, forbid_unknown_fields=True):
    """The base of all that a client may write: a field that is not listed is an error."""


class Pcm(Strict, frozen=True, tag_field="type", tag="audio/pcm"):
    """16-bit, mono, little-endian, at the one rate there is."""

    rate: Annotated[int, Meta(ge=24_000, le=24_000)] = 24_000


class Pcmu(Strict, frozen=True, tag_field="type", tag="audio/pcmu"):
    """G.711 mu-law, 8 kHz."""


class Pcma(Strict, frozen=True, tag_field="type", tag="audio/pcma"):
    """G.711 A-law, 8 kHz."""


WireFormat: TypeAlias = Pcm | Pcmu | Pcma
_FORMATS: Final[dict[type[WireFormat], AudioFormat]] = {Pcm: PCM16, Pcmu: PCMU, Pcma: PCMA}


def audio_format(wire: WireFormat) -> AudioFormat:
    """The format as the rest of the engine knows it."""
    return _FORMATS[type(wire)]


class ServerVad(Strict, frozen=True, tag_field="type", tag="server_vad"):
    """Turns by silence alone."""

    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    prefix_padding_ms: Milliseconds = 300
    silence_duration_ms: Milliseconds = 200
    idle_timeout_ms: Milliseconds | None = None
    create_response: bool = True
    interrupt_response: bool = True


class SemanticVad(Strict, frozen=True, tag_field="type", tag="semantic_vad"):
    """Turns by silence too, since the embedded model understands no words: by as much as suits the eagerness."""

    eagerness: Literal["low", "medium", "high", "auto"] = "auto"
    create_response: bool = True
    interrupt_response: bool = True


TurnDetection: TypeAlias = ServerVad | SemanticVad | None


class NoiseReduction(Strict, frozen=True):
    """Accepted and echoed; the embedded model hears well enough without."""

    type: Literal["near_field", "far_field"]
    strength: float | UnsetType = UNSET


class Transcription(Strict, frozen=True):
    """Ask for a transcript of what the user says."""

    model: str
    language: str | None = None
    prompt: str | None = None
    delay: Literal["minimal", "low", "medium", "high", "xhigh"] | UnsetType = UNSET
    keywords: tuple[str, ...] | UnsetType = UNSET
    languages: tuple[str, ...] | UnsetType = UNSET


class CustomVoice(Strict, frozen=True):
    """A voice by its id."""

    id: str


VoiceName: TypeAlias = Literal["alloy", "ash", "ballad", "coral", "echo", "sage", "shimmer", "verse", "marin", "cedar"]
Voice: TypeAlias = VoiceName | CustomVoice


class AudioInput(Strict, frozen=True):
    """How the model listens."""

    format: WireFormat = Pcm()
    transcription: Transcription | None = None
    noise_reduction: NoiseReduction | None = None
    turn_detection: TurnDetection = ServerVad()


class AudioOutput(Strict, frozen=True):
    """How the model speaks."""

    format: WireFormat = Pcm()
    voice: Voice = "alloy"
    speed: Annotated[float, Meta(ge=0.25, le=1.5)] = 1.0


class Audio(Strict, frozen=True):
    """Both directions."""

    input: AudioInput = AudioInput()
    output: AudioOutput = AudioOutput()


MOST_LEVELS: Final = 64  # of nested JSON within a field that the protocol leaves free


def refuse_depth(value: object, levels: int = MOST_LEVELS) -> None:
    """Check JSON that will be sent back, so that it can be.

    Raises:
        ValueError: It is nested more deeply than ``levels``; msgspec says where.
    """
    if levels == 0:
        raise ValueError("nested too deeply")
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        refuse_depth(child, levels - 1)


class FunctionTool(Strict, frozen=True, tag_field="type", tag="function"):
    """A function the model may call; ``parameters`` is a JSON schema."""

    name: str
    description: str | UnsetType = UNSET
    parameters: dict[str, object] | UnsetType = UNSET

    def __post_init__(self) -> None:
        refuse_depth(self.parameters)


class FunctionChoice(Strict, frozen=True, tag_field="type", tag="function"):
    """The model shall call this function."""

    name: str


ToolChoice: TypeAlias = Literal["auto", "none", "required"] | FunctionChoice


class Tracing(Strict, frozen=True):
    """Accepted and echoed; nothing is traced."""

    workflow_name: str | UnsetType = UNSET
    group_id: str | UnsetType = UNSET
    metadata: dict[str, object] | UnsetType = UNSET

    def __post_init__(self) -> None:
        refuse_depth(self.metadata)


class TokenLimits(Strict, frozen=True):
    """A bound for the conversation."""

    post_instructions: Annotated[int, Meta(ge=0, le=1_000_000)] | UnsetType = UNSET


class RetentionRatio(Strict, frozen=True, tag_field="type", tag="retention_ratio"):
    """Accepted and echoed; the embedded model has no context window to fall out of."""

    retention_ratio: Annotated[float, Meta(ge=0, le=1)]
    token_limits: TokenLimits | UnsetType = UNSET


class Prompt(Strict, frozen=True):
    """A stored prompt, with text for its variables; accepted and echoed."""

    id: str
    version: str | None = None
    variables: dict[str, str] | None = None


class Reasoning(Strict, frozen=True):
    """Accepted and echoed; there is nothing to reason with."""

    effort: Literal["minimal", "low", "medium", "high", "xhigh"] | UnsetType = UNSET


Include: TypeAlias = tuple[Literal["item.input_audio_transcription.logprobs"], ...]  # accepted and echoed


class Session(Strict, frozen=True, kw_only=True, tag_field="type", tag="realtime"):
    """The whole effective session, keys in the order of the hosted service's ``session.created``."""

    object: Literal["realtime.session"] = "realtime.session"
    id: str
    model: str
    output_modalities: Modalities = ("audio",)
    instructions: str = ""
    tools: tuple[FunctionTool, ...] = ()
    tool_choice: ToolChoice = "auto"
    max_output_tokens: MaxTokens = "inf"
    tracing: Literal["auto"] | Tracing | None = None
    truncation: Literal["auto", "disabled"] | RetentionRatio = "auto"
    prompt: Prompt | None = None
    expires_at: int = 0
    audio: Audio = Audio()
    include: Include | None = None
    reasoning: Reasoning | UnsetType = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET


UNANSWERED: Final = ServerVad(create_response=False, interrupt_response=False)
"""The turn detection of a transcription session: there is nothing to create, and nothing to interrupt."""


class TranscriptionAudio(Strict, frozen=True):
    """The one direction of a transcription session."""

    input: AudioInput


class TranscriptionSession(Strict, frozen=True, kw_only=True, tag_field="type", tag="transcription"):
    """A session in which the user is transcribed and never answered."""

    object: Literal["realtime.transcription_session"] = "realtime.transcription_session"
    id: str
    expires_at: int = 0
    audio: TranscriptionAudio
    include: Include | None = None


AnySession: TypeAlias = Session | TranscriptionSession


def transcribing(session: Session) -> TranscriptionSession:
    """The transcription session that a session becomes; its own model transcribes until the client names another."""
    given = AudioInput(transcription=Transcription(session.model), turn_detection=UNANSWERED)
    return TranscriptionSession(id=session.id, expires_at=session.expires_at, audio=TranscriptionAudio(given))


class SessionCreated(Event, frozen=True, kw_only=True, tag="session.created"):
    """The first event, with the whole session."""

    session: AnySession


class SessionUpdated(Event, frozen=True, kw_only=True, tag="session.updated"):
    """The whole session after an update."""

    session: AnySession
