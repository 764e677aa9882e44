"""What holds conversations for a server: each with an upstream of its own, tools, a recording, and a name in the log.

Whatever goes wrong in one conversation ends that one, and the server goes on.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import cast

import trio
from msgspec import Raw
from msgspec.structs import replace

from realtime_engine import journal
from realtime_engine.dialect import Dialect
from realtime_engine.driving import Run, both
from realtime_engine.engine import Clock, OpenLink, converse
from realtime_engine.errors import UsageError
from realtime_engine.inputs import Side
from realtime_engine.link import Link
from realtime_engine.machine_link import open_machine
from realtime_engine.metrics import Metrics, Mode, Traffic, counts
from realtime_engine.network import Network
from realtime_engine.options import NO_SETTINGS, Limits, Policy, Reconnect, SessionOptions
from realtime_engine.plugins import ANYTHING, LinkUpstream, Upstream, Wanted, dialect_of, for_conversation, is_machine
from realtime_engine.policy import may_set
from realtime_engine.recording.keep import Recordings
from realtime_engine.recording.live import LiveRecorder
from realtime_engine.session import FAILED, Session
from realtime_engine.settings import BY_TOOLS, for_transcription, functions_of, with_tools
from realtime_engine.stopping import Stopping
from realtime_engine.tools import Runner
from realtime_engine.watch import Watch

FAULT = "a fault in the engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What all conversations of a server are made from.

    Attributes:
        upstream: Who answers.
        network: The sockets of the process.
        settings: What the operator has set; tools that the engine runs are not among them.
        policy: What fronts may ask of the model.
        tools: What the engine runs for managed sessions; Realtime clients answer their calls themselves.
        reconnect: How managed sessions come back to a model that is lost.
        recordings: Where they are recorded; None: nowhere.
        metrics: What all of them together have done.
    """

    upstream: Upstream
    network: Network
    settings: Raw = field(default_factory=lambda: NO_SETTINGS)
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    tools: Runner | None = None
    reconnect: Reconnect | None = field(default_factory=Reconnect)
    recordings: Recordings | None = None
    metrics: Metrics = field(default_factory=Metrics)
    _log: journal.Log = field(default_factory=journal.bound_log, init=False, repr=False)
    _options: dict[tuple[Mode, bool, Dialect], SessionOptions] = field(default_factory=dict, init=False, repr=False)

    @property
    def recorded(self) -> bool:
        """Whether conversations are recorded."""
        return self.recordings is not None

    def policy_of(self, mode: Mode) -> Policy:
        """What a front of this kind may ask of the model: tools of the engine's own leave no room for others."""
        if self.tools is None or mode == "transparent":
            return self.policy
        return replace(self.policy, pinned=self.policy.pinned | {"tools": BY_TOOLS})

    def options(self, mode: Mode, *, transcription: bool = False, dialect: Dialect = "ga") -> SessionOptions:
        """What a session of this kind is made of."""
        kind = (mode, transcription, dialect)
        if kind not in self._options:
            self._options[kind] = self._make_options(mode, transcription, dialect)
        return self._options[kind]

    def _make_options(self, mode: Mode, transcription: bool, dialect: Dialect) -> SessionOptions:  # noqa: FBT001
        settings = for_transcription(self.settings) if transcription else self.settings
        tools = self.tools.schemas if self.tools is not None and mode == "managed" else ()
        return SessionOptions(
            mode=mode,
            dialect=dialect,
            upstream=self.upstream.name,
            upstream_dialect=dialect_of(self.upstream),
            settings=with_tools(settings, tools),
            reports=mode == "managed" and dialect == "ga",
            tools=tools,
            front_tools=functions_of(settings) if tools else None,
            tool_failures=bool(tools),
            policy=self.policy_of(mode),
            limits=self.limits,
            reconnect=self.reconnect if mode == "managed" else None,
        )

    async def hold(
        self,
        open_front: OpenLink,
        *,
        front: str,
        mode: Mode,
        dialect: Dialect = "ga",
        wanted: Wanted = ANYTHING,
        stop: Stopping | None = None,
        address: str = "",
    ) -> Run:
        """Hold one conversation, and say how it has ended; whatever that was, nothing is raised.

        Args:
            open_front: Connects the front, once.
            front: The front's name, for the recording.
            mode: Who does what: see `SessionOptions`.
            dialect: How the front speaks.
            wanted: What a client's URL asks for; a model counts only where clients may set one.
            stop: Where the operator says that all conversations shall end.
            address: Who it is, for the log.
        """
        began = trio.current_time()
        facts = {"front": front, "mode": mode, "upstream": self.upstream.name, "address": address}
        if dialect != "ga":
            facts["dialect"] = dialect
        with Watch(self.metrics, mode) as watch, journal.Journal(self._log, new_id(), watch, **facts) as log:
            try:
                run = await self._hold(open_front, front, mode, dialect, wanted, stop, watch, log)
            except* Exception as errors:  # noqa: BLE001 - whatever it is, it is this conversation's
                log.failed(errors)
                run = Run(trio.current_time() - began, FAILED, FAULT)
            log.ended(run)
        return run

    async def _hold(
        self,
        open_front: OpenLink,
        front: str,
        mode: Mode,
        dialect: Dialect,
        wanted: Wanted,
        stop: Stopping | None,
        watch: Watch,
        log: journal.Journal,
    ) -> Run:
        if wanted.model is not None and not may_set("model", self.policy):
            log.note("the model that the client asks for does not count: the operator chooses it")
            wanted = wanted._replace(model=None)
        options = self.options(mode, transcription=wanted.transcription, dialect=dialect)
        upstream = for_conversation(self.upstream)

        def open_upstream(clock: Clock) -> AbstractAsyncContextManager[Link]:
            if is_machine(upstream):
                return open_machine(Side.UPSTREAM, upstream.connect(wanted), clock)
            return cast("LinkUpstream", upstream).open(clock, self.network, wanted)

        talk = partial(
            converse,
            Session(options),
            open_front=partial(_Counted, Side.FRONT, open_front, self.metrics),
            open_upstream=partial(_Counted, Side.UPSTREAM, open_upstream, self.metrics),
            run_tool=self.tools.anew().run_in_time if options.tools and self.tools is not None else None,
            stop=stop,
            note=log.note,
            sweep=self.network.sweep if mode == "transparent" else None,
        )
        if self.recordings is None:
            return await talk(record=watch, passed=watch.passed)
        async with self._recording(self.recordings, options, front) as recorder:
            if recorder is None:
                return await talk(record=watch, passed=watch.passed)
            run = await talk(record=both(watch, recorder.record), passed=both(watch.passed, recorder.passed))
            recorder.end(run.at, run.reason)
        return run

    @asynccontextmanager
    async def _recording(
        self, recordings: Recordings, options: SessionOptions, front: str
    ) -> AsyncIterator[LiveRecorder | None]:
        """A recorder; one that cannot begin costs the recording, not the conversation."""
        async with AsyncExitStack() as stack:
            recorder = None
            opened = recordings.open(options, front=front, upstream=self.upstream.name, warn=self._lost)
            try:
                recorder = await stack.enter_async_context(opened)
            except UsageError as error:
                self._lost(f"the conversation is not recorded: {error}")
            else:
                journal.log().info("conversation is recorded", recording=recorder.folder.name)
            yield recorder

    def _lost(self, warning: str) -> None:
        """A conversation goes on without a recording."""
        journal.log().warning(warning)
        self.metrics.recording_cut()


def new_id() -> str:
    """A name for a conversation, in the log."""
    return f"sess_{secrets.token_hex(8)}"


class _Counted:
    """One connection, and what goes over it counted, if it counts. It may still be closing when the next one opens."""

    __slots__ = ("_link", "_metrics", "_side", "_traffic")

    def __init__(self, side: Side, open_link: OpenLink, metrics: Metrics, clock: Clock) -> None:
        self._side = side
        self._link = open_link(clock)
        self._metrics = metrics
        self._traffic: Traffic | None = None

    async def __aenter__(self) -> Link:
        link = await self._link.__aenter__()
        if counts(link):
            self._traffic = link
            self._metrics.opened(self._side, link)
        return link

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        if self._traffic is not None:
            self._metrics.closed(self._traffic)
        return await self._link.__aexit__(kind, error, trace)
