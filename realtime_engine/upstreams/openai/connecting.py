"""A connection to a Realtime server, within its deadlines, and without a word of the key in what it says."""

import ssl
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

import outcome
import trio

from realtime_engine.dial import dial
from realtime_engine.errors import UpstreamError
from realtime_engine.inputs import Message, Side
from realtime_engine.link import Take
from realtime_engine.network import Network
from realtime_engine.plugins import Wanted
from realtime_engine.session import LOST, NORMAL
from realtime_engine.upstreams.openai import OpenAIOptions
from realtime_engine.upstreams.openai.discretion import discreet
from realtime_engine.upstreams.openai.server import Server
from realtime_engine.websocket import Shared, WebSocket, WireLimits
from realtime_engine.wire import Wire

_UNAUTHORIZED: Final = 3000
"""A close code that says that it is the key (protocol.md, 1.2)."""


class Connection(AbstractAsyncContextManager["Guarded"]):
    """A connection for as long as the block lasts."""

    __slots__ = ("_connector", "_link", "_network", "_wanted")

    def __init__(self, connector: "Connector", network: Network, wanted: Wanted) -> None:
        self._connector = connector
        self._network = network
        self._wanted = wanted

    async def __aenter__(self) -> "Guarded":
        """Connect.

        Raises:
            UpstreamError: The server refused, or did not answer in time.
        """
        self._link = await self._connector.connect(self._network, self._wanted)
        return self._link

    async def __aexit__(self, *_: object) -> None:
        self._link.wire.close()


class Connector:
    """Connects to one server, for each conversation anew."""

    def __init__(self, server: Server, options: OpenAIOptions, tls: ssl.SSLContext | None) -> None:
        self._server = server
        self._options = options
        self._tls = tls
        ping = options.upstream_ping
        self._limits = WireLimits(max_message=options.max_message_upstream, ping_every=ping, ping_wait=ping)

    def connection(self, network: Network, wanted: Wanted) -> Connection:
        """One that lasts as long as its block."""
        return Connection(self, network, wanted)

    async def connect(self, network: Network, wanted: Wanted) -> "Guarded":
        """Connect.

        Raises:
            UpstreamError: The server refused, or did not answer in time.
        """
        wire, received = await self._reach(network, wanted)
        return Guarded(wire, network, self._server, self._options.greet_within, self._limits, received)

    async def _reach(self, network: Network, wanted: Wanted) -> tuple[Wire, bytes]:
        server, within = self._server, self._options.connect_within
        with trio.move_on_after(within):
            try:
                return await dial(
                    server.address(wanted),
                    network.readiness,
                    network.tickets,
                    headers=server.headers,
                    subprotocols=(),
                    tls=self._tls,
                )
            except UpstreamError as error:
                raise UpstreamError(server.explain(error), status=error.status, final=error.final) from None
        raise UpstreamError(f"{server.host} was not reached within {within:g} s: is it there?")


class Guarded(WebSocket):
    """A WebSocket whose peer must begin to speak in time; what it says of the key is said in other words."""

    def __init__(
        self, wire: Wire, shared: Shared, server: Server, greet_within: float, limits: WireLimits, received: bytes
    ) -> None:
        super().__init__(wire, shared, Side.UPSTREAM, client=True, limits=limits, received=received)
        self._server = server
        self._greet_within = greet_within
        self._greet_by = trio.current_time() + greet_within
        self._greeted = False

    @property
    def closed(self) -> tuple[int, str]:
        """See `realtime_engine.link.Link`."""
        code, reason = super().closed
        if self._server.betrays(reason):
            reason = self._server.refusal if code == _UNAUTHORIZED else self._server.silence
        if code == NORMAL and not self._greeted:  # whoever says good-bye before all else refuses
            before = f"{self._server.host} has ended the connection before it began a session"
            return LOST, f"{before}: {reason}" if reason else before
        return code, reason

    async def listen(self, take: Take) -> bool:
        """See `realtime_engine.link.CallingLink`.

        Raises:
            RemoteProtocolError: The server broke the protocol.
            UpstreamError: It does not begin to speak.
        """
        return await super().listen(partial(self._hand_on, take))

    def _hand_on(self, take: Take, batch: Sequence[Message]) -> bool:
        self._greeted = True
        server = self._server
        for message in batch:
            if discreet(message, server) is not message:
                return take([discreet(each, server) for each in batch])
        return take(batch)

    def _check(self, now: float) -> None:
        super()._check(now)
        if not self._greeted and now >= self._greet_by:
            patience = f"{self._greet_within:g} s"
            silent = f"{self._server.host} has said nothing within {patience}: is it a Realtime server?"
            self._wake(outcome.Error(UpstreamError(silent)))
