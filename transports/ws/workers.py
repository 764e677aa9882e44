"""A supervisor and the worker processes under it, which serve at the same sockets.

The supervisor serves nobody itself. It holds what counts for all workers together: the places for conversations, and
the numbers, those of ended workers included. A worker that ends unasked gives its places back at once, and another is
started in its stead. The workers run the very command that the supervisor was started with.
"""

import os
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import trio

from realtime_engine.errors import UsageError
from realtime_engine.journal import fault, log
from realtime_engine.metrics import Totals
from transports.ws import WsOptions
from transports.ws.control import (
    Control,
    Count,
    Counted,
    Free,
    Gather,
    Gathered,
    Leave,
    Message,
    NoPlace,
    Ready,
    Take,
    Taken,
)
from transports.ws.listeners import bind
from transports.ws.slots import Full, LocalSlots
from transports.ws.worker import Place

FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 10.0
"""Seconds before a worker that has ended is started again: at first, and at most; each time twice as long."""

STEADY: Final = 30.0
"""Seconds after which a worker counts as one that works."""

PATIENCE: Final = 2.0
"""Seconds that a worker has to tell its numbers; then those that it told last count."""

LAST: Final = 20.0
"""Seconds beyond the drain after which a worker is killed."""

LEAVE: Final = 10.0
"""Seconds in which the process of a worker that has cut its line must have ended."""

_ENDS: Final = (signal.SIGINT, signal.SIGTERM)


