"""A connection before anybody speaks WebSocket on it."""

import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
import trio.testing

from realtime_engine.network import open_network
from realtime_engine.readiness import Readiness
from realtime_engine.wire import Wire
from tests.certs import make_contexts
from tests.wires import tcp_pair


@pytest.fixture(params=["epoll", "tasks"])
async def readiness(request: pytest.FixtureRequest) -> AsyncIterator[Readiness]:
    async with open_network(epoll=request.param == "epoll") as network:
        yield network.readiness


def wires(readiness: Readiness) -> tuple[Wire, Wire]:
    """Two ends."""
    near, far = tcp_pair()
    return Wire(near, readiness), Wire(far, readiness)


async def test_bytes_go_there_and_back_and_the_end_is_seen(readiness: Readiness) -> None:
    near, far = wires(readiness)
    data = bytes(range(256)) * 40_000
    got = b""

    async with trio.open_nursery() as nursery:
        nursery.start_soon(near.send_all, data)
        while len(got) < len(data):
            got += await far.receive()
    await near.handshake()  # nothing to do
    near.close()

    assert got == data
    assert await far.receive() == b""
    far.close()


@pytest.mark.parametrize("size", [10, 10_000_000])
async def test_who_asks_is_answered_when_all_has_been_sent(readiness: Readiness, size: int) -> None:
    near, far = wires(readiness)

    async def answer() -> None:
        come = 0
        while come < size:
            come += len(await far.receive())
        await far.send_all(b"yes")
        far.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer)
        assert await near.ask(bytes(size)) == b"yes"

    assert await near.ask(b"?") == b""
    near.close()


async def test_what_a_server_has_said_with_the_last_of_its_handshake_is_not_waited_for(
    readiness: Readiness, tmp_path: Path
) -> None:
    contexts = make_contexts(tmp_path)
    contexts.server.maximum_version = ssl.TLSVersion.TLSv1_2  # where the server has the last word
    sock, other = tcp_pair()
    near = Wire(sock, readiness, tls=contexts.client, server_hostname="127.0.0.1")

    async def serve(stream: trio.SocketStream) -> None:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        far = contexts.server.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                far.do_handshake()
                break
            except ssl.SSLWantReadError:
                await stream.send_all(outgoing.read())
                incoming.write(await stream.receive_some())
        far.write(b"busy")
        await stream.send_all(outgoing.read())

    async with trio.SocketStream(trio.socket.from_stdlib_socket(other)) as stream, trio.open_nursery() as nursery:
        nursery.start_soon(serve, stream)
        with trio.fail_after(10):
            await near.handshake()
            assert await near.ask(b"?") == b"busy"
    near.close()


async def test_what_there_is_no_room_for_is_left_and_not_waited_for(readiness: Readiness) -> None:
    near, far = wires(readiness)
    sent, data = 0, bytes(1 << 20)
    while len(rest := near.send_now(data)) < len(data):
        sent += len(data) - len(rest)

    assert rest == data
    assert sent > 0
    near.close()
    got = 0
    while come := await far.receive():
        got += len(come)
    assert got == sent
    far.close()


async def test_receiving_can_be_cancelled_also_when_there_is_something(readiness: Readiness) -> None:
    near, far = wires(readiness)
    await far.send_all(b"x")

    with trio.CancelScope() as scope:
        scope.cancel()
        await near.receive()

    assert await near.receive() == b"x"
    near.close()
    far.close()


class Blocked:
    """A socket of TLS whose handshake waits for the one, then for the other."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._wants = [ssl.SSLWantReadError(), ssl.SSLWantWriteError()]

    def recv(self, size: int) -> bytes:
        if self._wants:
            raise self._wants.pop()
        return self._sock.recv(size)


async def test_what_tls_waits_for_is_waited_for(readiness: Readiness) -> None:
    near, far = wires(readiness)
    near.stream = Blocked(near.sock)  # type: ignore[assignment]  # it stands in for one
    await far.send_all(b"x")

    assert await near.receive() == b"x"
    near.close()
    far.close()
