"""Clients that do their worst: each harms itself at most, and whoever talks beside it never notices."""

import json
import socket
import ssl
import struct
import threading
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
import trio
from structlog.testing import capture_logs

from realtime_engine.wire import Wire
from tests.certs import make_certificate
from tests.rude import BINARY, CLOSE, EVENTS, PING, PONG, TEXT, Fuzz, Rude, frame, handshake, open_rude
from tests.script import Script, created, done, speech
from tests.servers import PATIENCE, Client, Scripted, Served, eventually, model, open_client, open_server
from transports.ws import WsOptions
from transports.ws.site import Site

SHORT: Final = WsOptions(write_timeout=0.5)
HASTY: Final = replace(SHORT, handshake_timeout=2.0)
PINGING: Final = WsOptions(ping_every=0.3, ping_timeout=PATIENCE)
PATHS: Final = ("/ws", "/v1/realtime")
SOON: Final = 5.0
"""Seconds in which a bystander's question is answered, whatever others do on a busy computer."""


def flood() -> Script:
    """Far more than sockets hold, at once."""
    return Script().at(0, created(), *[speech(1.0)] * 150)


def answers() -> Script:
    return Script().on("response.create", created(), done())


@asynccontextmanager
async def beside(options: WsOptions = SHORT, **more: Any) -> AsyncIterator[tuple[Served, Client]]:
    """A server, and a bystander who talks to it; at the end he is answered as soon as ever, and nothing has failed."""
    served = open_server(options, upstream=Scripted(answers, flood=flood), **more)
    with capture_logs() as logs:
        async with served as server, open_client(f"{server.ws_url}/v1/realtime") as bystander:
            await ask(bystander)
            yield server, bystander
            await ask(bystander)
    assert [line for line in logs if line["log_level"] == "error"] == []


async def ask(client: Client) -> None:
    began = trio.current_time()
    await client.say({"type": "response.create"})
    await client.hear("response.done")
    assert trio.current_time() - began < SOON


def waiting(server: Served) -> int:
    """How many hold no conversation."""
    assert server.ws._server is not None
    return len(server.ws._server._room._waiting)


def ended(server: Served) -> dict[str, int]:
    return server.service.metrics.totals().ended


# --- those who do not listen ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [f"{path}?model=flood" for path in PATHS])
async def test_a_browser_that_stops_reading_is_ended_as_too_slow(path: str) -> None:
    upstream = Scripted(flood)
    async with open_server(SHORT, upstream=upstream) as server, open_rude(server, path, room=4096):
        await eventually(lambda: ended(server) == {"1013": 1})

    async with beside() as (server, bystander), open_rude(server, "/v1/realtime?model=flood", room=4096):
        await eventually(lambda: ended(server) == {"1013": 1})
        await ask(bystander)


async def test_a_browser_that_reads_two_kilobytes_a_second_holds_up_nobody() -> None:
    async with beside() as (server, bystander), open_rude(server, room=4096) as slow:
        await slow.send(handshake("/v1/realtime?model=flood"))
        heard = b""
        while ended(server) != {"1013": 1}:
            with trio.move_on_after(0.1):
                heard += await slow.stream.receive_some(200)
            await trio.sleep(0.1)
            await ask(bystander)

    assert b'"type": "response.created"'.replace(b" ", b"") in heard


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_that_vanishes_without_a_word_is_noticed_by_its_silence(path: str) -> None:
    async with beside(replace(PINGING, ping_timeout=SOON)) as (server, _), open_rude(server, path) as vanished:
        asked = await vanished.read()
        while asked is not None and asked.opcode != PING:
            asked = await vanished.read()
        await eventually(lambda: ended(server) == {"1000": 1})  # it never answers

    assert asked is not None


async def test_a_browser_that_answers_pings_may_be_silent_for_long() -> None:
    async with beside(PINGING) as (server, _), open_rude(server, "/v1/realtime") as patient:
        for _ in range(2):
            asked = await patient.read()
            assert asked is not None
            assert asked.opcode == PING
            await patient.send(frame(PONG, asked.payload))
        assert ended(server) == {}


@pytest.mark.parametrize("path", PATHS)
async def test_a_browser_whose_connection_is_reset_gives_its_place_back(path: str) -> None:
    async with beside() as (server, _), open_rude(server, path) as reset:
        reset.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        reset.stream.socket.close()
        await eventually(lambda: ended(server) == {"1000": 1})


async def test_a_browser_that_asks_for_much_and_reads_nothing_is_ended() -> None:
    asking = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
    async with beside() as (server, bystander), open_rude(server, room=4096) as greedy:
        with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
            while True:
                await greedy.send(asking)
        await ask(bystander)


