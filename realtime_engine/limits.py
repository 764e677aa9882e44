"""How long, how idle and how costly one conversation may be. What is over ends it, with a reason."""

from math import inf

from realtime_engine.objects import Response, Usage
from realtime_engine.options import Limits


class Meter:
    """Counts a conversation against its limits. ``now`` is in seconds, as everywhere."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._ends = inf
        self._last = inf
        self.tokens = 0

    @property
    def deadline(self) -> float:
        """When a limit of time is reached, or ``inf``."""
        idle = self._limits.idle
        return self._ends if idle is None else min(self._ends, self._last + idle)

    def started(self, now: float) -> None:
        """The front is there."""
        self._last = now
        if self._limits.duration is not None:
            self._ends = now + self._limits.duration

    def heard_from_front(self, now: float) -> None:
        """The front has sent something."""
        self._last = now

    def responded(self, response: Response) -> None:
        """A response has ended, and says what it used."""
        if isinstance(response.usage, Usage):
            self.tokens += response.usage.total_tokens

    @property
    def spent(self) -> bool:
        """Whether the tokens are used up."""
        return self._limits.tokens is not None and self.tokens >= self._limits.tokens

    def exceeded(self, now: float) -> str | None:
        """Which limit is reached, as a sentence; None: none is."""
        limits = self._limits
        if now >= self._ends:
            return f"the conversation has reached its limit of {limits.duration:g} s"
        if limits.idle is not None and now >= self._last + limits.idle:
            return f"nothing has come from the front for {limits.idle:g} s"
        if self.spent:
            return f"the conversation has used {self.tokens} of its {limits.tokens} tokens"
        return None
