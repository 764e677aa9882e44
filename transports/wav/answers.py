"""What is under way on the model's side, and with it: when the answer to a turn is over.

The events of the model are all that is known. No clock, no file in here.
"""

from collections.abc import Collection
from enum import Enum, auto
from typing import Final

from realtime_engine.events import (
    ConversationItemAdded,
    EngineUpstream,
    Event,
    FunctionCallArgumentsDelta,
    InputAudioBufferCommitted,
    OutputAudioBufferCleared,
    OutputAudioBufferStopped,
    ResponseCreated,
    ResponseDone,
    ResponseOutputAudioDelta,
    ResponseOutputAudioTranscriptDelta,
    ResponseOutputTextDelta,
    SpeechStarted,
    SpeechStopped,
)
from realtime_engine.objects import StatusDetails

LOST: Final = "connection_lost"
"""Why a response was cut off that its server will not end any more."""

ANSWER_WITHIN: Final = 10.0
"""Seconds after the end of a turn in which an answer must begin."""

SILENT_FOR: Final = 60.0
"""Seconds without a word from the model, with an answer begun, after which it is given up."""

BREATH: Final = 1.0
"""Seconds of rest after an answer, in which it may turn out that the model has heard more."""


class Reply(Enum):
    """Where the answer to a turn stands."""

    AWAITED = auto()  # it has not begun
    UNDER_WAY = auto()  # the model hears speech, answers, calls a function, is being heard, or is lost for a while
    OVER = auto()  # answered, and nothing is under way


class Answers:
    """The model's side of one conversation. ``now`` is in seconds on the session's clock, never decreasing.

    Attributes:
        by_itself: Whether the server answers a spoken turn by itself.
        unanswered: A turn was committed, and it is for the front to ask for the answer.
        failures: What went wrong with responses, newest last.
    """

    def __init__(self, tools: Collection[str]) -> None:
        self.by_itself = True
        self.unanswered = False
        self.failures: list[str] = []
        self._tools = tools
        self._changed = 0.0  # when the model last did something
        self._begun = False  # a response has begun since the turn did
        self._speech = False  # the model hears the person speak
        self._awaited = False  # the next response is due
        self._away = False  # the connection to the model is lost, and is made again
        self._heard: set[str] = set()  # responses of which something came
        self._active: set[str] = set()  # responses
        self._sounding: set[str] = set()  # responses whose speech is unheard
        self._calls: set[str] = set()  # without output
        self._outputs: set[str] = set()  # of calls, that came before their response was done

    @property
    def reply(self) -> Reply:
        """Where the answer stands."""
        if self._speech or self._active or self._sounding or self._calls or self._away:
            return Reply.UNDER_WAY
        return Reply.OVER if self._begun and not self._awaited else Reply.AWAITED

    @property
    def hears_speech(self) -> bool:
        """Whether the model hears the person speak."""
        return self._speech

    def begin(self, now: float) -> None:
        """A new turn begins; nothing of it is answered."""
        self._begun, self._awaited, self.unanswered, self._changed = False, False, False, now

    def ask(self, now: float) -> None:
        """A response has been asked for."""
        self._awaited, self.unanswered, self._changed = True, False, now

    def deadline(self, since: float) -> float:
        """When patience ends, or, with the answer over, the rest after it; ``since`` is the end of the turn."""
        patience = {Reply.AWAITED: ANSWER_WITHIN, Reply.UNDER_WAY: SILENT_FOR, Reply.OVER: BREATH}
        return max(since, self._changed) + patience[self.reply]

    def see(self, now: float, event: Event) -> None:
        """The model, or the session, has said something."""
        match event:
            case SpeechStarted() | SpeechStopped():
                self._speech = isinstance(event, SpeechStarted)
            case InputAudioBufferCommitted():
                self._speech = False
                self._awaited = self._awaited or self.by_itself
                self.unanswered = not self._awaited
            case ResponseCreated(response=response):
                self._active.add(response.id)
                self._begun, self._awaited, self.unanswered = True, False, False
            case ResponseOutputAudioDelta(response_id=str(response_id)):
                self._sounding.add(response_id)
                self._heard.add(response_id)
            case ResponseOutputTextDelta() | ResponseOutputAudioTranscriptDelta() | FunctionCallArgumentsDelta():
                pass  # it is at work
            case OutputAudioBufferStopped(response_id=response_id) | OutputAudioBufferCleared(response_id=response_id):
                self._sounding.discard(response_id)
            case ResponseDone():
                self._done(event)
            case EngineUpstream(state=state):
                self._away = state == "reconnecting"
                self._speech = False
            case ConversationItemAdded(item=item) if item.type == "function_call_output":
                self._answered_call(str(item.call_id))
            case _:
                return
        self._changed = now

    def _done(self, event: ResponseDone) -> None:
        response = event.response
        self._active.discard(response.id)
        self._begun = True
        if response.status == "failed":
            self._awaited = False
            self.failures.append(_why(event))
        details = response.status_details
        if isinstance(details, StatusDetails) and details.reason == LOST and response.id not in self._heard:
            self._awaited = True  # it is asked for again
        self._heard.discard(response.id)
        if response.status != "completed":
            return
        ours = {
            str(item.call_id) for item in response.output if item.type == "function_call" and item.name in self._tools
        }
        if ours:
            self._calls |= ours - self._outputs
            self._outputs -= ours
            self._awaited = not self._calls

    def _answered_call(self, call_id: str) -> None:
        """A function's output is in the conversation; after the last one the model goes on."""
        if call_id not in self._calls:
            self._outputs.add(call_id)
            return
        self._calls.discard(call_id)
        self._awaited = not self._calls


def _why(event: ResponseDone) -> str:
    """Why a response failed, in one line."""
    details = event.response.status_details
    if isinstance(details, str):
        return details
    error = details.error if details is not None else None
    if not error:
        return "the model gave no reason"
    return ": ".join(part for part in (error.code or error.type, error.message) if part)
