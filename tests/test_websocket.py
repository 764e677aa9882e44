"""A WebSocket on a real connection, whatever its peer does. All of it with epoll, and with what there is without."""

import socket
import ssl
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from contextvars import ContextVar
from functools import partial
from typing import Final, NamedTuple

import pytest
import trio
import trio.testing
import trio_websocket
from websockets.sync.client import connect
from websockets.sync.server import ServerConnection, serve

from realtime_engine.errors import RemoteProtocolError
from realtime_engine.frames import BINARY, CLOSE, FIN, MOST_FRAMES, PING, PONG, TEXT, FrameReader, close_payload
from realtime_engine.inputs import Batch, Kind, Message, Side
from realtime_engine.network import WIRE_LIMITS, Network, open_network
from realtime_engine.websocket import LOW_WATER, WebSocket, WireLimits
from realtime_engine.wire import Wire
from tests.certs import Contexts, make_contexts
from tests.framing import frame
from tests.servers import eventually
from tests.wires import echo, serving, tcp_pair

KEY: Final = b"\x11\x22\x33\x44"
ROOM: Final = 64 * 1024  # bytes of a small buffer; much smaller ones make TCP itself slow
PATIENCE: Final = 60.0  # seconds for what takes milliseconds


@pytest.fixture(params=["epoll", "tasks"])
async def network(request: pytest.FixtureRequest) -> AsyncIterator[Network]:
    async with open_network(epoll=request.param == "epoll") as network:
        with trio.fail_after(PATIENCE):
            yield network


