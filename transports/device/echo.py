"""The speaker in the microphone: the model must not hear itself, or it answers itself.

Everything here is given what was recorded and what was played meanwhile, sample by sample, and gives what the person
has said: as much as was recorded, or, where whole frames are wanted, what is ready of it.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

import numpy as np

from realtime_engine.errors import UsageError
from transports.device.doubt import Doubt
from transports.device.duplex import Block

if TYPE_CHECKING:
    from livekit.rtc import AudioFrame

EchoMode: TypeAlias = Literal["auto", "off", "mute", "cancel"]

TAIL_SECONDS: Final = 0.25
"""How long a room goes on sounding after the speaker, beside the latency of the card."""

FRAMES_PER_SECOND: Final = 100
"""The canceller takes frames of 10 ms."""

MOST_DELAY_MS: Final = 500
"""Of a way that is longer it does not take the length, and has to find the rest by itself."""

_LIBRARY: Final = "livekit.rtc"


class Echo(Protocol):
    """Something that keeps the speaker out of the microphone."""

    def clean(self, recorded: Block, played: Block) -> Block:
        """What the person has said, of what was recorded while that was played."""

    def stumble(self) -> None:
        """The card was not served in time: from now on the way from the speaker to the microphone is another."""


class Mute:
    """The microphone is closed while the model is heard, and until the room is silent again."""

    def __init__(self, rate: int, latency: float) -> None:
        self._tail = round((latency + TAIL_SECONDS) * rate)
        self._left = 0  # samples until it opens

    def clean(self, recorded: Block, played: Block) -> Block:
        """See `Echo`."""
        (loud,) = np.nonzero(played)
        said = recorded.copy()
        said[: self._left] = 0
        if loud.size:
            said[loud[0] :] = 0
            self._left = self._tail - (played.size - 1 - int(loud[-1]))
        else:
            self._left = max(self._left - recorded.size, 0)
        return said

    def stumble(self) -> None:
        """See `Echo`. It is closed all the same."""


class Cancel:
    """WebRTC's echo canceller, as LiveKit keeps it: it learns the way from the speaker to the microphone.

    Speech that is fed back at -10 dB is more than 40 dB quieter after 5 s (`tests.transports.device.test_echo`). Until
    it has learnt, and whenever the way has become another, the microphone is closed while the model is heard: better
    that a person waits than that the model answers itself. It is made anew then, for it forgets more slowly than it
    learns.
    """

    def __init__(self, rate: int, latency: float) -> None:
        self._rate = rate
        self._size = rate // FRAMES_PER_SECOND
        self._delay_ms = min(round(latency * 1000), MOST_DELAY_MS)
        self._recorded = self._played = np.zeros(0, np.int16)
        self._doubt = Doubt(rate, latency)
        self._mute = Mute(rate, latency)
        self._make_anew()

    def clean(self, recorded: Block, played: Block) -> Block:
        """See `Echo`."""
        self._recorded = np.concatenate([self._recorded, recorded])
        self._played = np.concatenate([self._played, played])
        whole = self._recorded.size // self._size * self._size
        said = [
            self._frame(self._recorded[start : start + self._size], self._played[start : start + self._size])
            for start in range(0, whole, self._size)
        ]
        self._recorded, self._played = self._recorded[whole:], self._played[whole:]
        return _joined(said)

    def stumble(self) -> None:
        """See `Echo`."""
        self._doubt.begin()
        self._make_anew()

    def _make_anew(self) -> None:
        from livekit.rtc import AudioProcessingModule

        self._canceller = AudioProcessingModule(echo_cancellation=True, high_pass_filter=True)

    def _frame(self, recorded: Block, played: Block) -> Block:
        self._canceller.process_reverse_stream(self._given(played))
        self._canceller.set_stream_delay_ms(self._delay_ms)
        frame = self._given(recorded)
        self._canceller.process_stream(frame)
        left = np.frombuffer(bytes(frame.data), np.int16)
        if self._doubt.hear(left, played):
            self._make_anew()
        muted = self._mute.clean(left, played)
        return muted if self._doubt.there else left

    def _given(self, block: Block) -> "AudioFrame":
        """A frame as the library takes it, and changes it."""
        from livekit.rtc import AudioFrame

        return AudioFrame(bytearray(block.tobytes()), self._rate, 1, self._size)


def is_installed() -> bool:
    """Whether there is a canceller; loads it, which takes a moment."""
    try:
        import_module(_LIBRARY)
    except ImportError:
        return False
    return True


def check_echo(mode: EchoMode) -> None:
    """See that what is asked for can be had, and load it.

    Raises:
        UsageError: The canceller is not installed.
    """
    there = mode in ("auto", "cancel") and is_installed()
    if mode == "cancel" and not there:
        raise UsageError(
            "--echo cancel needs the extra echo: from the checkout, pip install '.[echo]'; or take --echo mute"
        )


def make_echo(mode: EchoMode, rate: int, latency: float) -> Echo | None:
    """What keeps the speaker out of the microphone; None: nothing does.

    Args:
        mode: ``auto`` cancels where it can.
        rate: The card's samples a second.
        latency: Seconds from the speaker's block to the microphone's, through the card.
    """
    match mode:
        case "mute":
            return Mute(rate, latency)
        case "cancel":
            return Cancel(rate, latency)
        case "auto":
            return Cancel(rate, latency) if is_installed() else None
        case "off":
            return None


def _joined(blocks: Sequence[Block]) -> Block:
    return np.concatenate(blocks) if blocks else np.zeros(0, np.int16)
