"""The person's ear: hears what arrives, and says how much of it was heard, ten times a second."""

from math import inf
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

import msgspec

from realtime_engine.audio import microseconds
from realtime_engine.events import OutputAudioBufferPlayed, ResponseOutputAudioDelta

REPORT_EVERY: Final = 0.1
"""Seconds between two reports of what is heard; the last comes when all is."""


class Place(NamedTuple):
    """How much of a part of an item has been heard."""

    item_id: str
    content_index: int
    heard_ms: float


class Sounding(Protocol):
    """Speech that is heard piece after piece. ``now`` is in seconds on the session's clock, never decreasing."""

    @property
    def unheard(self) -> bool:
        """Whether anything waits to be heard."""

    @property
    def end(self) -> float:
        """When all will have been heard, or ``-inf``: nothing waits."""

    @property
    def place(self) -> Place | None:
        """What is being heard, or comes next, or was heard last, and how much of it; None: nothing ever was."""

    def play(self, now: float, item_id: str, content_index: int, audio: bytes) -> None:
        """Speech has arrived; it is heard after what waits already."""

    def hear(self, now: float) -> None:
        """Time has passed."""


SoundingT = TypeVar("SoundingT", bound=Sounding)


class Ear(Generic[SoundingT]):
    """What is heard, and the reports of it. ``now`` is in seconds on the session's clock, never decreasing.

    Attributes:
        sounding: The speech, at its times.
        deadline: When `report` has something to say, or ``inf``.
    """

    def __init__(self, sounding: SoundingT) -> None:
        self.sounding = sounding
        self.deadline = inf

    def hear(self, now: float, delta: ResponseOutputAudioDelta) -> None:
        """Speech has arrived.

        Raises:
            msgspec.DecodeError: It is no base64.
        """
        self.sounding.play(now, delta.item_id, delta.content_index, msgspec.json.decode(delta.delta, type=bytes))
        if self.deadline == inf:
            self._report_again(now)

    def report(self, now: float) -> OutputAudioBufferPlayed | None:
        """How much has been heard, if it is time to say so."""
        if now < self.deadline:
            return None
        self.sounding.hear(now)
        self._report_again(now)
        return played(self.sounding.place)

    def rest(self) -> None:
        """Nothing of what has come will be heard."""
        self.deadline = inf

    def _report_again(self, now: float) -> None:
        sounding = self.sounding
        self.deadline = min(microseconds(now + REPORT_EVERY), sounding.end) if sounding.unheard else inf


def played(place: Place | None, cleared_event_id: str | None = None) -> OutputAudioBufferPlayed | None:
    """The report of a place; the last one before silence names what told to fall silent. None: nothing was heard."""
    if place is None:
        return None
    return OutputAudioBufferPlayed(
        item_id=place.item_id,
        content_index=place.content_index,
        audio_ms=place.heard_ms,
        cleared_event_id=msgspec.UNSET if cleared_event_id is None else cleared_event_id,
    )