class Far:
    """The far end, which says what it likes and hears frames."""

    def __init__(self, sock: socket.socket, *, client: bool) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.key = KEY if client else None
        self._come = b""

    async def send(self, data: bytes) -> None:
        while data:
            try:
                data = data[self.sock.send(data) :]
            except BlockingIOError:
                await trio.lowlevel.wait_writable(self.sock)

    async def say(self, *texts: bytes, opcode: int = TEXT) -> None:
        await self.send(b"".join(frame(opcode, text, self.key) for text in texts))

    async def hear(self) -> tuple[int, bytes]:
        """The next frame: its opcode, and what it holds."""
        while (found := self._take()) is None:
            await trio.lowlevel.wait_readable(self.sock)
            data = self.sock.recv(1 << 20)
            assert data, "the connection has ended"
            self._come += data
        return found

    async def hears_the_end(self) -> bool:
        await trio.lowlevel.wait_readable(self.sock)
        return not self.sock.recv(1 << 20)

    def reset(self) -> None:
        """End the connection without a word."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def _take(self) -> tuple[int, bytes] | None:
        come = self._come
        if len(come) < 2:
            return None
        size, start = come[1] & 127, 2
        if size > 125:
            wide = 2 if size == 126 else 8
            size, start = int.from_bytes(come[2 : 2 + wide], "big"), 2 + wide
        key = b""
        if come[1] & 128:
            key, start = come[start : start + 4], start + 4
        if len(come) < start + size:
            return None
        payload, self._come = come[start : start + size], come[start + size :]
        return come[0] & 15, bytes(byte ^ key[n % 4] for n, byte in enumerate(payload)) if key else payload


class Pair(NamedTuple):
    near: WebSocket
    far: Far


@asynccontextmanager
async def connected(
    network: Network, *, client: bool = False, limits: WireLimits = WIRE_LIMITS, received: bytes = b"", room: int = 0
) -> AsyncIterator[Pair]:
    """A WebSocket of ours, and what is at its far end; ``room``: bytes of the socket's buffers, or the system's own."""
    near, far = tcp_pair()
    if room:
        for sock in (near, far):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, room)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    wire = Wire(near, network.readiness)
    side = Side.UPSTREAM if client else Side.FRONT
    try:
        yield Pair(
            network.websocket(wire, side, client=client, limits=limits, received=received), Far(far, client=not client)
        )
    finally:
        wire.close()
        far.close()


def texts(messages: Sequence[Message]) -> list[bytes]:
    return [message.raw for message in messages]


async def read_all(websocket: WebSocket, count: int) -> list[bytes]:
    """So many messages, however they come."""
    got: list[bytes] = []
    while len(got) < count:
        batch = await websocket.read()
        assert batch
        got += texts(batch)
    return got


# --- reading ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [False, True])
async def test_messages_come_as_they_were_said(network: Network, client: bool) -> None:
    async with connected(network, client=client) as (near, far):
        await far.say(b"one", "zwölf".encode())
        await far.say(b"\xff", opcode=BINARY)

        got = [*await near.read()]
        while len(got) < 3:
            got += await near.read()

    assert [(message.kind, message.raw) for message in got] == [
        (Kind.TEXT, b"one"),
        (Kind.TEXT, "zwölf".encode()),
        (Kind.BINARY, b"\xff"),
    ]
    assert got[0].side is (Side.UPSTREAM if client else Side.FRONT)
    assert near.messages_in == 3


async def test_a_listener_is_called_until_it_wants_no_more_and_goes_on_where_it_stopped(network: Network) -> None:
    got: list[bytes] = []

    def take(batch: Sequence[Message]) -> bool:
        got.extend(texts(batch))
        return len(got) < 2

    async with connected(network) as (near, far), trio.open_nursery() as nursery:

        async def talk() -> None:
            await far.say(b"one")
            await eventually(lambda: got == [b"one"])
            await far.say(b"two")
            await eventually(lambda: got == [b"one", b"two"])
            await far.say(b"three")

        nursery.start_soon(talk)
        assert await near.listen(take)
        assert texts(await near.read()) == [b"three"]
        assert got == [b"one", b"two"]


async def test_a_listener_is_called_in_its_own_context(network: Network) -> None:
    name = ContextVar("name", default="nobody")
    name.set("the listener")
    heard: list[str] = []

    def take(batch: Sequence[Message]) -> bool:
        heard.append(name.get())
        return False

    async with connected(network) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(near.listen, take)
        await trio.testing.wait_all_tasks_blocked()
        await far.say(b"x")

    assert heard == ["the listener"]


async def test_what_a_listener_raises_is_its_own_affair(network: Network) -> None:
    def fail(batch: Sequence[Message]) -> bool:
        raise RuntimeError("a bug")

    async with connected(network) as (one, far_one), connected(network) as (other, far_other):
        await far_one.say(b"x")
        with pytest.raises(RuntimeError, match="a bug"):
            await one.listen(fail)
        await far_other.say(b"y")
        assert texts(await other.read()) == [b"y"]


async def test_a_listener_that_is_cancelled_can_listen_again_and_misses_nothing(network: Network) -> None:
    async with connected(network) as (near, far):
        with trio.move_on_after(0.01):
            await near.read()
        await far.say(b"x")
        await trio.testing.wait_all_tasks_blocked(0.01)

        assert texts(await near.read()) == [b"x"]


async def test_more_frames_than_are_taken_at_once_come_in_order(network: Network) -> None:
    sent = [str(number).encode() for number in range(3 * MOST_FRAMES)]

    async with connected(network) as (near, far):
        await far.say(*sent)

        assert await read_all(near, len(sent)) == sent


@pytest.mark.parametrize("all_at_once", [False, True])
async def test_what_came_with_the_handshake_is_heard_first(network: Network, all_at_once: bool) -> None:
    sent = [str(number).encode() for number in range(2 * MOST_FRAMES + 1)]
    received = b"".join(frame(TEXT, text, KEY) for text in sent)
    got: list[bytes] = []

    def take(batch: Sequence[Message]) -> bool:
        got.extend(texts(batch))
        return all_at_once and len(got) <= len(sent)

    async with connected(network, received=received) as (near, far):
        await far.say(b"last")
        while len(got) <= len(sent):
            await near.listen(take)

        assert near.bytes_in == len(received) + len(frame(TEXT, b"last", KEY))

    assert got == [*sent, b"last"]


class Poison(trio.abc.Instrument):
    """Spoils the network's read buffer whenever a task lets others run."""

    def __init__(self, network: Network) -> None:
        self._buffer = network.buffer

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self._buffer[:] = b"\xdb" * len(self._buffer)


@pytest.mark.parametrize("end", [frame(CLOSE, b"", KEY), b"\xff\xff"])
async def test_what_goes_wrong_with_a_message_is_not_lost_when_the_end_has_come_with_it(
    network: Network, end: bytes
) -> None:
    def take(batch: Sequence[Message]) -> bool:
        raise ValueError(batch[0].raw)

    async with connected(network, received=frame(TEXT, b"x", KEY) + end) as (near, _):
        with pytest.raises(ValueError, match="x"):
            await near.listen(take)


