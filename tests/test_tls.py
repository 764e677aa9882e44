"""TLS through memory that all connections of a thread share; the peer is OpenSSL by itself."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Final, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime_engine.tls import AT_ONCE, RECORD, TlsStream
from tests.certs import Contexts, make_contexts
from tests.wires import tcp_pair

ROOM: Final = memoryview(bytearray(AT_ONCE + RECORD))
WAITS: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> Contexts:
    return make_contexts(tmp_path_factory.mktemp("tls"))


class Peer:
    """The other end, whose records can be cut and spoilt on the way."""

    def __init__(self, sock: socket.socket, contexts: Contexts, *, client: bool) -> None:
        self.sock = sock
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        context, name = (contexts.client, "localhost") if client else (contexts.server, None)
        self.tls = context.wrap_bio(self._in, self._out, server_side=not client, server_hostname=name)

    def records(self, text: bytes) -> bytes:
        """A text as it goes over the wire."""
        self.tls.write(text)
        return self._out.read()

    def say(self, text: bytes) -> None:
        self.sock.sendall(self.records(text))

    def goodbye(self) -> bytes:
        """What says that no more text comes."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self._out.read()

    def go_on(self) -> bool:
        """Go on with the handshake; whether it is over."""
        with suppress(BlockingIOError):
            self._in.write(self.sock.recv(1 << 16))
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            over = False
        else:
            over = True
        self.sock.sendall(self._out.read())
        return over

    def hear(self, size: int) -> bytes:
        """So much text."""
        text = b""
        while len(text) < size:
            try:
                text += self.tls.read(1 << 16)
            except ssl.SSLWantReadError:
                self._in.write(self.sock.recv(1 << 16))
        return text


class Link(NamedTuple):
    """A connection."""

    near: TlsStream
    sock: socket.socket
    far: Peer

    def shake_hands(self) -> None:
        near_over = far_over = False
        while not (near_over and far_over):
            if not near_over:
                with suppress(*WAITS):
                    self.near.do_handshake()
                    near_over = True
            if not far_over:
                far_over = self.far.go_on()

    def hear(self, size: int) -> bytes:
        """So much text, whatever pieces it comes in."""
        text = b""
        while len(text) < size:
            with suppress(*WAITS):
                text += self.near.recv(0)
        return text


class Links:
    """Makes connections."""

    def __init__(self, contexts: Contexts, stack: ExitStack) -> None:
        self._contexts = contexts
        self._stack = stack

    def raw(self, *, client: bool = False) -> Link:
        """One before its handshake; ``client``: what this end is."""
        sock, other = map(self._stack.enter_context, tcp_pair())
        for each in (sock, other):
            each.setblocking(False)
        context, name = (self._contexts.client, "localhost") if client else (self._contexts.server, None)
        near = TlsStream(sock, context, server_hostname=name, session=None)
        return Link(near, sock, Peer(other, self._contexts, client=not client))

    def link(self, *, client: bool = False) -> Link:
        link = self.raw(client=client)
        link.shake_hands()
        link.far.sock.setblocking(True)
        return link


@pytest.fixture
def links(contexts: Contexts) -> Iterator[Links]:
    with ExitStack() as stack:
        yield Links(contexts, stack)


@pytest.mark.parametrize("client", [True, False])
def test_text_goes_there_and_back(links: Links, client: bool) -> None:
    link = links.link(client=client)

    link.far.say(b"here you are")
    assert link.hear(12) == b"here you are"
    assert link.near.send(b"thanks") == 6
    assert link.far.hear(6) == b"thanks"


def test_many_records_are_read_at_once(links: Links) -> None:
    link = links.link()
    texts = [bytes([each]) * 1000 for each in range(30)]

    link.far.sock.sendall(b"".join(map(link.far.records, texts)))

    assert link.near.recv_into(ROOM) == 30_000
    assert bytes(ROOM[:30_000]) == b"".join(texts)


