"""What passes between the card's own thread and the engine: a ring in each direction, and a note on each block.

`Duplex.turn` is called by the card for each block, on a thread of its own. It copies in and out of what was made
beforehand; it waits for nothing, raises nothing, and keeps nothing that grows. Each number here has one writer:
one thread moves it on, and the other only looks. Samples are PCM16, mono, at the card's rate, counted since the
card was opened.
"""

from collections.abc import Callable, Iterator
from math import inf
from time import perf_counter
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from realtime_engine.sound import Samples

Block: TypeAlias = NDArray[np.int16]

FADE_SECONDS: Final = 0.02
"""How long the speech takes to fall silent, or to come back."""

CUT_SECONDS: Final = 0.0025
"""How long where it is cut, and not longer than one block: enough not to click."""

_RING_SECONDS = 2.0  # more than the engine is ever held up by anything it survives
_RECENT = 50  # blocks, of which one has hardly waited: more than come in one burst
_NOTES = 256  # blocks of which it is known when they are heard: more than there are in a ring


class Times(Protocol):
    """When PortAudio says that a block was recorded and will be heard, in seconds on its own clock."""

    inputBufferAdcTime: float  # noqa: N815 - PortAudio's own names
    currentTime: float  # noqa: N815
    outputBufferDacTime: float  # noqa: N815


class Status(Protocol):
    """What PortAudio says has gone wrong since the last block."""

    input_overflow: bool
    output_underflow: bool


class Played(NamedTuple):
    """A block that was given to the card.

    Attributes:
        start: The first sample of speech in it.
        size: How many there are; the rest of it is silence.
        heard_at: When the first is heard, in seconds of `time.perf_counter`.
    """

    start: int
    size: int
    heard_at: float


