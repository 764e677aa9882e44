"""Hold one conversation: on the virtual clock, or on the real one; recorded if that is wanted.

Ctrl-C and SIGTERM end it in good order: the recording is complete, and the exit status says which it was. Where nobody
comes to hear of it, because a function holds up the loop or on the virtual clock, the second one ends it.
"""

import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, TypeVar, cast

import structlog
import trio

from cli.screen import Screen
from realtime_engine.commands import RunTool
from realtime_engine.driving import Record, ignore
from realtime_engine.engine import OpenLink, converse
from realtime_engine.errors import EngineError, UsageError, first
from realtime_engine.inputs import Side, Stop, ToolResult
from realtime_engine.machine import Machine
from realtime_engine.machine_link import open_machine
from realtime_engine.options import SessionOptions
from realtime_engine.plugins import Front, LinkUpstream, MachineFront, MachineUpstream, Upstream, is_live, is_machine
from realtime_engine.recording.live import open_recorder
from realtime_engine.recording.writer import create_recording
from realtime_engine.session import Session
from realtime_engine.simulate import simulate
from realtime_engine.tools import Runner

RecorderT = TypeVar("RecorderT")
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_WHY: Final = "interrupted"


@dataclass(slots=True)
class Talk:
    """One conversation, and all it needs.

    Attributes:
        record: The folder in which a recording is made; None: none is.
        signal: Which signal has ended it; 0: none.
    """

    front: Front
    upstream: Upstream
    session: SessionOptions
    tools: Runner | None
    record: Path | None
    screen: Screen
    signal: int = 0

    def hold(self) -> int:
        """Hold the conversation, and give the exit status.

        Raises:
            EngineError: What went wrong, once all files are complete.
        """
        try:
            if is_live(self.front):
                with self.front.connect(self.session, self.screen) as open_front:
                    trio.run(self._converse, open_front)
            else:
                self._hold_with(cast("MachineFront", self.front))
        except BaseException as error:
            # who interrupts a conversation knows that it is not whole
            if not self.signal or not isinstance(first(error), EngineError | KeyboardInterrupt):
                raise
        return 128 + self.signal if self.signal else 0

    def _hold_with(self, front: MachineFront) -> None:
        """Hold it on either clock."""
        if front.simulated and not is_machine(self.upstream):
            raise UsageError(
                f"--speed max needs an upstream that runs on a virtual clock; {self.upstream.name!r} lives in real "
                "time: leave --speed out, or take --upstream local"
            )
        with front.open(self.session, self.screen) as machine:
            if front.simulated and is_machine(self.upstream):
                self._simulate(machine, self.upstream)
            else:
                trio.run(self._converse, partial(open_machine, Side.FRONT, machine))

    def _simulate(self, front: Machine, upstream: MachineUpstream) -> None:
        with ExitStack() as stack:
            record: Record = ignore
            recorder = None
            if self.record is not None:
                recorder = stack.enter_context(self._begin(create_recording, self.record))
                record = recorder.record
            stack.enter_context(self._heeding_signals())
            run = simulate(
                Session(self.session),
                front=front,
                connect=upstream.connect,
                run_tool=partial(self._run_tool, self.tools) if self.tools else None,
                stop=lambda: Stop(_WHY) if self.signal else None,
                record=record,
                note=_note,
            )
            if recorder is not None:
                recorder.end(run.at, run.reason)
                self._say_where(recorder.folder)

    async def _converse(self, open_front: OpenLink) -> None:
        async with AsyncExitStack() as stack:
            record: Record = ignore
            recorder = None
            if self.record is not None:
                recorder = await stack.enter_async_context(self._begin(open_recorder, self.record))
                record = recorder.record
            run = await converse(
                Session(self.session),
                open_front=open_front,
                open_upstream=await self._connects(stack),
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

    async def _connects(self, stack: AsyncExitStack) -> OpenLink:
        """How the upstream is connected, as long as the stack stands."""
        upstream = self.upstream
        if is_machine(upstream):
            return lambda clock: open_machine(Side.UPSTREAM, upstream.connect(), clock)
        from realtime_engine.network import open_network  # sockets and TLS, which no machine needs

        network = await stack.enter_async_context(open_network())
        return lambda clock: cast("LinkUpstream", upstream).open(clock, network)

    async def _stop(self) -> Stop:
        """Wait for a signal."""
        heard = trio.Event()
        token = trio.lowlevel.current_trio_token()
        with self._heeding_signals(lambda: token.run_sync_soon(heard.set), spared=trio.lowlevel.currently_ki_protected):
            if not self.signal:
                await heard.wait()
        return Stop(_WHY)

    def _run_tool(self, tools: Runner, call: RunTool) -> ToolResult:
        """Run a tool while the virtual clock stands still: to its end, or until a signal comes."""
        return trio.run(self._run_tool_until_stopped, tools, call)

    async def _run_tool_until_stopped(self, tools: Runner, call: RunTool) -> ToolResult:
        result = ToolResult(call.call_id, _WHY, failed=True)

        async def run(scope: trio.CancelScope) -> None:
            nonlocal result
            result = await tools.run_in_time(call)
            scope.cancel()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(run, nursery.cancel_scope)
            await self._stop()
            nursery.cancel_scope.cancel()
        return result

    @contextmanager
    def _heeding_signals(
        self, heard: Callable[[], object] = lambda: None, *, spared: Callable[[], bool] = lambda: False
    ) -> Iterator[None]:
        """Note the first signal; the second is not to be held up.

        Args:
            heard: Called at the first one.
            spared: Whether what runs just then must not be torn; it is not what holds up the loop.
        """

        def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what a signal handler is given
            if not self.signal:
                self.signal = number
                heard()
            elif not spared():
                raise KeyboardInterrupt

        before = [(number, signal.signal(number, note)) for number in _SIGNALS]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _say_where(self, folder: Path) -> None:
        self.screen.say(f"recorded: engine inspect {shlex.quote(str(folder))}")


def _note(text: str) -> None:
    with suppress(OSError):  # nobody reads the log any more
        structlog.get_logger("engine").info(text)
