"""The server: connections in, requests answered, WebSockets handed to the service, and all of it ended in good order.

Each connection has a task of its own, and whatever goes wrong there ends there.
"""

import socket
import ssl
from collections.abc import Sequence
from contextlib import nullcontext
from functools import partial
from http import HTTPStatus
from math import inf
from typing import Final

import trio

from realtime_engine.engine import GRACE
from realtime_engine.inputs import Side, Stop
from realtime_engine.journal import fault, log
from realtime_engine.service import FAULT, Service
from realtime_engine.session import RESTART
from realtime_engine.stopping import Stopping
from realtime_engine.websocket import WireLimits
from realtime_engine.wire import Wire
from transports.ws import WsOptions
from transports.ws.access import Access, Visit
from transports.ws.answers import Answer, HttpError
from transports.ws.connection import HttpConnection
from transports.ws.files import read_files
from transports.ws.handshake import Handshake, upgrade_required
from transports.ws.listeners import Take, accept_all, bind, raise_descriptor_limit, urls
from transports.ws.origins import is_loopback
from transports.ws.refusals import Refusals
from transports.ws.request import Request
from transports.ws.site import Admission, Scrape, Site
from transports.ws.slots import Full, LocalSlots, Slots
from transports.ws.tokens import Token, is_readable_by_all
from transports.ws.waiting import WaitingRoom

MOST_WAITING: Final = 512
"""Connections without a conversation. A real request takes milliseconds, so who has waited longest is no loss."""

LINGER: Final = 1.0
"""Seconds in which a client that is refused can read why."""

LATE: Final = 10.0
"""Seconds beyond the drain after which what still runs is ended: last words, and recordings that are written."""

NAME: Final = "ws"


