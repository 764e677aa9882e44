"""A TCP connection under Trio, plain or TLS, on a socket that never blocks.

What is here waits for one thing at a time, as a handshake does; the data path of `realtime_engine.websocket` uses
the socket itself.
"""

import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from trio.lowlevel import checkpoint_if_cancelled

from realtime_engine.readiness import READ, WRITE, Readiness, Waiter
from realtime_engine.tls import TlsStream

CHUNK: Final = 64 * 1024
_BLOCKED: Final = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

T = TypeVar("T")


class Wire:
    """One end of a connection.

    Attributes:
        sock: The socket.
        stream: What is said and heard over it: the socket itself, or TLS.
        closing: Called once before the socket is closed.
    """

    __slots__ = ("_waiter", "closing", "sock", "stream")

    def __init__(
        self,
        sock: socket.socket,
        readiness: Readiness,
        *,
        tls: ssl.SSLContext | None = None,
        server_hostname: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        """Take over a connected socket.

        Args:
            sock: The socket, one of TCP, which delays nothing (``TCP_NODELAY``).
            readiness: Watches it.
            tls: What TLS is spoken with; None: none is.
            server_hostname: Who the server must be, on the client's end; None on the server's.
            session: An earlier connection's to the same server, which makes the handshake short.
        """
        self.closing: Callable[[], None] | None = None
        if sock.gettimeout() != 0:
            sock.setblocking(False)  # noqa: FBT003 - the standard library's own
        self.sock = sock
        self.stream: socket.socket | TlsStream = sock
        if tls is not None:
            self.stream = TlsStream(sock, tls, server_hostname=server_hostname, session=session)
        self._waiter = Waiter(readiness, self.sock)

    async def handshake(self) -> None:
        """Agree on TLS; nothing is to be done on a plain connection.

        Raises:
            OSError: It failed; most often an `ssl.SSLError`.
        """
        if isinstance(self.stream, TlsStream):
            await self._wait_for(self.stream.do_handshake, READ)

    async def receive(self) -> bytes:
        """Some bytes; ``b""`` at the end.

        Raises:
            OSError: The connection is lost.
        """
        return await self._wait_for(lambda: self.stream.recv(CHUNK), READ)

    def receive_now(self) -> bytes | None:
        """Some bytes, if some are there; ``b""`` at the end; None: there are none yet.

        Raises:
            OSError: The connection is lost.
        """
        try:
            return self.stream.recv(CHUNK)
        except _BLOCKED:
            return None

    def send_now(self, data: bytes) -> bytes:
        """Send what there is room for, and give the rest.

        Raises:
            OSError: The connection is lost.
        """
        try:
            return data[self.stream.send(data) :]
        except _BLOCKED:
            return data

    async def send_all(self, data: bytes) -> None:
        """Send all of this.

        Raises:
            OSError: The connection is lost.
        """
        rest = memoryview(data)
        while rest:
            rest = rest[await self._wait_for(partial(self.stream.send, rest), WRITE) :]

    async def ask(self, data: bytes) -> bytes:
        """Send all of this, and give some bytes of what is answered; ``b""`` at the end.

        Raises:
            OSError: The connection is lost.
        """
        if rest := self.send_now(data):
            await self.send_all(rest)
        if self.stream is self.sock:  # with TLS some of it may have come with the handshake
            await self._waiter.wait(READ)
        come = self.receive_now()
        return come if come is not None else await self.receive()

    def close(self) -> None:
        """End the connection at once."""
        if self.closing is not None:
            self.closing()
            self.closing = None
        self._waiter.close()
        self.sock.close()

    async def _wait_for(self, attempt: Callable[[], T], bits: int) -> T:
        """Try until it can be done; TLS may have to read before it can write, and the other way round."""
        await checkpoint_if_cancelled()
        while True:
            try:
                return attempt()
            except ssl.SSLWantReadError:
                wanted = READ
            except ssl.SSLWantWriteError:
                wanted = WRITE
            except BlockingIOError:
                wanted = bits
            await self._waiter.wait(wanted)
