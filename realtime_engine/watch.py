"""Looks at the steps of one conversation and counts what a person would want to know of it.

It is on the way of every frame, so audio that is passed on costs it a look at the beginning, a batch at a time.

What the three latencies are:

- *connect*: from the session's `Connect` until that connection is `Opened`, each time.
- *first audio*: from the end of what the person said (the upstream's ``speech_stopped``, the front's own
  ``engine.speech_stopped``, the front's ``input_audio_buffer.commit``; the last of them) until the first audio after it
  goes to the front. A turn that goes on, and an answer without a sound that calls no function, count for nothing.
- *silence*, in managed conversations: from the session's ``output_audio_buffer.cleared``, sent in the very step that
  interrupts, until the front's report that names it. A front that does not report gives no figure. In transparent ones
  nobody sees the client fall silent. There it is from the interruption (``speech_started``, or the client's
  ``output_audio_buffer.clear`` or ``response.cancel``) until the last audio of the answer was passed on, 0 if none was;
  it counts when the answer's ``response.done`` says ``cancelled``.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self, TypeAlias

from realtime_engine import events as ev
from realtime_engine.commands import FORWARD, Command, Connect, HangUp, Send, Step
from realtime_engine.inputs import Closed, Kind, Message, Opened, Side
from realtime_engine.metrics import Metrics, Mode, add
from realtime_engine.objects import InputTokens, OutputTokens, TranscriptionUsage, Usage
from realtime_engine.session import PASSED_ON

FAILED: Final = 1011
"""The code that counts for a conversation that ended without hanging up."""

_UPSTREAM_SIDE: Final = Side.UPSTREAM  # looking up an enum's member is slow
_SPEECH: Final = ev.type_of(ev.ResponseOutputAudioDelta)
_SPEECH_START: Final = b'{"type":"%b"' % _SPEECH.encode()
_SPEECHES: Final = (_SPEECH, "response.audio.delta")
"""The model's speech, as a server of the GA says it, and one of the beta."""

_SHORT: Final = 512  # bytes; an event of a front that matters here is shorter, 20 ms of audio are longer
_ERROR: Final = b'{"type":"error"'
_CLEARED: Final = b'{"type":"output_audio_buffer.cleared"'
_SOUND: Final = (b'{"type":"response.output_audio.delta"', b'{"type":"response.audio.delta"')
_FRONT_CODES: Final = {1002: "protocol_error", 1006: "connection_lost", 1007: "bad_text", 1009: "too_big"}


