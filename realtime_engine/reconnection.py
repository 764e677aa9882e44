"""When a lost connection to the model is made again, and when an old one is made anew. No clock, no chance in here."""

from math import inf
from typing import Final, NamedTuple

from realtime_engine.options import Reconnect

RETRIED: Final = frozenset({1001, 1005, 1006, 1011, 1012, 1013, 1015})
"""Close codes after which it is worth trying again (protocol.md, 1.2). With 1013 a driver also gives up a peer that
reads nothing: the network may be gone."""

STEADY: Final = 30.0
"""Seconds that a connection must have lasted for its end to be a new mishap and not the last one's next attempt."""

PATIENCE: Final = 1.0
"""Seconds until it is asked again whether the moment is a quiet one."""

USUAL: Final = Reconnect().delays
"""Seconds before each of the first attempts; later ones wait as long as the last of these."""


def reconnect(attempts: int, renew_after: float) -> Reconnect | None:
    """How a session comes back in so many attempts; None: it does not."""
    if attempts == 0:
        return None
    return Reconnect(delays=USUAL[:attempts] + USUAL[-1:] * (attempts - len(USUAL)), renew_after=renew_after)


class Attempt(NamedTuple):
    """The attempt that comes next: which it is, from 1, and in how many seconds."""

    number: int
    delay: float


class Reconnection:
    """The lifeline of one conversation. ``now`` is in seconds on the session's clock, never decreasing.

    Attributes:
        told: The front knows of the mishap.
    """

    def __init__(self, options: Reconnect) -> None:
        self._options = options
        self._attempts = 0
        self._greeted = False  # some connection was there: what ends before that was refused
        self._steady = inf  # when the connection has lasted
        self._next = inf
        self._renew = inf
        self.told = False

    @property
    def deadline(self) -> float:
        """When an attempt is due, or it is time to see whether the connection can be made anew; else ``inf``."""
        return min(self._next, self._renew)

    @property
    def attempt(self) -> int:
        """Which attempt is under way, or was the last."""
        return self._attempts

    def opened(self, now: float) -> None:
        """The connection is made; its age counts from here."""
        age = self._options.renew_after
        self._renew = inf if age is None else now + age

    def greeted(self, now: float) -> None:
        """The server has begun a session."""
        self._greeted, self.told = True, False
        self._steady = now + STEADY

    def lost(self, now: float, code: int, *, expired: bool) -> Attempt | None:
        """The connection has ended, or was not made. None: there will be no other.

        ``expired``: the server has said that the time of the session was over, whatever its close code says.
        """
        if not self._greeted or not (expired or code in RETRIED):
            return None
        if now >= self._steady:
            self._attempts = 0
        self._steady = self._renew = inf
        delays = self._options.delays
        if self._attempts >= len(delays):
            return None
        delay = delays[self._attempts]
        self._attempts += 1
        self._next = now + delay
        return Attempt(self._attempts, delay)

    def attempt_due(self, now: float) -> bool:
        """Whether it is time to connect. True once."""
        due = now >= self._next
        if due:
            self._next = inf
        return due

    def renewal_due(self, now: float) -> bool:
        """Whether the connection is old enough to be made anew."""
        return now >= self._renew

    def renew(self) -> Attempt:
        """The connection is made anew, at once."""
        self._attempts, self._steady, self._renew = 1, inf, inf
        return Attempt(1, 0.0)

    def renew_later(self, now: float) -> None:
        """The moment is not a quiet one."""
        self._renew = now + PATIENCE
