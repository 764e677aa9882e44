"""Who is told when a socket can be read or written: callbacks, behind one task that waits for all sockets.

To wait with `trio.lowlevel.wait_readable` for every message costs a registration with the kernel each time, and a
task that is put to sleep and woken. Here a socket is registered once. A callback must not raise and cannot wait; it
runs in a task of the network's.
"""

import select
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import perf_counter
from typing import Final, Protocol, TypeAlias

import trio
from trio.lowlevel import (
    Abort,
    ParkingLot,
    Task,
    add_instrument,
    current_task,
    enable_ki_protection,
    notify_closing,
    remove_instrument,
    reschedule,
    wait_readable,
    wait_task_rescheduled,
    wait_writable,
)

READ: Final = 1
WRITE: Final = 4
"""The bits of epoll, for that is where they come from."""

Ready: TypeAlias = Callable[[int], None]
"""Told what a socket is ready for: bits, of which those of a broken connection are neither `READ` nor `WRITE`."""

LINGER: Final = 0.016
"""Seconds for which a server's network task goes on looking at the sockets, as long as no other task has anything to
do: to come back by way of Trio costs as much as to pass on a message. What others wait for that is none of these
sockets (a thread, a deadline that was set meanwhile) comes later by this much, and a look."""

_MOST_IN_VAIN: Final = 64
"""Times that nobody lingers after doing so in vain again and again."""

MANY: Final = 8
"""Sockets that are ready at once, of which all are read before anything is sent: who is sent to on the same computer is
woken once for all of it then, not each time. For a few it is too dear: it costs a copy."""

_MOST_EVENTS: Final = 64
_ONCE: Final = select.EPOLLONESHOT if hasattr(select, "EPOLLONESHOT") else 0


Later: TypeAlias = Callable[[Callable[[], None]], None]
"""Takes what is to be called later."""


class Readiness(Protocol):
    """Watches sockets.

    Attributes:
        later: Takes what is to be called when all have had their turn who have something to do now: the sockets that
            are ready, or the tasks. None: it would be the only one, or one of a few.
    """

    later: Later | None

    def watch(self, sock: socket.socket, bits: int, ready: Ready) -> None:
        """Call ``ready`` whenever the socket is ready for one of these; 0: for nothing, but an end may be told."""

    def once(self, sock: socket.socket, bits: int, ready: Ready) -> None:
        """Call ``ready`` the next time that the socket is ready for one of these."""

    def forget(self, sock: socket.socket) -> None:
        """Watch a socket no more; before it is closed."""

    async def run(self) -> None:
        """Watch, for ever."""

    def close(self) -> None:
        """Watch nothing any more."""


class Epoll:
    """One set in the kernel, which Trio sees as one file.

    Args:
        linger: For how long to go on looking, as `LINGER`; 0.0: not at all.
    """

    def __init__(self, linger: float = 0.0) -> None:
        self._linger = linger
        self._afterwards = _Afterwards()
        self.later: Later | None = self._afterwards.add
        self._epoll = select.epoll()
        self._ready: dict[int, Ready] = {}
        self._bits: dict[int, int] = {}
        self._others = _Others()
        self._in_vain = self._hurried = 0  # how often nobody lingers after the last time in vain, and did not since

    def watch(self, sock: socket.socket, bits: int, ready: Ready) -> None:
        """Call ``ready`` whenever the socket is ready for one of these."""
        number = sock.fileno()
        if self._bits.get(number) != bits:
            self._arm(number, bits)
        self._ready[number] = ready

    def once(self, sock: socket.socket, bits: int, ready: Ready) -> None:
        """Call ``ready`` the next time that the socket is ready for one of these."""
        number = sock.fileno()
        self._arm(number, bits | _ONCE)
        self._ready[number] = ready

    def _arm(self, number: int, bits: int) -> None:
        if number in self._bits:
            self._epoll.modify(number, bits)
        else:
            self._epoll.register(number, bits)
        self._bits[number] = bits

    def forget(self, sock: socket.socket) -> None:
        """Watch a socket no more."""
        number = sock.fileno()
        if self._ready.pop(number, None) is not None:
            del self._bits[number]
            self._epoll.unregister(number)

    async def run(self) -> None:
        """Watch, for ever."""
        add_instrument(self._others)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._afterwards.run)
                while True:
                    await wait_readable(self._epoll.fileno())
                    self._look()
                    self.later = self._afterwards.add
        finally:
            remove_instrument(self._others)
            self.later = None  # nobody calls any more: last words are said at once, and now those that wait
            self._afterwards.call_all()

    def close(self) -> None:
        """Watch nothing any more: sockets may be closed later."""
        self._ready.clear()
        self._epoll.close()

    @enable_ki_protection
    def _look(self) -> None:
        """Tell of all that is ready, and linger."""
        poll, ready, others = self._epoll.poll, self._ready, self._others
        until = min(perf_counter() + self._linger, others.due)
        seconds = 0.0
        while seconds >= 0:
            events = poll(seconds, _MOST_EVENTS)
            calls: list[Callable[[], None]] = []
            self.later = calls.append if len(events) >= MANY else None
            for number, bits in events:
                if (tell := ready.get(number)) is not None:  # one may have closed another
                    tell(bits)
            for call in calls:
                call()
            if not self._linger or others.woken > 1 or not self._patient(seconds, there=bool(events)):
                return
            seconds = until - perf_counter()

    def _patient(self, waited: float, *, there: bool) -> bool:
        """Whether to wait for more.

        Who has waited in vain once does not the next time, and who has again, not for twice as many times.
        """
        if waited:
            self._in_vain = 0 if there else min(2 * self._in_vain or 1, _MOST_IN_VAIN)
            self._hurried = self._in_vain
        elif self._hurried:
            self._hurried -= 1
            return False
        return there