async def test_a_fault_in_the_answer_to_one_ends_that_connection_and_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError("secret words")

    served = open_server(upstream=Scripted(answers))
    async with served as server, open_client(f"{server.ws_url}/v1/realtime") as bystander, open_rude(server) as unlucky:
        with capture_logs() as logs, monkeypatch.context() as broken:
            broken.setattr(Site, "ask", fail)
            await unlucky.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert await unlucky.read() is None
        await ask(bystander)

    assert [(line["event"], line["error"]) for line in logs] == [("connection failed", "ZeroDivisionError")]
    assert "secret words" not in str(logs)


# --- those who never begin --------------------------------------------------------------------------------------


async def test_half_a_handshake_costs_nobody_anything_whether_its_client_stays_or_goes() -> None:
    half = handshake("/v1/realtime")[:60]
    async with beside(HASTY) as (server, bystander):
        async with open_rude(server) as gone:
            await gone.send(half)
        async with open_rude(server) as stays:
            await stays.send(half)
            await ask(bystander)
            answer = b""
            with trio.fail_after(PATIENCE):
                while data := await stays.stream.receive_some():
                    answer += data

    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_three_hundred_slow_handshakes_hold_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transports.ws.server.LINGER", PATIENCE)  # until the slow have read, on a busy computer too
    answers: list[bytes] = []

    async def be_slow(server: Served, opened: trio.Event) -> None:
        async with open_rude(server) as slow:
            opened.set()
            for byte in handshake("/v1/realtime"):
                with trio.move_on_after(0.1) as waiting:
                    answers.append(await slow.stream.receive_some())
                if not waiting.cancelled_caught:
                    return
                await slow.send(bytes([byte]))

    async with beside(HASTY) as (server, bystander), trio.open_nursery() as nursery:
        for _ in range(300):
            opened = trio.Event()
            nursery.start_soon(be_slow, server, opened)
            await opened.wait()
        await ask(bystander)
        async with open_client(f"{server.ws_url}/v1/realtime") as newcomer:
            await ask(newcomer)

    assert len(answers) == 300
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)


async def test_of_very_many_that_never_begin_the_longest_waiting_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transports.ws.server.MOST_WAITING", 10)
    patient = WsOptions(handshake_timeout=2 * PATIENCE)
    async with beside(patient) as (server, _), open_rude(server) as first, trio.open_nursery() as nursery:

        async def wait() -> None:
            async with open_rude(server):
                await trio.sleep_forever()

        await eventually(lambda: waiting(server) == 1)
        for _ in range(10):
            nursery.start_soon(wait)
        with trio.fail_after(PATIENCE):
            assert await first.stream.receive_some() == b""
        async with open_client(f"{server.ws_url}/v1/realtime") as newcomer:
            await ask(newcomer)
        nursery.cancel_scope.cancel()


async def is_answered(stream: trio.abc.Stream, rest: bytes) -> bool:
    """Whether the server still listens, and answers a request that ends like this."""
    with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
        await stream.send_all(rest)
        return (await stream.receive_some()).startswith(b"HTTP/1.1 200 ")
    return False


@pytest.mark.parametrize("tls", [False, True])
async def test_whoever_comes_where_all_places_are_taken_costs_one_of_them_only(
    tls: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("transports.ws.server.MOST_WAITING", 5)
    made = make_certificate(tmp_path)
    trusting = ssl.create_default_context(cafile=str(made.chain))
    patient = WsOptions(handshake_timeout=2 * PATIENCE, keep_alive=2 * PATIENCE)
    options = replace(patient, tls_cert=made.chain, tls_key=made.key) if tls else patient
    asking = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    begun, rest = (b"", asking) if tls else (asking[:30], asking[30:])

    def whole(client: Rude) -> trio.abc.Stream:
        return trio.SSLStream(client.stream, trusting, server_hostname="localhost") if tls else client.stream

    served = open_server(options, upstream=Scripted())
    with capture_logs() as logs:
        async with served as server, AsyncExitStack() as stack:
            waiting = []
            for _ in range(5):
                waiting.append(await stack.enter_async_context(open_rude(server)))
                await waiting[-1].send(begun)
            await eventually(lambda: server.ws._server is not None and server.ws._server._room.full)
            for _ in range(3):
                newcomer = await stack.enter_async_context(open_rude(server))
                assert await is_answered(whole(newcomer), asking)
            heard = [await is_answered(whole(each), rest) for each in waiting]

    assert heard.count(True) == 2
    assert server.service.metrics.totals().refused == ({} if tls else {"handshake": 3})
    assert {line["why"] for line in logs} == (set() if tls else {"no_room"})


async def test_whoever_does_not_read_the_answer_to_his_handshake_gets_no_place_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Full:
        """A socket in which there is no room for the answer: nothing of what was sent before has been read."""

        def __init__(self, sock: socket.socket) -> None:
            self._sock = sock

        def send(self, data: bytes | memoryview) -> int:
            if bytes(data).startswith(b"HTTP/1.1 101 "):
                raise BlockingIOError
            return self._sock.send(data)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._sock, name)

    def wire(sock: socket.socket, *args: Any, **options: Any) -> Wire:
        made = Wire(sock, *args, **options)
        made.stream = Full(sock)  # type: ignore[assignment]  # it stands in for one
        return made

    options = WsOptions(max_sessions=1, write_timeout=0.3)
    async with open_server(options, upstream=Scripted(answers)) as server, open_rude(server) as deaf:
        with monkeypatch.context() as blocked:
            blocked.setattr("transports.ws.server.Wire", wire)
            await deaf.send(handshake("/v1/realtime"))
            assert await deaf.read() is None
        async with open_client(f"{server.ws_url}/v1/realtime") as next_one:
            await ask(next_one)


