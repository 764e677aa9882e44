"""Hold one conversation: on the virtual clock, or on the real one; recorded if that is wanted.

Ctrl-C and SIGTERM end it in good order: the recording is complete, and the exit status says which it was.
"""

import shlex
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, TypeVar, cast

import structlog
import trio

from cli.screen import Screen
from realtime_engine.driving import Record, ignore
from realtime_engine.engine import Clock, converse
from realtime_engine.errors import EngineError, UsageError
from realtime_engine.inputs import Side, Stop
from realtime_engine.link import Link
from realtime_engine.machine import Close, Machine, MachineInput, MachineOutput
from realtime_engine.machine_link import open_machine
from realtime_engine.options import SessionOptions
from realtime_engine.plugins import LinkUpstream, MachineFront, MachineUpstream, Upstream, is_machine
from realtime_engine.recording.live import open_recorder
from realtime_engine.recording.writer import create_recording
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from realtime_engine.tools import Tools

RecorderT = TypeVar("RecorderT")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_WHY: Final = "interrupted"
_GOING_AWAY: Final = 1001


@dataclass(slots=True)
class Talk:
    """One conversation, and all it needs.

    Attributes:
        record: The folder in which a recording is made; None: none is.
        signal: Which signal has ended it; 0: none.
    """

    front: MachineFront
    upstream: Upstream
    session: SessionOptions
    tools: Tools | None
    record: Path | None
    screen: Screen
    signal: int = 0

    def hold(self) -> int:
        """Hold the conversation, and give the exit status.

        Raises:
            EngineError: What went wrong, once all files are complete.
        """
        if self.front.simulated and not is_machine(self.upstream):
            raise UsageError(
                f"--speed max needs an upstream that runs on a virtual clock; {self.upstream.name!r} lives in real "
                "time: leave --speed out, or take --upstream local"
            )
        try:
            with self.front.open(self.session, self.screen) as machine:
                if self.front.simulated and is_machine(self.upstream):
                    self._simulate(machine, self.upstream)
                else:
                    trio.run(self._converse, machine)
        except EngineError:
            if not self.signal:  # who interrupts a conversation knows that it is not whole
                raise
        return 128 + self.signal if self.signal else 0

    def _simulate(self, front: Machine, upstream: MachineUpstream) -> None:
        with ExitStack() as stack:
            record: Record = ignore
            recorder = None
            if self.record is not None:
                recorder = stack.enter_context(self._begin(create_recording, self.record))
                record = recorder.record
            run = simulate(
                Session(self.session),
                front=stack.enter_context(self._stoppable(front)),
                connect=upstream.connect,
                run_tool=self.tools.run if self.tools else None,
                record=record,
                note=_note,
            )
            if recorder is not None:
                recorder.end(run.at, run.reason)
                self._say_where(recorder.folder)

    async def _converse(self, front: Machine) -> None:
        async with AsyncExitStack() as stack:
            record: Record = ignore
            recorder = None
            if self.record is not None:
                recorder = await stack.enter_async_context(self._begin(open_recorder, self.record))
                record = recorder.record
            run = await converse(
                Session(self.session),
                open_front=partial(open_machine, Side.FRONT, front),
                open_upstream=self._open_upstream,
                run_tool=self.tools.run_in_time if self.tools else None,
                stop=self._stop,
                record=record,
                note=_note,
            )
            if recorder is not None:
                recorder.end(run.at, run.reason)
                self._say_where(recorder.folder)

    def _begin(self, begin: Callable[..., RecorderT], folder: Path) -> RecorderT:
        """A recorder of this conversation, for either clock."""
        return begin(folder, self.session, front=self.front.name, upstream=self.upstream.name, warn=self.screen.say)

    def _open_upstream(self, clock: Clock) -> AbstractAsyncContextManager[Link]:
        if is_machine(self.upstream):
            return open_machine(Side.UPSTREAM, self.upstream.connect(), clock)
        return cast("LinkUpstream", self.upstream).open(clock)

    async def _stop(self) -> Stop:
        with trio.open_signal_receiver(*_SIGNALS) as signals:
            async for number in signals:
                self.signal = number
                break
        return Stop(_WHY)

    @contextmanager
    def _stoppable(self, front: Machine) -> Iterator[Machine]:
        """A front that leaves when a signal comes; on a virtual clock nobody waits for signals."""

        def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what a signal handler is given
            self.signal = number

        before = [(number, signal.signal(number, note)) for number in _SIGNALS]
        try:
            yield _Stoppable(front, self)
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _say_where(self, folder: Path) -> None:
        self.screen.say(f"recorded: engine inspect {shlex.quote(str(folder))}")


class _Stoppable:
    """A machine, until its conversation is stopped."""

    def __init__(self, machine: Machine, talk: Talk) -> None:
        self._machine = machine
        self._talk = talk

    @property
    def deadline(self) -> float:
        return self._machine.deadline

    @property
    def waits_for(self) -> str:
        return self._machine.waits_for

    def step(self, now: float, given: MachineInput) -> Sequence[MachineOutput]:
        outputs = self._machine.step(now, given)
        return [Close(_GOING_AWAY, _WHY)] if self._talk.signal else outputs

    def advance(self, now: float) -> Sequence[MachineOutput]:
        outputs = self._machine.advance(now)
        return [Close(_GOING_AWAY, _WHY)] if self._talk.signal else outputs


def _note(text: str) -> None:
    structlog.get_logger("engine").info(text)
