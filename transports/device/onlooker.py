"""What can be seen of a conversation at one moment. No I/O, no clock: it is told what happens, and when.

Times are seconds on the session's clock, never decreasing.
"""

from collections import deque
from math import inf, log10
from statistics import median
from typing import Final

from realtime_engine import events as ev
from realtime_engine.objects import text
from realtime_engine.show import Scene, Who
from realtime_engine.sound import Samples, rms
from transports.aloud.ear import Place

LOOK_EVERY: Final = 0.1
"""Seconds between two scenes."""

_WORDS = 2000  # characters of one turn that are kept while it goes on: more than anybody reads at once
_TURNS = 16  # turns whose words are kept; the oldest is given up
_ANSWERS = 100  # of which the median is taken


class Onlooker:
    """Watches both sides.

    Attributes:
        card: Whether there is a sound card.
    """

    def __init__(self) -> None:
        self.card = True
        self._look_at = -inf
        self._opened = False
        self._model_is_away = False
        self._person_speaks = False
        self._answering: set[str] = set()  # responses under way
        self._sounding: set[str] = set()  # responses with speech, until it has been heard or cut
        self._words: dict[str, tuple[Who, str]] = {}  # by response, or by the person's item
        self._place: Place | None = None
        self._moved = False  # since the last scene
        self._microphone: list[float] = []  # how loud it was, since then
        self._asked: float | None = None  # when the person had finished, until an answer is heard
        self._begins = False  # an answer to that is about to be heard
        self._answered: deque[float] = deque(maxlen=_ANSWERS)
        self._tokens = (0, 0)

    # --- what happens ---------------------------------------------------------------------------------------

    def see(self, now: float, event: ev.Event) -> None:
        """An event has come, or was said here."""
        match event:
            case ev.SessionCreated() | ev.SessionUpdated():
                self._opened = True
            case ev.EngineUpstream(state=state):
                self._model_is_away = state != "connected"
            case ev.SpeechStarted() | ev.EngineSpeechStarted():
                self.speaks()
            case ev.SpeechStopped() | ev.EngineSpeechStopped():
                self.asks(now)
            case ev.InputTranscriptionDelta(item_id=item_id, delta=delta):
                self._grow(item_id, Who.PERSON, text(delta))
            case ev.InputTranscriptionCompleted(item_id=item_id) | ev.InputTranscriptionFailed(item_id=item_id):
                self._words.pop(item_id, None)
            case _:
                self._answer(event)

    def _answer(self, event: ev.Event) -> None:
        match event:
            case ev.ResponseCreated(response=response):
                self._answering.add(response.id)
            case ev.ResponseOutputAudioDelta(response_id=str(response_id)):
                self._sounding.add(response_id)
            case (
                ev.ResponseOutputAudioTranscriptDelta(response_id=str(response_id), delta=delta)
                | ev.ResponseOutputTextDelta(response_id=str(response_id), delta=delta)
            ):
                self._grow(response_id, Who.MODEL, delta)
            case ev.OutputAudioBufferStarted():
                self._begins = self._asked is not None
            case ev.OutputAudioBufferStopped(response_id=response_id):
                self._over(response_id)
            case ev.OutputAudioBufferCleared(response_id=response_id):
                self._begins = False
                self._over(response_id)
            case ev.ResponseDone(response=response):
                self._answering.discard(response.id)
                if response.id not in self._sounding:
                    self._words.pop(response.id, None)
                if (used := event.used) is not None:
                    self._tokens = (self._tokens[0] + used.input_tokens, self._tokens[1] + used.output_tokens)
            case _:
                pass

    def speaks(self) -> None:
        """The person begins to speak."""
        self._person_speaks, self._asked, self._begins = True, None, False

    def asks(self, now: float) -> None:
        """The person has finished, and an answer is expected."""
        self._person_speaks, self._asked, self._begins = False, now, False

    def falls_silent(self) -> None:
        """The person has finished, and has said nothing."""
        self._person_speaks = False

    def hears(self, samples: Samples) -> None:
        """So the microphone sounds."""
        self._microphone.append(rms(samples))

    def listens(self, now: float, place: Place | None) -> None:
        """So far the person has heard the model."""
        if place == self._place:
            return
        self._place, self._moved = place, True
        if self._begins and self._asked is not None and place is not None and place.heard_ms > 0:
            self._answered.append(now - self._asked)
            self._asked, self._begins = None, False

    def _grow(self, turn: str, who: Who, words: str) -> None:
        before = self._words.get(turn, (who, ""))[1]
        self._words[turn] = (who, (before + words)[-_WORDS:])
        while len(self._words) > _TURNS:
            self._words.pop(next(iter(self._words)))

    def _over(self, response_id: str) -> None:
        self._sounding.discard(response_id)
        self._words.pop(response_id, None)

    # --- what is seen ---------------------------------------------------------------------------------------

    def is_due(self, now: float) -> bool:
        """Whether it is time for another scene."""
        return now >= self._look_at

    def scene(
        self,
        now: float,
        sound: Samples,
        *,
        idle: str,
        typed: str | None = None,
        keys: tuple[tuple[str, str], ...] = (),
    ) -> Scene:
        """What is seen at this moment; the next is due a tenth of a second later.

        Args:
            now: When that is.
            sound: What is on its way to the ear just then; it counts if the ear has moved on.
            idle: What is going on when nobody speaks and no answer is awaited.
            typed: What the person is writing; None: nothing.
            keys: What the keys do: each with its effect.
        """
        self._look_at = now + LOOK_EVERY
        heard, self._moved = self._moved, False
        loudness = max(self._microphone, default=0.0)
        self._microphone.clear()
        speaking = Who.PERSON if self._person_speaks else Who.MODEL if heard else None
        answered = self._answered
        return Scene(
            seconds=now,
            state=self._state(speaking, idle),
            speaking=speaking,
            levels=(decibels(loudness), decibels(rms(sound) if heard else 0.0)),
            words=tuple(words for words in self._words.values() if words[1]),
            typed=typed,
            answered=(answered[-1], median(answered)) if answered else None,
            tokens=self._tokens,
            keys=keys,
        )

    def _state(self, speaking: Who | None, idle: str) -> str:
        if not self.card:
            return "the sound card is gone"
        if not self._opened:
            return "the session begins"
        if self._model_is_away:
            return "the model is away"
        match speaking:
            case Who.PERSON:
                return "you speak"
            case Who.MODEL:
                return "the model speaks"
            case _:
                return "the model thinks" if self._answering - self._sounding else idle


def decibels(loudness: float) -> float:
    """How far below full scale a loudness of 0.0 to 1.0 is: 0.0 down to ``-inf``."""
    return 20 * log10(loudness) if loudness > 0 else -inf
