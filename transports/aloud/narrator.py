"""The conversation in lines, told as it happens."""

from realtime_engine.events import (
    ConversationItemAdded,
    EngineUpstream,
    Error,
    Event,
    FunctionCallArgumentsDone,
    OutputAudioBufferCleared,
    OutputAudioBufferStopped,
    ResponseDone,
    ResponseOutputAudioDelta,
)
from realtime_engine.objects import Item, text
from realtime_engine.show import Show, Who
from transports.aloud.ear import Place
from transports.aloud.heard import Heard

_RACES = {  # errors that are nobody's fault (protocol.md, section 10); the session deals with them
    "response_cancel_not_active",
    "conversation_already_has_active_response",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_item_id",
    "item_delete_invalid_item_id",
}


class Narrator:
    """Puts what is said into lines: speech when it has been heard, or cut; text when it is there."""

    def __init__(self, show: Show) -> None:
        self._show = show
        self._person = Heard(show)
        self._sounding: set[str] = set()
        self._said: dict[str, str] = {}  # what sounding responses say
        self._cut: dict[str, str] = {}  # where responses were cut whose words are not known yet

    def sent(self, seconds: float) -> None:
        """So much was spoken into the microphone."""
        self._person.sent(seconds)

    def see(self, now: float, event: Event, place: Place | None) -> None:
        """An event has come; ``place`` is where the ear is."""
        self._person.see(now, event)
        match event:
            case ResponseOutputAudioDelta(response_id=str(response_id)):
                self._sounding.add(response_id)
            case ResponseDone():
                self._done(now, event)
            case OutputAudioBufferStopped(response_id=response_id):
                self._heard(now, response_id, "")
            case OutputAudioBufferCleared(response_id=response_id):
                seconds = f"{place.heard_ms / 1000:.2f} s" if place else "a word"
                self._heard(now, response_id, f" [interrupted after {seconds}]")
            case FunctionCallArgumentsDone(name=name, arguments=arguments):
                self._line(now, Who.TOOL, f"{text(name)}({arguments})")
            case ConversationItemAdded(item=item) if item.type == "function_call_output":
                self._line(now, Who.TOOL, f"→ {text(item.output)}")
            case Error(error=error) if error.code not in _RACES:
                self._show.line(now, Who.ENGINE, f"error: {error.message}")
            case EngineUpstream(state="reconnecting", reason=reason, retry_in=seconds):
                self._show.line(
                    now, Who.ENGINE, f"{reason}; another connection is made" + (f" in {seconds:g} s" if seconds else "")
                )
            case EngineUpstream():
                self._show.line(now, Who.ENGINE, "the model is there again: the conversation goes on")
            case _:
                pass

    def _line(self, now: float, who: Who, words: str) -> None:
        """What the model says, or does; what it answers to comes first."""
        self._person.tell(now)
        self._show.line(now, who, words)

    def _done(self, now: float, event: ResponseDone) -> None:
        response = event.response
        words = " ".join(filter(None, map(_words, response.output)))
        if response.id in self._cut:
            self._line(now, Who.MODEL, words + self._cut.pop(response.id))
        elif response.id in self._sounding:
            self._said[response.id] = words
        elif words:
            self._line(now, Who.MODEL, words)

    def _heard(self, now: float, response_id: str, end: str) -> None:
        self._sounding.discard(response_id)
        words = self._said.pop(response_id, None)
        if words is not None:
            self._line(now, Who.MODEL, words + end)
        elif end:
            self._cut[response_id] = end


def _words(item: Item) -> str:
    """What a message says, written or spoken."""
    parts = item.content or ()  # unset is false
    return " ".join(text(part.transcript) or text(part.text) for part in parts)
