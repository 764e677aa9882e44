"""Which responses the front plays: it is told when each begins to sound, and when it has been heard to its end."""

from collections.abc import Iterator
from math import inf

from realtime_engine.events import OutputAudioBufferStarted, OutputAudioBufferStopped
from realtime_engine.outbox import Outbox
from realtime_engine.playback import Playback


class Sounding:
    """The responses that sound. ``now`` is in seconds on the session's clock, never decreasing."""

    def __init__(self, playback: Playback, out: Outbox) -> None:
        self._playback = playback
        self._out = out
        self._sounding: dict[str, None] = {}
        self._finishing: dict[str, None] = {}  # those of them that the model is done with

    def __iter__(self) -> Iterator[str]:
        return iter(self._sounding)

    @property
    def deadline(self) -> float:
        """When one of them has been heard to its end, or ``inf``."""
        if not self._finishing:
            return inf
        return min(self._playback.end_of(response_id) for response_id in self._finishing)

    def begin(self, response_id: str, *, done: bool) -> None:
        """Speech of a response goes to the front; ``done``: the model has said all of it."""
        if response_id in self._sounding:
            return
        self._sounding[response_id] = None
        if done:
            self._finishing[response_id] = None
        self._out.to_front(OutputAudioBufferStarted(event_id=self._out.invent_id(), response_id=response_id))

    def done(self, now: float, response_id: str) -> None:
        """The model has said all of a response."""
        if response_id in self._sounding:
            self._finishing[response_id] = None
            self.stop_heard(now)

    def all_done(self, now: float) -> None:
        """The model says nothing more."""
        self._finishing = dict.fromkeys(self._sounding)
        self.stop_heard(now)

    def stop_heard(self, now: float) -> None:
        """Say which responses have been heard to their end."""
        for response_id in list(self._finishing):
            if self._playback.end_of(response_id) <= now:
                del self._finishing[response_id], self._sounding[response_id]
                self._out.to_front(OutputAudioBufferStopped(event_id=self._out.invent_id(), response_id=response_id))

    def clear(self) -> None:
        """All of them are cut."""
        self._sounding.clear()
        self._finishing.clear()
