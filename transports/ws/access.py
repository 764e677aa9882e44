"""Who may ask what: the name that was asked for, the page that asks, the token. Each refusal says how to mend it."""

from collections.abc import Sequence
from http import HTTPStatus
from ipaddress import ip_address
from math import ceil
from typing import Final, NamedTuple

from transports.ws import WsOptions
from transports.ws.addresses import Proxies, customer
from transports.ws.answers import HttpError
from transports.ws.handshake import offered
from transports.ws.origins import Hosts, Origins, is_loopback
from transports.ws.request import Request
from transports.ws.tokens import Attempts, Token, shown_tokens

_BY_PROXY: Final = frozenset({"x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"})
"""What stands in a request that somebody has passed on."""


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
        self._sign_ins = Attempts(free=5, forgotten=60.0)
        self._guesses = Attempts(free=20, forgotten=10.0)  # programs try again by themselves, people do not
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

    def knows(self, visit: Visit, now: float) -> bool:
        """Whether the token is shown, or none is required.

        Raises:
            HttpError: Wrong ones were shown too often.
        """
        token, request = self._token, visit.request
        if token is None or token.signed_in(request.headers, now):
            return True
        shown = shown_tokens(request.headers, offered(request))
        return bool(shown) and self._matches(token, shown, self._guesses, visit, now)

    def check_token(self, visit: Visit, now: float) -> None:
        """See that the token is shown, where one is required.

        Raises:
            HttpError: It is not.
        """
        if not self.knows(visit, now):
            message = "This server asks for its access token: as a bearer token, or by signing in on its page."
            raise HttpError(
                HTTPStatus.UNAUTHORIZED, "token_required", message, headers=(("WWW-Authenticate", "Bearer"),)
            )

    def check_metrics(self, visit: Visit, now: float) -> None:
        """See that the metrics are not shown to strangers.

        A proxy on this computer makes everybody come from here, so where there is a token it must be shown.

        Raises:
            HttpError: They would be.
        """
        if self._open_metrics:
            return
        if self._token is not None:
            self.check_token(visit, now)
        elif not ip_address(visit.peer).is_loopback or not visit.request.headers.keys().isdisjoint(_BY_PROXY):
            message = "The metrics are shown to the server's own computer only; --open-metrics shows them to everybody."
            raise HttpError(HTTPStatus.FORBIDDEN, "metrics_closed", message)

    def sign_in(self, visit: Visit, given: str, now: float) -> str:
        """The cookie for a browser that has shown the token; an empty one where none is required.

        Raises:
            HttpError: It is wrong, or was too often.
        """
        if self._token is None:
            return ""
        if not self._matches(self._token, [given], self._sign_ins, visit, now):
            raise HttpError(HTTPStatus.FORBIDDEN, "wrong_token", "This is not the token of this server.")
        return self._token.cookie(now)

    def _matches(self, token: Token, shown: Sequence[str], attempts: Attempts, visit: Visit, now: float) -> bool:
        """Whether one of these is the token; an address that was wrong too often is not even listened to.

        Raises:
            HttpError: It was.
        """
        who = customer(self.address(visit))
        wait = ceil(attempts.wait(who, now))
        if wait > 0:
            message = f"The token was wrong too often: try again in {wait} s."
            again = (("Retry-After", str(wait)),)
            raise HttpError(HTTPStatus.TOO_MANY_REQUESTS, "too_many_attempts", message, headers=again)
        matches = sum(map(token.matches, shown)) > 0  # all of them, so that the time tells nothing
        if not matches:
            attempts.wrong(who, now)
        return matches