def supervise(options: WsOptions, command: Sequence[str], announce: Callable[[Sequence[str]], None]) -> int:
    """Serve with several processes until a signal comes, and give the exit status.

    Args:
        options: Those of the server.
        command: Starts a worker, with the variable in its environment that tells it so.
        announce: Told the addresses, once clients can connect.

    Raises:
        UsageError: It cannot listen there.
    """
    listeners = bind(options.host, options.port)
    try:
        return trio.run(_Supervisor(options, command, listeners, announce).run)
    finally:
        for listener in listeners:
            listener.close()


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process, as long as its line is open.

    Attributes:
        ready: Clients can connect to it.
        asked: It was asked to end.
        taken: The addresses for which it has places.
        totals: Its numbers, as it told them last.
        counting: The counts that it was asked for, each with who waits for it.
    """

    number: int
    process: trio.Process
    control: Control
    ready: bool = False
    asked: bool = False
    taken: Counter[str] = field(default_factory=Counter)
    totals: Totals = field(default_factory=Totals)
    counting: dict[int, trio.Event] = field(default_factory=dict)


class _Supervisor:
    def __init__(
        self,
        options: WsOptions,
        command: Sequence[str],
        listeners: Sequence[socket.socket],
        announce: Callable[[Sequence[str]], None],
    ) -> None:
        self._options = options
        self._command = command
        self._listeners = listeners
        self._announce = announce
        self._slots = LocalSlots(most=options.max_sessions, most_per_address=options.max_sessions_per_address)
        self._workers: list[_Worker] = []
        self._ended = Totals()  # what workers have counted that are no more
        self._counts = count(1)
        self._begun = trio.Event()  # a worker can be reached, or there is nothing to wait for
        self._ending = trio.Event()
        self._renewals = 0  # that were asked for and are not done
        self._awaited: dict[int, trio.Event] = {}  # the numbers of workers that are renewed
        self._status = 0

    async def run(self) -> int:
        """Keep all workers running until a signal comes, then until they have ended."""
        with trio.open_signal_receiver(*_ENDS, signal.SIGHUP) as signals:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._heed, nursery, signals)
                async with trio.open_nursery() as keeping:
                    keeping.start_soon(self._keep, 1)
                    await self._begun.wait()  # what one of them cannot do, the others need not try
                    for number in range(2, self._options.workers + 1):
                        keeping.start_soon(self._keep, number)
                nursery.cancel_scope.cancel()
        return self._status

    # --- the processes --------------------------------------------------------------------------------------

    async def _keep(self, number: int) -> None:
        """Start a worker, and whenever it ends start it again."""
        pause = FIRST_PAUSE
        while not self._ending.is_set():
            began = trio.current_time()
            status, asked = await self._run(number)
            if not self._begun.is_set():  # it has said why it cannot begin
                self._status = status
                self._end(signal.SIGTERM)
            if asked or self._ending.is_set():
                continue
            self._ended.workers_lost += 1
            pause = FIRST_PAUSE if trio.current_time() - began > STEADY else pause
            log().warning("worker lost: another is started", worker=number, status=status, seconds=pause)
            with trio.move_on_after(pause):
                await self._ending.wait()
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _run(self, number: int) -> tuple[int, bool]:
        """One worker from its start to its end: its status, and whether it was asked to end."""
        try:
            process, ours = await self._start(number)
        except OSError as error:
            log().error("worker cannot be started", worker=number, why=error.strerror)
            return UsageError.exit_status, False
        worker = _Worker(number, process, Control(ours))
        self._workers.append(worker)
        if self._ending.is_set():
            process.terminate()
        try:
            await self._attend(worker)
            self._forget(worker)
            with trio.move_on_after(LEAVE):
                await process.wait()
        finally:
            worker.control.close()
            if process.returncode is None:
                process.kill()
        return await process.wait(), worker.asked

    async def _start(self, number: int) -> tuple[trio.Process, socket.socket]:
        """Start a worker's process: it, and our end of its line.

        Raises:
            OSError: The system has no room for it.
        """
        ours, theirs = socket.socketpair()
        with theirs:
            place = Place(number, theirs.fileno(), tuple(listener.fileno() for listener in self._listeners))
            try:
                process = await trio.lowlevel.open_process(
                    self._command,
                    env=os.environ | place.write(),
                    pass_fds=(place.line, *place.listeners),
                    stdin=subprocess.DEVNULL,
                    process_group=0,  # Ctrl-C is the supervisor's
                )
            except BaseException:
                ours.close()
                raise
        return process, ours

    async def _attend(self, worker: _Worker) -> None:
        """Listen to a worker until its line is cut; what it says that makes no sense cuts it, and hurts nobody else."""
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(worker.control.send)
                while messages := await worker.control.hear():
                    for message in messages:
                        await self._hear(nursery, worker, message)
                nursery.cancel_scope.cancel()
        except* Exception as errors:  # noqa: BLE001 - whatever it is, it is this worker's
            fault("worker not understood", errors)
            worker.control.cut()

    def _forget(self, worker: _Worker) -> None:
        """A worker is gone: its places are free, and what it has counted is kept."""
        self._workers.remove(worker)
        for address in worker.taken.elements():
            self._slots.free(address)
        self._ended = self._ended.plus(worker.totals.without_its_process())

    # --- signals --------------------------------------------------------------------------------------------

    async def _heed(self, nursery: trio.Nursery, signals: AsyncIterator[int]) -> None:
        """The first signal drains, the second ends all at once; SIGHUP renews the workers."""
        async for number in signals:
            if number == signal.SIGHUP:
                self._renewals += 1
                if self._renewals == 1:
                    nursery.start_soon(self._renew)
            elif self._ending.is_set():
                self._status = 128 + number
                self._end(number)
                nursery.start_soon(self._kill_after, PATIENCE)
            else:
                self._status = 0 if number == signal.SIGTERM else 128 + number
                self._end(signal.SIGTERM)
                nursery.start_soon(self._kill_after, self._options.drain + LAST)

    def _end(self, number: int) -> None:
        self._ending.set()
        self._begun.set()
        for worker in self._workers:
            worker.process.send_signal(number)

    async def _kill_after(self, seconds: float) -> None:
        await trio.sleep(seconds)
        for worker in self._workers:
            worker.process.kill()

    async def _renew(self) -> None:
        """Renew the workers, and once more if that was asked for meanwhile."""
        while self._renewals and not self._ending.is_set():
            asked = self._renewals
            await self._renew_all()
            self._renewals = min(self._renewals - asked, 1)

    async def _renew_all(self) -> None:
        """End the workers one after another, each when the one before has been started anew; if it cannot, no more."""
        log().info("renewing workers")
        for number in [worker.number for worker in self._workers]:
            worker = next((each for each in self._workers if each.number == number and each.ready), None)
            if worker is None:
                continue  # it has just ended, so another is started in any case
            renewed = self._awaited[number] = trio.Event()
            worker.asked = True
            worker.control.say(Leave())  # no signal: to the worker it would be the first of two, if one is to come
            with trio.move_on_after(self._options.drain + LAST + LEAVE) as waiting:
                await renewed.wait()
            self._awaited.pop(number, None)
            if waiting.cancelled_caught:
                log().error("renewing ends: the worker has not come back", worker=number)
                break

    # --- what workers say -----------------------------------------------------------------------------------

    async def _hear(self, nursery: trio.Nursery, worker: _Worker, message: Message) -> None:
        match message:
            case Ready(urls):
                worker.ready = True
                if not self._begun.is_set():
                    self._announce(urls)
                self._begun.set()
                if worker.number in self._awaited:
                    self._awaited.pop(worker.number).set()
            case Take(number, address):
                worker.control.say(await self._take(worker, number, address))
            case Free(address) if worker.taken[address]:
                worker.taken[address] -= 1
                self._slots.free(address)
            case Gather(number):
                nursery.start_soon(self._gather, worker, number)
            case Counted(number, totals):
                Totals().plus(totals)  # one that does not fit the others raises here
                worker.totals = totals
                if number in worker.counting:
                    worker.counting.pop(number).set()

    async def _take(self, worker: _Worker, number: int, address: str) -> Taken | NoPlace:
        try:
            await self._slots.take(address)
        except Full as full:
            return NoPlace(number, str(full), full.code, full.retry_after_s)
        worker.taken[address] += 1
        return Taken(number)

    async def _gather(self, asker: _Worker, number: int) -> None:
        """Ask all workers for their numbers, and give the asker the sum."""
        async with trio.open_nursery() as nursery:
            for worker in self._workers:
                if worker.ready:
                    nursery.start_soon(self._count, worker)
        totals = self._ended
        for worker in self._workers:
            totals = totals.plus(worker.totals)
        asker.control.say(Gathered(number, totals))

    async def _count(self, worker: _Worker) -> None:
        number = next(self._counts)
        counted = worker.counting[number] = trio.Event()
        worker.control.say(Count(number))
        with trio.move_on_after(PATIENCE):
            await counted.wait()
        worker.counting.pop(number, None)
