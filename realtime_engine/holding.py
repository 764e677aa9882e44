"""One connection of a client, from its opening to its end, and the conversation over it: the tasks, under Trio.

One task reads, and takes in all that has come without a checkpoint in between; what the application wants is carried
out where it is asked for. So the order of all steps is total, and nothing is locked.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from math import inf
from typing import Final, NamedTuple, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import msgspec
import trio

from realtime_engine.audio import microseconds, whole_microseconds_after
from realtime_engine.backlog import Backlog
from realtime_engine.commands import RunTool
from realtime_engine.dialogue import Dialogue
from realtime_engine.errors import RemoteProtocolError, UpstreamError, first
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.link import Link, listen
from realtime_engine.raw_events import RawEvent
from realtime_engine.tongues import Tongue
from realtime_engine.tools import Tools
from realtime_engine.updates import Missed, Update

GRACE: Final = 2.0
"""Seconds for the server's last words after the application has closed the conversation."""

LAST_WORD: Final = 0.5
"""Seconds for saying goodbye where the application is cancelled, or fails."""

NORMAL: Final = 1000
BAD_TEXT: Final = 1007
"""Close codes (RFC 6455, section 7.4.1)."""

T = TypeVar("T")
OpenLink: TypeAlias = Callable[[Callable[[], float]], AbstractAsyncContextManager[Link]]
"""Connects to the server for as long as the block lasts; it is given the conversation's clock, in seconds."""


class Beginning(NamedTuple):
    """What a conversation begins with."""

    tools: Tools
    dialogue: Dialogue


class Seen(NamedTuple):
    """How far a task has come: the numbers of the first update and raw event that it may still wait for."""

    updates: int
    events: int


