"""Who may ask what: the name that was asked for, the page that asks, the token. Each refusal says how to mend it."""

from http import HTTPStatus
from ipaddress import ip_address
from math import ceil
from typing import NamedTuple

from transports.ws import WsOptions
from transports.ws.addresses import Proxies
from transports.ws.answers import HttpError
from transports.ws.handshake import offered
from transports.ws.origins import Hosts, Origins, is_loopback
from transports.ws.request import Request
from transports.ws.tokens import Attempts, Token


class Visit(NamedTuple):
    """A request, and over which connection it came.

    Attributes:
        peer: The address that the connection comes from.
        local: Our own address, to which it was made.
        secure: It came by TLS.
    """

    request: Request
    peer: str
    local: str
    secure: bool


class Access:
    """The operator's rules about visitors. Times are in seconds since 1970.

    ``name`` is what this computer is called, where others reach it.
    """

    def __init__(self, options: WsOptions, token: Token | None, *, name: str = "") -> None:
        own = () if is_loopback(options.host) else (name,)
        self._hosts = Hosts(options.host, (*options.allow_host, *own))
        self._origins = Origins(options.allow_origin)
        self._proxies = Proxies(options.trusted_proxy)
        self._open_metrics = options.open_metrics
        self._attempts = Attempts()
        self._token = token

    @property
    def token_required(self) -> bool:
        """Whether a token must be shown."""
        return self._token is not None

    def address(self, visit: Visit) -> str:
        """Whose request it is."""
        return self._proxies.client(visit.peer, visit.request.headers.get("x-forwarded-for", ""))

    def check_page(self, visit: Visit) -> None:
        """See that the server was asked by a name of its own, and by no foreign page.

        Raises:
            HttpError: It was not.
        """
        request = visit.request
        if not self._hosts.allow(request.host, visit.local):
            message = f"This server is not known as {request.host}: its operator can start it with --allow-host."
            raise HttpError(HTTPStatus.FORBIDDEN, "host_not_allowed", message)
        if not self._origins.allow(request.origin, request.host):
            message = "Pages of another origin may not connect: the operator can start the server with --allow-origin."
            raise HttpError(HTTPStatus.FORBIDDEN, "origin_not_allowed", message)

    def knows(self, request: Request, now: float) -> bool:
        """Whether the token is shown, or none is required."""
        return self._token is None or self._token.shown_in(request.headers, offered(request), now)

    def check_token(self, request: Request, now: float) -> None:
        """See that the token is shown, where one is required.

        Raises:
            HttpError: It is not.
        """
        if not self.knows(request, now):
            message = "This server asks for its access token: as a bearer token, or by signing in on its page."
            raise HttpError(
                HTTPStatus.UNAUTHORIZED, "token_required", message, headers=(("WWW-Authenticate", "Bearer"),)
            )

    def check_metrics(self, visit: Visit, now: float) -> None:
        """See that the metrics are not shown to strangers: somebody forwarded is one, whoever forwards him.

        Raises:
            HttpError: They would be.
        """
        request = visit.request
        forwarded = not request.headers.keys().isdisjoint({"x-forwarded-for", "forwarded"})
        if self._open_metrics or (ip_address(visit.peer).is_loopback and not forwarded):
            return
        if self._token is None:
            message = "The metrics are shown to the server's own computer only; --open-metrics shows them to everybody."
            raise HttpError(HTTPStatus.FORBIDDEN, "metrics_closed", message)
        self.check_token(request, now)

    def sign_in(self, visit: Visit, given: str, now: float) -> str:
        """The cookie for a browser that has shown the token; an empty one where none is required.

        Raises:
            HttpError: It is wrong, or was too often.
        """
        if self._token is None:
            return ""
        address = self.address(visit)
        wait = self._attempts.wait(address, now)
        if wait > 0:
            raise HttpError(
                HTTPStatus.TOO_MANY_REQUESTS,
                "too_many_attempts",
                f"The token was wrong too often: try again in {ceil(wait)} s.",
                headers=(("Retry-After", str(ceil(wait))),),
            )
        if not self._token.matches(given):
            self._attempts.wrong(address, now)
            raise HttpError(HTTPStatus.FORBIDDEN, "wrong_token", "This is not the token of this server.")
        return self._token.cookie(now)
