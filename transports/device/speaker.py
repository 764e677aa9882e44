"""The speech on its way through the card, and how much of it has really been heard, by the card's own clock.

Places are samples of the card, counted since it was opened; `transports.device.duplex.Duplex` counts the same.
"""

from collections import deque
from dataclasses import dataclass
from math import inf
from typing import Final, NamedTuple

import numpy as np

from realtime_engine.audio import AudioFormat, microseconds
from realtime_engine.sound import Resampler, Samples, decode, to_pcm16
from transports.aloud.ear import Place
from transports.device.duplex import Block, Duplex, Played

SOON: Final = 0.02
"""Seconds until it is looked again whether all has been heard, where the card is behind."""

_TRACKS = 64  # parts of items whose speech may still go on; the oldest is forgotten first
_TAIL_SECONDS = 0.05  # with so little left to play, what the resampler holds back is let out


@dataclass(slots=True)
class _Piece:
    """The audio of one delta; ``start`` and ``end`` in samples of the card."""

    track: tuple[str, int]
    audio: bytes
    ms: float
    start: int
    end: int

    def heard_ms(self, at: int, rate: int) -> float:
        """How much of it is heard when the card has come so far."""
        return self.ms if at >= self.end else max(at - self.start, 0) * 1000 / rate


class _Cut(NamedTuple):
    """Speech that is dropped.

    Attributes:
        number: The card's for it.
        cleared_event_id: What told to.
        pieces: What was not heard by then.
        until: The last sample that the card may have played of them.
        last: What was heard last.
    """

    number: int
    cleared_event_id: str
    pieces: deque[_Piece]
    until: int
    last: tuple[str, int] | None


