"""What the model has heard of the person: each spoken turn in a line."""

from realtime_engine.events import (
    Event,
    InputAudioBufferCommitted,
    InputTranscriptionCompleted,
    InputTranscriptionFailed,
    SessionCreated,
    SessionUpdated,
    SpeechStarted,
    SpeechStopped,
    TimeoutTriggered,
)
from realtime_engine.objects import SessionConfig, TurnDetection
from realtime_engine.show import Show, Who


class Heard:
    """Tells each turn when the model has taken it: its words, where the session has them written down, else its length.

    Words may come late, and are waited for; but not longer than until something is said to them.
    """

    def __init__(self, show: Show) -> None:
        self._show = show
        self._speech = Speech()
        self._transcribes = False
        self._untold: dict[str, str] = {}  # turns whose words are awaited, and their lengths
        self._silent = ""  # the item in which the person has said nothing

    def sent(self, seconds: float) -> None:
        """So much was spoken into the microphone."""
        self._speech.sent(seconds)

    def see(self, now: float, event: Event) -> None:
        """An event has come."""
        match event:
            case SessionCreated(session=session) | SessionUpdated(session=session):
                self._transcribes = session.transcribes
                self._speech.settle(session)
            case SpeechStarted(audio_start_ms=start_ms):
                self._speech.started(start_ms)
            case SpeechStopped(audio_end_ms=end_ms):
                self._speech.stopped(end_ms)
            case TimeoutTriggered(item_id=item_id):
                self._silent = item_id
                self._line(now, "(silent)")
            case InputAudioBufferCommitted(item_id=item_id):
                self._committed(now, item_id)
            case InputTranscriptionCompleted(item_id=item_id, transcript=words, final=True):
                length = self._untold.pop(item_id, "")
                self._line(now, words or length)
            case InputTranscriptionFailed(item_id=item_id):
                self._line(now, self._untold.pop(item_id, ""))
            case _:
                pass

    def tell(self, now: float) -> None:
        """Something is said to it: wait for words no longer."""
        while self._untold:
            self._line(now, self._untold.pop(next(iter(self._untold))))

    def _committed(self, now: float, item_id: str) -> None:
        length = f"({self._speech.committed():.1f} s of speech)"
        if item_id == self._silent:
            return
        if self._transcribes:
            self._untold[item_id] = length
        else:
            self._line(now, length)

    def _line(self, now: float, words: str) -> None:
        if words:
            self._show.line(now, Who.PERSON, words)


class Speech:
    """How long a turn is, in seconds: as the model detects speech, or else as it was sent."""

    def __init__(self) -> None:
        self._detection = TurnDetection()
        self._start_ms = 0
        self._spoken: float | None = None  # in the turn under way
        self._sent = 0.0  # since the last turn

    def settle(self, session: SessionConfig) -> None:
        """The session is as it says."""
        if isinstance(session.turn_detection, TurnDetection):
            self._detection = session.turn_detection

    def sent(self, seconds: float) -> None:
        """So much was spoken into the microphone."""
        self._sent += seconds

    def started(self, start_ms: int) -> None:
        """Speech begins here, with the padding before it."""
        self._start_ms = start_ms

    def stopped(self, end_ms: int) -> None:
        """Speech ends here, with the silence that told."""
        start, end = self._detection.speech(self._start_ms, end_ms) or (self._start_ms / 1000, end_ms / 1000)
        self._spoken = end - start

    def committed(self) -> float:
        """The turn is over: how long it is."""
        seconds = self._sent if self._spoken is None else self._spoken
        self._sent, self._spoken = 0.0, None
        return seconds
