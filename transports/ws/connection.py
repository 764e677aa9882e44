"""HTTP/1.1 over one connection: a request in, an answer out, and again. What is well formed is h11's to say."""

import socket
import time
from contextlib import suppress
from http import HTTPStatus
from typing import Final

import h11

from realtime_engine.wire import Wire
from transports.ws.answers import Answer, HttpError, all_headers
from transports.ws.request import MOST_HEAD, Request, bad_request, head_too_large, read_head, read_opening

MOST_BODY: Final = 4 * 1024
"""Bytes of a body: the sign-in's form has a token in it, and nothing else comes with one."""

_UNREAD: Final = (h11.SEND_BODY, h11.ERROR)

LAST_READ: Final = 64 * 1024
"""Bytes that are read from a client that is being refused: it gets the answer before it is cut off."""


class HttpConnection:
    """One client, request after request.

    Attributes:
        begun: Whether some of a request has come.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._come = self._behind = b""  # what h11 has not seen, and what is in it behind a request
        self._made: h11.Connection | None = None
        self._head_only = False
        self.begun = False

    def opening(self) -> Request | None:
        """The request to open a WebSocket that is there already, as nearly always; None: it must be waited for.

        Raises:
            HttpError: It is ambiguous, or too large.
            OSError: The connection is lost.
        """
        if self.begun or self._made is not None:
            return None
        self._come = self._wire.receive_now() or b""
        self.begun = bool(self._come)
        return self._read_opening()

    async def begin(self) -> bool:
        """Wait for the first of a request; whether there is one.

        Raises:
            OSError: The connection is lost.
        """
        if self.begun:
            return True
        if self._made is None:
            self._come = await self._wire.receive()
            self.begun = bool(self._come)
        else:
            await self._receive()
        return self.begun

    async def request(self) -> Request | None:
        """The request that has begun, with its body; None: there will be no more. The caller bounds the time.

        Raises:
            HttpError: It is malformed; with the answer to it the connection ends.
            OSError: The connection is lost.
        """
        if (opening := self._read_opening()) is not None:
            return opening
        try:
            return await self._read()
        except h11.RemoteProtocolError as error:
            if error.error_status_hint == HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE:
                raise head_too_large() from error
            raise bad_request("The request is malformed.") from error

    async def answer(self, answer: Answer, *, last: bool = False) -> bool:
        """Send an answer, and say whether another request may follow. ``last``: none may."""
        if self._made is None:  # it was asked without h11, which must know
            for _ in (h11.Request, h11.EndOfMessage):
                self._http.next_event()
        headers = all_headers(answer, time.time())
        if last or self._http.their_state in _UNREAD:
            headers.append(("Connection", "close"))
        head = h11.Response(status_code=answer.status, reason=HTTPStatus(answer.status).phrase, headers=headers)
        data = self._http.send(head) or b""
        if not self._head_only:
            data += self._http.send(h11.Data(answer.body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        await self._wire.send_all(data)
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        self.begun = bool(self._http.trailing_data[0])
        return True

    @property
    def rest(self) -> bytes:
        """What has come behind a request that opens a WebSocket: its first frames."""
        return self._behind if self._made is None else self._made.trailing_data[0]

    async def linger(self) -> None:
        """End our side and read on for a while: what the client still sends must not cost it the answer."""
        with suppress(OSError):
            self._wire.sock.shutdown(socket.SHUT_WR)
        read = 0
        while read < LAST_READ and (data := await self._wire.receive()):
            read += len(data)

    @property
    def _http(self) -> h11.Connection:
        """What knows HTTP; most who open a WebSocket can do without it."""
        if self._made is None:
            self._made = h11.Connection(h11.SERVER, max_incomplete_event_size=MOST_HEAD)
            self._made.receive_data(self._come)
        return self._made

    def _read_opening(self) -> Request | None:
        opening = read_opening(self._come) if self._made is None else None
        if opening is None:
            return None
        request, self._behind = opening
        return request

    async def _read(self) -> Request | None:
        self._head_only = False
        head = await self._next()
        if not isinstance(head, h11.Request):
            return None
        self._head_only = head.method == b"HEAD"
        request = read_head(head)
        body = b""
        while isinstance(event := await self._next(), h11.Data):
            body += event.data
            if request.method != "POST" or len(body) > MOST_BODY:
                raise HttpError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "body_too_large", "No such body is expected.")
        return request if not body else request._replace(body=body)

    async def _next(self) -> object:
        while True:
            event = self._http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=HTTPStatus.CONTINUE, headers=[])
                await self._wire.send_all(self._http.send(go_on) or b"")
            await self._receive()

    async def _receive(self) -> None:
        data = await self._wire.receive()
        self.begun = self.begun or bool(data)
        self._http.receive_data(data)