def test_half_a_record_is_no_news_and_disturbs_no_other_connection(links: Links) -> None:
    cut, whole = links.link(), links.link(client=True)
    record = cut.far.records(b"cut in two")
    cut.far.sock.sendall(record[:9])
    with pytest.raises(ssl.SSLWantReadError):
        cut.near.recv_into(ROOM)

    whole.far.say(b"whole")
    assert whole.hear(5) == b"whole"
    assert whole.near.send(b"and back") == 8
    assert whole.far.hear(8) == b"and back"

    cut.far.sock.sendall(record[9:])
    assert cut.hear(10) == b"cut in two"


def test_with_text_half_a_record_behind_it_waits(links: Links) -> None:
    link = links.link()
    first, second = link.far.records(b"first"), link.far.records(b"second")

    link.far.sock.sendall(first + second[:20])
    assert link.hear(5) == b"first"
    link.far.sock.sendall(second[20:])
    assert link.hear(6) == b"second"


def test_where_nothing_has_come_nothing_is_read(links: Links) -> None:
    with pytest.raises(BlockingIOError):
        links.link().near.recv_into(ROOM)


def test_text_that_comes_with_the_last_of_the_handshake_is_not_lost(links: Links) -> None:
    link = links.raw()
    with pytest.raises(BlockingIOError):
        link.near.do_handshake()
    link.far.go_on()
    with pytest.raises(BlockingIOError):
        link.near.do_handshake()
    link.far.sock.setblocking(False)
    link.far._in.write(link.far.sock.recv(1 << 16))
    link.far.tls.do_handshake()
    link.far.sock.sendall(link.far._out.read() + link.far.records(b"first") + link.far.records(b"second"))

    link.near.do_handshake()

    assert link.near.recv(0) == b"firstsecond"


def test_the_end_of_the_connection_is_the_end(links: Links) -> None:
    link = links.link()
    link.far.sock.shutdown(socket.SHUT_WR)

    assert link.near.recv_into(ROOM) == 0


@pytest.mark.parametrize("text", [b"", b"the last words"])
def test_a_peer_that_says_goodbye_is_heard_to_the_end_and_the_socket_shows_it(links: Links, text: bytes) -> None:
    link = links.link()
    link.far.sock.sendall((link.far.records(text) if text else b"") + link.far.goodbye())

    assert link.hear(len(text)) == text
    assert link.near.recv_into(ROOM) == 0
    assert link.sock.recv(1) == b""


def spoilt(record: bytes) -> bytes:
    return record[:-1] + bytes([record[-1] ^ 1])


def test_a_spoilt_record_ends_its_connection_and_no_other(links: Links) -> None:
    link, other = links.link(), links.link()
    link.far.sock.sendall(spoilt(link.far.records(b"x")) + link.far.records(b"not looked at"))

    with pytest.raises(ssl.SSLError, match=r"(?i)bad.record.mac"):
        link.near.recv_into(ROOM)

    other.far.say(b"none the worse")
    assert other.hear(14) == b"none the worse"
    assert link.near.recv_into(ROOM) == 0
    with pytest.raises(ssl.SSLError):
        link.far.hear(1)  # it is told
    with pytest.raises(ssl.SSLError):
        link.near.send(b"too late")


def test_the_text_in_front_of_a_spoilt_record_is_given(links: Links) -> None:
    link = links.link()
    link.far.sock.sendall(link.far.records(b"good") + spoilt(link.far.records(b"bad")))

    assert link.near.recv_into(ROOM) == 4
    assert link.near.recv_into(ROOM) == 0


def test_bytes_that_are_no_tls_fail_the_handshake_and_no_other(links: Links) -> None:
    link = links.raw()
    link.far.sock.sendall(b"GET / HTTP/1.1\r\n\r\n")

    with pytest.raises(ssl.SSLError):
        link.near.do_handshake()

    links.link()


