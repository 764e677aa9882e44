"""Two ends of a real connection, and a server of ours, for the tests of the wire."""

import random
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import h11
import trio

from realtime_engine.errors import RemoteProtocolError
from realtime_engine.inputs import Side
from realtime_engine.network import WIRE_LIMITS, Network
from realtime_engine.websocket import WebSocket, WireLimits, accept_value
from realtime_engine.wire import Wire

Serve = Callable[[WebSocket], Awaitable[None]]


def tcp_pair() -> tuple[socket.socket, socket.socket]:
    """Two sockets that are connected over loopback."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
    return near, far


async def accept(wire: Wire) -> bytes:
    """The server's part of a handshake; what has come behind it."""
    connection = h11.Connection(h11.SERVER)
    while (event := connection.next_event()) is h11.NEED_DATA:
        connection.receive_data(await wire.receive())
    assert isinstance(event, h11.Request)
    fields = {name.decode(): value.decode() for name, value in event.headers}
    answer = [("Upgrade", "websocket"), ("Connection", "Upgrade")]
    answer.append(("Sec-WebSocket-Accept", accept_value(fields["sec-websocket-key"])))
    await wire.send_all(connection.send(h11.InformationalResponse(status_code=101, headers=answer)) or b"")
    return connection.trailing_data[0]


@asynccontextmanager
async def serving(
    network: Network, serve: Serve, *, limits: WireLimits = WIRE_LIMITS, tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """A server on loopback that does this with each client; the block gets its URL."""

    async def handle(stream: trio.SocketStream) -> None:
        wire = Wire(socket.socket(fileno=stream.socket.detach()), network.readiness, tls=tls)
        try:
            await wire.handshake()
            received = await accept(wire)
            await serve(network.websocket(wire, Side.FRONT, client=False, limits=limits, received=received))
        finally:
            wire.close()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, handle, 0)
        port = listeners[0].socket.getsockname()[1]
        yield f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}/"
        nursery.cancel_scope.cancel()


async def echo(websocket: WebSocket) -> None:
    """Say back what is said, until the peer closes, or breaks the protocol."""
    with suppress(RemoteProtocolError):
        while batch := await websocket.read():
            for message in batch:
                websocket.write(message.raw, message.kind)
            websocket.flush()
            await websocket.drain()
    await websocket.close(1000, "")


def free_port() -> int:
    """A port of loopback that nobody listens at now, and that the system gives to nobody who takes any that is free."""
    given, *_ = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text("ascii").split())
    for port in random.sample(range(given // 2, given), 100):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError("all ports are taken")
