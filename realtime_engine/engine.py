"""The driver for real time: one conversation over two links, under Trio.

One task a side reads, steps the session with all that has come, and carries out what it wants, without a
checkpoint in between: the order of all steps is total, and nothing is locked. Before it reads again it waits until
the *other* side has room: that is the backpressure.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from math import inf
from typing import Final, TypeAlias, TypeVarTuple, Unpack

import trio

from realtime_engine.audio import microseconds, whole_microseconds_after
from realtime_engine.commands import FORWARD, CancelTool, Command, Connect, HangUp, Note, RunTool, Send, Step
from realtime_engine.driving import REPLACED, Passed, Record, Run, ignore, steps
from realtime_engine.errors import RemoteProtocolError, UpstreamError, first
from realtime_engine.inputs import Closed, Input, Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.link import LARGEST, Link
from realtime_engine.listening import Listening
from realtime_engine.session import FAILED, LOST, NORMAL, PASSED_ON, POLICY, TRY_LATER, Session
from realtime_engine.stopping import Stopping
from realtime_engine.sweep import Sweep

GRACE: Final = 2.0
"""Seconds for the other side's last words after the session has hung up."""

PROGRESS: Final = 10.0
"""Seconds in which a peer that has not read enough must read something."""

MOST_QUEUED: Final = 1 << 20
"""Bytes that may wait for a peer besides the largest message of the other (design.md, section 4)."""

MOST_ANSWERS: Final = 1 << 20
"""Bytes of what a peer is told about its own messages that may wait for it: nobody else is slowed down by them."""

Clock: TypeAlias = Callable[[], float]
Ts = TypeVarTuple("Ts")
OpenLink: TypeAlias = Callable[[Clock], AbstractAsyncContextManager[Link]]
"""Connects a peer for as long as the block lasts; it is given the session's clock, in seconds."""


async def converse(
    session: Session,
    *,
    open_front: OpenLink,
    open_upstream: OpenLink,
    run_tool: Callable[[RunTool], Awaitable[ToolResult]] | None = None,
    stop: Callable[[], Awaitable[Stop]] | Stopping | None = None,
    record: Record = ignore,
    passed: Passed | None = None,
    note: Callable[[str], None] = ignore,
    sweep: Sweep | None = None,
) -> Run:
    """Run one conversation until the session hangs up.

    Args:
        session: A new session.
        open_front: Connects the front, once; it is given the session's clock, in seconds.
        open_upstream: Connects the upstream, each time the session asks for it.
        run_tool: Runs a tool; None: no tool is run.
        stop: Returns when the operator wants the conversation to end; or where that will be said.
        record: Takes every step.
        passed: Takes what goes on as it came, in place of ``record``; None: that takes a step for each message.
        note: Takes what the session notes for the log.
        sweep: Looks at the session's deadlines now and then, where half a second does not matter, as in a transparent
            session; None: a task wakes for each of them.

    A peer that fails, or breaks the protocol, ends its connection and is an input of the session; it raises nothing
    here.
    """
    conversation = _Conversation(session, open_upstream, run_tool, record, passed, note)
    async with open_front(conversation.now) as front:
        return await conversation.run(front, stop, sweep)


_UPSTREAM: Final = Side.UPSTREAM  # looking up an enum's member is slow


