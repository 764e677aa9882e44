"""One coarse look at all deadlines of a process: a timer for each would cost more than what it guards."""

from collections.abc import Callable
from typing import Final, TypeAlias

import trio

PERIOD: Final = 0.5
"""Seconds between two looks, and so the most that a deadline is late."""

Check: TypeAlias = Callable[[float], None]
"""Told ``trio.current_time()``; it must not raise."""


class Sweep:
    """Who wants to be asked now and then."""

    def __init__(self) -> None:
        self._checks: set[Check] = set()

    def add(self, check: Check) -> None:
        """Ask this too, from now on."""
        self._checks.add(check)

    def discard(self, check: Check) -> None:
        """Ask this no more; also if it never was."""
        self._checks.discard(check)

    async def run(self) -> None:
        """Ask everybody, for ever."""
        while True:
            await trio.sleep(PERIOD)
            self.look()

    def look(self) -> None:
        """Ask everybody, now."""
        now = trio.current_time()
        for check in tuple(self._checks):
            if check in self._checks:  # one may have taken another out
                check(now)
