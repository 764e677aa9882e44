"""Connections that hold no conversation: many may wait, for a request or for somebody to read, but none for long."""

from types import TracebackType

import trio


class WaitingRoom:
    """Who waits for a client to say or to read something; who has waited longest must go when there is no room.

    Attributes:
        most: How many may wait.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._waiting: dict[Wait, None] = {}

    def wait(self, deadline: float) -> "Wait":
        """Wait in a block that ends by the deadline, or when the place is needed."""
        return Wait(self, self._waiting, deadline)

    def make_room(self) -> bool:
        """Let the one go that has waited longest; whether there was one."""
        longest = next(iter(self._waiting), None)
        if longest is None:
            return False
        del self._waiting[longest]
        longest.scope.cancel()
        return True

    @property
    def full(self) -> bool:
        """Whether nobody else can wait."""
        return len(self._waiting) >= self.most


class Wait:
    """One wait; its block is left early if it takes too long (`trio.CancelScope`)."""

    def __init__(self, room: WaitingRoom, waiting: "dict[Wait, None]", deadline: float) -> None:
        self.scope = trio.CancelScope(deadline=deadline)
        self._room = room
        self._waiting = waiting

    def __enter__(self) -> trio.CancelScope:
        if self._room.full:
            self._room.make_room()
        self._waiting[self] = None
        return self.scope.__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._waiting.pop(self, None)
        return self.scope.__exit__(kind, error, trace)