class WebServer:
    """One server."""

    def __init__(
        self,
        options: WsOptions,
        token: Token | None,
        tls: ssl.SSLContext | None,
        service: Service,
        *,
        slots: Slots | None = None,
        scrape: Scrape | None = None,
    ) -> None:
        self._options = options
        self._service = service
        self._slots = slots or LocalSlots(most=options.max_sessions, most_per_address=options.max_sessions_per_address)
        self._token = token
        self._tls = tls
        self._name = socket.gethostname()
        self._access = Access(options, token, name=self._name)
        self._site = Site(self._access, read_files(), service, scrape)
        self._refusals = Refusals(service.metrics, trio.current_time)
        self._room = WaitingRoom(MOST_WAITING)
        self._limits = WireLimits(
            max_message=options.max_message_front,
            write=options.write_timeout,
            ping_every=options.ping_every,
            ping_wait=options.ping_timeout,
        )
        self._stopping = Stopping()
        self._accepting = trio.CancelScope()
        self._draining = trio.Event()
        self._quiet = trio.Event()  # nobody talks any more
        self._talking = 0  # or asks for a place to

    async def serve(
        self,
        listeners: Sequence[socket.socket] | None,
        *,
        task_status: trio.TaskStatus[Sequence[str]] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until `drain`, and then until the last conversation has ended; sockets that it binds, it closes."""
        self._room.most = min(MOST_WAITING, raise_descriptor_limit() // 2)
        opened = bind(self._options.host, self._options.port) if listeners is None else listeners
        try:
            _warn(self._options, self._token)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._accept, opened, partial(self._take, nursery))
                task_status.started(urls(opened, "http" if self._tls is None else "https", self._name))
                await self._draining.wait()
                with trio.move_on_after(self._options.drain + LATE):
                    await self._quiet.wait()
                nursery.cancel_scope.cancel()
        finally:
            for listener in opened:
                listener.close()

    def drain(self) -> None:
        """Let nobody else in, and ask all conversations to end; `serve` returns when they have."""
        if self._draining.is_set():
            return
        log().info("draining", conversations=self._talking, seconds=self._options.drain)
        self._site.draining = True
        self._draining.set()
        self._stopping.say(Stop("restart", self._options.drain, RESTART))
        if not self._talking:
            self._quiet.set()

    def stop_accepting(self) -> None:
        """Take no connection in any more: others listen at the same sockets, and will."""
        self._accepting.cancel()

    # --- one connection -------------------------------------------------------------------------------------

    async def _accept(self, listeners: Sequence[socket.socket], take: Take) -> None:
        readiness = self._service.network.readiness
        with self._accepting:
            async with trio.open_nursery() as nursery:
                for listener in listeners:
                    nursery.start_soon(accept_all, listener, readiness, take, self._room.make_room)

    def _take(self, nursery: trio.Nursery, connection: socket.socket, peer: str) -> None:
        nursery.start_soon(self._serve_connection, connection, peer)

    async def _serve_connection(self, connection: socket.socket, peer: str) -> None:
        """Everything about one connection, and the edge at which its errors end."""
        with connection:
            try:
                local = connection.getsockname()[0]
                wire = Wire(connection, self._service.network.readiness, tls=self._tls)
                try:
                    await self._answer_requests(wire, peer, local)
                finally:
                    wire.close()
            except* OSError:
                pass  # the peer is gone, or speaks no TLS
            except* Exception as errors:  # noqa: BLE001 - whatever it is, the others never notice
                fault("connection failed", errors)

    async def _answer_requests(self, wire: Wire, peer: str, local: str) -> None:
        http = HttpConnection(wire)
        begun_by = whole_by = trio.current_time() + self._options.handshake_timeout
        going_on = self._tls is None
        if self._tls is not None:
            with self._room.wait(whole_by):
                await wire.handshake()
                going_on = True
        while going_on:
            try:
                request = await self._await_request(http, begun_by, whole_by, peer)
            except HttpError as error:
                self._refusals.note(error.code, peer)
                await self._send(http, error.answer, last=True)
                with self._room.wait(trio.current_time() + LINGER):
                    await http.linger()
                return
            if request is None:
                return
            visit = Visit(request, peer, local, secure=self._tls is not None)
            last = False
            try:
                asked = await self._site.ask(visit)
                if isinstance(asked, Admission):
                    await self._admit(asked, visit, http, wire)
                    return
                answer = asked
            except HttpError as error:
                self._refusals.note(error.code, self._access.address(visit))
                answer, last = error.answer, "upgrade" in request.headers or error.status is HTTPStatus.BAD_REQUEST
            going_on = await self._send(http, answer, last=last)
            await trio.lowlevel.checkpoint()  # others have their turn, also when the next request is there already
            begun_by, whole_by = trio.current_time() + self._options.keep_alive, inf

    async def _await_request(self, http: HttpConnection, begun_by: float, whole_by: float, peer: str) -> Request | None:
        """The next request; None: there is none, or the place is needed: to say so would take one from somebody else.

        Raises:
            HttpError: It is malformed, or has begun and does not end.
        """
        if (opening := http.opening()) is not None:
            return opening
        with self._room.wait(begun_by) as scope:
            if not await http.begin():
                return None
            scope.deadline = min(whole_by, trio.current_time() + self._options.handshake_timeout)
            return await http.request()
        if http.begun and trio.current_time() >= scope.deadline:
            raise HttpError(HTTPStatus.REQUEST_TIMEOUT, "too_slow", "The request has taken too long.")
        if http.begun:
            self._refusals.note("no_room", peer)
        return None

    async def _send(self, http: HttpConnection, answer: Answer, *, last: bool = False) -> bool:
        """Answer, and say whether another request may follow."""
        with self._room.wait(trio.current_time() + self._options.write_timeout):
            return await http.answer(answer, last=last or self._site.draining)
        return False

    # --- one conversation -----------------------------------------------------------------------------------

    async def _admit(self, admission: Admission, visit: Visit, http: HttpConnection, wire: Wire) -> None:
        """Open the WebSocket and hold the conversation.

        Raises:
            HttpError: There is no place, or it was a plain request: that, too, can ask whether there is one.
        """
        address = self._access.address(visit)
        self._talking += 1
        try:
            await self._take_place(address)
            try:
                if admission.handshake is None:
                    raise upgrade_required()
                await self._converse(admission, admission.handshake, http.rest, wire, address)
            finally:
                self._slots.free(address)
        finally:
            self._talking -= 1
            if self._draining.is_set() and not self._talking:
                self._quiet.set()

    async def _take_place(self, address: str) -> None:
        """Take a place for one conversation.

        Raises:
            HttpError: There is none.
        """
        self._check_open()
        try:
            await self._slots.take(address)
        except Full as full:
            raise _unavailable(full.code, f"{full}.", full.retry_after_s) from full
        try:
            self._check_open()  # a supervisor takes its time
        except HttpError:
            self._slots.free(address)
            raise

    def _check_open(self) -> None:
        if self._draining.is_set():
            raise _unavailable("draining", "The server is being restarted.", round(self._options.drain) or 1)

    async def _converse(
        self, admission: Admission, handshake: Handshake, received: bytes, wire: Wire, address: str
    ) -> None:
        websocket = self._service.network.websocket(
            wire, Side.FRONT, client=False, limits=self._limits, received=received, answer=handshake.answer
        )
        run = await self._service.hold(
            lambda _: nullcontext(websocket),
            front=NAME,
            mode=admission.mode,
            dialect=admission.dialect,
            wanted=admission.wanted,
            stop=self._stopping,
            address=address,
        )
        if run.reason == FAULT:  # it could not close the connection itself
            with trio.move_on_after(GRACE):
                await websocket.close(run.code, run.reason)


def _unavailable(code: str, message: str, retry_after_s: int) -> HttpError:
    headers = (("Retry-After", str(retry_after_s)),)
    return HttpError(HTTPStatus.SERVICE_UNAVAILABLE, code, message, headers=headers)


def _warn(options: WsOptions, token: Token | None) -> None:
    """Say what is weak about the token, and what those who come from elsewhere will miss."""
    if token is not None and token.is_short:
        log().warning("the access token is short enough to be guessed: `openssl rand -hex 32` makes a better one")
    if options.token_file is not None and is_readable_by_all(options.token_file):
        log().warning("everybody on this computer can read the token: chmod 600 helps", file=str(options.token_file))
    if not is_loopback(options.host) and options.tls_cert is None and not options.trusted_proxy:
        log().info("from elsewhere the page gets no microphone: browsers ask for https (--tls-cert, or a proxy)")
