"""The driver for virtual time: machines and a session on one clock that jumps to the next deadline.

No Trio. Hours pass in seconds, and always the same way: what is due at one instant goes timers, operator, front,
upstream, tools, until nothing is.
"""

from collections import deque
from collections.abc import Callable, Iterable
from math import inf, isinf
from typing import Final, TypeAlias, assert_never

from realtime_engine.audio import whole_microseconds_after
from realtime_engine.commands import CancelTool, Command, Connect, Forward, HangUp, Note, RunTool, Send, Step
from realtime_engine.driving import REPLACED, Record, Run, do, ignore, steps
from realtime_engine.errors import Stalled
from realtime_engine.inputs import Closed, Input, Kind, Message, Opened, Side, Stop, ToolResult
from realtime_engine.machine import (
    Close,
    Connected,
    Disconnected,
    Frame,
    Machine,
    MachineInput,
    MachineOutput,
    Work,
)
from realtime_engine.session import NORMAL, Session

ROUNDS: Final = 10_000
"""So often may the parties answer each other within one instant before they are said to have stalled."""

ToolRunner: TypeAlias = Callable[[RunTool], ToolResult]
StopAsked: TypeAlias = Callable[[], Stop | None]


def never() -> None:
    """The operator says nothing."""


def simulate(
    session: Session,
    *,
    front: Machine,
    connect: Callable[[], Machine],
    run_tool: ToolRunner | None = None,
    stop: StopAsked = never,
    record: Record = ignore,
    note: Callable[[str], None] = ignore,
) -> Run:
    """Run one conversation to its end.

    Args:
        session: A new session.
        front: The front; it is connected at 0.0.
        connect: Gives a machine for each connection to the upstream.
        run_tool: Runs a tool, at once. None: no tool is run; a call then waits for ever.
        stop: Asked before anybody acts, until it says that the operator wants the conversation to end.
        record: Takes every step.
        note: Takes what the session notes for the log.

    Raises:
        Stalled: Nobody will ever move again, or time stands still.
    """
    return _Simulation(session, front, connect, run_tool, stop, record, note).run()


class _Peer:
    """A machine, and what waits to be given to it."""

    def __init__(self, side: Side, machine: Machine) -> None:
        self.side = side
        self.machine = machine
        self.inbox: deque[MachineInput] = deque([Connected()])

    def take(self, now: float) -> Iterable[MachineOutput]:
        """All that the machine says now."""
        while self.inbox:
            yield from self.machine.step(now, self.inbox.popleft())
        if self.machine.deadline <= now:
            yield from self.machine.advance(now)

    @property
    def deadline(self) -> float:
        return -inf if self.inbox else self.machine.deadline


class _Simulation:
    def __init__(
        self,
        session: Session,
        front: Machine,
        connect: Callable[[], Machine],
        run_tool: ToolRunner | None,
        stop: StopAsked,
        record: Record,
        note: Callable[[str], None],
    ) -> None:
        self._session = session
        self._connect = connect
        self._run_tool = run_tool
        self._stop = stop
        self._record = record
        self._note = note
        self._now = 0.0
        self._peers = {Side.FRONT: _Peer(Side.FRONT, front)}
        self._connection = 0
        self._news: deque[Opened] = deque()
        self._calls: deque[RunTool] = deque()
        self._end: Run | None = None

    def run(self) -> Run:
        self._news.append(Opened(Side.FRONT))
        while self._end is None:
            self._instant()
            if self._end is None:
                self._now = self._next()
        for side in Side:
            self._part(side, self._end.code, self._end.reason)
        return self._end

    def _next(self) -> float:
        """The next instant at which something is due."""
        deadline = min(self._session.deadline, *(peer.deadline for peer in self._peers.values()))
        if isinf(deadline):
            waiting = [f"the {side.value} waits for {peer.machine.waits_for}" for side, peer in self._peers.items()]
            raise Stalled(f"at {self._now:.3f} s nobody moves: {'; '.join(waiting)}")
        return max(whole_microseconds_after(deadline), self._now)

    def _instant(self) -> None:
        """Let everybody act until nobody has anything to do at this time."""
        for _ in range(ROUNDS):
            if self._end is not None or not self._round():
                return
        raise Stalled(f"at {self._now:.3f} s time stands still: {ROUNDS} rounds, and still something is due")

    def _round(self) -> bool:
        """Timers, operator, front, upstream, tools, each once. False if nothing was due."""
        stop = self._asked_to_stop()
        if not (stop or self._news or self._calls or self._session.deadline <= self._now or self._anybody_due()):
            return False
        self._give(stop)
        while self._news:  # an upstream is there before it says anything
            self._give(self._news.popleft())
        for side in Side:
            peer = self._peers.get(side)
            if peer is not None and peer.deadline <= self._now:
                self._hear(peer)
        if self._calls and self._run_tool is not None:
            self._give(self._run_tool(self._calls.popleft()))
        return True

    def _asked_to_stop(self) -> Stop | None:
        """What the operator says; one word is enough."""
        stop = self._stop()
        if stop is not None:
            self._stop = never
        return stop

    def _anybody_due(self) -> bool:
        return any(peer.deadline <= self._now for peer in self._peers.values())

    def _hear(self, peer: _Peer) -> None:
        """Give the session all that a machine says now, and do its work."""
        outputs = deque(peer.take(self._now))
        while outputs and self._end is None and self._peers.get(peer.side) is peer:
            match outputs.popleft():
                case Frame(raw=raw, kind=kind):
                    self._give(Message(peer.side, kind, raw))
                case Close(code=code, reason=reason):
                    del self._peers[peer.side]
                    self._give(Closed(peer.side, self._number(peer.side), code, reason))
                case Work() as work:
                    outputs.extend(peer.machine.step(self._now, do(work)))
                case _ as never:
                    assert_never(never)

    def _number(self, side: Side) -> int:
        return 1 if side is Side.FRONT else self._connection

    def _give(self, given: Input | None) -> None:
        for step in steps(self._session, self._now, given, self._record):
            for command in step.commands:
                self._carry_out(command, step)

    def _carry_out(self, command: Command, step: Step) -> None:
        match command:
            case Forward() if isinstance(step.input, Message):
                self._deliver(step.input.side.other, step.input.raw, step.input.kind)
            case Send(side=side, raw=raw, kind=kind):
                self._deliver(side, raw, kind)
            case Connect(connection=connection):
                self._part(Side.UPSTREAM, NORMAL, REPLACED)
                self._connection = connection
                self._peers[Side.UPSTREAM] = _Peer(Side.UPSTREAM, self._connect())
                self._news.append(Opened(Side.UPSTREAM, connection))
            case RunTool() if self._run_tool is not None:
                self._calls.append(command)
            case CancelTool(call_id=call_id):
                self._calls = deque(call for call in self._calls if call.call_id != call_id)
            case Note(text=text):
                self._note(text)
            case HangUp(code=code, reason=reason):
                self._end = Run(step.at, code, reason)

    def _deliver(self, side: Side, raw: bytes, kind: Kind) -> None:
        self._peers[side].inbox.append(Frame(raw, kind))

    def _part(self, side: Side, code: int, reason: str) -> None:
        """Give a peer its last words, and the end."""
        peer = self._peers.pop(side, None)
        if peer is not None:
            peer.inbox.append(Disconnected(code, reason))
            list(peer.take(self._now))  # and nobody listens any more
