"""A machine as a link: the same machine that is simulated, on the real clock.

The machine is stepped where the session speaks to it, so nothing is queued on the way in; what it says waits
until the session reads. Its work runs in threads.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from math import inf, isinf
from typing import assert_never

import trio

from realtime_engine.audio import whole_microseconds_after
from realtime_engine.driving import do
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.link import Link
from realtime_engine.machine import Close, Connected, Disconnected, Frame, Machine, MachineInput, MachineOutput, Work


class MachineLink(Link):
    """A `realtime_engine.link.Link` to a machine; made by `open_machine`.

    Attributes:
        messages_in, bytes_in, messages_out: What the machine has said, and was given; ``bytes_out`` is `sent`.
    """

    def __init__(self, side: Side, machine: Machine, nursery: trio.Nursery, clock: Callable[[], float]) -> None:
        self._side = side
        self._machine = machine
        self._nursery = nursery
        self._clock = clock
        self._said: list[Message] = []
        self._written: list[Frame] = []
        self._sent = 0
        self.messages_in = self.bytes_in = self.messages_out = 0
        self._closed: tuple[int, str] | None = None
        self._news = trio.Event()
        self._give(Connected())

    async def read(self) -> Sequence[Message]:
        """What the machine has said; empty once it has closed."""
        await trio.lowlevel.checkpoint()
        while not self._said:
            if self._closed is not None:
                return ()
            now = self._clock()
            if self._machine.deadline <= now:
                self._take(self._machine.advance(now))
            else:
                await self._wait(whole_microseconds_after(self._machine.deadline) - now)
        said, self._said = self._said, []
        self.messages_in += len(said)
        self.bytes_in += sum(len(message.raw) for message in said)
        return said

    def write(self, raw: bytes, kind: Kind) -> None:
        """Queue one message."""
        self._written.append(Frame(raw, kind))

    def flush(self) -> None:
        """Give the machine all that was written."""
        written, self._written = self._written, []
        for frame in written:
            self._sent += len(frame.raw)
            self.messages_out += 1
            self._give(frame)

    async def drain(self) -> None:
        """A machine takes all there is at once."""

    @property
    def queued(self) -> int:
        """Bytes that are written and not yet flushed."""
        return sum(len(frame.raw) for frame in self._written)

    @property
    def sent(self) -> int:
        """Bytes that the machine was given."""
        return self._sent

    @property
    def bytes_out(self) -> int:
        """Bytes that the machine was given."""
        return self._sent

    @property
    def closed(self) -> tuple[int, str]:
        """How the machine closed."""
        return self._closed or (1006, "")

    async def close(self, code: int, reason: str) -> None:
        """Give the machine its last words."""
        self.flush()
        self._give(Disconnected(code, reason))
        self._closed = self._closed or (code, reason)

    def wake(self) -> None:
        """Ask the machine what it has to say: something has happened that it alone knows of."""
        if self._closed is None:
            self._take(self._machine.advance(self._clock()))

    def _give(self, given: MachineInput) -> None:
        if self._closed is None:
            self._take(self._machine.step(self._clock(), given))

    def _take(self, outputs: Sequence[MachineOutput]) -> None:
        for output in outputs:
            match output:
                case Frame(raw=raw, kind=kind):
                    self._said.append(Message(self._side, kind, raw))
                case Work():
                    self._nursery.start_soon(self._work, output)
                case Close(code=code, reason=reason):
                    self._closed = (code, reason)
                case _ as never:
                    assert_never(never)
        self._news.set()

    async def _work(self, work: Work) -> None:
        done = await trio.to_thread.run_sync(do, work, abandon_on_cancel=True)
        self._give(done)

    async def _wait(self, seconds: float) -> None:
        """Until the machine's deadline, or until something has come."""
        self._news = trio.Event()
        with trio.move_on_after(inf if isinf(seconds) else max(seconds, 0.0)):
            await self._news.wait()


@asynccontextmanager
async def open_machine(side: Side, machine: Machine, clock: Callable[[], float]) -> AsyncIterator[MachineLink]:
    """Run a machine as the peer of this side for as long as the block lasts. ``clock`` is the session's."""
    async with trio.open_nursery() as nursery:
        yield MachineLink(side, machine, nursery, clock)
        nursery.cancel_scope.cancel()
