"""The person's ear: hears what arrives, and says how much of it was heard, ten times a second."""

from math import inf
from typing import Final

import msgspec

from realtime_engine.audio import PCM16, microseconds
from realtime_engine.events import OutputAudioBufferPlayed, ResponseOutputAudioDelta
from transports.wav.timeline import Place, Timeline

REPORT_EVERY: Final = 0.1
"""Seconds between two reports of what is heard; the last comes when all is."""


class Ear:
    """What is heard, and the reports of it. ``now`` is in seconds on the session's clock, never decreasing.

    Attributes:
        timeline: The speech, at its times.
        deadline: When `report` has something to say, or ``inf``.
    """

    def __init__(self) -> None:
        self.timeline = Timeline(PCM16)
        self.deadline = inf

    def hear(self, now: float, delta: ResponseOutputAudioDelta) -> None:
        """Speech has arrived.

        Raises:
            msgspec.DecodeError: It is no base64.
        """
        self.timeline.play(now, delta.item_id, delta.content_index, msgspec.json.decode(delta.delta, type=bytes))
        if self.deadline == inf:
            self._report_again(now)

    def report(self, now: float) -> OutputAudioBufferPlayed | None:
        """How much has been heard, if it is time to say so."""
        if now < self.deadline:
            return None
        self.timeline.hear(now)
        self._report_again(now)
        return _played(self.timeline.place)

    def fall_silent(self, now: float, cleared_event_id: str) -> OutputAudioBufferPlayed | None:
        """Hear nothing more of what has come; the report names what told to. None: nothing was ever heard."""
        place = self.timeline.silence(now)
        self.deadline = inf
        return _played(place, cleared_event_id)

    def _report_again(self, now: float) -> None:
        timeline = self.timeline
        self.deadline = min(microseconds(now + REPORT_EVERY), timeline.end) if timeline.unheard else inf


def _played(place: Place | None, cleared_event_id: str | None = None) -> OutputAudioBufferPlayed | None:
    if place is None:
        return None
    return OutputAudioBufferPlayed(
        item_id=place.item_id,
        content_index=place.content_index,
        audio_ms=place.heard_ms,
        cleared_event_id=msgspec.UNSET if cleared_event_id is None else cleared_event_id,
    )