async def test_of_those_who_do_not_read_their_answers_the_longest_waiting_go_first_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("transports.ws.server.MOST_WAITING", 3)
    asking = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
    async with beside(WsOptions()) as (server, bystander), trio.open_nursery() as nursery:

        async def be_greedy() -> None:
            async with open_rude(server, room=4096) as greedy:
                with suppress(trio.BrokenResourceError):
                    while True:
                        await greedy.send(asking)

        for _ in range(6):
            nursery.start_soon(be_greedy)
        await eventually(lambda: len(nursery.child_tasks) <= 3)
        await ask(bystander)
        nursery.cancel_scope.cancel()


async def test_requests_that_never_stop_coming_leave_others_their_turn() -> None:
    asking = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
    enough = threading.Event()

    def keep_asking(busy: socket.socket) -> None:
        with suppress(OSError):
            while not enough.is_set():
                busy.sendall(asking)

    def keep_reading(busy: socket.socket) -> None:
        with suppress(OSError):
            while not enough.is_set():
                busy.recv(1 << 16)

    async with beside() as (server, bystander), trio.open_nursery() as nursery:
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as busy:
            timer = threading.Timer(2 * SOON, enough.set)  # or it would go on for as long as nobody has his turn
            timer.start()
            nursery.start_soon(trio.to_thread.run_sync, keep_asking, busy)
            nursery.start_soon(trio.to_thread.run_sync, keep_reading, busy)
            for _ in range(5):
                await ask(bystander)
            timer.cancel()
            enough.set()
            busy.shutdown(socket.SHUT_RDWR)


# --- those who break the protocol -------------------------------------------------------------------------------


def event(kind: str, **fields: Any) -> bytes:
    return json.dumps({"type": kind} | fields, separators=(",", ":")).encode()


BROKEN: Final = {
    "text that is no UTF-8": (frame(TEXT, b'{"type":"\xff"}'), 1007),
    "text that is UTF-8 of half a pair": (frame(TEXT, b'{"type":"\xed\xa0\x80"}'), 1007),
    "a close whose reason is no UTF-8": (frame(CLOSE, b"\x03\xe8\xff"), 1007),
    "a frame without a mask": (b"\x81\x02{}", 1002),
    "a reserved bit": (b"\xc1\x82\x00\x00\x00\x00{}", 1002),
    "an opcode nobody knows": (frame(5, b"{}"), 1002),
    "a control frame in pieces": (frame(PING, b"a", last=False), 1002),
    "a large control frame": (frame(PING, b"a" * 126), 1002),
    "a continuation of nothing": (frame(0, b"a"), 1002),
    "a message within a message": (frame(TEXT, b"{", last=False) + frame(TEXT, b"}"), 1002),
    "a frame larger than all memory": (b"\x82\xff" + b"\x7f" + b"\xff" * 7 + bytes(4), 1009),
    "a message larger than it may be": (frame(TEXT, b" " * ((1 << 20) + 1)), 1009),
    "a message larger than it may be, in pieces": (
        frame(TEXT, b" " * (1 << 19), last=False) + frame(0, b" " * (1 << 19), last=False) + frame(0, b" "),
        1009,
    ),
}


@pytest.mark.parametrize("what", BROKEN)
@pytest.mark.parametrize("path", PATHS)
async def test_whoever_breaks_the_protocol_is_told_how_and_ended(what: str, path: str) -> None:
    said, code = BROKEN[what]
    async with beside() as (server, bystander), open_rude(server, path) as broken:
        await broken.send(said)
        end = await broken.end()
        await ask(bystander)

    assert end is not None
    assert (end[0], bool(end[1])) == (code, True)


@pytest.mark.parametrize("piece", [b"", b"a"])
async def test_fragments_that_never_end_are_ended(piece: bytes) -> None:
    async with beside() as (server, bystander), open_rude(server, "/v1/realtime") as endless:
        await endless.send(frame(TEXT, piece, last=False))

        async def go_on() -> None:
            try:
                while True:
                    await endless.send(frame(0, piece, last=False) * 100)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                pass

        async with trio.open_nursery() as nursery:
            nursery.start_soon(go_on)
            end = await endless.end()
            await ask(bystander)
            nursery.cancel_scope.cancel()

    assert end is not None
    assert end[0] in {1002, 1008, 1009}


