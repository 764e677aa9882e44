"""Connections whose clients have not yet said what they want: many may wait, but nobody so long that others cannot."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class WaitingRoom:
    """Who waits for a request; the one that has waited longest must go when there is no room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._scopes: dict[trio.CancelScope, None] = {}

    @contextmanager
    def wait(self, deadline: float) -> Iterator[trio.CancelScope]:
        """A scope in which a connection waits, until the deadline, or until its place is needed."""
        if len(self._scopes) >= self._most:
            self.make_room()
        with trio.CancelScope(deadline=deadline) as scope:
            self._scopes[scope] = None
            try:
                yield scope
            finally:
                self._scopes.pop(scope, None)

    def make_room(self) -> None:
        """Let the one go that has waited longest."""
        for scope in self._scopes:
            scope.cancel()
            del self._scopes[scope]
            return
