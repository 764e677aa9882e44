"""A connection to a Realtime server, within its deadlines, and without a word of the key in what it says."""

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Final

import msgspec
import trio

from realtime_engine.errors import UpstreamError
from realtime_engine.events import Error, encode, type_of
from realtime_engine.inputs import Kind, Message
from realtime_engine.link import Take, listen
from realtime_engine.network import Network
from realtime_engine.objects import ErrorDetail
from realtime_engine.plugins import Wanted
from realtime_engine.upstreams.openai import OpenAIOptions
from realtime_engine.upstreams.openai.server import Server
from realtime_engine.websocket import WebSocket, WireLimits

_ERROR: Final = type_of(Error)


@asynccontextmanager
async def connect(
    server: Server, options: OpenAIOptions, network: Network, tls: ssl.SSLContext | None, wanted: Wanted
) -> AsyncIterator["Guarded"]:
    """Connect, for as long as the block lasts.

    Raises:
        UpstreamError: It refused, or did not answer in time.
    """
    ping = options.upstream_ping
    limits = WireLimits(max_message=options.max_message_upstream, ping_every=ping, ping_wait=ping)
    dialled = network.connect(server.address(wanted), headers=server.headers, tls=tls, limits=limits)
    async with AsyncExitStack() as stack:
        with trio.move_on_after(options.connect_within) as dialling:
            try:
                link = await stack.enter_async_context(dialled)
            except UpstreamError as error:
                raise UpstreamError(server.explain(error), status=error.status) from None
        if dialling.cancelled_caught:
            raise UpstreamError(f"{server.host} was not reached within {options.connect_within:g} s: is it there?")
        yield Guarded(link, server, options.greet_within)


class Guarded:
    """The same connection: it must begin to speak in time, and what it says of the key is said in other words.

    What is written, and what is counted, goes straight to the connection.
    """

    def __init__(self, link: WebSocket, server: Server, greet_within: float) -> None:
        self._link = link
        self._server = server
        self._greet_within = greet_within
        self._greeted = False
        self.write, self.flush, self.drain, self.close = link.write, link.flush, link.drain, link.close

    async def read(self) -> Sequence[Message]:
        """See `realtime_engine.link.Link`."""
        got: list[Message] = []

        def take(batch: Sequence[Message]) -> bool:
            got.extend(batch)
            return False

        await self.listen(take)
        return got

    async def listen(self, take: Take) -> bool:
        """See `realtime_engine.link.CallingLink`."""
        if self._greeted:
            return await listen(self._link, partial(self._hand_on, take))
        with trio.move_on_after(self._greet_within):
            return await listen(self._link, partial(self._greet, take))
        patience = f"{self._greet_within:g} s"
        raise UpstreamError(f"{self._server.host} has said nothing within {patience}: is it a Realtime server?")

    @property
    def queued(self) -> int:
        """See `realtime_engine.link.Link`."""
        return self._link.queued

    @property
    def sent(self) -> int:
        """See `realtime_engine.link.Link`."""
        return self._link.sent

    @property
    def closed(self) -> tuple[int, str]:
        """See `realtime_engine.link.Link`."""
        code, reason = self._link.closed
        return code, self._server.refusal if self._server.betrays(reason) else reason

    @property
    def messages_in(self) -> int:
        """See `realtime_engine.metrics.Traffic`, as for the next three."""
        return self._link.messages_in

    @property
    def bytes_in(self) -> int:
        """Bytes that have come."""
        return self._link.bytes_in

    @property
    def messages_out(self) -> int:
        """Messages that were sent."""
        return self._link.messages_out

    @property
    def bytes_out(self) -> int:
        """Bytes that have left."""
        return self._link.bytes_out

    def _greet(self, take: Take, batch: Sequence[Message]) -> bool:
        """The first words are there in time; the deadline ends with them."""
        self._greeted = True
        self._hand_on(take, batch)
        return False

    def _hand_on(self, take: Take, batch: Sequence[Message]) -> bool:
        for message in batch:
            if _is_error(message) and self._server.betrays(bytes(message.raw).decode(errors="replace")):
                return take([self._in_other_words(each) for each in batch])
        return take(batch)

    def _in_other_words(self, message: Message) -> Message:
        """What may show the key is said without it."""
        if not _is_error(message):
            return message
        event = message.event
        detail = event.error if isinstance(event, Error) else ErrorDetail()
        kept = [None if self._server.shows(each or "") else each for each in (detail.type, detail.code)]
        said = ErrorDetail(type=kept[0], code=kept[1], message=self._server.refusal, param=None)
        return Message(message.side, message.kind, encode(Error(event_id=event.event_id, error=said)))


def _is_error(message: Message) -> bool:
    try:
        return message.kind is Kind.TEXT and message.type == _ERROR
    except msgspec.DecodeError:
        return False  # it is the session that ends a conversation for it
