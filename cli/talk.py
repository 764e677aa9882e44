"""Hold one conversation: on the virtual clock, or on the real one; recorded if that is wanted.

Ctrl-C, SIGTERM and the end of the terminal end it in good order: the recording is complete, and the exit status says
which it was. The second signal waits for nothing, not even for a function that holds up the loop; what was opened is
closed all the same, and the terminal is given back.
"""

import shlex
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Final, TypeVar, cast

import structlog
import trio

from cli.collecting import collecting_seldom
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
_HANGUP: Final = getattr(signal, "SIGHUP", None)  # Windows has none
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
                with self.front.connect(self.session, self.screen) as open_front, collecting_seldom():
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
        asked = trio.Event()

        async def stop() -> Stop:
            await asked.wait()
            return Stop(_WHY)

        with trio.CancelScope() as scope, self._heeding_in_trio(asked.set, scope):
            await self._converse_until(stop, open_front)

    async def _converse_until(self, stop: Callable[[], Awaitable[Stop]], open_front: OpenLink) -> None:
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
                stop=stop,
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

    def _run_tool(self, tools: Runner, call: RunTool) -> ToolResult:
        """Run a tool while the virtual clock stands still: to its end, or until a signal comes."""
        return trio.run(self._run_tool_until_stopped, tools, call)

    async def _run_tool_until_stopped(self, tools: Runner, call: RunTool) -> ToolResult:
        with trio.CancelScope() as scope, self._heeding_in_trio(scope.cancel, scope):
            return await tools.run_in_time(call)
        return ToolResult(call.call_id, _WHY, failed=True)

    def _heeding_in_trio(self, first: Callable[[], object], scope: trio.CancelScope) -> AbstractContextManager[None]:
        """Call that at the first signal, or now if it has come; the second cancels the scope, if it does not tear."""
        soon = trio.lowlevel.current_trio_token().run_sync_soon
        if self.signal:
            first()
        return self._heeding_signals(partial(soon, first), partial(soon, scope.cancel))

    @contextmanager
    def _heeding_signals(
        self, first: Callable[[], object] = lambda: None, second: Callable[[], object] | None = None
    ) -> Iterator[None]:
        """Note the first signal; the second is not to be held up.

        Args:
            first: Called at the first one.
            second: Called at the others where Trio itself runs, which must not be torn; it is not what holds up.
        """

        def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - what a signal handler is given
            if not self.signal:
                self.signal = number
                first()
            elif number == self.signal == _HANGUP:
                pass  # the terminal and the shell both say so
            elif second is not None and trio.lowlevel.currently_ki_protected():
                second()
            else:
                raise KeyboardInterrupt

        before = [(number, signal.signal(number, note)) for number in _heeded()]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def _say_where(self, folder: Path) -> None:
        self.screen.say(f"recorded: engine inspect {shlex.quote(str(folder))}")


def _heeded() -> Sequence[int]:
    """The signals that end a conversation; who was started with nohup is spared the end of the terminal."""
    spared = _HANGUP is None or signal.getsignal(_HANGUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if spared else (_HANGUP,)))


def _note(text: str) -> None:
    with suppress(OSError):  # nobody reads the log any more
        structlog.get_logger("engine").info(text)
