"""A front for browsers and Realtime clients: the page, HTTP and WebSockets on one port.

This module is light; what serves is imported when serving begins.
"""

import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from realtime_engine.errors import UsageError
from realtime_engine.sizes import size

if TYPE_CHECKING:
    import trio

    from realtime_engine.service import Service
    from transports.ws.server import WebServer
    from transports.ws.site import Scrape
    from transports.ws.slots import Slots


@dataclass(frozen=True, slots=True, kw_only=True)
class WsOptions:
    """How the server is reached, by whom, and what it bears.

    Attributes:
        host: The address to listen at. Any other than this computer's own (127.0.0.1, ::1, localhost) needs a token.
        port: The port; 0: any that is free.
        tls_cert: A certificate chain (PEM): the server then speaks https and wss.
        tls_key: The certificate's private key (PEM).
        token_file: A file with the access token that people and clients must show; without it the environment
            variable ENGINE_TOKEN counts.
        allow_origin: Another web page that may connect, by its origin: https://NAME. May be repeated.
        allow_host: A name by which the server may be asked, besides those of this computer. May be repeated.
        trusted_proxy: The address, or network, of a proxy whose X-Forwarded-For is believed. May be repeated.
        open_metrics: Show /metrics to everybody; without it, to this computer and with the token.
        max_sessions: Conversations at the same time.
        max_sessions_per_address: Conversations at the same time from one address.
        max_message_front: How large a message from a person or a client may be.
        handshake_timeout: Seconds in which a client must have said what it wants.
        keep_alive: Seconds for which a connection without a conversation is kept.
        write_timeout: Seconds in which a client must read some of what waits for it.
        ping_every: Seconds between two pings.
        ping_timeout: Seconds in which a ping must be answered.
        drain: Seconds that conversations have to end when the server is stopped.
        workers: Processes that share the port and the limits: each takes one core.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    tls_cert: Path | None = None
    tls_key: Path | None = None
    token_file: Path | None = None
    allow_origin: tuple[str, ...] = ()
    allow_host: tuple[str, ...] = ()
    trusted_proxy: tuple[str, ...] = ()
    open_metrics: bool = False
    max_sessions: int = 250
    max_sessions_per_address: int = 50
    max_message_front: int = field(default=1 << 20, metadata={"parse": size, "metavar": "SIZE"})
    handshake_timeout: float = 10.0
    keep_alive: float = 60.0
    write_timeout: float = 10.0
    ping_every: float = 20.0
    ping_timeout: float = 20.0
    drain: float = 10.0
    workers: int = 1


_POSITIVE = (
    *("max_sessions", "max_sessions_per_address", "max_message_front", "handshake_timeout"),
    *("keep_alive", "write_timeout", "ping_every", "ping_timeout"),
)

MOST_WORKERS = 256


class Ws:
    """The plug-in: see `realtime_engine.servers.Server`.

    Raises:
        UsageError: An option is out of range, or does not go with another; or strangers could come in.
    """

    Options: ClassVar[type[WsOptions]] = WsOptions
    name: ClassVar[str] = "ws"
    example: ClassVar[str] = "--port 8000"

    @staticmethod
    def check(options: WsOptions) -> None:
        """See that every option is right by itself; no file is looked at, and no environment.

        Raises:
            UsageError: One is out of range, or names what cannot be.
        """
        for name in _POSITIVE:
            if not 0 < getattr(options, name) < inf:
                raise UsageError(f"--{name.replace('_', '-')} must be more than 0, not {getattr(options, name)}")
        if not 0 <= options.drain < inf:
            raise UsageError(f"--drain must not be less than 0 seconds, and is {options.drain}")
        if not 0 <= options.port < 1 << 16:
            raise UsageError(f"--port must be from 0 to 65535, not {options.port}")
        if not 1 <= options.workers <= MOST_WORKERS:
            raise UsageError(f"--workers must be from 1 to {MOST_WORKERS}, not {options.workers}")
        from transports.ws.addresses import Proxies
        from transports.ws.origins import Origins, check_bound, check_hosts

        check_bound(options.host)
        check_hosts(options.allow_host)
        Origins(options.allow_origin)
        Proxies(options.trusted_proxy)

    def __init__(self, options: WsOptions) -> None:
        self.check(options)
        if (options.tls_cert is None) is not (options.tls_key is None):
            raise UsageError("--tls-cert and --tls-key belong together: give both, or neither")
        from transports.ws.tls import tls_context
        from transports.ws.tokens import required_token

        self.options = options
        self._token = required_token(options.host, options.token_file)
        self._tls = tls_context(options.tls_cert, options.tls_key) if options.tls_cert and options.tls_key else None
        self._server: WebServer | None = None
        self._draining = False

    @property
    def secrets(self) -> Sequence[str]:
        """What no log may show."""
        return () if self._token is None else (self._token.text,)

    @property
    def access(self) -> str:
        """Who may come in, in half a sentence."""
        if self._token is not None:
            return "whoever shows the access token can connect"
        if self.options.trusted_proxy:
            return "whoever comes through the proxy can connect; no token is needed"
        return "only this computer can connect; no token is needed"

    @property
    def local(self) -> bool:
        """Whether only this computer reaches the server; with a proxy before it, others do too."""
        from transports.ws.origins import is_loopback

        return is_loopback(self.options.host) and not self.options.trusted_proxy

    @property
    def supervises(self) -> bool:
        """Whether this process only looks after others, which serve."""
        from transports.ws.worker import Place

        return self.options.workers > 1 and Place.of() is None

    def supervise(self, announce: Callable[[Sequence[str]], None]) -> int:
        """Serve with several processes until a signal comes, and give the exit status; each runs this very command.

        Args:
            announce: Told the URLs of the page, once clients can connect.

        Raises:
            UsageError: It cannot listen there.
        """
        from transports.ws.workers import supervise

        return supervise(self.options, [sys.executable, *sys.orig_argv[1:]], announce)

    async def serve(
        self,
        service: "Service",
        *,
        listeners: Sequence[socket.socket] | None = None,
        slots: "Slots | None" = None,
        scrape: "Scrape | None" = None,
        task_status: "trio.TaskStatus[Sequence[str]]",
    ) -> None:
        """Serve until all conversations have ended after `drain`; ``started`` gives the URLs of the page.

        A worker has sockets, places and numbers from its supervisor, where no others are given, and gives no URLs:
        the supervisor announces them.

        Args:
            service: Holds the conversations.
            listeners: Sockets that listen already; None: they are bound.
            slots: The places for conversations; None: those of this process.
            scrape: Gathers what /metrics shows; None: what this process has done.
            task_status: Told when clients can connect.

        Raises:
            UsageError: It cannot listen there.
        """
        from transports.ws.worker import Place, open_worker

        place = Place.of()
        if place is None or listeners is not None:
            await self._serve(service, listeners, slots, scrape, task_status=task_status)
            return
        import trio

        worked = open_worker(place, service.metrics, lost=self.drain, leave=self._leave)
        async with worked as worker, trio.open_nursery() as nursery:
            serve = partial(self._serve, service, worker.listeners, worker, worker.gather)
            urls = await nursery.start(serve)
            worker.ready(urls)
            task_status.started(())

    async def _serve(
        self,
        service: "Service",
        listeners: Sequence[socket.socket] | None,
        slots: "Slots | None",
        scrape: "Scrape | None",
        *,
        task_status: "trio.TaskStatus[Sequence[str]]",
    ) -> None:
        from transports.ws.server import WebServer

        self._server = WebServer(self.options, self._token, self._tls, service, slots=slots, scrape=scrape)
        if self._draining:  # it was told so before it had begun
            self._server.drain()
        await self._server.serve(listeners, task_status=task_status)

    def drain(self) -> None:
        """Let nobody else in, and ask all conversations to end."""
        self._draining = True
        if self._server is not None:
            self._server.drain()

    def _leave(self) -> None:
        """As `drain`, but newcomers are left to the others that listen at the same sockets."""
        if self._server is not None:
            self._server.stop_accepting()
        self.drain()
