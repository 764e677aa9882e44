"""How many conversations are told at once that they shall end. No I/O."""

from collections.abc import Callable
from typing import TypeAlias

from realtime_engine.inputs import Stop

Tell: TypeAlias = Callable[[Stop], None]


class Stopping:
    """Who is to be told when the operator ends all conversations: no task has to wait for it in each of them.

    Attributes:
        said: What was said last; it holds for whoever comes later, too.
    """

    def __init__(self) -> None:
        self.said: Stop | None = None
        self._listeners: set[Tell] = set()

    def add(self, tell: Tell) -> None:
        """Tell this one too, from now on."""
        self._listeners.add(tell)

    def discard(self, tell: Tell) -> None:
        """Tell this one no more."""
        self._listeners.discard(tell)

    def say(self, stop: Stop) -> None:
        """End all conversations."""
        self.said = stop
        for tell in tuple(self._listeners):
            tell(stop)