class _Conversation:
    """The tasks of one conversation."""

    __slots__ = (
        *("_alarm", "_answers", "_behind", "_calls", "_clock", "_connection", "_end", "_hung_up", "_links"),
        *("_listening", "_note", "_nursery", "_open_upstream", "_passed", "_record", "_run_tool", "_session"),
        *("_start", "_task", "_touched", "_upstream", "_waiting"),
    )

    def __init__(
        self,
        session: Session,
        open_upstream: OpenLink,
        run_tool: Callable[[RunTool], Awaitable[ToolResult]] | None,
        record: Record,
        passed: Passed | None,
        note: Callable[[str], None],
    ) -> None:
        self._session = session
        self._open_upstream = open_upstream
        self._run_tool = run_tool
        self._record = record
        self._passed = passed
        self._note = note
        self._task = trio.lowlevel.current_task()
        self._clock = trio.lowlevel.current_clock().current_time  # the way by `trio` itself is longer
        self._start = self._clock()
        self._links: dict[Side, Link] = {}
        self._touched: dict[Side, Link] = {}
        self._behind: dict[Side, tuple[float, int]] = {}  # by when each must have read, and what had left before
        self._answers: dict[Side, int] = {}  # bytes of answers to its own messages, since nothing waited for it last
        self._connection = 0  # which one to the upstream the session has asked for last
        self._alarm: trio.CancelScope | None = None
        self._listening = Listening()  # to the front
        self._upstream = Listening()  # to the connection asked for last
        self._waiting: dict[Side, trio.CancelScope] = {}  # for a side to have room
        self._calls: dict[str, trio.CancelScope] = {}
        self._end = Run(0.0, FAILED, "")
        self._hung_up = trio.Event()

    def now(self) -> float:
        """The session's clock: seconds since the conversation began, in whole microseconds."""
        return microseconds(self._clock() - self._start)

    async def run(
        self,
        front: Link,
        stop: Callable[[], Awaitable[Stop]] | Stopping | None,
        sweep: Sweep | None,
    ) -> Run:
        """All tasks, until the session has hung up and both sides have had their last words."""
        self._links[Side.FRONT] = front
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            self._step(Opened(Side.FRONT))
            try:
                self._hear_of(stop, sweep)
                closed = await self._listen(Side.FRONT, 1, front, self._listening)
                if closed is not None:
                    self._step(closed)
                await self._hung_up.wait()
            finally:
                self._hear_no_more_of(stop, sweep)
            await self._part(self._end)
            nursery.cancel_scope.cancel()
        return self._end

    def _hear_of(self, stop: Callable[[], Awaitable[Stop]] | Stopping | None, sweep: Sweep | None) -> None:
        """The session's timers fire: each at its time, or at the next look at all of them; and it is told to stop."""
        if sweep is None:
            self._nursery.start_soon(self._watch_the_clock)
        else:
            sweep.add(self._look)
        if isinstance(stop, Stopping):
            stop.add(self._stop)
            if stop.said is not None:
                self._step(stop.said)
        elif stop is not None:
            self._nursery.start_soon(self._await_stop, stop)

    def _hear_no_more_of(self, stop: Callable[[], Awaitable[Stop]] | Stopping | None, sweep: Sweep | None) -> None:
        if sweep is not None:
            sweep.discard(self._look)
        if isinstance(stop, Stopping):
            stop.discard(self._stop)

    # --- the tasks ------------------------------------------------------------------------------------------

    async def _serve_upstream(self, connection: int, listening: Listening) -> None:
        """One connection, until it ends, or until the session wants another: of the old one nothing is heard then."""
        ended, failure = False, None
        try:
            async with self._open_upstream(self.now) as link:
                self._links[Side.UPSTREAM] = link
                self._step(Opened(Side.UPSTREAM, connection))
                closed = await self._listen(Side.UPSTREAM, connection, link, listening)
                ended = True
                if closed is not None:
                    self._step(closed)
                    self._leave_upstream()
                else:
                    with trio.move_on_after(GRACE):
                        await link.close(NORMAL, REPLACED)
        except* UpstreamError as errors:
            failure = first(errors)
        if failure is not None and not ended:
            code = POLICY if failure.final else LOST
            self._step(Closed(Side.UPSTREAM, connection, code, str(failure)))
            self._leave_upstream()

    def _leave_upstream(self) -> None:
        """From here on the session says nothing to the connection that there was, if it is still there."""
        link = self._links.pop(Side.UPSTREAM, None)
        self._behind.pop(Side.UPSTREAM, None)
        self._answers.pop(Side.UPSTREAM, None)
        if Side.UPSTREAM in self._waiting:
            self._waiting.pop(Side.UPSTREAM).cancel()
        if self._touched.pop(Side.UPSTREAM, None) is not None and link is not None:
            link.flush()

    async def _listen(self, side: Side, number: int, link: Link, listening: Listening) -> Closed | None:
        """Step the session with all that one side says, until it ends; None: until nobody wants to hear it."""
        take = partial(self._take, side, number)
        try:
            while not listening.stopped and await listening.hear(link, take):
                other = self._links.get(side.other)
                if other is not None and other.queued:
                    with trio.CancelScope() as self._waiting[side.other]:
                        await other.drain()
        except RemoteProtocolError as error:
            return Closed(side, number, error.close_code, str(error))
        return None if listening.stopped else Closed(side, number, *link.closed)

    def _take(self, side: Side, number: int, batch: Sequence[Message]) -> bool:
        """Step the session with a batch; whether the other side has room for the next.

        The last words of a connection that has been given up come too late.
        """
        if side is _UPSTREAM and number != self._connection:
            return False
        now, session, other = self.now(), self._session, side.other
        passed = 0 if session.due(now) else session.passes(now, batch)
        if passed:
            self._pass_on(now, other, batch if passed == len(batch) else batch[:passed])
        if passed < len(batch):
            for message in batch[passed:]:
                self._apply(now, message)
        self._flush()
        there = self._links.get(other)
        return there is None or not there.queued

    def _pass_on(self, now: float, other: Side, batch: Sequence[Message]) -> None:
        """As `_apply` would, without a call for each."""
        if self._passed is not None:
            self._passed(now, batch)
        else:
            for message in batch:
                self._record(Step(now, message, PASSED_ON))
        link = self._touched[other] = self._links[other]
        link.write_all(batch)

    async def _watch_the_clock(self) -> None:
        while True:
            with trio.CancelScope(deadline=self._next_alarm()) as self._alarm:
                await trio.sleep_forever()
            self._wake()

    def _look(self, now: float) -> None:
        """The sweep asks whether something is due."""
        if self._behind or self._session.due(self.now()):
            self._guard(self._wake)

    def _stop(self, stop: Stop) -> None:
        self._guard(self._step, stop)

    def _guard(self, call: Callable[[Unpack[Ts]], None], *args: *Ts) -> None:
        """Call from another's task: in the context of this conversation, and what it raises belongs here."""
        try:
            self._task.context.run(call, *args)
        except BaseException as error:  # noqa: BLE001 - it ends this conversation, and no other
            self._nursery.start_soon(_raise, error)

    async def _await_stop(self, stop: Callable[[], Awaitable[Stop]]) -> None:
        self._step(await stop())

    async def _call(
        self, run_tool: Callable[[RunTool], Awaitable[ToolResult]], call: RunTool, scope: trio.CancelScope
    ) -> None:
        with scope:
            self._step(await run_tool(call))
        del self._calls[call.call_id]

    async def _part(self, end: Run) -> None:
        """Give both sides their last words, and a close with the reason, within the grace time."""
        with trio.move_on_after(GRACE):
            async with trio.open_nursery() as nursery:
                for link in self._links.values():
                    nursery.start_soon(link.close, end.code, end.reason)

    # --- the steps ------------------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Fire the timers, and see who is still behind."""
        self._step(None)
        self._watch_progress()

    def _step(self, given: Input | None) -> None:
        """One input, or the timers that are due, and all that follows."""
        self._apply(self.now(), given)
        self._flush()

    def _apply(self, now: float, given: Input | None) -> None:
        """As `steps`, and carry each out."""
        for step in steps(self._session, now, given, self._record):
            for command in step.commands:
                if command is FORWARD and isinstance(step.input, Message):  # nearly always
                    self._write(step.input.side.other, step.input.raw, step.input.kind)
                else:
                    self._carry_out(command, step)

    def _flush(self) -> None:
        """One send for all that was written since the last; then see who has been left too far behind."""
        while self._touched:
            side, link = self._touched.popitem()
            link.flush()
            queued = link.queued
            if not queued:
                self._answers.pop(side, None)
            elif queued > self._most_queued(side.other) or self._answers.get(side, 0) > MOST_ANSWERS:
                self._give_up(side, f"too slow: {queued} bytes wait to be read")
            elif side not in self._behind:
                self._behind[side] = (self.now() + PROGRESS, link.sent)
        if self._alarm is not None:
            self._set_alarm(self._alarm)

    def _most_queued(self, source: Side) -> int:
        """Bytes that may wait: of what this side says, nothing more is read meanwhile."""
        link = self._links.get(source)
        return MOST_QUEUED + (LARGEST if link is None else link.largest)

    def _watch_progress(self) -> None:
        """Give up whoever is behind and has read nothing in all that time."""
        for side, (deadline, sent) in list(self._behind.items()):
            link = self._links.get(side)
            if link is None or not link.queued:
                del self._behind[side]
            elif link.sent > sent:
                self._behind[side] = (self.now() + PROGRESS, link.sent)
            elif self.now() >= deadline:
                del self._behind[side]
                self._give_up(side, f"too slow: nothing was read for {PROGRESS:g} s")
        self._flush()

    def _next_alarm(self) -> float:
        behind = min((deadline for deadline, _ in self._behind.values()), default=inf)
        return self._start + whole_microseconds_after(min(self._session.deadline, behind))

    def _set_alarm(self, alarm: trio.CancelScope) -> None:
        """One that comes sooner is set by the task that waits for it, which wakes for that.

        A server's network task sees others wake while it lingers at the sockets, but not that a deadline was set
        (`realtime_engine.readiness.LINGER`).
        """
        deadline = self._next_alarm()
        if deadline < alarm.deadline:
            alarm.cancel()
        elif deadline > alarm.deadline:
            alarm.deadline = deadline

    def _give_up(self, side: Side, reason: str) -> None:
        connection, listening = self._connection, self._upstream
        number = 1 if side is Side.FRONT else connection
        self._apply(self.now(), Closed(side, number, TRY_LATER, f"{side.value}: {reason}"))
        if side is Side.UPSTREAM and not self._session.over:  # there will be another
            listening.stop()
            if connection == self._connection:
                self._leave_upstream()

    def _carry_out(self, command: Command, step: Step) -> None:
        match command:
            case Send(side=side, raw=raw, kind=kind):
                self._write(side, raw, kind)
                if isinstance(step.input, Message) and step.input.side is side:
                    self._answers[side] = self._answers.get(side, 0) + len(raw)
            case Connect(connection=connection):
                self._upstream.stop()
                self._leave_upstream()
                self._connection, self._upstream = connection, Listening()
                self._nursery.start_soon(self._serve_upstream, connection, self._upstream)
            case RunTool() if self._run_tool is not None:
                scope = self._calls[command.call_id] = trio.CancelScope()
                self._nursery.start_soon(self._call, self._run_tool, command, scope)
            case CancelTool(call_id=call_id) if call_id in self._calls:
                self._calls[call_id].cancel()
            case Note(text=text):
                self._note(text)
            case HangUp(code=code, reason=reason):
                self._end = Run(step.at, code, reason)
                self._hung_up.set()
                self._listening.stop()
                if Side.UPSTREAM in self._waiting:
                    self._waiting[Side.UPSTREAM].cancel()

    def _write(self, side: Side, raw: bytes, kind: Kind) -> None:
        link = self._touched[side] = self._links[side]
        link.write(raw, kind)


async def _raise(error: BaseException) -> None:
    raise error
