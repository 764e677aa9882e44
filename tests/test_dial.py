"""Connecting to a WebSocket server, and what is said when it cannot be done."""

import errno
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing, suppress
from functools import partial
from typing import Final

import h11
import pytest
import trio
from hypothesis import example, given
from hypothesis import strategies as st

from realtime_engine.dial import _read_agreement
from realtime_engine.errors import UpstreamError
from realtime_engine.inputs import Side
from realtime_engine.network import Network, open_network
from realtime_engine.tls import TlsStream
from realtime_engine.websocket import accept_value
from realtime_engine.wire import Wire
from tests.certs import make_certificate
from tests.wires import accept, echo, serving

KEY: Final = "sk-canary-0123456789"
Answer = Callable[[bytes], bytes]
"""What a server answers to the head of a request."""


@pytest.fixture
async def network() -> AsyncIterator[Network]:
    async with open_network() as network:
        with trio.fail_after(60):
            yield network


@asynccontextmanager
async def answering(answer: Answer, *, host: str = "127.0.0.1") -> AsyncIterator[str]:
    """A server that answers a request with these bytes, and ends the connection."""

    async def handle(stream: trio.SocketStream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        with suppress(trio.BrokenResourceError):  # whoever has understood enough is gone already
            await stream.send_all(answer(head))
            await stream.send_eof()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host=host))
        port = listeners[0].socket.getsockname()[1]
        yield f"ws://{f'[{host}]' if ':' in host else host}:{port}/v1/realtime?model=x"
        nursery.cancel_scope.cancel()


def agreed(head: bytes, *more: bytes, accept: bytes | None = None, connection: bytes = b"keep-alive, Upgrade") -> bytes:
    """The right answer, or nearly."""
    key = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key:")).split()[1]
    lines = [
        *(b"HTTP/1.1 101 Switching Protocols", b"Upgrade: WebSocket", b"Connection: " + connection),
        b"Sec-WebSocket-Accept: " + (accept_value(key.decode()).encode() if accept is None else accept),
        *(*more, b"", b""),
    ]
    return b"\r\n".join(lines)


def delays_nothing(sock: socket.socket) -> bool:
    """Whether what is sent leaves at once, however little it is."""
    return sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def refused(network: Network, url: str, **more: object) -> str:
    """What is said when it cannot be done; the key is never in it."""
    with pytest.raises(UpstreamError) as caught:
        async with network.connect(url, headers=[("Authorization", f"Bearer {KEY}"), ("X", "API")], **more):  # type: ignore[arg-type]
            pass
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def response(status: str, body: bytes, *headers: str) -> Answer:
    head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""])
    return lambda _: head.encode() + body


# --- what works -------------------------------------------------------------------------------------------------


async def test_a_connection_is_made_and_what_came_with_the_answer_is_heard(network: Network) -> None:
    heads: list[bytes] = []

    def answer(head: bytes) -> bytes:
        heads.append(head)
        return b"HTTP/1.1 103 Early Hints\r\n\r\n" + agreed(head, b"Sec-WebSocket-Protocol: realtime") + b"\x81\x02hi"

    async with (
        answering(answer) as url,
        network.connect(url, headers=[("X-Test", "1")], subprotocols=["other", "realtime"]) as websocket,
    ):
        assert [message.raw for message in await websocket.read()] == [b"hi"]

    head = heads[0].decode()
    assert head.startswith("GET /v1/realtime?model=x HTTP/1.1\r\n")
    assert f"Host: {url[5:].partition('/')[0]}\r\n" in head
    assert "X-Test: 1\r\n" in head
    assert "Sec-WebSocket-Protocol: other, realtime\r\n" in head


async def test_a_server_is_found_by_name_and_by_an_address_of_either_kind(network: Network) -> None:
    for host in ("127.0.0.1", "::1"):
        async with answering(agreed, host=host) as url, network.connect(url) as websocket:
            assert delays_nothing(websocket.wire.sock)
    async with answering(agreed) as url, network.connect(url.replace("127.0.0.1", "localhost")) as websocket:
        assert delays_nothing(websocket.wire.sock)


async def test_the_systems_authorities_are_those_of_the_environment(
    network: Network, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    server = certificate.context()
    names: list[str | None] = []
    server.sni_callback = lambda _, name, __: names.append(name)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate.chain))

    async with serving(network, echo, tls=server) as url:
        for _ in range(2):
            async with network.connect(url.replace("127.0.0.1", "localhost")) as websocket:
                assert isinstance(websocket.wire.stream, TlsStream)

    assert names == ["localhost"] * 2


