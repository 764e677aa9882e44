"""What all sockets of a process share: one read buffer, one look at all deadlines, one task that waits for all.

Nothing that is read stays in the buffer past the call that read it: messages are copied out, and so is the beginning
of a frame whose end has not come.
"""

import secrets
import select
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Final

import trio

from realtime_engine.dial import Tickets, dial
from realtime_engine.inputs import Side
from realtime_engine.readiness import Epoll, Readiness, Tasks
from realtime_engine.sweep import Sweep
from realtime_engine.websocket import WebSocket, WireLimits
from realtime_engine.wire import Wire

BUFFER: Final = 256 * 1024
"""Bytes that are read at once, with the beginning of a frame in front of them."""

WIRE_LIMITS: Final = WireLimits()
_MASKS: Final = 1024  # how many masks are drawn at once


class Network:
    """Made by `open_network`.

    Attributes:
        sweep: Looks at deadlines.
        readiness: Watches sockets.
        buffer, view: What is read comes in here.
        tickets: What makes handshakes short.
    """

    def __init__(self, nursery: trio.Nursery, readiness: Readiness) -> None:
        self._nursery = nursery
        self.sweep = Sweep()
        self.readiness = readiness
        self.buffer = bytearray(BUFFER)
        self.view = memoryview(self.buffer)
        self._masks = b""
        self._next_mask = 0
        self.tickets: Tickets = {}
        self._tls: ssl.SSLContext | None = None

    def soon(self, call: Callable[[], None]) -> None:
        """Call this from a task of its own."""
        self._nursery.start_soon(_call, call)

    def mask(self) -> bytes:
        """Four bytes that nobody can foretell (RFC 6455, section 5.3)."""
        at = self._next_mask
        if at == len(self._masks):
            self._masks, at = secrets.token_bytes(4 * _MASKS), 0
        self._next_mask = at + 4
        return self._masks[at : at + 4]

    def websocket(
        self,
        wire: Wire,
        side: Side,
        *,
        client: bool,
        limits: WireLimits = WIRE_LIMITS,
        received: bytes = b"",
        answer: bytes = b"",
    ) -> WebSocket:
        """Take over a connection after its handshake, or for a server's answer to it.

        Args:
            wire: The connection.
            side: Which peer of a conversation is at its other end.
            client: Whether this end is the client.
            limits: What the connection may take.
            received: What has come behind the handshake.
            answer: What a server still has to answer to it.
        """
        return WebSocket(wire, self, side, client=client, limits=limits, received=received, answer=answer)

    @asynccontextmanager
    async def connect(
        self,
        url: str,
        *,
        headers: Sequence[tuple[str, str]] = (),
        subprotocols: Sequence[str] = (),
        tls: ssl.SSLContext | None = None,
        limits: WireLimits = WIRE_LIMITS,
    ) -> AsyncIterator[WebSocket]:
        """Connect to a WebSocket server as a client, for as long as the block lasts: there for the upstreams of others.

        Args:
            url: ``ws://…`` or ``wss://…``.
            headers: What the handshake carries besides.
            subprotocols: What is offered, the best first.
            tls: What ``wss`` is spoken with; None: with the system's authorities (or ``SSL_CERT_FILE``).
            limits: What the connection may take.

        Raises:
            UpstreamError: There is no such server, or it refused; the message holds no header.
        """
        if tls is None and url.startswith("wss:"):
            tls = self._tls = self._tls or ssl.create_default_context()
        wire, received = await dial(
            url, self.readiness, self.tickets, headers=headers, subprotocols=subprotocols, tls=tls
        )
        try:
            yield self.websocket(wire, Side.UPSTREAM, client=True, limits=limits, received=received)
        finally:
            wire.close()


@asynccontextmanager
async def open_network(*, epoll: bool = hasattr(select, "epoll"), linger: float = 0.0) -> AsyncIterator[Network]:
    """Have a network for as long as the block lasts.

    Args:
        epoll: Whether the kernel's own set of sockets is used.
        linger: Seconds that others of this process can wait while sockets have something to say, which then costs less
            (`realtime_engine.readiness.LINGER`): for a server, not where a sound card is to be served.
    """
    with ExitStack() as stack:
        async with trio.open_nursery() as nursery:
            network = Network(nursery, Epoll(linger) if epoll else Tasks(nursery))
            stack.callback(network.readiness.close)  # when all who have sockets have let them go
            nursery.start_soon(network.readiness.run)
            nursery.start_soon(network.sweep.run)
            yield network
            nursery.cancel_scope.cancel()


async def _call(call: Callable[[], None]) -> None:
    call()
