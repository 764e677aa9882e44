"""What happened in a conversation: its turns, how long each answer took, what was interrupted, what it cost.

It is told from the steps of a recording, by the same `Conversation` that the session keeps.
"""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct, UnsetType

from realtime_engine import events as ev
from realtime_engine.audio import PCM16, base64_size
from realtime_engine.commands import Command, Forward, Note, Send, Step
from realtime_engine.conversation import Conversation, Entry
from realtime_engine.dialect import to_ga
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.objects import ErrorDetail, InputTokens, OutputTokens, Response, TurnDetection, Usage, text

_ALL: Final = 1 << 40  # items: more than any conversation has


class Turn(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One item of the conversation. Times are seconds since it began, lengths are milliseconds.

    Attributes:
        item_id: Its id.
        who: ``user``, ``assistant``, ``system``; ``tool`` for a call and its output; or the item's type.
        at: When it began: to be spoken, to reach the front, to be there.
        words: What was said, written, called or returned.
        latency: Seconds until it reached the front: since the upstream told the end of the user's speech, or since
            the response was asked for.
        speech_ms: How much speech there is: of the model, as it came; of the user, as the upstream detected it, without
            padding and silence where the session tells how much of them there is.
        start_ms, end_ms: Where the turn stands in the microphone audio of its connection, as the upstream said: with
            padding and silence.
        speech: From where to where in the same audio the user really spoke, in seconds; None where nobody spoke, or the
            session does not tell the padding and the silence.
        interrupted_at: When it was cut off.
        heard_ms: How much of it was heard then.
        status: The upstream's word, unless it is ``completed``.
    """

    item_id: str
    who: str
    at: float
    words: str = ""
    latency: float | None = None
    speech_ms: int | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    speech: tuple[float, float] | None = None
    interrupted_at: float | None = None
    heard_ms: int | None = None
    status: str = ""


class Tokens(Struct, frozen=True, kw_only=True):
    """What one response used, or all of them."""

    total: int = 0
    input: int = 0
    input_text: int = 0
    input_audio: int = 0
    cached: int = 0
    output: int = 0
    output_text: int = 0
    output_audio: int = 0


class Ended(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A response at its end.

    Attributes:
        why: Why it is not ``completed``.
    """

    response_id: str
    at: float
    status: str
    why: str = ""
    tokens: Tokens = Tokens()


class Story(Struct, frozen=True, kw_only=True):
    """A whole conversation.

    Attributes:
        seconds: How long it lasted.
        turns: In the upstream's order.
        responses: In the order in which they ended.
        tokens: Of all responses together.
        notes: What the session noted, and the errors that the upstream told, each with its time.
    """

    seconds: float
    turns: tuple[Turn, ...]
    responses: tuple[Ended, ...]
    tokens: Tokens
    notes: tuple[tuple[float, str], ...]


def tell(steps: Iterable[Step]) -> Story:
    """The story of a conversation."""
    teller = _Teller()
    for step in steps:
        teller.take(step)
    return teller.story()


class _Teller:
    def __init__(self) -> None:
        self._conversation = Conversation(keep=_ALL)
        self._format = PCM16
        self._detection: TurnDetection | None = TurnDetection()
        self._detected: dict[str, TurnDetection | None] = {}  # item whose speech was detected -> how
        self._at = 0.0
        self._begun: dict[str, float] = {}  # item -> when
        self._reached: dict[str, float] = {}  # item -> when its first words or sounds went to the front
        self._cut: dict[str, tuple[float, int]] = {}  # item -> when, milliseconds heard
        self._asked: float | None = None  # since when an answer is waited for
        self._answers: dict[str, float] = {}  # response -> since when it was waited for
        self._responses: list[Ended] = []
        self._notes: list[tuple[float, str]] = []

    def take(self, step: Step) -> None:
        self._at = step.at
        event = None
        if isinstance(step.input, Message):
            event = _event(step.input)
            if event is not None and step.input.side is Side.UPSTREAM:
                self._upstream_says(event)
        for command in step.commands:
            self._do(command, step, event)

    def story(self) -> Story:
        return Story(
            seconds=self._at,
            turns=tuple(self._turn(entry) for entry in self._conversation),
            responses=tuple(self._responses),
            tokens=_sum(response.tokens for response in self._responses),
            notes=tuple(self._notes),
        )

    def _do(self, command: Command, step: Step, event: ev.Event | None) -> None:
        match command:
            case Note(text=note):
                self._notes.append((step.at, note))
            case Send(side=side, raw=raw, kind=kind):
                self._goes_to(side, _event(Message(side.other, kind, raw)))
            case Forward() if isinstance(step.input, Message):
                self._goes_to(step.input.side.other, event)

    def _upstream_says(self, event: ev.Event) -> None:
        self._conversation.apply(event)
        self._note_beginning(event)
        match event:
            case ev.SpeechStopped(item_id=item_id):
                self._asked = self._at
                self._detected[item_id] = self._detection
            case ev.ResponseCreated(response=response):
                self._answers[response.id] = self._at if self._asked is None else self._asked
                self._asked = None
            case ev.ResponseDone():
                self._responses.append(_ended(event.response, event.used or Usage(), self._at))
            case ev.ResponseOutputAudioDelta(item_id=item_id, response_id=response_id, delta=delta):
                self._conversation.spoken(item_id, text(response_id), self._format.ms(base64_size(delta)))
            case ev.SessionCreated(session=session) | ev.SessionUpdated(session=session):
                if not isinstance(session.output_format, UnsetType):
                    self._format = session.output_format
                if not isinstance(session.turn_detection, UnsetType):
                    self._detection = session.turn_detection
            case ev.Error(error=error):
                self._notes.append((self._at, f"error: {_problem(error)}"))

    def _note_beginning(self, event: ev.Event) -> None:
        match event:
            case ev.SpeechStarted(item_id=item_id) | ev.InputAudioBufferCommitted(item_id=item_id):
                self._begun.setdefault(item_id, self._at)
            case (
                ev.ConversationItemAdded(item=item)
                | ev.ConversationItemCreated(item=item)
                | ev.ConversationItemDone(item=item)
            ):
                self._begun.setdefault(text(item.id), self._at)

    def _goes_to(self, side: Side, event: ev.Event | None) -> None:
        match side, event:
            case Side.FRONT, ev.ResponseOutputAudioDelta(item_id=item_id) | ev.ResponseOutputTextDelta(item_id=item_id):
                self._reached.setdefault(item_id, self._at)
            case Side.UPSTREAM, ev.ResponseCreate() if self._asked is None:
                self._asked = self._at
            case Side.UPSTREAM, ev.ConversationItemTruncate(item_id=item_id, audio_end_ms=heard_ms):
                self._cut.setdefault(item_id, (self._at, heard_ms))

    def _turn(self, entry: Entry) -> Turn:
        begun = self._begun.get(entry.id, 0.0)
        reached = self._reached.get(entry.id)
        asked = self._answers.get(entry.response_id)
        speech = _speech(entry, self._detected.get(entry.id))
        interrupted_at, heard_ms = self._cut.get(entry.id, (None, entry.heard_ms))
        return Turn(
            item_id=entry.id,
            who="tool" if entry.type.startswith("function_call") else entry.role or entry.type,
            at=begun if reached is None else reached,
            words=_words(entry),
            latency=None if reached is None or asked is None else round(reached - asked, 6),
            speech_ms=_speech_ms(entry, speech, detected=entry.id in self._detected),
            start_ms=entry.start_ms,
            end_ms=entry.end_ms,
            speech=speech,
            interrupted_at=interrupted_at,
            heard_ms=heard_ms,
            status="" if entry.status == "completed" else entry.status,
        )


def _event(message: Message) -> ev.Event | None:
    """What a text frame says, whichever dialect it is in; None: nothing that can be understood."""
    if message.kind is not Kind.TEXT:
        return None
    try:
        return ev.decode(to_ga(message.raw).raw)
    except (ValueError, RecursionError):
        return None


def _speech(entry: Entry, detection: TurnDetection | None) -> tuple[float, float] | None:
    """From when to when the user really spoke, in seconds of microphone audio; None where that is not known."""
    if detection is None or entry.start_ms is None or entry.end_ms is None:
        return None
    return detection.speech(entry.start_ms, entry.end_ms)


def _speech_ms(entry: Entry, speech: tuple[float, float] | None, *, detected: bool) -> int | None:
    """How long was spoken: by the user, as nearly as it is known, or by the model."""
    if speech is not None:
        start, end = speech
        return round(1000 * (end - start))
    if detected and entry.start_ms is not None and entry.end_ms is not None:
        return entry.end_ms - entry.start_ms
    return int(entry.audio_ms) or None


def _words(entry: Entry) -> str:
    match entry.type:
        case "function_call":
            return f"{entry.name}({entry.arguments})"
        case "function_call_output":
            return f"→ {entry.output}"
        case _:
            return entry.words


def _ended(response: Response, usage: Usage, at: float) -> Ended:
    details = response.status_details
    why = ""
    if isinstance(details, str):
        why = details
    elif details is not None:
        why = text(details.reason) if isinstance(details.error, UnsetType) else _problem(details.error)
    return Ended(response_id=response.id, at=at, status=response.status or "", why=why, tokens=_tokens(usage))


def _problem(error: ErrorDetail) -> str:
    return f"{error.code or error.type or 'unknown'}: {error.message}"


def _tokens(usage: Usage) -> Tokens:
    given = usage.input_token_details or InputTokens()
    made = usage.output_token_details or OutputTokens()
    return Tokens(
        total=usage.total_tokens,
        input=usage.input_tokens,
        input_text=given.text_tokens,
        input_audio=given.audio_tokens,
        cached=given.cached_tokens,
        output=usage.output_tokens,
        output_text=made.text_tokens,
        output_audio=made.audio_tokens,
    )


def _sum(all_tokens: Iterable[Tokens]) -> Tokens:
    rows = list(all_tokens)
    return Tokens(**{name: sum(getattr(row, name) for row in rows) for name in Tokens.__struct_fields__})