class Duplex:
    """Both directions of a card.

    Attributes:
        rate: Samples a second.
        latency: Seconds from a block to the ear, where the card does not say it of each block.
        echo_latency: Seconds from a block that is played to the block in which it is recorded, through the card alone.
        overruns: How often microphone audio was lost.
        underruns: How often the speaker had to be silent though there was speech.
        blocks: How many blocks have passed.
        played: How many samples of speech the card was given, or has skipped.
        more: Whether there is more speech than the ring has room for; set by the engine.
    """

    def __init__(self, rate: int, wake: Callable[[], None]) -> None:
        self.rate = rate
        self.latency = self.echo_latency = 0.0
        self.overruns = self.underruns = self.blocks = self.played = 0
        self.more = False
        self._wake = wake
        size = int(_RING_SECONDS * rate)
        self._recorded, self._given, self._speech = (np.zeros(size, np.int16) for _ in range(3))
        self._notes = [Played(0, 0, 0.0)] * _NOTES
        self._ways = np.full(_RECENT, inf)
        self._usual = inf  # the longest way of the blocks of a while in which it was shortest
        self._in = self._taken = self._written = self._noted = 0
        self._held = False
        self._cut_to = self._cuts = self._cuts_made = self._cut_at = 0
        self._faded = 0  # samples
        self._down = np.linspace(1.0, 0.0, max(int(FADE_SECONDS * rate), 1), dtype=np.float32)
        self._brief = max(int(CUT_SECONDS * rate), 1)  # samples
        self._up = self._down[::-1].copy()
        self._risen = self._up.size  # samples

    # --- the card's thread ----------------------------------------------------------------------------------

    def turn(self, recorded: Block, speech: Block, frames: int, times: Times, status: Status) -> None:
        """One block in, one block out, each with a column for every channel; then the engine is woken."""
        now = perf_counter()
        self.overruns += bool(status.input_overflow)
        self.underruns += bool(status.output_underflow)
        start = self.played
        count = self._speak(speech[:, 0], frames)
        speech[:, 1:] = speech[:, :1]
        if self._in + frames - self._taken > self._recorded.size:
            self.overruns += 1
        else:
            _copy_in(self._recorded, self._in, recorded[:, 0])
            _copy_in(self._given, self._in, speech[:, 0])
            self._in += frames
        delay = times.outputBufferDacTime - times.currentTime
        self._notes[self.blocks % _NOTES] = Played(start, count, now + (delay if 0 < delay < 1 else self.latency))
        self._ways[self.blocks % _RECENT] = times.outputBufferDacTime - times.inputBufferAdcTime
        self._usual = min(self._usual, float(self._ways.max()))
        self.blocks += 1
        self._wake()

    def _speak(self, out: Block, frames: int) -> int:
        """Fill a block; gives how many samples of it are speech that counts as heard."""
        start = self.played
        if self._cuts != self._cuts_made:
            made = self._cuts
            self._fade_out(
                out, self._cut_to, self._down[self._faded :: -(-self._down.size // min(frames, self._brief))]
            )
            self._cut_at, self.played = start, max(self._cut_to, start)
            self._faded, self._risen = 0, self._up.size
            self._cuts_made = made
            return 0
        if self._held:
            self._fade_out(out, self._written, self._down[self._faded :])
            return 0
        count = min(self._written - start, frames)
        _copy_out(self._speech, start, out[:count])
        out[count:] = 0
        if self._faded:
            self._faded = self._risen = 0
        self._rise(out[:count])
        if count < frames and self.more:
            self.underruns += 1
        self.played = start + count
        return count

    def _rise(self, speech: Block) -> None:
        """Speech that was held comes back ever louder, if it is not all there."""
        risen = self._risen
        count = min(speech.size, self._up.size - risen)
        if count:
            up = self._up[risen : risen + count]
            np.multiply(speech[:count], up, out=speech[:count], casting="unsafe")
            self._risen = risen + count

    def _fade_out(self, out: Block, until: int, down: Samples) -> None:
        """What would come next, up to a sample, ever more softly, then silence; none of it counts as heard."""
        at = self.played + self._faded
        count = max(min(until - at, out.size, down.size), 0)
        _copy_out(self._speech, at, out[:count])
        np.multiply(out[:count], down[:count], out=out[:count], casting="unsafe")
        out[count:] = 0
        self._faded = min(self._faded + out.size, self._down.size)

    # --- the engine's thread --------------------------------------------------------------------------------

    def take(self) -> tuple[Block, Block]:
        """What the microphone has recorded since this was last asked, and what was given to the speaker meanwhile."""
        until = self._in
        recorded, given = (np.empty(until - self._taken, np.int16) for _ in range(2))
        _copy_out(self._recorded, self._taken, recorded)
        _copy_out(self._given, self._taken, given)
        self._taken = until
        return recorded, given

    @property
    def stumbles(self) -> int:
        """How often it was not served in time: what is played and what is recorded may have shifted by it."""
        return self.overruns + self.underruns

    @property
    def behind(self) -> float:
        """For how many seconds what is recorded waits to be taken, beyond what is usual; 0.0 if it is not known yet.

        A speaker that ran empty is filled anew, but what the microphone recorded meanwhile waits on: ALSA before a
        sound server keeps it, and each block takes only as much as it gives. So it would wait ever longer.
        """
        return max(float(self._ways.min()) - self._usual, 0.0) if self._usual < inf else 0.0

    @property
    def written(self) -> int:
        """How many samples of speech there ever were."""
        return self._written

    def write(self, speech: Block) -> int:
        """Give the speaker more; gives how much of it there was room for."""
        count = min(speech.size, self._speech.size - (self._written - self.played))
        _copy_in(self._speech, self._written, speech[:count])
        self._written += count
        return count

    def hold(self, held: bool) -> None:  # noqa: FBT001 - held, or not
        """Fall silent, and go on later from there; or go on."""
        self._held = held

    def cut(self) -> int:
        """Fall silent, and drop what is there; gives a number by which `cut_at` tells when that is so."""
        self._cut_to = self._written
        self._cuts += 1
        self._held = False  # not before: the card would play another block
        return self._cuts

    def cut_at(self, number: int) -> int | None:
        """The sample at which a cut was made; None: it is not made yet."""
        return self._cut_at if self._cuts_made >= number else None

    def notes(self) -> Iterator[Played]:
        """The blocks that have been given to the card since this was last asked."""
        until = self.blocks
        for number in range(max(self._noted, until - _NOTES + 1), until):
            yield self._notes[number % _NOTES]
        self._noted = until


def _copy_in(ring: Block, at: int, block: Block) -> None:
    at %= ring.size
    first = min(block.size, ring.size - at)
    ring[at : at + first] = block[:first]
    ring[: block.size - first] = block[first:]


def _copy_out(ring: Block, at: int, block: Block) -> None:
    at %= ring.size
    first = min(block.size, ring.size - at)
    block[:first] = ring[at : at + first]
    block[first:] = ring[: block.size - first]
