"""What a client has to tell, for as many readers as there are: each is told everything, and the slowest sets the pace.

A new reader begins with the first thing that nobody has been told yet. So one who leaves a loop and begins another
misses nothing, and two who begin together are told the same.
"""

from collections import deque
from collections.abc import Callable
from itertools import islice
from math import inf
from typing import Final, Generic, TypeVar
from weakref import WeakSet

import trio

T = TypeVar("T")

WEIGHT: Final = 256
"""Bytes that a thing is taken to cost besides what it carries."""

LOOK_EVERY: Final = 1.0
"""Seconds between two looks whether a reader is still there: one that is let go of tells nobody."""


class Backlog(Generic[T]):
    """The newest things that were told, bounded by their weight.

    Args:
        most: Bytes that may be kept. With more, whoever tells should wait for `room`, unless nobody reads: then the
            oldest is let go of, and the next reader is told how much it has missed.
        missed: Makes of a number what such a reader is told.
    """

    def __init__(self, *, most: int, missed: Callable[[int], T]) -> None:
        self._most = most
        self._missed = missed
        self._things: deque[tuple[T, int]] = deque()
        self._begin = 0  # the number of the oldest that is kept
        self._given = 0  # the number of the first that nobody has been told
        self._weight = 0
        self._readers: WeakSet[Reader[T]] = WeakSet()
        self._waiting: dict[object, tuple[Callable[[T], bool], list[tuple[int, T]]]] = {}
        self._end: Callable[[], None] | None = None
        self._news = trio.Event()

    @property
    def end(self) -> int:
        """The number that the next thing will have."""
        return self._begin + len(self._things)

    @property
    def full(self) -> bool:
        """Whether a reader is so far behind that whoever tells should wait for `room`.

        While somebody waits for something particular nobody is held up: it might never come.
        """
        return self._weight > self._most and bool(self._readers) and not self._waiting

    async def room(self) -> None:
        """Wait until it is not `full`."""
        while self.full:
            with trio.move_on_after(LOOK_EVERY):
                await self._news.wait()

    def tell(self, thing: T, size: int = 0) -> None:
        """Tell everybody one more thing, which carries so many bytes."""
        self._things.append((thing, size + WEIGHT))
        self._weight += size + WEIGHT
        for wanted, found in self._waiting.values():
            if not found and wanted(thing):
                found.append((self.end - 1, thing))
        self._trim()
        self._wake()

    def close(self, end: Callable[[], None]) -> None:
        """Nothing more will be told. ``end`` raises why, or returns if that is as it should be."""
        if self._end is None:
            self._end = end
        self._wake()

    def read(self) -> "Reader[T]":
        """A new reader."""
        reader = Reader(self, max(self._given, self._begin), self._begin - self._given)
        self._readers.add(reader)
        return reader

    async def find(self, wanted: Callable[[T], bool], since: int) -> tuple[int, T]:
        """The first thing of this kind that was told from that number on, or will be; and its number.

        Raises:
            trio.ClosedResourceError: Nothing more will be told. Or whatever says why that is.
        """
        await trio.lowlevel.checkpoint()
        since = max(since, self._begin)
        for at, (thing, _) in enumerate(islice(self._things, since - self._begin, None), since):
            if wanted(thing):
                return at, thing
        found: list[tuple[int, T]] = []
        ticket = object()
        self._waiting[ticket] = wanted, found
        try:
            self._wake()  # nobody is held up any more
            while not found:
                self._raise_end()
                await self._news.wait()
        finally:
            del self._waiting[ticket]
        return found[0]

    async def take(self, reader: "Reader[T]") -> T:
        """The next thing for a reader.

        Raises:
            StopAsyncIteration: Nothing more will be told. Or whatever says why that is.
        """
        await trio.lowlevel.checkpoint()
        while reader.at >= self.end and not reader.missed:
            if self._end is not None:
                self._end()
                raise StopAsyncIteration
            await self._news.wait()
        if reader.missed:
            missed, reader.missed = reader.missed, 0
            self._given = max(self._given, reader.at)
            return self._missed(missed)
        thing, _ = self._things[reader.at - self._begin]
        reader.at += 1
        self._given = max(self._given, reader.at)
        self._trim()
        self._wake()
        return thing

    def _raise_end(self) -> None:
        if self._end is not None:
            self._end()
            raise trio.ClosedResourceError("the conversation is over: what is waited for will not come")

    def _trim(self) -> None:
        """Let go of what is too much: what all have been told, or, where nobody can be waited for, what is oldest."""
        if self._weight <= self._most:
            return
        told = min((reader.at for reader in self._readers), default=inf)
        while self._weight > self._most and (self._begin < told or self._waiting):
            self._weight -= self._things.popleft()[1]
            self._begin += 1
        for reader in self._readers:
            reader.missed += max(self._begin - reader.at, 0)
            reader.at = max(reader.at, self._begin)

    def _wake(self) -> None:
        self._news.set()
        self._news = trio.Event()


class Reader(Generic[T]):
    """One who is told everything, from a beginning on, one thing after the other."""

    def __init__(self, backlog: Backlog[T], at: int, missed: int) -> None:
        self._backlog = backlog
        self.at = at
        self.missed = max(missed, 0)

    def __aiter__(self) -> "Reader[T]":
        return self

    async def __anext__(self) -> T:
        return await self._backlog.take(self)
