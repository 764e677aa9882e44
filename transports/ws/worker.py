"""One of several processes that serve at the same sockets: what it has from its supervisor, and owes to it.

A worker that loses its supervisor lets nobody in any more, and ends when its conversations have.
"""

import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Final, NamedTuple

import structlog
import trio

from realtime_engine.journal import log
from realtime_engine.metrics import Metrics, Totals
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
    ToWorker,
)
from transports.ws.slots import Full

VARIABLE: Final = "ENGINE_WORKER"
"""Tells a process that it is a worker: its number, the descriptor of its line, and those of the sockets."""

TELL: Final = 5.0
"""Seconds between two accounts that a worker gives unasked: what a killed one has counted since is lost."""

PATIENCE: Final = 5.0
"""Seconds that the supervisor has for an answer; it needs milliseconds, and at most two seconds for the numbers."""

GOODBYE: Final = 1.0
"""Seconds for a worker's last account."""


class Place(NamedTuple):
    """A worker's place under its supervisor: its number, and what it has inherited."""

    number: int
    line: int
    listeners: tuple[int, ...]

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> "Place | None":
        """The place of this process; None: it is no worker."""
        written = environment.get(VARIABLE)
        if written is None:
            return None
        number, line, *listeners = map(int, written.split())
        return cls(number, line, tuple(listeners))

    def write(self) -> Mapping[str, str]:
        """What a worker's environment must have for it."""
        return {VARIABLE: " ".join(map(str, (self.number, self.line, *self.listeners)))}


@dataclass(slots=True)
class _Question:
    """What a worker has asked its supervisor.

    Attributes:
        address: For whom a place was asked for.
        reply: What was answered; None: the supervisor is gone, or hangs.
        dropped: Nobody waits for the answer any more.
    """

    address: str = ""
    answered: trio.Event = field(default_factory=trio.Event)
    reply: ToWorker | None = None
    dropped: bool = False

    async def wait(self) -> ToWorker | None:
        """The answer; None: there is none in time."""
        try:
            with trio.move_on_after(PATIENCE):
                await self.answered.wait()
        finally:
            self.dropped = not self.answered.is_set()
        return self.reply

    def answer(self, reply: ToWorker | None) -> None:
        """Here it is."""
        self.reply = reply
        self.answered.set()


class Worker:
    """This process, as its supervisor knows it: the places for conversations (`transports.ws.slots.Slots`) are there.

    Attributes:
        listeners: The sockets to serve at.
    """

    def __init__(self, place: Place, metrics: Metrics) -> None:
        self.listeners: Sequence[socket.socket] = [socket.socket(fileno=number) for number in place.listeners]
        self._control = Control(socket.socket(fileno=place.line))
        self._metrics = metrics
        self._asked = count(1)
        self._questions: dict[int, _Question] = {}
        self._alone = False

    def ready(self, urls: Sequence[str]) -> None:
        """Clients can connect."""
        log().info("worker is ready", pid=os.getpid())
        self._control.say(Ready(tuple(urls)))

    async def take(self, address: str) -> None:
        """Ask for a place.

        Raises:
            Full: There is none.
        """
        number, question = self._ask(address)
        self._control.say(Take(number, address))
        reply = await question.wait()
        if not isinstance(reply, Taken):
            raise _full(reply)

    def free(self, address: str) -> None:
        """Give a place back."""
        self._control.say(Free(address))

    async def gather(self) -> Totals:
        """The numbers of all workers together; only this one's, if there is nobody who knows the others."""
        number, question = self._ask()
        self._control.say(Gather(number))
        reply = await question.wait()
        return reply.totals if isinstance(reply, Gathered) else self._metrics.totals()

    async def attend(self, *, lost: Callable[[], None], leave: Callable[[], None]) -> None:
        """Speak with the supervisor. ``lost`` is called when it is gone, ``leave`` when it says so."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._control.send)
            nursery.start_soon(self._tell)
            while messages := await self._control.hear():
                for message in messages:
                    self._heed(message, leave)
            nursery.cancel_scope.cancel()
        self._alone = True
        for question in self._questions.values():
            question.answer(None)
        lost()

    def _ask(self, address: str = "") -> tuple[int, _Question]:
        number, question = next(self._asked), _Question(address)
        if self._alone:
            question.answer(None)
        else:
            self._questions[number] = question
        return number, question

    def _heed(self, message: Message, leave: Callable[[], None]) -> None:
        match message:
            case Count(number):
                self._control.say(Counted(number, self._metrics.totals()))
            case Leave():
                leave()
            case Taken(number) | NoPlace(number) | Gathered(number):
                question = self._questions.pop(number)
                question.answer(message)
                if question.dropped and isinstance(message, Taken):
                    self.free(question.address)

    async def _tell(self) -> None:
        while True:
            await trio.sleep(TELL)
            self._control.say(Counted(0, self._metrics.totals()))

    async def part(self) -> None:
        """Tell the numbers for the last time."""
        self._control.say(Counted(0, self._metrics.totals()))
        with trio.move_on_after(GOODBYE):
            await self._control.flush()

    def close(self) -> None:
        """Close the line."""
        self._control.close()


@asynccontextmanager
async def open_worker(
    place: Place, metrics: Metrics, *, lost: Callable[[], None], leave: Callable[[], None]
) -> AsyncIterator[Worker]:
    """Be a worker for as long as the block lasts.

    Args:
        place: What there is to serve at.
        metrics: What is told of this process.
        lost: Called when the supervisor is gone.
        leave: Called when another worker is to come in this one's stead.
    """
    structlog.contextvars.bind_contextvars(worker=place.number)
    worker = Worker(place, metrics)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(partial(worker.attend, lost=lost, leave=leave))
            yield worker
            await worker.part()
            nursery.cancel_scope.cancel()
    finally:
        worker.close()


def _full(reply: ToWorker | None) -> Full:
    match reply:
        case NoPlace(reason=reason, code=code, retry_after_s=seconds):
            return Full(reason, code=code, retry_after_s=seconds)
        case _:
            return Full("the server is being restarted", code="draining")
