"""Two links that are each other's far end, in memory: for tests, and for peers in the same process.

They behave as sockets do: what is sent and not yet read is bounded, and a writer feels it.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import trio

from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.link import Link

CAPACITY: Final = 64 * 1024
"""Bytes on the way, as in a socket's buffer; one message may exceed it."""

_NO_CLOSE: Final = (1006, "")  # the code of an end without a close (RFC 6455, section 7.1.5)


class _Pipe:
    """One direction: what is queued by the writer, and what is on the way to the reader."""

    def __init__(self, side: Side, capacity: int) -> None:
        self.side = side
        self.queue: deque[Message] = deque()
        self.queued = 0
        self.on_the_way: list[Message] = []
        self.closed: tuple[int, str] | None = None
        self._capacity = capacity
        self.sent = 0  # ever
        self._unread = 0
        self._news = trio.Event()

    def send(self) -> None:
        """Move what there is room for; a close comes after all that was queued before it."""
        while self.queue and self._unread < self._capacity:
            message = self.queue.popleft()
            self.queued -= len(message.raw)
            self.sent += len(message.raw)
            self._unread += len(message.raw)
            self.on_the_way.append(message)
        self.tell()

    def take(self) -> list[Message]:
        taken, self.on_the_way, self._unread = self.on_the_way, [], 0
        if self.queue:
            self.send()
        self.tell()
        return taken

    def tell(self) -> None:
        """Wake whoever waits for a change."""
        self._news.set()
        self._news = trio.Event()

    async def change(self) -> None:
        await self._news.wait()


class MemoryLink(Link):
    """One end of a pair made by `memory_pair`; a `realtime_engine.link.Link`."""

    def __init__(self, reads: _Pipe, writes: _Pipe) -> None:
        self._reads = reads
        self._writes = writes

    async def read(self) -> Sequence[Message]:
        """What has come; empty once the far end has closed."""
        await trio.lowlevel.checkpoint()
        while not self._reads.on_the_way:
            if self._reads.closed is not None and not self._reads.queue:
                return ()
            await self._reads.change()
        return self._reads.take()

    def write(self, raw: bytes, kind: Kind) -> None:
        """Queue one message: a copy, where it is only lent."""
        self._writes.queue.append(Message(self._writes.side, kind, bytes(raw)))
        self._writes.queued += len(raw)

    def flush(self) -> None:
        """Send what there is room for."""
        self._writes.send()

    async def drain(self) -> None:
        """Wait until all is sent that was queued, or the far end is gone."""
        while self._writes.queue and self._reads.closed is None:
            await self._writes.change()

    @property
    def queued(self) -> int:
        """Bytes that are written and not yet sent."""
        return self._writes.queued

    @property
    def sent(self) -> int:
        """Bytes that have left."""
        return self._writes.sent

    @property
    def closed(self) -> tuple[int, str]:
        """The far end's close."""
        return self._reads.closed or _NO_CLOSE

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Send what is queued, as long as the far end is there, then close."""
        self.flush()
        await self.drain()
        if self._writes.closed is None:
            self._writes.closed = (code, reason)
        self._writes.tell()
        self._reads.tell()


def memory_pair(side: Side, *, capacity: int = CAPACITY) -> tuple[MemoryLink, MemoryLink]:
    """A link for the engine, and the far end of it, which plays the peer of this side."""
    to_engine, to_peer = _Pipe(side, capacity), _Pipe(side, capacity)
    return MemoryLink(to_engine, to_peer), MemoryLink(to_peer, to_engine)
