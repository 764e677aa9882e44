"""A TCP proxy that spoils what passes through it, with the toxics of toxiproxy, under Trio.

Each direction has its own `Toxics`, which may be changed while connections are open. No data is made up, reordered or,
unless a toxic says so, lost.
"""

import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, fields
from math import inf
from typing import Final

import trio

_AT_ONCE: Final = 1 << 16
_LINGER_NOT: Final = struct.pack("ii", 1, 0)  # a close that says RST and not FIN


@dataclass(slots=True)
class Toxics:
    """What happens to the bytes of one direction.

    Attributes:
        latency: Seconds that each byte is late.
        bandwidth: Bytes a second.
        slow_close: Seconds that the end of the stream is late.
        timeout: Nothing passes any more, and after so many seconds the connection is closed; None: all passes.
        reset_peer: After so many bytes both ends are reset, once.
        slicer: The most bytes that are sent at once.
        slicer_delay: Seconds between two slices.
        limit_data: After so many bytes the connection is closed.
        passed: The bytes that have passed so far, over all connections.
    """

    latency: float = 0.0
    bandwidth: float = inf
    slow_close: float = 0.0
    timeout: float | None = None
    reset_peer: float = inf
    slicer: int = _AT_ONCE
    slicer_delay: float = 0.0
    limit_data: float = inf
    passed: int = 0
    _flows: trio.Event | None = None

    def stop(self) -> None:
        """Nothing passes any more, and nothing is lost."""
        self._flows = trio.Event()

    def go_on(self) -> None:
        """What has been stopped passes."""
        if self._flows is not None:
            self._flows.set()
            self._flows = None

    async def flowing(self) -> None:
        """Wait while nothing may pass."""
        while self._flows is not None:
            await self._flows.wait()

    def clear(self) -> None:
        """No more toxics; what is counted stays counted."""
        for each in fields(self):
            if each.name not in ("passed", "_flows"):
                setattr(self, each.name, each.default)


class _Reset(Exception):  # noqa: N818 - an order, not a mistake
    """Both ends are to be reset."""


class _Cut(Exception):  # noqa: N818 - an order, not a mistake
    """Both ends are to be closed."""


@dataclass(slots=True)
class FaultProxy:
    """A proxy that runs; made by `open_proxy`.

    Attributes:
        port: Where it listens, on loopback.
        up: The toxics of what the client says.
        down: The toxics of what the server says.
        connections: How many there have been.
        broken_at: When connections were last reset.
    """

    port: int = 0
    up: Toxics = field(default_factory=Toxics)
    down: Toxics = field(default_factory=Toxics)
    connections: int = 0
    broken_at: float = -inf
    enabled: bool = True
    _open: set[trio.CancelScope] = field(default_factory=set)
    _resetting: bool = False

    def reset(self) -> None:
        """Reset all connections that are open, at once."""
        self._resetting, self.broken_at = True, trio.current_time()
        for scope in self._open:
            scope.cancel()

    def disable(self) -> None:
        """The toxic "down": connections are closed, and new ones refused, until `enable`."""
        self.enabled = False
        self.reset()

    def enable(self) -> None:
        """Connections are taken again."""
        self.enabled, self._resetting = True, False

    async def carry(self, client: trio.SocketStream, host: str, port: int) -> None:
        """One connection, from its beginning to its end."""
        self.connections += 1
        if not self.enabled:
            _reset(client)
            return
        server = await trio.open_tcp_stream(host, port)
        self._resetting = False
        with trio.CancelScope() as scope:
            self._open.add(scope)
            try:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(_pump, client, server, self.up)
                    nursery.start_soon(_pump, server, client, self.down)
            except* _Reset:
                self._resetting, self.broken_at = True, trio.current_time()
            except* (_Cut, OSError, trio.BrokenResourceError, trio.ClosedResourceError):
                pass
            finally:
                self._open.discard(scope)
                for stream in (client, server):
                    _reset(stream) if self._resetting else stream.socket.close()


async def _pump(source: trio.SocketStream, target: trio.SocketStream, toxics: Toxics) -> None:
    """Carry one direction: what is read waits its time, then goes on in pieces."""
    send, receive = trio.open_memory_channel[tuple[float, bytes]](64)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_read, source, send)
        async for came, data in receive:
            await trio.sleep_until(came + toxics.latency)
            await _pass_on(target, data, toxics)
        await trio.sleep(toxics.slow_close)
        with suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            await target.send_eof()


async def _read(source: trio.SocketStream, send: trio.MemorySendChannel[tuple[float, bytes]]) -> None:
    with send:
        while data := await source.receive_some(_AT_ONCE):
            await send.send((trio.current_time(), data))


async def _pass_on(target: trio.SocketStream, data: bytes, toxics: Toxics) -> None:
    while data:
        if toxics.timeout is not None:
            await trio.sleep(toxics.timeout)
            raise _Cut
        await toxics.flowing()
        room = min(toxics.reset_peer, toxics.limit_data) - toxics.passed
        piece = data[: int(min(toxics.slicer, max(room, 0)))]
        toxics.passed += len(piece)  # before anybody has it who might look
        if piece:
            await target.send_all(piece)
        data = data[len(piece) :]
        if toxics.passed >= toxics.reset_peer:
            toxics.reset_peer = inf
            raise _Reset
        if toxics.passed >= toxics.limit_data:
            raise _Cut
        if toxics.slicer_delay or toxics.bandwidth < inf:
            await trio.sleep(toxics.slicer_delay + len(piece) / toxics.bandwidth)


def _reset(stream: trio.SocketStream) -> None:
    with suppress(OSError):
        stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    stream.socket.close()


@asynccontextmanager
async def open_proxy(port: int, host: str = "127.0.0.1") -> AsyncIterator[FaultProxy]:
    """Carry connections to this port for as long as the block lasts."""
    proxy = FaultProxy()

    async def carry(client: trio.SocketStream) -> None:
        await proxy.carry(client, host, port)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        proxy.port = listener.socket.getsockname()[1]
        nursery.start_soon(trio.serve_listeners, carry, [listener])
        yield proxy
        nursery.cancel_scope.cancel()
