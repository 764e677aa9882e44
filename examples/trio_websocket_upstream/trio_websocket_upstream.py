"""An upstream plug-in: the OpenAI Realtime API, or any server that speaks it, by way of trio-websocket.

The engine's own upstream ``openai`` does the same over its own WebSocket layer, and better; this one shows what a
plug-in is made of. The package that it is in, with the entry point by which the engine finds it, is in
``pyproject.toml`` beside it.
"""

import os
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from math import inf
from typing import ClassVar, TypeAlias
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import trio
from trio_websocket import (
    ConnectionClosed,
    HandshakeError,
    WebSocketConnection,
    wrap_client_stream,
)

from realtime_engine.errors import UpstreamError, UsageError, first
from realtime_engine.inputs import Kind, Message, Side
from realtime_engine.plugins import ANYTHING, Wanted
from realtime_engine.sizes import size

Headers: TypeAlias = list[tuple[bytes, bytes]]
Stream: TypeAlias = trio.SocketStream | trio.SSLStream[trio.SocketStream]

PORTS = {"ws": 80, "wss": 443}
HERE = ("127.0.0.1", "::1", "localhost")
LOW_WATER = 64 * 1024  # bytes: with no more than that waiting, the front may say more


@dataclass(frozen=True)
class TrioWebsocketOptions:
    """Which server answers. The key comes from ``OPENAI_API_KEY``.

    Attributes:
        url: Its address; what stands behind the colon of ``--upstream``.
        model_name: The model, where no client asks for another; what ``--model`` says.
        connect_within: Seconds within which the server must be reached, and agree to speak WebSocket.
        max_message_upstream: Bytes that one message of the server may have.
    """

    url: str = "wss://api.openai.com/v1/realtime"
    model_name: str = "gpt-realtime"
    connect_within: float = 10.0
    max_message_upstream: int = field(default=16 << 20, metadata={"parse": size, "metavar": "SIZE"})


class TrioWebsocket:
    """The plug-in: see `realtime_engine.plugins.LinkUpstream`."""

    Options: ClassVar[type] = TrioWebsocketOptions
    name: str = "trio-websocket"

    def __init__(self, options: TrioWebsocketOptions) -> None:
        if not 0 < options.connect_within < inf:
            raise UsageError(f"--connect-within must be more than 0 seconds, not {options.connect_within}")
        self._url = _read(options.url)
        self._options = options

    @asynccontextmanager
    async def open(
        self, clock: Callable[[], float], network: object, wanted: Wanted = ANYTHING
    ) -> AsyncIterator["TrioWebsocketLink"]:
        """Connect, for as long as the block lasts. The session's clock, and the engine's own sockets, are not needed.

        Raises:
            UpstreamError: The server refused, or did not answer in time.
        """
        query = dict(parse_qsl(self._url.query, keep_blank_values=True))  # what stands in the address counts more
        if wanted.transcription:
            query.setdefault("intent", "transcription")
        else:
            query.setdefault("model", wanted.model or self._options.model_name)
        url = self._url._replace(query=urlencode(query))
        headers = _headers(url)
        try:
            async with _reach(url, self._options) as stream, trio.open_nursery() as nursery:
                connection = await _shake_hands(nursery, stream, url, headers, self._options)
                link = TrioWebsocketLink(connection, self._options.max_message_upstream)
                nursery.start_soon(link.write_on)
                yield link
                nursery.cancel_scope.cancel()
        except* HandshakeError as errors:  # it comes from trio-websocket's own task
            raise UpstreamError(f"the server refused the connection: {first(errors)!r}") from errors