class Holding:
    """A conversation over one connection.

    Attributes:
        tools: The functions that run here.
        dialogue: What is known, and wanted.
        updates, events: What there is to tell.
        connected: Whether the server can be spoken to.
        closed: The code and the reason with which the server has ended it; None: it has not.
    """

    _link: Link
    _calls: trio.Nursery

    def __init__(self, open_link: OpenLink, tongue: Tongue, beginning: Beginning, *, backlog: int) -> None:
        self.tools, self.dialogue = beginning
        self._tongue = tongue
        self.updates: Backlog[Update] = Backlog(most=backlog, missed=Missed)
        self.events: Backlog[RawEvent] = Backlog(most=backlog, missed=self._missed)
        self.connected = False
        self.closed: tuple[int, str] | None = None
        self._seen: WeakKeyDictionary[trio.lowlevel.Task, Seen] = WeakKeyDictionary()
        self._seen[trio.lowlevel.current_task()] = Seen(0, 0)
        self._open_link = open_link
        self._start = trio.current_time()
        self._listening = trio.CancelScope()
        self._waiting: list[trio.CancelScope] = []  # for room on the way to the server
        self._alarm: trio.CancelScope | None = None
        self._goodbye = (NORMAL, "")
        self._failure: UpstreamError | None = None
        self._over = trio.Event()

    def now(self) -> float:
        """Seconds since the conversation began."""
        return microseconds(trio.current_time() - self._start)

    # --- what the application wants -------------------------------------------------------------------------

    def check(self) -> None:
        """See that the server can be spoken to.

        Raises:
            trio.ClosedResourceError: The application has closed the conversation.
            UpstreamError: The server has ended it, or the connection is lost.
        """
        if not self.connected:
            self._raise_failure()
            if self.closed is not None:
                raise _ended(*self.closed)
            raise trio.ClosedResourceError("the conversation is closed")

    def do(self, act: Callable[[], T], *, new: bool = True) -> T:
        """Carry out what the application wants; ``new``: what this task waits for from now on comes after this.

        Raises:
            trio.ClosedResourceError, UpstreamError: See `check`. Or whatever ``act`` raises.
        """
        self.check()
        if new:
            self._seen[trio.lowlevel.current_task()] = self._all
        result = act()
        self._carry_out()
        self._flush()
        return result

    async def sent(self) -> None:
        """Wait until there is room on the way to the server.

        Raises:
            trio.ClosedResourceError, UpstreamError: There never will be: see `check`.
        """
        await trio.lowlevel.checkpoint()
        if not (self.connected and self._link.queued):
            return
        with trio.CancelScope() as waiting:
            self._waiting.append(waiting)
            try:
                await self._link.drain()
            finally:
                self._waiting.remove(waiting)
        if waiting.cancelled_caught:
            self.check()

    async def next_update(self, wanted: Callable[[Update], bool]) -> Update:
        """The next update of a kind, since this task has last wanted something or was given one; or from now on."""
        task = trio.lowlevel.current_task()
        seen = self._seen.get(task, self._all)
        at, found = await self.updates.find(wanted, seen.updates)
        self._seen[task] = seen._replace(updates=at + 1)
        return found

    async def next_event(self, wanted: Callable[[RawEvent], bool]) -> RawEvent:
        """The same of raw events."""
        task = trio.lowlevel.current_task()
        seen = self._seen.get(task, self._all)
        at, found = await self.events.find(wanted, seen.events)
        self._seen[task] = seen._replace(events=at + 1)
        return found

    @property
    def _all(self) -> Seen:
        """All that has been told so far."""
        return Seen(self.updates.end, self.events.end)

    def calls_this_task(self) -> bool:
        """Whether this task is a call of a function, or was started by one."""
        task: trio.lowlevel.Task | None = trio.lowlevel.current_task()
        while self.connected and task is not None and task.parent_nursery is not self._calls:
            task = task.parent_nursery.parent_task if task.parent_nursery is not None else None
        return self.connected and task is not None

    async def close(self) -> None:
        """Say goodbye, and wait until the connection is gone."""
        self._listening.cancel()
        await self._over.wait()

    # --- the tasks ------------------------------------------------------------------------------------------

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Connect, and converse until that ends.

        Raises:
            UpstreamError: The server refused, or did not answer in time.
        """
        failure: UpstreamError | None = None
        opened = False
        try:
            async with self._open_link(self.now) as self._link:
                opened = True
                await self._converse(task_status)
        except* UpstreamError as errors:
            failure = first(errors)
        finally:
            self._end(failure)
        if failure is not None and not opened:
            raise failure

    async def _converse(self, task_status: trio.TaskStatus[None]) -> None:
        """Hear the server until it ends the conversation, or the application does; then say goodbye."""
        grace = LAST_WORD
        try:
            async with trio.open_nursery() as self._calls:
                self._calls.start_soon(self._watch_the_clock)
                self.connected = True
                self.do(self.dialogue.begin)
                task_status.started()
                with self._listening:
                    self.closed = await self._listen()
                self._calls.cancel_scope.cancel()
            grace = GRACE
        finally:
            self.connected = False
            if self.closed is None:
                with trio.move_on_after(grace, shield=True):
                    await self._link.close(*self._goodbye)

    async def _listen(self) -> tuple[int, str] | None:
        """Take in all that the server says; how it has ended the conversation. None: it was given up here."""
        try:
            while await listen(self._link, self._take):
                await self.updates.room()
                await self.events.room()
        except RemoteProtocolError as error:
            return error.close_code, str(error)
        except msgspec.DecodeError as error:
            self._goodbye = BAD_TEXT, f"not an event: {error}"
            self._failure = UpstreamError(f"the server has said what is no event: {error}")
            return None
        return self._link.closed

    def _take(self, batch: Sequence[Message]) -> bool:
        """Take in a batch; whether the next may come."""
        for message in batch:
            now = self.now()
            self.events.tell(RawEvent(now, "server", message.kept()), len(message.raw))
            self.dialogue.advance(now)
            for meant in self._meant(message):
                self.dialogue.heard(now, meant)
                self._carry_out(len(meant.raw))
        self._flush()
        return not (self.updates.full or self.events.full)

    def _meant(self, message: Message) -> Sequence[Message]:
        """What a message means in the words of the GA."""
        if message.kind is Kind.BINARY:
            return (message,)
        heard = self._tongue.hear(message.raw)
        return [message if raw is message.raw else Message(Side.UPSTREAM, Kind.TEXT, raw) for raw in heard]

    async def _watch_the_clock(self) -> None:
        while True:
            with trio.CancelScope() as self._alarm:
                self._set_alarm()
                await trio.sleep_forever()
            self.dialogue.advance(self.now())
            self._carry_out()
            self._flush()

    async def _call(self, call: RunTool) -> None:
        result = await self.tools.run_in_time(call)
        self.dialogue.answer(self.now(), result)
        self._carry_out(len(result.output))
        self._flush()

    # --- small things ---------------------------------------------------------------------------------------

    def _raise_failure(self) -> None:
        """Say why the conversation is over, unless that is as it should be."""
        if (failure := self._failure) is not None:
            raise UpstreamError(str(failure), status=failure.status, final=failure.final) from failure
        if self.closed is not None and self.closed[0] != NORMAL:
            raise _ended(*self.closed)

    def _carry_out(self, size: int = 0) -> None:
        """Do what is to be done. ``size``: bytes that it has come of; what is told of it weighs as much."""
        todo = self.dialogue.take()
        for frame in todo.frames:
            raw, lost = self._tongue.say(frame)
            for name in lost:
                self.dialogue.left_out(name)
            self._link.write(raw, Kind.TEXT)
            self.events.tell(RawEvent(self.now(), "client", Message(Side.FRONT, Kind.TEXT, raw)), len(raw))
        for update in (*todo.updates, *self.dialogue.take().updates):
            self.updates.tell(update, size)
            size = 0
        for call in todo.calls:
            self._calls.start_soon(self._call, call)

    def _flush(self) -> None:
        self._link.flush()
        self._set_alarm()

    def _set_alarm(self) -> None:
        if self._alarm is not None:
            deadline = self.dialogue.deadline
            self._alarm.deadline = inf if deadline == inf else self._start + whole_microseconds_after(deadline)

    def _end(self, failure: UpstreamError | None) -> None:
        """The connection is gone; all who read are told."""
        self._failure = self._failure or failure
        for waiting in self._waiting:
            waiting.cancel()
        self.updates.close(self._raise_failure)
        self.events.close(self._raise_failure)
        self._over.set()

    def _missed(self, count: int) -> RawEvent:
        raw = msgspec.json.encode({"type": "client.missed", "count": count})
        return RawEvent(self.now(), "client", Message(Side.FRONT, Kind.TEXT, raw))


def _ended(code: int, reason: str) -> UpstreamError:
    return UpstreamError(f"the server has ended the conversation: {reason or 'the connection is lost'} ({code})")