class _Afterwards:
    """Calls that wait until every task that has something to do has done it."""

    def __init__(self) -> None:
        self._calls: list[Callable[[], None]] = []
        self._waiting = ParkingLot()

    def add(self, call: Callable[[], None]) -> None:
        """Call this then."""
        if not self._calls:
            self._waiting.unpark()
        self._calls.append(call)

    async def run(self) -> None:
        """Call, for ever."""
        while True:
            if not self._calls:
                await self._waiting.park()
            self.call_all()

    @enable_ki_protection
    def call_all(self) -> None:
        """Call all that wait."""
        calls, self._calls = self._calls, []
        for call in calls:
            call()


class _Others(trio.abc.Instrument):
    """Watches whether any task has something to do.

    Attributes:
        woken: Tasks that were woken since all had nothing to do; the network's own is one of them.
        due: When the next deadline was due, then.
    """

    def __init__(self) -> None:
        self.woken = 0
        self.due = 0.0

    def before_io_wait(self, timeout: float) -> None:
        """Trio is about to wait; for no time, if there is something to do."""
        if timeout > 0:
            self.woken = 0
            self.due = perf_counter() + timeout

    def task_scheduled(self, task: Task) -> None:
        """A task is about to have its turn."""
        self.woken += 1


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
        self.later: Later | None = None  # each has a task of its own
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

    def once(self, sock: socket.socket, bits: int, ready: Ready) -> None:
        """Call ``ready`` the next time that the socket is ready for one of these."""

        def tell(bits: int) -> None:
            self.watch(sock, 0, _ignore)
            ready(bits)

        self.watch(sock, bits, tell)

    def forget(self, sock: socket.socket) -> None:
        """Watch a socket no more."""
        watched = self._watched.pop(sock.fileno(), None)
        if watched is not None:
            watched.bits = 0
            notify_closing(sock)

    async def run(self) -> None:
        """Watch, for ever: the tasks do."""
        await trio.sleep_forever()

    def close(self) -> None:
        """Watch nothing any more; the tasks have ended with their nursery."""

    async def _wait(
        self, watched: _Watched, sock: socket.socket, bit: int, wait: Callable[[socket.socket], Awaitable[None]]
    ) -> None:
        with suppress(trio.ClosedResourceError):
            while watched.bits & bit:
                await wait(sock)
                if watched.bits & bit:
                    watched.ready(bit)
        watched.waiting &= ~bit


class Waiter:
    """A task that waits for a socket, rather than a callback; one at a time."""

    __slots__ = ("_readiness", "_sock", "_task")

    def __init__(self, readiness: Readiness, sock: socket.socket) -> None:
        self._readiness = readiness
        self._sock = sock
        self._task: Task | None = None

    async def wait(self, bits: int) -> None:
        """Wait until the socket is ready for one of these, or broken."""
        self._task = current_task()
        self._readiness.once(self._sock, bits, self._wake)
        await wait_task_rescheduled(self._stop)

    def close(self) -> None:
        """Before the socket is closed."""
        self._readiness.forget(self._sock)

    def _wake(self, _: int) -> None:
        task, self._task = self._task, None
        if task is not None:
            reschedule(task)

    def _stop(self, _: object) -> Abort:
        self._task = None
        return Abort.SUCCEEDED