class TrioWebsocketLink:
    """A connection, as the engine uses one: see `realtime_engine.link.Link`.

    Attributes:
        largest: Bytes of the largest message that comes from it.
        queued, sent: Bytes that are written and have not left yet; that have left.
    """

    def __init__(self, connection: WebSocketConnection, largest: int) -> None:
        self._connection = connection
        self._queue: deque[str | bytes] = deque()
        self._more = trio.Event()
        self._less = trio.Event()
        self._parting = trio.Lock()
        self.largest = largest
        self.queued = 0
        self.sent = 0

    async def read(self) -> Sequence[Message]:
        """The next message; none when the connection has ended."""
        try:
            said = await self._connection.get_message()
        except ConnectionClosed:
            async with self._parting:  # what closes it is still at work, and needs the tasks that end with the block
                return ()
        if isinstance(said, str):
            return (Message(Side.UPSTREAM, Kind.TEXT, said.encode()),)
        return (Message(Side.UPSTREAM, Kind.BINARY, said),)

    def write(self, raw: bytes, kind: Kind) -> None:
        """Queue a message: a copy, for the engine's own is only lent."""
        self._queue.append(bytes(raw).decode() if kind is Kind.TEXT else bytes(raw))
        self.queued += len(raw)

    def write_all(self, batch: Sequence[Message]) -> None:
        """Queue messages as they came."""
        for message in batch:
            self.write(message.raw, message.kind)

    def flush(self) -> None:
        """Let the writer write: trio-websocket has no way to send without a checkpoint."""
        self._more.set()

    async def write_on(self) -> None:
        """The one task that writes: a message that is cut off by a cancellation would spoil all that follow."""
        while True:
            await self._more.wait()
            self._more = trio.Event()
            while self._queue:
                await self._write_next()
                self._less.set()
                self._less = trio.Event()

    async def _write_next(self) -> None:
        message = self._queue.popleft()
        try:
            await self._connection.send_message(message)
        except ConnectionClosed:  # the reader is told why
            self._queue.clear()
            self.queued = 0
            return
        size = len(message if isinstance(message, bytes) else message.encode())
        self.queued -= size
        self.sent += size

    async def drain(self) -> None:
        """Wait until little is left to be written."""
        while self.queued > LOW_WATER:
            await self._less.wait()

    @property
    def closed(self) -> tuple[int, str]:
        """How the connection was closed, and why; 1006: it was lost."""
        reason = self._connection.closed
        return (reason.code, reason.reason or "") if reason is not None else (1006, "")

    async def close(self, code: int, reason: str) -> None:
        """Write what is queued, then close."""
        async with self._parting:
            while self.queued:
                await self._less.wait()
            await self._connection.aclose(code, reason)


def _read(address: str) -> SplitResult:
    """The parts of an address. What is wrong with it is told without repeating it: there may be a key in it.

    Raises:
        UsageError: It is not the whole address of a WebSocket server.
    """
    try:
        url = urlsplit(address)
        _ = url.port
    except ValueError:
        url = SplitResult("", "", "", "", "")
    if url.scheme not in PORTS or not url.hostname:
        raise UsageError("--upstream trio-websocket: the address must be a whole ws:// or wss:// URL")
    return url


@asynccontextmanager
async def _reach(url: SplitResult, options: TrioWebsocketOptions) -> AsyncIterator[Stream]:
    """A connection to the server of an address; closed at the end, which trio-websocket does not do by itself."""
    host, port = url.hostname or "", url.port or PORTS[url.scheme]
    stream: Stream
    try:
        with trio.fail_after(options.connect_within):
            if url.scheme == "wss":
                stream = await trio.open_ssl_over_tcp_stream(host, port)
            else:
                stream = await trio.open_tcp_stream(host, port)
    except (OSError, trio.TooSlowError) as error:
        raise UpstreamError(f"{host} cannot be reached: {str(error) or 'it does not answer'}") from error
    try:
        yield stream
    finally:
        await trio.aclose_forcefully(stream)


def _headers(url: SplitResult) -> Headers:
    """What the server is shown: the key, where there is one.

    Raises:
        UpstreamError: Others could read it on its way.
    """
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        return []
    if url.scheme == "ws" and url.hostname not in HERE:
        raise UpstreamError(f"the key would go to {url.hostname} in clear text: use wss://", final=True)
    return [(b"authorization", f"Bearer {key}".encode())]


async def _shake_hands(
    nursery: trio.Nursery, stream: Stream, url: SplitResult, headers: Headers, options: TrioWebsocketOptions
) -> WebSocketConnection:
    path = f"{url.path or '/'}?{url.query}"
    try:
        with trio.fail_after(options.connect_within):
            return await wrap_client_stream(
                nursery, stream, url.netloc, path, extra_headers=headers, max_message_size=options.max_message_upstream
            )
    except trio.TooSlowError as error:
        raise UpstreamError(f"{url.hostname} does not speak WebSocket") from error
