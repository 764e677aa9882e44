"""Who may have a session: so many in all, and so many from one address."""

from collections import Counter
from typing import Protocol

from realtime_engine.errors import EngineError
from transports.ws.addresses import customer

RETRY_AFTER = 10
"""Seconds after which it is worth trying again: conversations take minutes, but there are many of them."""


class Full(EngineError):  # noqa: N818 - a state, not a mistake
    """There is no place.

    Attributes:
        code: ``server_full``, or ``address_full`` where only this address has its share.
        retry_after_s: When it is worth trying again.
    """

    def __init__(self, reason: str, *, code: str = "server_full", retry_after_s: int = RETRY_AFTER) -> None:
        super().__init__(reason)
        self.code = code
        self.retry_after_s = retry_after_s


class Slots(Protocol):
    """The places for sessions."""

    async def take(self, address: str) -> None:
        """Take a place for a session of this address.

        Raises:
            Full: There is none.
        """

    def free(self, address: str) -> None:
        """Give the place back."""


class LocalSlots:
    """The places of one process (`Slots`)."""

    def __init__(self, *, most: int, most_per_address: int) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._taken: Counter[str] = Counter()
        self._all = 0

    @property
    def taken(self) -> int:
        """Places in use."""
        return self._all

    async def take(self, address: str) -> None:
        """Take a place; it never waits.

        Raises:
            Full: There is none.
        """
        who = customer(address)
        if self._all >= self._most:
            raise Full("every place of this server is taken")
        if self._taken[who] >= self._most_per_address:
            reason = "every place for your address is taken"
            raise Full(reason, code="address_full")
        self._taken[who] += 1
        self._all += 1

    def free(self, address: str) -> None:
        """Give the place back; an address without a session is forgotten."""
        who = customer(address)
        self._taken[who] -= 1
        self._all -= 1
        if not self._taken[who]:
            del self._taken[who]