def test_a_handshake_that_is_broken_off_says_so(links: Links) -> None:
    link = links.raw(client=True)
    with pytest.raises(BlockingIOError):
        link.near.do_handshake()
    link.far.sock.shutdown(socket.SHUT_WR)

    with pytest.raises(ssl.SSLEOFError, match="ended in the handshake"):
        link.near.do_handshake()


def test_what_a_server_asks_for_later_is_answered_while_nothing_is_sent(contexts: Contexts) -> None:
    asks, answers = contexts.server, contexts.client
    asks.load_verify_locations(cadata=ssl.DER_cert_to_PEM_cert(contexts.client.get_ca_certs(binary_form=True)[0]))
    asks.verify_mode = ssl.CERT_OPTIONAL
    answers.post_handshake_auth = asks.post_handshake_auth = True
    with ExitStack() as stack:
        link = Links(contexts, stack).link(client=True)
        link.far.say(b"text")
        link.hear(4)
        link.far.tls.verify_client_post_handshake()
        link.far.sock.setblocking(False)
        link.far.go_on()

        with pytest.raises(ssl.SSLWantReadError):
            link.near.recv_into(ROOM)

        assert link.far.sock.recv(1)  # no later than this


# --- a socket that has no room ----------------------------------------------------------------------------------


class Narrow:
    """A socket that takes a few bytes at a time, and none each second time."""

    def __init__(self, sock: socket.socket, width: int) -> None:
        self._sock = sock
        self._width = width
        self._full = False

    def send(self, data: bytes | memoryview) -> int:
        self._full = not self._full
        if self._full:
            raise BlockingIOError
        return self._sock.send(data[: self._width])

    def recv_into(self, buffer: memoryview, size: int) -> int:
        return self._sock.recv_into(buffer, size)

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)


def test_a_handshake_goes_on_when_there_is_room(links: Links) -> None:
    link = links.raw()
    link.near._sock = Narrow(link.sock, 100)  # type: ignore[assignment]  # it stands in for one

    link.shake_hands()

    link.far.say(b"hello")
    assert link.hear(5) == b"hello"


@settings(max_examples=30)
@given(texts=st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5), width=st.integers(1, 400))
def test_what_the_socket_has_no_room_for_is_told_as_it_leaves_and_comes_in_order(
    contexts: Contexts, texts: list[bytes], width: int
) -> None:
    with ExitStack() as stack:
        link = Links(contexts, stack).link()
        link.near._sock = Narrow(link.sock, width)  # type: ignore[assignment]  # it stands in for one
        for text in texts:
            rest = memoryview(text)
            while rest:
                with suppress(BlockingIOError, ssl.SSLWantWriteError):
                    told = link.near.send(rest)
                    assert 0 <= told <= len(rest)
                    rest = rest[told:]
        said = b"".join(texts)

        assert link.far.hear(len(said)) == said


def test_a_large_text_leaves_as_the_peer_reads(links: Links) -> None:
    link = links.link()
    text = bytes(range(256)) * 40_000
    rest, heard = memoryview(text), b""

    while len(heard) < len(text):
        with suppress(BlockingIOError):
            while rest:
                rest = rest[link.near.send(rest) :]
        heard += link.far.hear(1)

    assert heard == text


def test_what_tls_has_to_say_comes_behind_what_has_not_left(links: Links) -> None:
    link = links.link()
    link.near._sock = Narrow(link.sock, 10)  # type: ignore[assignment]  # it stands in for one
    with pytest.raises(BlockingIOError):
        link.near.send(b"hello")
    link.far.sock.sendall(spoilt(link.far.records(b"x")))
    with pytest.raises(ssl.SSLError):
        link.near.recv_into(ROOM)

    rest = b"hello"
    while rest:
        with suppress(BlockingIOError):
            rest = rest[link.near.send(rest) :]

    assert link.far.hear(5) == b"hello"
    with pytest.raises(ssl.SSLError, match=r"(?i)alert"):
        link.far.hear(1)
