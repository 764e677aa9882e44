"""Speech on its way to the ear: received, and not yet heard.

Nobody but the front knows what was heard. So each piece of speech has the time at which it starts to be heard:
after the piece before it, and not before it came. A front that reports corrects these times.
"""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from realtime_engine.audio import PCM16, AudioFormat
from realtime_engine.commands import Span

_ROUNDING = 1e-6  # milliseconds; so that 1.5 s is 1500 ms though its floats say 1499.9999999
_TRACKS = 64  # parts of items whose speech may still go on; the oldest that is heard is forgotten first


class Heard(NamedTuple):
    """What was heard of a part of an item before it was cut, in whole milliseconds, rounded down.

    ``more`` says that the model was not done with it: more speech may be on its way.
    """

    response_id: str
    item_id: str
    content_index: int
    heard_ms: int
    sent_ms: int
    more: bool


class HeldSpeech(NamedTuple):
    """A message that waits until it is nearly time to hear it."""

    raw: bytes
    span: Span
    response_id: str


@dataclass(slots=True)
class _Piece:
    """Audio that is heard without a gap: of one message that is held, or of any number that were sent."""

    track: "_Track"
    seconds: float
    start: float  # when it starts to be heard
    sent: bool = True

    @property
    def end(self) -> float:
        return self.start + self.seconds


@dataclass(slots=True, eq=False)
class _Track:
    """All speech of one part of one item."""

    response_id: str
    item_id: str
    content_index: int
    size: int = 0  # bytes received
    heard: float = 0.0  # seconds, of the pieces that are over


class Playback:
    """The queue of speech that is sent, or held, and not yet heard.

    ``now`` is in seconds on the session's clock, never decreasing.

    Attributes:
        format: The format of the speech.
    """

    def __init__(self, *, lead: float | None, format: AudioFormat = PCM16) -> None:  # noqa: A002
        self.format = format
        self._lead = inf if lead is None else lead
        self._pieces: deque[_Piece] = deque()
        self._held: deque[tuple[_Piece, HeldSpeech]] = deque()
        self._held_bytes = 0
        self._tracks: dict[tuple[str, str, int], _Track] = {}

    @property
    def held_bytes(self) -> int:
        """The size of all messages that are held."""
        return self._held_bytes

    @property
    def release_at(self) -> float:
        """When `release` next has a message, or ``inf``."""
        return self._held[0][0].start - self._lead if self._held else inf

    @property
    def end(self) -> float:
        """When all that came will have been heard; ``-inf`` if nothing is unheard."""
        return self._pieces[-1].end if self._pieces else -inf

    def end_of(self, response_id: str) -> float:
        """When all that came of one response will have been heard; ``-inf`` if nothing of it is unheard."""
        return next((p.end for p in reversed(self._pieces) if p.track.response_id == response_id), -inf)

    def add(self, now: float, response_id: str, item_id: str, content_index: int, size: int) -> bool:
        """Take speech of ``size`` bytes. True if it is to be sent at once, else `hold` it.

        Speech that has already been heard is let go of here.
        """
        self._settle(now)
        start = max(now, self.end)
        at_once = not self._held and start - now <= self._lead
        track = self._track(response_id, item_id, content_index)
        track.size += size
        seconds = self.format.seconds(size)
        if at_once and self._pieces and self._pieces[-1].track is track:
            self._pieces[-1].seconds += seconds
        else:
            self._pieces.append(_Piece(track, seconds, start))
        return at_once

    def hold(self, speech: HeldSpeech) -> None:
        """Keep the message of the speech added last until it is time for it."""
        piece = self._pieces[-1]
        piece.sent = False
        self._held.append((piece, speech))
        self._held_bytes += len(speech.raw)

    def release(self, now: float) -> HeldSpeech | None:
        """The next message whose time has come, each once."""
        if now < self.release_at:
            return None
        return self._let_go()

    def release_all(self) -> list[HeldSpeech]:
        """All messages that are held, at once."""
        return [self._let_go() for _ in range(len(self._held))]

    def report(self, now: float, item_id: str, content_index: int, audio_ms: float) -> None:
        """The front says that it has played so much of an item; what comes after it moves along.

        What was received before that item has then been heard. An item of which nothing waits, or nothing was sent,
        is no news.
        """
        place = (item_id, content_index)
        first = next((p for p in self._pieces if (p.track.item_id, p.track.content_index) == place), None)
        if first is None or not first.sent:
            return
        track = first.track
        while self._pieces[0] is not first:
            self._finish()
        ahead = max(audio_ms, 0.0) / 1000 - track.heard  # of the beginning of the first piece that waits
        while self._plays(track) and self._pieces[0].seconds <= ahead:
            ahead -= self._pieces[0].seconds
            self._finish()
        if not self._plays(track):
            ahead = 0.0
        elif ahead < 0:  # what was thought to be over is yet to be heard
            track.heard += ahead
            first.seconds -= ahead
            ahead = 0.0
        start = now - ahead
        for piece in self._pieces:
            piece.start = start
            start = piece.end

    def cut(self, now: float, running: Collection[str]) -> list[Heard]:
        """Forget all that is unheard, and say what was heard of it, in the order in which it was received.

        A part that was heard as far as it came counts as cut if its response is still ``running``: what the model
        has to say yet will not be heard.
        """
        self._settle(now)
        cut = {piece.track for piece in self._pieces}
        for piece in self._pieces:
            piece.track.heard += min(max(now - piece.start, 0.0), piece.seconds)
        tracks = [track for track in self._tracks.values() if track in cut or track.response_id in running]
        self._pieces.clear()
        self._held.clear()
        self._held_bytes = 0
        self._tracks.clear()
        return [self._heard(track, more=track.response_id in running) for track in tracks]

    def unheard(self, now: float) -> bool:
        """Whether anything that was received has not been heard."""
        return self.end > now

    def _heard(self, track: _Track, *, more: bool) -> Heard:
        sent_ms = int(self.format.ms(track.size))
        heard_ms = min(int(track.heard * 1000 + _ROUNDING), sent_ms)
        return Heard(track.response_id, track.item_id, track.content_index, heard_ms, sent_ms, more)

    def _track(self, response_id: str, item_id: str, content_index: int) -> _Track:
        key = (response_id, item_id, content_index)
        track = self._tracks.get(key)
        if track is None:
            if len(self._tracks) >= _TRACKS:
                self._forget_oldest_heard()
            track = self._tracks[key] = _Track(response_id, item_id, content_index)
        return track

    def _forget_oldest_heard(self) -> None:
        waiting = {piece.track for piece in self._pieces}
        oldest = next((key for key, track in self._tracks.items() if track not in waiting), None)
        if oldest is not None:
            del self._tracks[oldest]

    def _plays(self, track: _Track) -> bool:
        """Whether speech of this track is the first that waits, and has been sent."""
        return bool(self._pieces) and self._pieces[0].track is track and self._pieces[0].sent

    def _settle(self, now: float) -> None:
        """Let go of what has been heard."""
        while self._pieces and self._pieces[0].end <= now:
            self._finish()

    def _finish(self) -> None:
        piece = self._pieces.popleft()
        piece.track.heard += piece.seconds

    def _let_go(self) -> HeldSpeech:
        piece, speech = self._held.popleft()
        piece.sent = True
        self._held_bytes -= len(speech.raw)
        return speech
