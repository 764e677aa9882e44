"""TLS on a socket that never blocks, through memory.

All that has come is read from the socket at once, and what is written leaves at once; Python's own TLS socket asks the
system twice for each record. OpenSSL keeps the beginning of a record itself, so nothing stays in the memory between two
calls, and all connections of a thread share it.
"""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeAlias, cast

RECORD: Final = 16 * 1024
"""Bytes of text in a full record (RFC 8446, section 5.1)."""

AT_ONCE: Final = 128 * 1024
"""Bytes of records that are read in one go."""

_LEAVING: Final = (
    64 * 1024
)  # bytes of text that are made into records in one go, of which a full socket leaves some here

_Read: TypeAlias = Callable[[int, memoryview], int]
"""`ssl.SSLObject.read` into a buffer."""


class _Memory:
    """Where records are on the way between a socket and OpenSSL; empty between two calls."""

    def __init__(self) -> None:
        self.incoming = ssl.MemoryBIO()
        self.outgoing = ssl.MemoryBIO()
        self.records = memoryview(bytearray(AT_ONCE))
        self.text = memoryview(bytearray(AT_ONCE + RECORD))


class _Thread(threading.local):
    """Its memory: an event loop runs in one thread, others may run in others."""

    def __init__(self) -> None:
        self.memory = _Memory()


_thread = _Thread()


class TlsStream:
    """What is said over one socket; as of a socket, nothing waits here, and what cannot be done at once raises.

    To be used in one thread.
    """

    __slots__ = ("_early", "_leaving", "_memory", "_object", "_over", "_owed", "_read", "_sock")

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        *,
        server_hostname: str | None,
        session: ssl.SSLSession | None,
    ) -> None:
        """Before the handshake.

        Args:
            sock: Connected, and not blocking; whoever made it closes it.
            context: What TLS is spoken with.
            server_hostname: Who the server must be, on the client's end; None on the server's.
            session: An earlier connection's to the same server, which makes the handshake short.
        """
        self._sock = sock
        self._memory = memory = _thread.memory
        self._object = context.wrap_bio(
            memory.incoming,
            memory.outgoing,
            server_side=server_hostname is None,
            server_hostname=server_hostname,
            session=session,
        )
        self._read = cast("_Read", self._object.read)
        self._early = b""  # records that came with the last of the handshake
        self._leaving: bytes | memoryview = b""  # records that the socket had no room for
        self._owed = 0  # bytes of text in them that nobody was told have left
        self._over = False  # no more text comes

    @property
    def session(self) -> ssl.SSLSession | None:
        """What makes the next handshake with this server short."""
        return self._object.session

    @property
    def session_reused(self) -> bool | None:
        """Whether this handshake was a short one."""
        return self._object.session_reused

    def do_handshake(self) -> None:
        """Go on with it as far as it goes; over when this raises nothing.

        Raises:
            BlockingIOError: To be gone on with when the socket can be read.
            ssl.SSLWantWriteError: To be gone on with when it can be written.
            OSError: It failed, or the connection is lost.
        """
        while True:
            self._send_leaving()
            try:
                self._object.do_handshake()
            except ssl.SSLWantReadError:
                self._answer()
                self._send_leaving()
                if not self._hear(RECORD):
                    raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the connection was ended in the handshake") from None
            except ssl.SSLError:
                self._end()
                raise
            else:
                self._early = self._memory.incoming.read()
                self._answer()
                return

    def recv_into(self, buffer: memoryview) -> int:
        """Read all that has come, or nearly: what is left shows as before at the socket.

        Args:
            buffer: Room for at least two full records.

        Returns:
            Bytes of text; 0 at the end.

        Raises:
            BlockingIOError, ssl.SSLWantReadError: Nothing has come, or not the whole of a record.
            OSError: The connection is lost, or what has come is no TLS.
        """
        if self._over or not self._hear(len(buffer) - RECORD):
            return 0
        incoming = self._memory.incoming
        count = 0
        problem: ssl.SSLError | None = None
        try:
            while incoming.pending:
                got = self._read(RECORD, buffer[count:])
                count += got
                if not got:  # the peer has said that this is the end
                    self._end()
        except ssl.SSLWantReadError as error:
            problem = error
        except ssl.SSLError as error:
            self._end()
            problem = error
        if self._memory.outgoing.pending:
            self._answer()
        if problem is not None and not count:
            raise problem
        return count

    def recv(self, _: int) -> bytes:
        """The same as `recv_into`, in bytes of its own; all that has come, whatever is asked for."""
        text = self._memory.text
        return bytes(text[: self.recv_into(text)])

    def send(self, data: bytes | memoryview) -> int:
        """Send some of this; whoever was told that not all has left comes with the rest.

        Returns:
            Bytes that have left. What is in records that have not is not among them, but comes with them.

        Raises:
            BlockingIOError: The socket has no room.
            ssl.SSLWantReadError: The peer must say something first.
            OSError: The connection is lost.
        """
        if not self._owed:
            self._send_leaving()
            try:
                self._owed = self._object.write(data if len(data) <= _LEAVING else memoryview(data)[:_LEAVING])
            except ssl.SSLError:
                self._answer()
                raise
            self._leaving = self._memory.outgoing.read()
        left = self._sock.send(self._leaving)
        if left == len(self._leaving):
            told, self._leaving = self._owed, b""
        else:
            told, self._leaving = min(left, self._owed - 1), memoryview(self._leaving)[left:]
        self._owed -= told
        return told

    def _hear(self, most: int) -> int:
        """Let OpenSSL have what has come; how many bytes, 0 at the end."""
        memory = self._memory
        if self._early:
            count, self._early = memory.incoming.write(self._early), b""
            return count
        count = self._sock.recv_into(memory.records, min(most, AT_ONCE))
        memory.incoming.write(memory.records[:count])
        return count

    def _answer(self) -> None:
        """What OpenSSL has to say by itself leaves at once, or in front of what is sent next."""
        self._leaving = b"".join((self._leaving, self._memory.outgoing.read()))
        if not self._owed:
            with suppress(OSError):
                self._send_leaving()

    def _send_leaving(self) -> None:
        """Send what OpenSSL has had to say.

        Raises:
            ssl.SSLWantWriteError: The socket has no room.
        """
        while self._leaving:
            try:
                self._leaving = memoryview(self._leaving)[self._sock.send(self._leaving) :]
            except BlockingIOError:
                raise ssl.SSLWantWriteError from None

    def _end(self) -> None:
        """No more text comes; the socket shows so, too. What is wrong with this connection is no other's affair."""
        self._over = True
        self._memory.incoming.read()
        self._answer()
        with suppress(OSError):
            self._sock.shutdown(socket.SHUT_RD)