# --- what does not ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tickets", [True, False])
async def test_a_server_that_has_given_out_a_ticket_is_greeted_shortly_the_next_time(
    network: Network, tmp_path_factory: pytest.TempPathFactory, tickets: bool
) -> None:
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    server = certificate.context()
    server.num_tickets = 2 if tickets else 0
    trusting, doubting = ssl.create_default_context(cafile=certificate.chain), ssl.create_default_context()
    again: list[bool | None] = []

    async with serving(network, echo, tls=server) as url:
        for _ in range(2):
            async with network.connect(url, tls=trusting) as websocket:
                assert isinstance(websocket.wire.stream, TlsStream)
                again.append(websocket.wire.stream.session_reused)
                await websocket.close(1000, "")
        assert (await refused(network, url, tls=doubting)).startswith("cannot trust")

    assert again == [False, tickets]


async def test_a_ticket_that_a_server_chokes_on_is_not_shown_again(
    network: Network, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    server = certificate.context()
    trusting = ssl.create_default_context(cafile=certificate.chain)
    known: list[int] = []

    async def handle(stream: trio.SocketStream) -> None:
        if network.tickets:
            await stream.receive_some()
            return
        with closing(Wire(socket.socket(fileno=stream.socket.detach()), network.readiness, tls=server)) as wire:
            await wire.handshake()
            await echo(network.websocket(wire, Side.FRONT, client=False, received=await accept(wire)))

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        url = f"wss://127.0.0.1:{listeners[0].socket.getsockname()[1]}/"
        async with network.connect(url, tls=trusting) as websocket:
            known.append(len(network.tickets))
            await websocket.close(1000, "")
        assert (await refused(network, url, tls=trusting)).startswith("cannot speak TLS")
        nursery.cancel_scope.cancel()

    assert known == [1]
    assert network.tickets == {}


async def test_only_so_many_servers_are_known_again(
    network: Network, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("realtime_engine.dial.MOST_TICKETS", 2)
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    server = certificate.context()
    contexts = [ssl.create_default_context(cafile=certificate.chain) for _ in range(3)]
    async with serving(network, echo, tls=server) as url:
        for context in contexts:
            async with network.connect(url, tls=context) as websocket:
                await websocket.close(1000, "")

    assert [context for context, _, _ in network.tickets] == contexts[1:]


@pytest.mark.parametrize("url", ["http://localhost/", "ws://", "ws://localhost:port/", "ws://[::1/", "localhost"])
async def test_what_is_no_address_of_a_websocket_is_said_to_be_none(network: Network, url: str) -> None:
    assert "upstream's address" in await refused(network, url)


async def test_a_host_that_nobody_knows_is_named(network: Network) -> None:
    class Nobody(trio.abc.HostnameResolver):
        async def getaddrinfo(self, *args: object, **more: object) -> list[object]:  # type: ignore[override]
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def getnameinfo(self, *args: object) -> tuple[str, str]:
            raise NotImplementedError

    trio.socket.set_custom_hostname_resolver(Nobody())

    assert await refused(network, "ws://nowhere.invalid/") == "cannot find nowhere.invalid: Name or service not known"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_server_that_is_not_there_is_named_with_the_reason(network: Network, host: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # so that nobody else listens there
        port = taken.getsockname()[1]
        said = await refused(network, f"ws://{host}:{port}/")

    assert said == f"cannot connect to {host}:{port}: Connection refused"


async def test_an_address_that_cannot_be_reached_is_named_with_the_reason(network: Network) -> None:
    said = await refused(network, "ws://255.255.255.255/")

    assert said.startswith("cannot connect to 255.255.255.255:80: ")


async def test_a_connection_that_is_under_way_is_waited_for(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, said = socket.socket.connect_ex, [errno.EALREADY, errno.EINPROGRESS]

    def slow(self: socket.socket, address: tuple[str, int]) -> int:
        if len(said) == 2:
            connect(self, address)
        return said.pop() if said else connect(self, address)

    monkeypatch.setattr(socket.socket, "connect_ex", slow)
    async with serving(network, echo) as url, network.connect(url) as websocket:
        assert said == []
        await websocket.close(1000, "")


async def test_a_name_beyond_ascii_is_looked_up_as_dns_writes_it(network: Network) -> None:
    class Names(trio.abc.HostnameResolver):
        async def getaddrinfo(self, host: object, *args: object, **more: object) -> list[object]:  # type: ignore[override]
            names.append(host)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        async def getnameinfo(self, *args: object) -> tuple[str, str]:
            raise NotImplementedError

    names: list[object] = []
    trio.socket.set_custom_hostname_resolver(Names())

    await refused(network, "ws://bücher.invalid/")

    assert names == [b"xn--bcher-kva.invalid"]


async def test_a_certificate_that_nobody_trusts_is_said_to_be_one(
    network: Network, tmp_path_factory: pytest.TempPathFactory
) -> None:
    certificate = make_certificate(tmp_path_factory.mktemp("tls"))
    server = certificate.context()

    async def handle(stream: trio.SocketStream) -> None:
        with pytest.raises(trio.BrokenResourceError):
            await trio.SSLStream(stream, server, server_side=True).do_handshake()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        said = await refused(network, f"wss://127.0.0.1:{port}/", tls=ssl.create_default_context())
        nursery.cancel_scope.cancel()

    assert said == "cannot trust 127.0.0.1: self-signed certificate"


async def test_a_server_that_speaks_no_tls_is_said_not_to(network: Network) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        said = await refused(network, f"wss://127.0.0.1:{port}/")
        nursery.cancel_scope.cancel()

    assert said.startswith("cannot speak TLS with 127.0.0.1: ")
    assert said.endswith(" (without TLS its address would begin with ws://)")


async def test_a_server_that_speaks_tls_is_not_asked_without(network: Network) -> None:
    """It answers with an alert, or not at all."""
    answers: list[Answer] = [lambda _: b"", lambda _: b"\x15\x03\x01\x00\x02\x02\x46"]
    for answer in answers:
        async with answering(answer) as url:
            assert (await refused(network, url)).endswith(" (with TLS its address would begin with wss://)")


async def test_a_server_that_has_moved_says_where_it_is(network: Network) -> None:
    moved = b"HTTP/1.1 301 Moved\r\nLocation: https://there.example/v1?key=secret\r\nContent-Length: 0\r\n\r\n"
    async with answering(lambda _: moved) as url:
        said = await refused(network, url)

    assert said == "the upstream refused the connection: 301 Moved: it is at https://there.example/v1 now"


async def test_what_a_server_says_of_a_move_to_nowhere_is_told(network: Network) -> None:
    async with answering(response("302 Found", b"look around")) as url:
        assert await refused(network, url) == "the upstream refused the connection: 302 Found: look around"


async def test_a_name_that_cannot_be_one_is_not_looked_up(network: Network) -> None:
    assert await refused(network, "ws://.invalid/") == "cannot find .invalid: that is no name of a host"


async def test_a_connection_that_is_lost_before_tls_is_said_to_be(network: Network) -> None:
    class Lost(ssl.SSLContext):
        def wrap_bio(self, *args: object, **more: object) -> ssl.SSLObject:
            raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    async with answering(agreed) as url:
        said = await refused(network, url.replace("ws:", "wss:"), tls=Lost(ssl.PROTOCOL_TLS_CLIENT))

    assert said == "cannot speak TLS with 127.0.0.1: Transport endpoint is not connected"


async def test_a_header_that_http_cannot_carry_is_not_sent_and_not_shown(network: Network) -> None:
    async with answering(agreed) as url:
        for value in (f"{KEY}\r\nX: 1", f"{KEY} ключ"):
            with pytest.raises(UpstreamError) as caught:
                async with network.connect(url, headers=[("Authorization", value)]):
                    pass
            assert KEY not in str(caught.value)
            assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            b'{"error":{"message":"Incorrect API key provided: sk-canary-0123456789."}}',
            "Incorrect API key provided: ….",
        ),
        (b'{"error":"no such model"}', "no such model"),
        (b'{"message":"try\\n later"}', "try later"),
        (b'{"detail":"not here"}', "not here"),
        (b"go away", "go away"),
        (b"<html>go away</html>", ""),
        (b'{"error":{"message":5}}', '{"error":{"message":5}}'),
        (b"\xff", "\ufffd"),
        (b"", ""),
    ],
)
async def test_a_refusal_is_told_in_the_servers_own_words(network: Network, body: bytes, said: str) -> None:
    async with answering(response("401 Unauthorized", body)) as url:
        told = await refused(network, url)

    assert told == "the upstream refused the connection: 401 Unauthorized" + (f": {said}" if said else "")


async def test_a_refusal_that_never_ends_is_read_only_so_far(network: Network) -> None:
    async with answering(response("500 No", b"x" * 500_000)) as url:
        assert len(await refused(network, url)) < 1000


@pytest.mark.parametrize(
    "rest", [b"", b"Content-Length: 100\r\n\r\nbroken off", b"Transfer-Encoding: chunked\r\n\r\nbroken"]
)
async def test_a_refusal_that_breaks_off_is_told_as_far_as_it_came(network: Network, rest: bytes) -> None:
    async with answering(lambda _: b"HTTP/1.1 503 Later\r\n" + (rest or b"\r\n")) as url:
        assert (await refused(network, url)).startswith("the upstream refused the connection: 503 Later")


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: b"", "127.0.0.1 ended the connection in the handshake"),
        (lambda _: b"HTTP/1.1 101", "127.0.0.1 does not speak HTTP"),
        (lambda _: b"SSH-2.0-x\r\n\r\n", "127.0.0.1 does not speak HTTP"),
        (lambda _: b"HTTP/1.1 101 x\r\n" + b"a: b\r\n" * 20_000, "127.0.0.1 does not speak HTTP"),
        (partial(agreed, accept=b"wrong"), "127.0.0.1 gave a wrong answer to the handshake's key"),
        (partial(agreed, connection=b"close"), "127.0.0.1 did not agree on a WebSocket"),
        (
            lambda head: agreed(head, b"Sec-WebSocket-Extensions: permessage-deflate"),
            "127.0.0.1 chose an extension that was not offered",
        ),
        (
            lambda head: agreed(head, b"Sec-WebSocket-Protocol: realtime"),
            "127.0.0.1 chose a subprotocol that was not offered",
        ),
    ],
)
async def test_an_answer_that_is_none_is_said_to_be_one(network: Network, answer: Answer, said: str) -> None:
    async with answering(answer) as url:
        assert (await refused(network, url)).startswith(said)