class Watch:
    """A `realtime_engine.driving.Record` that counts a conversation, for as long as its block lasts.

    Attributes:
        code: What the conversation was closed with.
        input_tokens, output_tokens: What its responses have used.
    """

    def __init__(self, metrics: Metrics, mode: Mode) -> None:
        self.code = FAILED
        self.input_tokens = 0
        self.output_tokens = 0
        self._metrics = metrics
        self._totals = metrics.kept
        self._mode = mode
        self._connecting = 0.0
        self._asked: float | None = None  # since when an answer is waited for
        self._sounding = False  # an answer under way is heard
        self._sounded = 0.0  # when its last audio was passed on
        self._cut: float | None = None  # since when it is interrupted
        self._cleared: dict[str, float] = {}  # what the front was told last to fall silent for, and when

    def __enter__(self) -> Self:
        self._metrics.began(self._mode)
        return self

    def __exit__(self, *_: object) -> None:
        self._metrics.ended(self._mode, self.code)

    def __call__(self, step: Step) -> None:
        """Take a step."""
        given = step.input
        if isinstance(given, Message):
            if step.commands is PASSED_ON:
                self.passed(step.at, (given,))
                return
            self._said(step, given)
        elif given is not None:
            self._happened(step.at, given)
        for command in step.commands:
            if command is not FORWARD:
                self._done(step, command)

    def passed(self, at: float, batch: Sequence[Message]) -> None:
        """Take what goes on as it came; of that, only the model's speech counts."""
        if batch[0].side is _UPSTREAM_SIDE:
            for message in batch:
                if message.raw.startswith(_SPEECH_START):
                    self._spoke(at, heard=True)
                    return

    def _said(self, step: Step, message: Message) -> None:
        from_front = message.side is Side.FRONT
        if (from_front and len(message.raw) > _SHORT) or message.kind is not Kind.TEXT:
            return
        try:
            kind = message.type
            if kind in _SPEECHES and not from_front:
                self._spoke(step.at, heard=FORWARD in step.commands)
                return
            handle = (_FRONT if from_front else _UPSTREAM).get(kind)
            if handle is not None and not isinstance(message.event, ev.UnknownEvent):
                handle(self, step.at, message.event)
        except ValueError:  # it is no event, which the session says too
            return

    def _happened(self, at: float, given: object) -> None:
        match given:
            case Opened(side=Side.UPSTREAM):
                self._totals.connect.observe(at - self._connecting)
            case Closed(side=Side.FRONT, code=code) if code in _FRONT_CODES:
                self._metrics.error("front", _FRONT_CODES[code])

    def _done(self, step: Step, command: Command) -> None:
        at = step.at
        match command:
            case Send(side=Side.FRONT, raw=raw, audio=audio):
                if audio is not None or raw.startswith(_SOUND):
                    self._sound(at)
                elif raw.startswith(_CLEARED):
                    self._told_to_fall_silent(at, raw)
                elif raw.startswith(_ERROR) and not _complains(step.input):
                    self._told_an_error(raw)
            case Connect():
                self._connecting = at
            case HangUp(code=code):
                self.code = code

    # --- what goes to the front -----------------------------------------------------------------------------

    def _spoke(self, at: float, *, heard: bool) -> None:
        self._sounding = True
        self._sounded = at
        if heard:
            self._sound(at)

    def _sound(self, at: float) -> None:
        if self._asked is not None:
            self._totals.first_audio.observe(at - self._asked)
            self._asked = None

    def _told_to_fall_silent(self, at: float, raw: bytes) -> None:
        if any(before != at for before in self._cleared.values()):
            self._cleared.clear()
        event_id = ev.decode(raw).event_id
        if isinstance(event_id, str):
            self._cleared[event_id] = at

    def _told_an_error(self, raw: bytes) -> None:
        event = ev.decode(raw)
        if isinstance(event, ev.Error):
            self._metrics.error("engine", event.error.code or event.error.type)

    # --- what the two sides say -----------------------------------------------------------------------------

    def _speech_started(self, at: float, event: ev.Event) -> None:
        self._asked = None
        self._interrupted(at, event)

    def _speech_stopped(self, at: float, event: ev.Event) -> None:
        self._asked = at

    def _interrupted(self, at: float, event: ev.Event) -> None:
        if self._sounding and self._cut is None:
            self._cut = at

    def _played(self, at: float, event: ev.OutputAudioBufferPlayed) -> None:
        if event.cleared_event_id in self._cleared:
            self._totals.silence.observe(at - self._cleared[str(event.cleared_event_id)])
            self._cleared.clear()

    def _failed(self, at: float, event: ev.Error) -> None:
        self._metrics.error("upstream", event.error.code or event.error.type)

    def _responded(self, at: float, event: ev.ResponseDone) -> None:
        response = event.response
        self._metrics.response(response.status)
        if all(item.type != "function_call" for item in response.output):
            self._asked = None
        if self._cut is not None and response.status == "cancelled" and self._mode == "transparent":
            self._totals.silence.observe(max(0.0, self._sounded - self._cut))
        self._sounding = False
        self._cut = None
        if event.used is not None:
            self._used(event.used)

    def _written_down(self, at: float, event: ev.InputTranscriptionCompleted) -> None:
        """A transcription is paid for on its own, by tokens or by the second."""
        usage = event.usage
        if isinstance(usage, TranscriptionUsage):
            for direction, tokens in (("input", usage.input_tokens), ("output", usage.output_tokens)):
                if isinstance(tokens, int):
                    add(self._totals.tokens, f"{direction} transcription", tokens)

    def _used(self, usage: Usage) -> None:
        """Count tokens by what they carried; those that no detail accounts for are counted as ``other``."""
        self.input_tokens += usage.input_tokens
        self.output_tokens += usage.output_tokens
        given = usage.input_token_details or InputTokens()
        made = usage.output_token_details or OutputTokens()
        self._totals.cached += given.cached_tokens
        said = {"text": given.text_tokens, "audio": given.audio_tokens, "image": given.image_tokens}
        self._count("input", usage.input_tokens, said)
        self._count("output", usage.output_tokens, {"text": made.text_tokens, "audio": made.audio_tokens})

    def _count(self, direction: str, tokens: int, kinds: Mapping[str, int]) -> None:
        for kind, number in (*kinds.items(), ("other", tokens - sum(kinds.values()))):
            if number > 0:
                add(self._totals.tokens, f"{direction} {kind}", number)


def _complains(given: object) -> bool:
    """Whether an input is an error of the server's own: what a session then tells the front is that, in other words."""
    if not isinstance(given, Message) or given.side is not _UPSTREAM_SIDE or given.kind is not Kind.TEXT:
        return False
    try:
        return given.type == ev.type_of(ev.Error)
    except ValueError:  # it is no event, which is what the front is told
        return False


_Handler: TypeAlias = Callable[[Watch, float, Any], None]  # each takes its own event

_UPSTREAM: Final[Mapping[str, _Handler]] = {
    ev.type_of(ev.SpeechStarted): Watch._speech_started,
    ev.type_of(ev.SpeechStopped): Watch._speech_stopped,
    ev.type_of(ev.ResponseDone): Watch._responded,
    ev.type_of(ev.InputTranscriptionCompleted): Watch._written_down,
    ev.type_of(ev.Error): Watch._failed,
}
_FRONT: Final[Mapping[str, _Handler]] = {
    ev.type_of(ev.EngineSpeechStarted): Watch._speech_started,
    ev.type_of(ev.EngineSpeechStopped): Watch._speech_stopped,
    ev.type_of(ev.InputAudioBufferCommit): Watch._speech_stopped,
    ev.type_of(ev.OutputAudioBufferClear): Watch._interrupted,
    ev.type_of(ev.ResponseCancel): Watch._interrupted,
    ev.type_of(ev.OutputAudioBufferPlayed): Watch._played,
}
