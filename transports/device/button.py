"""Push-to-talk: what of the microphone is a turn. No I/O, no clock.

A terminal tells that a key is pressed, and never that it is let go: so the first press begins a turn, and the second
ends it.
"""

from enum import Enum, auto
from math import inf
from typing import Final

TAIL: Final = 0.1
"""Seconds that the microphone is heard after the turn was ended: a word's end."""

SHORTEST: Final = 0.15
"""Seconds of sound; what has less is no turn."""


class Ended(Enum):
    """How a turn has ended."""

    SAID = auto()
    TOO_SHORT = auto()


class Button:
    """One button; ``now`` is in seconds, never decreasing.

    Attributes:
        deadline: When `ended` has something to say, or ``inf``.
    """

    def __init__(self) -> None:
        self.deadline = inf
        self._open = False
        self._spoken = 0.0

    @property
    def open(self) -> bool:
        """Whether the microphone is heard."""
        return self._open

    def press(self, now: float) -> bool:
        """Begin a turn, or end it; in the moment after its end it goes on instead. Gives whether the person speaks."""
        if not self._open:
            self._open, self._spoken = True, 0.0
        elif self.deadline == inf:
            self.deadline = now + TAIL
            return False
        else:
            self.deadline = inf
        return True

    def heard(self, seconds: float) -> None:
        """So much was said."""
        self._spoken += seconds

    def ended(self, now: float) -> Ended | None:
        """How the turn has ended, once; None: it goes on, or there is none."""
        if now < self.deadline:
            return None
        self.deadline, self._open = inf, False
        return Ended.SAID if self._spoken >= SHORTEST else Ended.TOO_SHORT