class Speaker:
    """Speech that is played, a piece at a time; a `transports.aloud.ear.Sounding`.

    ``now`` is in seconds on the session's clock, never decreasing; that clock is ``offset`` ahead of
    `time.perf_counter`, by which the card notes when things are heard.
    """

    def __init__(self, duplex: Duplex, format: AudioFormat, offset: float) -> None:  # noqa: A002 - the protocol's word
        self._duplex = duplex
        self._format = format
        self._offset = offset
        self._pieces: deque[_Piece] = deque()
        self._cuts: deque[_Cut] = deque()
        self._notes: deque[Played] = deque()
        self._heard = duplex.played
        self._done: dict[tuple[str, int], float] = {}  # milliseconds, by part of item, of pieces that are over
        self._last: tuple[str, int] | None = None  # what was heard last
        self._now = 0.0
        self._begin()

    # --- what is heard --------------------------------------------------------------------------------------

    @property
    def unheard(self) -> bool:
        """Whether anything waits to be heard."""
        return bool(self._pieces)

    @property
    def end(self) -> float:
        """When all will have been heard, or soon, or ``-inf``: nothing waits."""
        if not self._pieces:
            return -inf
        left = (self._pieces[-1].end - self._heard) / self._duplex.rate
        return microseconds(self._now + max(left, SOON))

    @property
    def place(self) -> Place | None:
        """What is being heard, or comes next, or was heard last, and how much of it."""
        track = self._pieces[0].track if self._pieces else self._last
        if track is None:
            return None
        begun = self._pieces[0].heard_ms(self._heard, self._duplex.rate) if self._pieces else 0.0
        return Place(*track, microseconds(self._done.get(track, 0.0) + begun))

    def next(self, seconds: float) -> Samples:
        """What comes to the ear now, so much of it at most; of a pause, or of the next piece, nothing is given."""
        if not self._pieces:
            return np.zeros(0, np.float32)
        piece = self._pieces[0]
        begun = self._format.size(piece.heard_ms(self._heard, self._duplex.rate) / 1000)
        return decode(piece.audio[begun : begun + self._format.size(seconds)], self._format)

    def play(self, now: float, item_id: str, content_index: int, audio: bytes) -> None:
        """Speech has arrived; it is heard after what waits already. Half a sample at its end is no sound."""
        self.hear(now)
        track = (item_id, content_index)
        self._done.setdefault(track, 0.0)
        if len(self._done) > _TRACKS:
            del self._done[next(iter(self._done))]
        whole = len(audio) // self._format.sample_bytes * self._format.sample_bytes
        if whole:
            self._play(track, audio[:whole])
            self._pump()

    def hear(self, now: float) -> None:
        """Time has passed: see what the card has played, and give it more."""
        self._now = now
        self._notes.extend(self._duplex.notes())
        while self._notes:
            note = self._notes[0]
            passed = int((now - self._offset - note.heard_at) * self._duplex.rate)
            if passed < 0:
                break
            self._heard = max(self._heard, note.start + min(passed, note.size))
            if passed < note.size:
                break
            self._notes.popleft()
        self._let_go()
        self._pump()

    # --- silence --------------------------------------------------------------------------------------------

    def fall_silent(self, now: float, cleared_event_id: str) -> None:
        """Drop what is unheard; where the card really stopped is known with its next block: see `silenced`."""
        self.hear(now)
        until = self._duplex.written
        dropped, self._pieces = self._pieces, deque()
        self._cuts.append(_Cut(self._duplex.cut(), cleared_event_id, dropped, until, self._last))
        if dropped:
            self._last = dropped[0].track
        self._begin()

    def silenced(self) -> tuple[str, Place | None] | None:
        """What told to fall silent, and how much was heard when that was done: each once. None: nothing is done yet.

        What the card had been given by then is heard, so it counts.
        """
        if not self._cuts:
            return None
        cut = self._cuts[0]
        at = self._duplex.cut_at(cut.number)
        if at is None:
            return None
        return self._told(self._cuts.popleft(), at)

    def hold(self, held: bool) -> None:  # noqa: FBT001 - held, or not
        """Fall silent, and go on later from there; or go on."""
        self._duplex.hold(held)

    # --- another card ---------------------------------------------------------------------------------------

    def use(self, duplex: Duplex) -> list[tuple[str, Place | None]]:
        """Play on this card from now on; what is unheard begins where it broke off.

        Returns:
            What told to fall silent and is done now, as `silenced` gives it.
        """
        told = [self._told(cut, self._heard) for cut in self._cuts]
        waiting, heard, rate = self._pieces, self._heard, self._duplex.rate
        self._cuts.clear()
        self._notes.clear()
        self._pieces, self._duplex, self._heard = deque(), duplex, duplex.played
        self._begin()
        for piece in waiting:
            begun = piece.heard_ms(heard, rate)
            self._done[piece.track] = self._done.get(piece.track, 0.0) + begun
            self._play(piece.track, piece.audio[self._format.size(begun / 1000) :])
        self._pump()
        return told

    # --- the way to the card --------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Nothing is under way: what comes now is played next."""
        self._backlog: deque[Block] = deque()
        self._resampler = Resampler(self._format.sample_rate, self._duplex.rate, quality="LQ")
        self._holds_back = False
        self._base, self._received = self._duplex.written, 0  # where it begins on the card; samples since then

    def _play(self, track: tuple[str, int], audio: bytes) -> None:
        samples = decode(audio, self._format)
        start = self._on_card(self._received)
        self._received += samples.size
        self._pieces.append(_Piece(track, audio, self._format.ms(len(audio)), start, self._on_card(self._received)))
        self._holds_back = True
        self._queue(self._resampler.feed(samples))

    def _on_card(self, received: int) -> int:
        """Where a sample of the session is on the card."""
        return self._base + round(received * self._duplex.rate / self._format.sample_rate)

    def _queue(self, samples: Samples) -> None:
        if samples.size:
            self._backlog.append(np.frombuffer(to_pcm16(samples), np.dtype("<i2")).astype(np.int16, copy=False))

    def _pump(self) -> None:
        """Give the card what it has room for. Nothing more comes for now: then what the resampler holds back, too."""
        duplex = self._duplex
        left = duplex.written - duplex.played + sum(block.size for block in self._backlog)
        if self._holds_back and left < _TAIL_SECONDS * duplex.rate:
            self._queue(self._resampler.feed(np.zeros(0, np.float32), last=True))
            self._resampler = Resampler(self._format.sample_rate, duplex.rate, quality="LQ")
            self._holds_back = False
        while self._backlog:
            block = self._backlog[0]
            written = duplex.write(block)
            if written < block.size:
                self._backlog[0] = block[written:]
                break
            self._backlog.popleft()
        duplex.more = bool(self._backlog)
        if not self._holds_back:
            self._base, self._received = duplex.written + sum(block.size for block in self._backlog), 0

    # --- how much -------------------------------------------------------------------------------------------

    def _told(self, cut: _Cut, at: int) -> tuple[str, Place | None]:
        """What was heard of speech that is dropped, when the card had come so far."""
        at = min(at, cut.until)
        track = cut.last
        for piece in cut.pieces:
            track = piece.track
            self._done[track] = self._done.get(track, 0.0) + piece.heard_ms(at, self._duplex.rate)
            if piece.end > at:
                break
        return cut.cleared_event_id, None if track is None else Place(*track, microseconds(self._done.get(track, 0.0)))

    def _let_go(self) -> None:
        """Of pieces that are over only the length is kept."""
        while self._pieces and self._pieces[0].end <= self._heard:
            piece = self._pieces.popleft()
            self._done[piece.track] = self._done.get(piece.track, 0.0) + piece.ms
            self._last = piece.track