async def test_a_flood_of_pings_holds_up_nobody() -> None:
    async with beside(WsOptions()) as (server, bystander), open_rude(server, "/v1/realtime") as pinging:
        pongs = 0

        async def flood() -> None:
            for _ in range(500):
                await pinging.send(frame(PING, b"x" * 125) * 100)
            await pinging.send(frame(TEXT, event("response.create")))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood)
            await ask(bystander)
            while (got := await pinging.read()) is not None and got.opcode == PONG:
                pongs += 1
            await ask(bystander)

    assert got is not None
    assert b"response.created" in got.payload
    assert pongs > 0


async def test_a_flood_of_pings_whose_answers_are_not_read_is_ended_as_too_slow() -> None:
    async with beside() as (server, bystander), open_rude(server, "/v1/realtime", room=4096) as pinging:
        with trio.fail_after(PATIENCE), suppress(trio.BrokenResourceError):
            while True:
                await pinging.send(frame(PING, b"x" * 125) * 100)
        await ask(bystander)
        await eventually(lambda: ended(server) == {"1013": 1})


# --- those whose events are none --------------------------------------------------------------------------------

NEST: Final = 100_000
REFUSED: Final = {
    "a deep nest": b'{"type":"input_audio_buffer.clear","x":' + b"[" * 100 + b"]" * 100 + b"}",
    "a very deep nest": b'{"type":"session.update","session":' + b'{"a":' * NEST + b"1" + b"}" * NEST + b"}",
    "a nest that never closes": b"[" * 500_000,
    "a huge number": b'{"type":"response.create","n":' + b"9" * 900_000 + b"}",
    "a huge key": b'{"' + b"k" * 900_000 + b'":1}',
    "very many keys": b'{"type":"response.create",' + b",".join(b'"k%d":0' % n for n in range(70_000)) + b',"k0":1}',
    "no JSON": b"hello",
    "nothing": b"",
    "two types": b'{"type":"input_audio_buffer.append","audio":"AAAA","type":"session.update","session":{}}',
    "a type that is not for clients": event("session.created"),
    "MCP": event("session.update", session={"tools": [{"type": "mcp", "server_url": "https://evil.example"}]}),
    "a foreign address": event(
        "conversation.item.create",
        item={"type": "message", "content": [{"type": "input_image", "image_url": "https://evil.example"}]},
    ),
}


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("path", PATHS)
async def test_an_event_that_is_not_allowed_gets_an_error_and_goes_nowhere(what: str, path: str) -> None:
    upstream = Scripted(answers)
    async with open_server(upstream=upstream) as server, open_client(server.ws_url + path) as client:
        await client.say(REFUSED[what].decode())
        error = (await client.hear("error"))["error"]
        await ask(client)

    assert error["code"] in {"invalid_json", "invalid_value", "not_allowed"}
    assert len(error["message"]) < 2000
    assert upstream.scripts[0].types() == ["response.create"]


@pytest.mark.parametrize("path", [*PATHS, *(f"{path}?dialect=beta" for path in PATHS)])
async def test_fuzzed_events_harm_nobody(path: str) -> None:
    fuzz, left = Fuzz(seed=4), EVENTS
    served = open_server(upstream=model(reply_speed=1000.0))
    with capture_logs() as logs:
        async with served as server, open_client(f"{server.ws_url}/v1/realtime") as bystander:
            while left > 0:
                async with open_rude(server, path) as fuzzing:
                    left -= await send_fuzz(fuzzing, fuzz, left)
                assert (await bystander.ask())["response"]["status"] == "completed"

    assert [line for line in logs if line["log_level"] == "error"] == []


async def send_fuzz(fuzzing: Rude, fuzz: Fuzz, most: int) -> int:
    """Send so many events that nobody means; how many it were when the server ended the connection.

    It may do so where the limit of what may wait is reached, and says it.
    """
    sent = 0

    async def send() -> None:
        nonlocal sent
        with suppress(trio.BrokenResourceError):
            while sent < most:
                sent += 1
                await fuzzing.send(frame(TEXT, fuzz.event()) if sent % 10 else frame(BINARY, bytes(sent % 100)))
            await fuzzing.send(frame(TEXT, event("session.unheard_of", event_id="event_last")))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        while (got := await fuzzing.read()) is not None and b"event_last" not in got.payload:
            if got.opcode == CLOSE:
                assert got.payload[:2] == struct.pack("!H", 1013)
                assert b"wait" in got.payload
                break
            json.loads(got.payload or b"null")
        assert got is not None
        nursery.cancel_scope.cancel()
    return sent
