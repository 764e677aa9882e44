"""A card that turns over a block whenever a test says so."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from realtime_engine.sound import Samples, to_pcm16
from transports.device.duplex import Block, Duplex


@dataclass
class At:
    """When a block is heard, as PortAudio says it: seconds after it is asked for."""

    outputBufferDacTime: float = 0.0  # noqa: N815 - PortAudio's own names
    inputBufferAdcTime: float = 0.0  # noqa: N815
    currentTime: float = 0.0  # noqa: N815


@dataclass
class Fine:
    """Nothing has gone wrong, or this has."""

    input_overflow: bool = False
    output_underflow: bool = False


class FakeCard:
    """The far end of a `Duplex`.

    Attributes:
        heard: All that was played.
        woken: How often the engine was.
    """

    def __init__(self, rate: int = 24_000, channels: int = 1, wake: Callable[[], None] | None = None) -> None:
        self.woken = 0
        self.duplex = Duplex(rate, wake or self._wake)
        self.heard = np.zeros(0, np.int16)
        self._channels = channels

    def turn(
        self,
        recorded: Block | int,
        status: Fine = Fine(),  # noqa: B008
        delay: float = 0.0,
        waited: float = 0.0,
    ) -> Block:
        """One block of these samples, or of so many that are silent; gives what is played, of the last channel.

        It is heard after the delay, and has waited so long since it was recorded.
        """
        block = np.zeros(recorded, np.int16) if isinstance(recorded, int) else recorded
        out = np.full((block.size, self._channels), 99, np.int16)
        times = At(delay, -waited)
        self.duplex.turn(np.repeat(block[:, None], self._channels, axis=1), out, block.size, times, status)
        self.heard = np.concatenate([self.heard, out[:, -1]])
        return out[:, -1]

    def _wake(self) -> None:
        self.woken += 1


def steady(size: int, level: int = 1000) -> Block:
    """So many samples of one level."""
    return np.full(size, level, np.int16)


def block(samples: Samples) -> Block:
    """Sound as the card has it."""
    return np.frombuffer(to_pcm16(samples), np.int16)
