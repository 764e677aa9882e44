"""Who is told when a socket can be read or written: callbacks, behind one task that waits for all sockets.

To wait with `trio.lowlevel.wait_readable` for every message costs a registration with the kernel each time, and a
task that is put to sleep and woken. Here a socket is registered once. A callback must not raise and cannot wait; it
runs in the network's task.
"""

import select
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, Protocol, TypeAlias

import trio
from trio.lowlevel import notify_closing, wait_readable, wait_writable

READ: Final = 1
WRITE: Final = 4
"""The bits of epoll, for that is where they come from."""

Ready: TypeAlias = Callable[[int], None]
"""Told what a socket is ready for: bits, of which those of a broken connection are neither `READ` nor `WRITE`."""

_BUSY: Final = 2  # sockets that are ready at once

_TURNS: Final = 4
"""Looks at the sockets in a row, as long as there is something to see, before all other tasks have their turn: to come
back by way of Trio costs twenty times as much as a look in vain."""

_MOST_EVENTS: Final = 64


class Readiness(Protocol):
    """Watches sockets.

    Attributes:
        busy: Whether many are ready at once, so that it is worth a try to get more from one of them.
    """

    busy: bool

    def watch(self, sock: socket.socket, bits: int, ready: Ready) -> None:
        """Call ``ready`` whenever the socket is ready for one of these; 0: for nothing, but an end may be told."""

    def forget(self, sock: socket.socket) -> None:
        """Watch a socket no more; before it is closed."""

    async def run(self) -> None:
        """Watch, for ever."""


class Epoll:
    """One set in the kernel, which Trio sees as one file."""

    def __init__(self) -> None:
        self.busy = False
        self._epoll = select.epoll()
        self._ready: dict[int, Ready] = {}
        self._bits: dict[int, int] = {}

    def watch(self, sock: socket.socket, bits: int, ready: Ready) -> None:
        """Call ``ready`` whenever the socket is ready for one of these."""
        number = sock.fileno()
        if number not in self._ready:
            self._epoll.register(number, bits)
        elif bits != self._bits[number]:
            self._epoll.modify(number, bits)
        self._bits[number] = bits
        self._ready[number] = ready

    def forget(self, sock: socket.socket) -> None:
        """Watch a socket no more."""
        number = sock.fileno()
        if self._ready.pop(number, None) is not None:
            del self._bits[number]
            self._epoll.unregister(number)

    async def run(self) -> None:
        """Watch, for ever."""
        try:
            while True:
                await wait_readable(self._epoll.fileno())
                self._look()
        finally:
            self._epoll.close()

    def _look(self) -> None:
        ready = self._ready
        for _ in range(_TURNS):
            events = self._epoll.poll(0, _MOST_EVENTS)
            self.busy = len(events) >= _BUSY
            for number, bits in events:
                if (tell := ready.get(number)) is not None:  # one may have closed another
                    tell(bits)
            if not events:
                return


class _Watched:
    """What one socket is waited for, by whom."""

    __slots__ = ("bits", "ready", "waiting")

    def __init__(self) -> None:
        self.bits = 0
        self.ready: Ready = _ignore
        self.waiting = 0  # bits that have a task


def _ignore(bits: int) -> None:
    """Nobody waits."""


_WAITS: Final = ((READ, wait_readable), (WRITE, wait_writable))


class Tasks:
    """A task for each thing that a socket is waited for: where there is no epoll."""

    def __init__(self, nursery: trio.Nursery) -> None:
        self.busy = False
        self._nursery = nursery
        self._watched: dict[int, _Watched] = {}

    def watch(self, sock: socket.socket, bits: int, ready: Ready) -> None:
        """Call ``ready`` whenever the socket is ready for one of these."""
        watched = self._watched.setdefault(sock.fileno(), _Watched())
        watched.bits, watched.ready = bits, ready
        for bit, wait in _WAITS:
            if bits & bit & ~watched.waiting:
                watched.waiting |= bit
                self._nursery.start_soon(self._wait, watched, sock, bit, wait)

    def forget(self, sock: socket.socket) -> None:
        """Watch a socket no more."""
        watched = self._watched.pop(sock.fileno(), None)
        if watched is not None:
            watched.bits = 0
            notify_closing(sock)

    async def run(self) -> None:
        """Watch, for ever: the tasks do."""
        await trio.sleep_forever()

    async def _wait(
        self, watched: _Watched, sock: socket.socket, bit: int, wait: Callable[[socket.socket], Awaitable[None]]
    ) -> None:
        with suppress(trio.ClosedResourceError):
            while watched.bits & bit:
                await wait(sock)
                if watched.bits & bit:
                    watched.ready(bit)
        watched.waiting &= ~bit
