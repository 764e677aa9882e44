"""The front's ear: speech that arrives in heaps is heard in real time, from the moment it arrived.

Places on the time line are samples since the session's clock began, at the speech's own rate, so that what is
heard, what is reported and what is written down agree to the sample. No clock, no file in here.
"""

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from realtime_engine.audio import AudioFormat, microseconds
from transports.aloud.ear import Place

_TRACKS = 64  # parts of items whose speech may still go on; the oldest is forgotten first


class Stretch(NamedTuple):
    """Sound and its place: ``start`` in samples since the clock began; ``audio`` in the session's format."""

    start: int
    audio: bytes


@dataclass(slots=True)
class _Piece:
    """The audio of one delta; ``start`` and ``size`` in samples."""

    track: tuple[str, int]
    start: int
    audio: bytes
    size: int
    heard: int = 0


class Timeline:
    """Speech in the order in which it came, heard one piece after another; gaps are silence.

    ``now`` is in seconds on the session's clock, never decreasing.
    """

    def __init__(self, format: AudioFormat) -> None:  # noqa: A002 - the protocol's own word
        self.format = format
        self._pieces: deque[_Piece] = deque()
        self._end = 0  # where the last piece ends
        self._heard: dict[tuple[str, int], int] = {}  # samples, by part of item
        self._last: tuple[str, int] | None = None  # what was heard last
        self._fresh: list[Stretch] = []

    @property
    def unheard(self) -> bool:
        """Whether anything waits to be heard."""
        return bool(self._pieces)

    @property
    def end(self) -> float:
        """When all will have been heard, or ``-inf``: nothing waits."""
        return microseconds(-(-self._end * 1_000_000 // self.format.sample_rate) / 1e6) if self._pieces else -inf

    def play(self, now: float, item_id: str, content_index: int, audio: bytes) -> None:
        """Speech has arrived; it is heard after what waits already. Half a sample at its end is no sound."""
        self.hear(now)
        track = (item_id, content_index)
        size = len(audio) // self.format.sample_bytes
        if not size:
            return
        start = max(self._at(now), self._end if self._pieces else 0)
        self._pieces.append(_Piece(track, start, audio, size))
        self._end = start + size
        self._heard.setdefault(track, 0)
        if len(self._heard) > _TRACKS:
            del self._heard[next(iter(self._heard))]

    def hear(self, now: float) -> None:
        """Time has passed."""
        at = self._at(now)
        while self._pieces and self._pieces[0].start < at:
            piece = self._pieces[0]
            until = min(at - piece.start, piece.size)
            self._keep(piece, until)
            if until < piece.size:
                return
            self._pieces.popleft()

    def silence(self, now: float) -> Place | None:
        """Fall silent: what is unheard is dropped. The place is where the ear was; None: it has heard nothing."""
        self.hear(now)
        place = self.place
        self._pieces.clear()
        return place

    @property
    def place(self) -> Place | None:
        """What is being heard, or comes next, or was heard last, and how much of it."""
        track = self._pieces[0].track if self._pieces else self._last
        if track is None:
            return None
        samples = self._heard.get(track, 0)
        return Place(*track, microseconds(samples * 1000 / self.format.sample_rate))

    def take(self) -> list[Stretch]:
        """What has been heard since this was last asked."""
        fresh, self._fresh = self._fresh, []
        return fresh

    def _keep(self, piece: _Piece, until: int) -> None:
        """The ear has come so far in a piece."""
        width = self.format.sample_bytes
        self._fresh.append(Stretch(piece.start + piece.heard, piece.audio[piece.heard * width : until * width]))
        self._heard[piece.track] = self._heard.get(piece.track, 0) + until - piece.heard
        piece.heard = until
        self._last = piece.track

    def _at(self, now: float) -> int:
        """The sample that is heard at a time, in whole samples, rounded down; times are whole microseconds."""
        return round(now * 1_000_000) * self.format.sample_rate // 1_000_000