@pytest.mark.parametrize("size", [10, 5000, 65530, 65540, 200_000, 1_000_000])
async def test_nothing_that_is_kept_is_kept_in_the_shared_buffer(network: Network, size: int) -> None:
    sent = [bytes([65 + number]) * size for number in range(3)]
    stream = b"".join(frame(TEXT, text, KEY) for text in sent)
    trio.lowlevel.add_instrument(poison := Poison(network))

    async with connected(network) as (near, far), trio.open_nursery() as nursery:

        async def trickle() -> None:
            step = max(len(stream) // 7, 3)
            for at in range(0, len(stream), step):
                await far.send(stream[at : at + step])
                await trio.testing.wait_all_tasks_blocked(0.001)

        nursery.start_soon(trickle)
        got = await read_all(near, 3)

    trio.lowlevel.remove_instrument(poison)
    assert got == sent


async def test_a_peer_that_is_not_read_is_held_up(network: Network) -> None:
    """Nothing is read while nobody wants it; so the far end's socket fills up."""
    async with connected(network, room=ROOM) as (near, far):
        await far.say(b"one")
        assert texts(await near.read()) == [b"one"]
        with trio.move_on_after(0.05) as waited:
            await far.say(bytes(8 << 20))
        assert waited.cancelled_caught
        assert near.bytes_in < 100


# --- pings ------------------------------------------------------------------------------------------------------


async def test_a_ping_is_answered_whether_or_not_anything_else_comes(network: Network) -> None:
    async with connected(network) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(near.read)
        await far.say(b"are you there?", opcode=PING)

        assert await far.hear() == (PONG, b"are you there?")
        await far.say(b"", opcode=PONG)
        await far.say(b"bye")


def has_come(websocket: WebSocket, size: int) -> bool:
    return websocket.bytes_in == size


async def test_of_a_flood_of_pings_only_the_newest_are_answered_while_there_is_no_room(network: Network) -> None:
    async with connected(network, room=ROOM) as (near, far), trio.open_nursery() as nursery:
        near.write(bytes(1 << 20), Kind.BINARY)
        near.flush()
        await trio.testing.wait_all_tasks_blocked()
        queued = near.queued
        assert queued
        nursery.start_soon(near.read)
        pings = [frame(PING, b"%d" % number, KEY) for number in range(50)]
        for number, ping in enumerate(pings, 1):
            await far.send(ping)
            await eventually(partial(has_come, near, sum(map(len, pings[:number]))))
        assert 0 < near.queued <= queued

        assert (await far.hear())[0] == BINARY
        assert await far.hear() == (PONG, b"49")
        await far.say(b"bye")


# --- writing ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [False, True])
async def test_what_is_written_is_heard_once_it_is_flushed(network: Network, client: bool) -> None:
    async with connected(network, client=client) as (near, far):
        near.write(b"one", Kind.TEXT)
        near.write(b"two", Kind.BINARY)
        assert near.queued == 2 * (5 + (4 if client else 0))
        near.flush()

        assert [await far.hear(), await far.hear()] == [(TEXT, b"one"), (BINARY, b"two")]
        assert (near.queued, near.bytes_out, near.messages_out) == (0, near.sent, 2)


async def test_a_slow_reader_gets_everything_in_order_and_a_writer_feels_it(network: Network) -> None:
    sent = [bytes([65 + number]) * 100_000 for number in range(26)]

    async with connected(network, room=ROOM) as (near, far), trio.open_nursery() as nursery:
        for text in sent:
            near.write(text, Kind.TEXT)
        near.flush()
        near.flush()  # changes nothing
        nursery.start_soon(near.drain)
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert near.queued > LOW_WATER
        assert len(nursery.child_tasks) == 1

        assert [await far.hear() for _ in sent] == [(TEXT, text) for text in sent]

    assert near.queued == 0


def framed(buffer: bytearray, *texts: bytes) -> Batch:
    """Messages as they came into a buffer that will be used again."""
    buffer[:] = b"".join(frame(TEXT, text) for text in texts)
    batch = Batch(Message(Side.UPSTREAM, Kind.TEXT, text) for text in texts)
    batch.framed = memoryview(buffer)
    return batch


@pytest.mark.parametrize("client", [False, True])
async def test_what_came_in_frames_goes_on_in_the_same_or_in_masked_ones(network: Network, client: bool) -> None:
    async with connected(network, client=client) as (near, far):
        near.write_all(framed(bytearray(), b"one", b"two"))
        near.flush()

        assert [await far.hear(), await far.hear()] == [(TEXT, b"one"), (TEXT, b"two")]
        assert (near.queued, near.bytes_out, near.messages_out) == (0, near.sent, 2)


async def test_what_cannot_go_on_at_once_is_not_spoilt_and_keeps_its_place(network: Network) -> None:
    long = b"a" * 1_000_000
    async with connected(network, room=ROOM) as (near, far):
        for n in range(3):
            buffer = bytearray()
            near.write_all(framed(buffer, b"%d" % n, long))
            buffer[:] = bytes(len(buffer))
        near.write(b"last", Kind.TEXT)
        near.flush()
        await trio.testing.wait_all_tasks_blocked()
        assert near.queued > LOW_WATER

        for n in range(3):
            assert [await far.hear(), await far.hear()] == [(TEXT, b"%d" % n), (TEXT, long)]
        assert await far.hear() == (TEXT, b"last")
        await eventually(lambda: near.queued == 0)


async def test_nothing_goes_on_to_who_is_gone_or_was_told_goodbye(network: Network) -> None:
    async with connected(network) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(near.close, 1000, "")
        await trio.testing.wait_all_tasks_blocked(0.01)
        near.write_all(framed(bytearray(), b"too late"))
        assert near.queued == 0
        await far.say(close_payload(1000, ""), opcode=CLOSE)
    async with connected(network) as (near, far):
        far.reset()
        for _ in range(2):
            near.write_all(framed(bytearray(), b"too late"))
            near.flush()
            await trio.testing.wait_all_tasks_blocked()

        assert near.queued == 0


async def test_a_writer_that_is_cancelled_tears_no_frame(network: Network) -> None:
    async with connected(network, room=ROOM) as (near, far):
        near.write(b"a" * 500_000, Kind.TEXT)
        near.flush()
        with trio.move_on_after(0.01) as cancelled:
            await near.drain()
        assert cancelled.cancelled_caught
        near.write(b"b", Kind.TEXT)
        near.flush()

        assert await far.hear() == (TEXT, b"a" * 500_000)
        assert await far.hear() == (TEXT, b"b")


async def test_a_writer_whose_peer_is_lost_does_not_wait_for_ever(network: Network) -> None:
    async with connected(network, room=ROOM) as (near, far), trio.open_nursery() as nursery:
        near.write(bytes(1 << 20), Kind.BINARY)
        near.flush()
        nursery.start_soon(near.drain)
        await trio.testing.wait_all_tasks_blocked(0.01)
        far.reset()

    assert near.queued == 0
    near.write(b"too late", Kind.TEXT)
    assert near.queued == 0


# --- the end ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client", [False, True])
async def test_the_peers_close_is_answered_with_its_code(network: Network, client: bool) -> None:
    async with connected(network, client=client) as (near, far):
        await far.say(b"last words")
        await far.say(close_payload(4001, "enough"), opcode=CLOSE)
        assert await read_all(near, 1) == [b"last words"]
        assert await near.read() == []
        assert near.closed == (4001, "enough")
        assert await far.hear() == (CLOSE, close_payload(4001, ""))
        if client:
            far.sock.shutdown(socket.SHUT_WR)

        near.write(b"nothing after a close", Kind.TEXT)
        await near.close(1000, "changes nothing")
        assert await far.hears_the_end()
        assert await near.read() == []


async def test_a_close_without_a_code_is_answered_without_one(network: Network) -> None:
    async with connected(network) as (near, far):
        await far.say(b"", opcode=CLOSE)

        assert await near.read() == []
        assert near.closed == (1005, "")
        assert await far.hear() == (CLOSE, b"")


@pytest.mark.parametrize("listening", [False, True])
async def test_closing_sends_what_is_queued_first_and_waits_for_the_answer(network: Network, listening: bool) -> None:
    got: list[bytes] = []

    def take(batch: Sequence[Message]) -> bool:
        got.extend(texts(batch))
        return True

    async with connected(network, room=ROOM) as (near, far), trio.open_nursery() as nursery:
        if listening:
            nursery.start_soon(near.listen, take)
        near.write(b"a" * 300_000, Kind.TEXT)
        nursery.start_soon(near.close, 1012, "restart")
        assert await far.hear() == (TEXT, b"a" * 300_000)
        assert await far.hear() == (CLOSE, close_payload(1012, "restart"))
        await far.say(*[b"still talking"] * (MOST_FRAMES + 1))
        await far.say(close_payload(1012, ""), opcode=CLOSE)
        await far.hears_the_end()

    assert near.closed == (1012, "")
    assert len(got) == (MOST_FRAMES + 1 if listening else 0)


@pytest.mark.parametrize("cancelled", [False, True])
async def test_closing_comes_through_also_while_somebody_waits_for_room_or_has_waited(
    network: Network, cancelled: bool
) -> None:
    async with connected(network, room=ROOM) as (near, far), trio.open_nursery() as nursery:
        near.write(b"a" * 1_000_000, Kind.TEXT)
        near.flush()
        with trio.move_on_after(0.01 if cancelled else 0):
            await near.drain()
        if not cancelled:
            nursery.start_soon(near.drain)
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(near.close, 1012, "restart")

        assert await far.hear() == (TEXT, b"a" * 1_000_000)
        assert await far.hear() == (CLOSE, close_payload(1012, "restart"))
        await far.say(b"", opcode=CLOSE)


@pytest.mark.parametrize("listening", [False, True])
async def test_what_nobody_foresaw_ends_its_own_connection_only(
    network: Network, monkeypatch: pytest.MonkeyPatch, listening: bool
) -> None:
    def fail(reader: FrameReader, data: memoryview) -> list[Message]:
        raise ValueError("a bug")

    async with connected(network) as (one, far_one), connected(network) as (other, far_other):
        async with trio.open_nursery() as nursery:
            with monkeypatch.context() as patch:
                patch.setattr(FrameReader, "read", fail)
                await far_one.say(b"x")
                if listening:
                    with pytest.raises(ValueError, match="a bug"):
                        await one.read()
                else:
                    await one.close(1000, "")
            nursery.start_soon(other.read)
            await far_other.say(b"y")
        assert await one.read() == []
        assert one.closed == (1006, "front: a bug: ValueError")


async def test_closing_throws_away_what_came_with_the_handshake(network: Network) -> None:
    async with connected(network, received=frame(TEXT, b"x", KEY) * 300) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(near.close, 1013, "full")
        assert await far.hear() == (CLOSE, close_payload(1013, "full"))
        await far.say(b"", opcode=CLOSE)

    assert near.messages_in == 300


async def test_a_peer_that_never_answers_a_close_is_waited_for_as_long_as_the_caller_likes(network: Network) -> None:
    async with connected(network) as (near, far):
        with trio.move_on_after(0.05) as waited:
            await near.close(1000, "bye")
        assert waited.cancelled_caught
        near.wire.close()

        assert await far.hear() == (CLOSE, close_payload(1000, "bye"))
        assert await far.hears_the_end()


@pytest.mark.parametrize("client", [False, True])
async def test_a_peer_that_breaks_the_protocol_is_told_so(network: Network, client: bool) -> None:
    async with connected(network, client=client) as (near, far):
        await far.say(b"fine")
        await far.send(bytes((FIN | 3, 0)) + bytes(100_000))
        assert await read_all(near, 1) == [b"fine"]
        for _ in range(2):
            with pytest.raises(RemoteProtocolError) as caught:
                await near.read()
            assert caught.value.close_code == 1002

        async with trio.open_nursery() as nursery:
            nursery.start_soon(near.close, 1000, "")
            opcode, payload = await far.hear()
            assert (opcode, payload[:2]) == (CLOSE, b"\x03\xea")
            assert await far.hears_the_end()
            far.sock.close()


async def test_a_wrong_frame_with_the_handshake_comes_after_what_was_right(network: Network) -> None:
    async with connected(network, received=frame(TEXT, b"fine", KEY) + b"\xff\xff") as (near, _):
        assert texts(await near.read()) == [b"fine"]
        with pytest.raises(RemoteProtocolError):
            await near.read()


async def test_a_wrong_frame_alone_with_the_handshake_is_found(network: Network) -> None:
    async with connected(network, received=b"\xff\xff") as (near, _):
        with pytest.raises(RemoteProtocolError):
            await near.read()


@pytest.mark.parametrize("reset", [False, True])
async def test_an_end_without_a_close_has_the_code_of_a_lost_connection(network: Network, reset: bool) -> None:
    async with connected(network) as (near, far):
        await far.send(frame(TEXT, b"half a frame", KEY)[:9])
        if reset:
            far.reset()
        else:
            far.sock.shutdown(socket.SHUT_WR)

        assert await near.read() == []
        assert near.closed == (1006, "")
        await near.close(1000, "")


async def test_a_connection_that_breaks_while_nobody_listens_keeps_nobody_busy(network: Network) -> None:
    async with connected(network) as (near, far):
        await far.say(b"one")
        assert texts(await near.read()) == [b"one"]
        far.reset()
        await trio.testing.wait_all_tasks_blocked(0.01)

        assert await near.read() == []


async def test_closing_the_wire_wakes_whoever_listens_or_waits_for_room(network: Network) -> None:
    async with connected(network, room=ROOM) as (near, _), trio.open_nursery() as nursery:
        near.write(bytes(1 << 20), Kind.BINARY)
        near.flush()
        nursery.start_soon(near.drain)
        nursery.start_soon(near.read)
        await trio.testing.wait_all_tasks_blocked(0.01)
        near.wire.close()
        near.wire.close()

    assert near.closed == (1006, "")
    await near.close(1000, "changes nothing")


# --- deadlines --------------------------------------------------------------------------------------------------


async def pass_time(clock: trio.testing.MockClock, seconds: float) -> None:
    """Let time pass as the sweep sees it, with what comes over the sockets in between."""
    for _ in range(int(seconds * 2)):
        clock.jump(0.5)
        await trio.testing.wait_all_tasks_blocked(0.001)


async def test_a_silent_peer_is_asked_whether_it_is_there_and_given_up(mock_clock: trio.testing.MockClock) -> None:
    async with open_network() as network, connected(network) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(near.read)
        await trio.testing.wait_all_tasks_blocked()
        await pass_time(mock_clock, 21)
        assert await far.hear() == (PING, b"")
        await far.say(b"", opcode=PONG)
        while not near.bytes_in:
            await trio.testing.wait_all_tasks_blocked(0.01)
        await pass_time(mock_clock, 21)
        assert await far.hear() == (PING, b"")
        await pass_time(mock_clock, 19)
        assert len(nursery.child_tasks) == 1
        await pass_time(mock_clock, 2)

    assert near.closed == (1006, "front: no answer to a ping for 20 s")


async def test_a_peer_that_reads_nothing_is_given_up_and_one_that_reads_little_is_not(
    mock_clock: trio.testing.MockClock,
) -> None:
    async with open_network() as network, connected(network, room=ROOM) as (near, far), trio.open_nursery() as nursery:
        nursery.start_soon(near.read)
        near.write(b"a" * 2_000_000, Kind.TEXT)
        near.flush()
        for _ in range(3):
            await pass_time(mock_clock, 9)
            sent = near.sent
            while near.sent == sent:
                with suppress(BlockingIOError):
                    far.sock.recv(65536)
                await trio.testing.wait_all_tasks_blocked(0.01)
        assert len(nursery.child_tasks) == 1
        sent, since = near.sent, trio.current_time()
        while nursery.child_tasks:
            await pass_time(mock_clock, 0.5)
            if near.sent != sent:  # the system has sent on what it had taken
                sent, since = near.sent, trio.current_time()
        assert 10 <= trio.current_time() - since <= 11

    assert near.closed == (1013, "front: too slow: nothing was read for 10 s")
    assert near.queued == 0


# --- independent peers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 70_000, 3_000_000])
async def test_trio_websocket_as_a_client_hears_its_echo(network: Network, size: int) -> None:
    async with serving(network, echo) as url, trio_websocket.open_websocket_url(url, max_message_size=1 << 24) as peer:
        await peer.send_message("ü" * size)
        assert await peer.get_message() == "ü" * size
        await peer.ping(b"hello")
        await peer.aclose(4000, "bye")
        assert peer.closed is not None
        assert peer.closed.code == 4000


@pytest.mark.parametrize("size", [5, 70_000, 3_000_000])
async def test_trio_websocket_as_a_server_gives_an_echo(network: Network, size: int) -> None:
    async def answer(request: trio_websocket.WebSocketRequest) -> None:
        peer = await request.accept()
        await peer.send_message(await peer.get_message())
        await peer.aclose(4000, "bye")

    async with trio.open_nursery() as nursery:
        offer = partial(trio_websocket.serve_websocket, answer, "127.0.0.1", 0, None, max_message_size=1 << 24)
        server = await nursery.start(offer)
        async with network.connect(f"ws://127.0.0.1:{server.port}/") as websocket:
            websocket.write(b"x" * size, Kind.TEXT)
            websocket.flush()
            assert await read_all(websocket, 1) == [b"x" * size]
            assert await websocket.read() == []
            assert websocket.closed == (4000, "bye")
            await websocket.close(1000, "")
        nursery.cancel_scope.cancel()


async def test_websockets_as_a_client_hears_its_echo(network: Network) -> None:
    def talk(url: str) -> list[str | bytes]:
        with connect(url, compression=None) as peer:
            peer.send("grün")
            peer.send([b"in ", b"fragments"])
            return [peer.recv(), peer.recv()]

    async with serving(network, echo) as url:
        assert await trio.to_thread.run_sync(talk, url) == ["grün", b"in fragments"]


async def test_websockets_as_a_server_gives_an_echo(network: Network) -> None:
    def answer(peer: ServerConnection) -> None:
        for message in peer:
            peer.send(message)

    with serve(answer, "127.0.0.1", 0) as server:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(trio.to_thread.run_sync, server.serve_forever)
            async with network.connect(f"ws://127.0.0.1:{server.socket.getsockname()[1]}/") as websocket:
                websocket.write("grün".encode(), Kind.TEXT)
                websocket.flush()
                assert texts(await websocket.read()) == ["grün".encode()]
                await websocket.close(1000, "")
                assert websocket.closed == (1000, "")
            server.shutdown()


# --- TLS --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    return make_contexts(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("newest", [False, True])
async def test_messages_go_there_and_back_over_tls(network: Network, secure: Contexts, newest: bool) -> None:
    secure.server.maximum_version = ssl.TLSVersion.TLSv1_3 if newest else ssl.TLSVersion.TLSv1_2
    sizes = (1, 16384, 100_000, 3_000_000)

    async with serving(network, echo, tls=secure.server) as url, network.connect(url, tls=secure.client) as websocket:
        for size in sizes:
            websocket.write(b"x" * size, Kind.TEXT)
        websocket.flush()
        assert await read_all(websocket, len(sizes)) == [b"x" * size for size in sizes]
        await websocket.close(1000, "bye")
        assert websocket.closed == (1000, "")


async def test_trio_websocket_over_tls_hears_its_echo(network: Network, secure: Contexts) -> None:
    async with (
        serving(network, echo, tls=secure.server) as url,
        trio_websocket.open_websocket_url(url, secure.client) as peer,
    ):
        await peer.send_message("x" * 100_000)
        assert await peer.get_message() == "x" * 100_000


async def test_a_peer_that_breaks_the_protocol_over_tls_is_told_so(network: Network, secure: Contexts) -> None:
    async with serving(network, echo, tls=secure.server) as url:
        port = int(url.rpartition(":")[2].strip("/"))
        stream = await trio.open_ssl_over_tcp_stream("127.0.0.1", port, ssl_context=secure.client)
        await stream.send_all(HANDSHAKE)
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        await stream.send_all(b"\xff\xff" + bytes(100_000))
        assert (await stream.receive_some())[2:4] == b"\x03\xea"
        with suppress(trio.BrokenResourceError):
            assert await stream.receive_some() == b""
        await trio.aclose_forcefully(stream)


HANDSHAKE: Final = (
    b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Reluctant:
    """A socket of TLS that cannot write before it has written, or read: as in the middle of a renegotiation."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._wants = [ssl.SSLWantReadError(), ssl.SSLWantWriteError()]
        self._half = True

    def send(self, data: bytes) -> int:
        if self._wants:
            raise self._wants.pop()
        return self._sock.send(data)

    def recv_into(self, buffer: bytearray | memoryview) -> int:
        if self._half:
            self._half = False
            raise ssl.SSLWantReadError
        return self._sock.recv_into(buffer)


async def test_half_a_record_of_tls_is_no_news(network: Network) -> None:
    async with connected(network) as (near, far):
        near.wire.stream = Reluctant(near.wire.sock)  # type: ignore[assignment]  # it stands in for one
        await far.say(b"here you are")

        assert texts(await near.read()) == [b"here you are"]


async def test_a_send_that_must_read_first_waits_for_that(network: Network) -> None:
    async with connected(network) as (near, far):
        near.wire.stream = Reluctant(near.wire.sock)  # type: ignore[assignment]  # it stands in for one
        near.write(b"one", Kind.TEXT)
        near.flush()
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert near.queued
        await far.say(b"here you are")

        assert await far.hear() == (TEXT, b"one")
        assert texts(await near.read()) == [b"here you are"]


class Noted:
    """A socket that notes when it is read and sent to."""

    def __init__(self, sock: socket.socket, order: list[str]) -> None:
        self._sock = sock
        self._order = order

    def send(self, data: bytes | memoryview) -> int:
        self._order.append("sent")
        return self._sock.send(data)

    def recv_into(self, buffer: memoryview) -> int:
        self._order.append("read")
        return self._sock.recv_into(buffer)


def pass_on(front: WebSocket, batch: Sequence[Message]) -> bool:
    """Say what has come, as it came, and more, in two pieces."""
    front.write_all(batch)
    front.flush()
    front.write(b"1", Kind.TEXT)
    front.flush()
    assert front.queued == 0, "it leaves in a moment, and slows down nobody"
    front.write(b"2", Kind.TEXT)
    front.flush()
    return True


async def test_where_many_are_ready_all_are_read_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_engine.readiness.MANY", 2)
    order: list[str] = []
    async with open_network() as network, AsyncExitStack() as stack, trio.open_nursery() as nursery:
        fars: list[tuple[Far, Far]] = []
        for _ in range(3):
            upstream, server = await stack.enter_async_context(connected(network, client=True))
            front, client = await stack.enter_async_context(connected(network))
            for near in (upstream, front):
                near.wire.stream = Noted(near.wire.sock, order)  # type: ignore[assignment]  # it stands in for one
            nursery.start_soon(upstream.listen, partial(pass_on, front))
            fars.append((server, client))
        await trio.testing.wait_all_tasks_blocked(0.01)

        for server, _ in fars:
            await server.say(b"a", b"b")
        for _, client in fars:
            assert [await client.hear() for _ in range(4)] == [(TEXT, each) for each in (b"a", b"b", b"1", b"2")]
        nursery.cancel_scope.cancel()

    assert order == ["read"] * 3 + ["sent"] * 3


async def test_where_many_tasks_have_something_to_say_all_of_them_work_before_anything_is_sent() -> None:
    order: list[str] = []

    async def work(near: WebSocket) -> None:
        order.append("worked")
        near.write(b"done", Kind.TEXT)
        near.flush()

    async with open_network(epoll=True) as network, AsyncExitStack() as stack:
        pairs = [await stack.enter_async_context(connected(network)) for _ in range(3)]
        async with trio.open_nursery() as nursery:
            for near, _ in pairs:
                near.wire.stream = Noted(near.wire.sock, order)  # type: ignore[assignment]  # it stands in for one
                nursery.start_soon(work, near)
        for _, far in pairs:
            assert await far.hear() == (TEXT, b"done")

    assert order == ["worked"] * 3 + ["sent"] * 3


async def test_who_says_much_and_goodbye_at_once_is_heard_to_the_end(network: Network) -> None:
    """Also where the other has broken the protocol, and no word of his is waited for."""
    async with connected(network, received=b"\xff\xff") as (near, far), trio.open_nursery() as nursery:
        with pytest.raises(RemoteProtocolError):
            await near.read()
        near.write(b"a", Kind.TEXT)
        near.flush()
        nursery.start_soon(near.close, 1000, "")
        assert await far.hear() == (TEXT, b"a")
        opcode, payload = await far.hear()
        assert (opcode, payload[:2]) == (CLOSE, (1002).to_bytes(2, "big"))
        assert await far.hears_the_end()
        far.sock.close()


async def test_the_answer_to_a_handshake_leaves_before_anything_else_and_counts_for_nothing(network: Network) -> None:
    near, far = tcp_pair()
    with closing(far), closing(Wire(near, network.readiness)) as wire:
        websocket = network.websocket(wire, Side.FRONT, client=False, answer=b"HTTP/1.1 101 \r\n\r\n")
        websocket.write(b"a", Kind.TEXT)
        websocket.flush()
        await trio.testing.wait_all_tasks_blocked()

        assert far.recv(100) == b"HTTP/1.1 101 \r\n\r\n" + frame(TEXT, b"a")
        assert websocket.bytes_out == 3


async def test_what_was_to_leave_in_a_moment_leaves_before_its_connection_is_closed(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with connected(network) as (near, far):
        later: list[Callable[[], None]] = []
        monkeypatch.setattr(network.readiness, "later", later.append)
        near.write(b"bye", Kind.TEXT)
        near.flush()
        near.wire.close()
        for call in later:
            call()

        assert await far.hear() == (TEXT, b"bye")
        assert await far.hears_the_end()


@pytest.mark.parametrize("_", range(20))  # which task has its turn first is left to chance
async def test_what_a_task_has_said_is_not_overtaken_by_what_comes_over_the_network(network: Network, _: int) -> None:
    greeting = frame(TEXT, b"first")
    async with connected(network) as (front, client), connected(network, client=True, received=greeting) as pair:
        upstream, server = pair

        def take(batch: Sequence[Message]) -> bool:
            front.write_all(batch)
            front.flush()
            return True

        await trio.testing.wait_all_tasks_blocked()
        server.sock.send(frame(TEXT, b"second"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(upstream.listen, take)
            assert [await client.hear(), await client.hear()] == [(TEXT, b"first"), (TEXT, b"second")]
            nursery.cancel_scope.cancel()


async def test_goodbye_is_said_also_when_the_network_has_been_told_to_end() -> None:
    near, far = tcp_pair()
    with closing(far), trio.CancelScope() as scope:
        async with open_network() as network:
            websocket = network.websocket(Wire(near, network.readiness), Side.FRONT, client=False)
            scope.cancel()
            with trio.CancelScope(shield=True):
                await trio.testing.wait_all_tasks_blocked()
                with trio.move_on_after(0.05):
                    await websocket.close(1000, "bye")
                websocket.wire.close()

                assert far.recv(100) == frame(CLOSE, close_payload(1000, "bye"))


async def test_a_fault_in_what_is_sent_later_ends_its_own_connection_only() -> None:
    class Broken:
        def send(self, data: bytes | memoryview) -> int:
            raise ValueError("a bug")

    async with (
        open_network(epoll=True) as network,
        connected(network) as (near, _),
        connected(network) as (other, far),
        trio.open_nursery() as nursery,
    ):

        async def read() -> None:
            with pytest.raises(ValueError, match="a bug"):
                await near.read()

        nursery.start_soon(read)
        await trio.testing.wait_all_tasks_blocked()
        near.wire.stream = Broken()  # type: ignore[assignment]  # it stands in for one
        for each in (near, other):
            each.write(b"a", Kind.TEXT)
            each.flush()

        assert await far.hear() == (TEXT, b"a")
        assert near.closed == (1006, "front: a bug: ValueError")


async def test_an_answer_that_could_not_be_sent_counts_for_nothing_either(network: Network) -> None:
    near, far = tcp_pair()
    with closing(Wire(near, network.readiness)) as wire:
        websocket = network.websocket(wire, Side.FRONT, client=False, answer=b"HTTP/1.1 101 \r\n\r\n")
        far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        far.close()
        await trio.testing.wait_all_tasks_blocked()

        assert websocket.bytes_out == 0