TOKEN: Final = st.text("!#$%&'*+-.^_`|~09AZaz", min_size=1, max_size=9) | st.sampled_from(["Upgrade", "Connection"])
VALUE: Final = st.text("\t !~ aZ,\x80\xff\0\r\n\x7f", max_size=9)


@given(st.lists(st.tuples(TOKEN, VALUE), max_size=5), st.sampled_from(["", " ", " Switching", " \t\xff", " \x01"]))
@example([("Upgrade", " websocket "), ("Connection", "\tUpgrade")], " Switching Protocols")
def test_an_answer_that_is_read_by_its_form_is_read_as_h11_reads_it(fields: list[tuple[str, str]], why: str) -> None:
    head = f"HTTP/1.1 101{why}\r\n" + "".join(f"{name}:{value}\r\n" for name, value in fields) + "\r\n"
    answer = _read_agreement(head.encode("latin-1") + b"behind")

    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="GET", target="/", headers=[("Host", ""), ("Upgrade", "websocket")]))
    connection.receive_data(head.encode("latin-1") + b"behind")
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        event = None
    if answer is not None:
        assert isinstance(event, h11.InformationalResponse)
        assert list(event.headers) == answer.fields
        assert connection.trailing_data[0] == answer.behind


@pytest.mark.parametrize(
    ("scheme", "where"), [("ws", "127.0.0.1 was lost in the handshake"), ("wss", "cannot speak TLS with 127.0.0.1")]
)
async def test_a_server_that_is_lost_in_the_handshake_is_said_to_be(network: Network, scheme: str, where: str) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        await stream.receive_some()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        said = await refused(network, f"{scheme}://127.0.0.1:{port}/")
        nursery.cancel_scope.cancel()

    assert said == f"{where}: Connection reset by peer"


async def test_dialling_that_is_cancelled_leaves_nothing_behind(network: Network) -> None:
    async def handle(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        seen.set()
        assert await stream.receive_some() == b""
        gone.set()

    seen, gone = trio.Event(), trio.Event()
    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(partial(trio.serve_tcp, handle, 0, host="127.0.0.1"))
        port = listeners[0].socket.getsockname()[1]
        async with trio.open_nursery() as dialling:

            async def dial() -> None:
                async with network.connect(f"ws://127.0.0.1:{port}/"):
                    pass

            dialling.start_soon(dial)
            await seen.wait()
            dialling.cancel_scope.cancel()
        await gone.wait()
        nursery.cancel_scope.cancel()
