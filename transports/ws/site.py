"""What is where: the paths of the server, and what is answered there. A WebSocket is only admitted here, not held."""

import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Final, Literal, NamedTuple, TypeAlias

import realtime_engine
from realtime_engine.dialect import Dialect
from realtime_engine.metrics import Mode, Totals
from realtime_engine.plugins import ANYTHING, Wanted, host_of
from realtime_engine.service import Service
from realtime_engine.settings import foretold
from transports.ws.access import Access, Visit
from transports.ws.answers import NEVER_KEPT, Answer, HttpError, json_answer, text_answer
from transports.ws.files import File
from transports.ws.handshake import Handshake, dialect, read_handshake
from transports.ws.request import read_form
from transports.ws.tokens import COOKIE, COOKIE_LIFE, SECURE_COOKIE

LONGEST_MODEL: Final = 200
"""Characters of a model's name in a URL."""

HEALTH: Final = "/healthz"

Scrape: TypeAlias = Callable[[], Awaitable[Totals]]
"""Gathers the numbers of all processes that serve."""

Method: TypeAlias = Literal["GET", "POST"]


class Admission(NamedTuple):
    """Somebody may have a conversation, if there is a place.

    Attributes:
        handshake: What answers opens the WebSocket; None: it was a plain request.
    """

    handshake: Handshake | None
    mode: Mode
    dialect: Dialect
    wanted: Wanted


class Site:
    """The paths, and what they answer."""

    def __init__(self, access: Access, files: Mapping[str, File], service: Service, scrape: Scrape | None) -> None:
        self._access = access
        self._service = service
        self._scrape = scrape
        self._files = files
        self.draining = False

    async def ask(self, visit: Visit) -> Answer | Admission:
        """What a request is answered, or that it may open a WebSocket.

        Raises:
            HttpError: It is not granted.
        """
        request = visit.request
        if request.path != HEALTH:  # whoever watches over the server may know it by any name
            self._access.check_page(visit)
        route = _ROUTES.get(request.path)
        if route is None:
            if request.path not in self._files:
                raise HttpError(HTTPStatus.NOT_FOUND, "not_found", "There is nothing here.")
            route = _FILE
        method, head, handle = route
        if request.method != method and not (head and request.method == "HEAD"):
            allowed = f"{method}, HEAD" if head else method
            message = f"Only {allowed} is answered here."
            raise HttpError(HTTPStatus.METHOD_NOT_ALLOWED, "method_not_allowed", message, headers=(("Allow", allowed),))
        return await handle(self, visit)

    async def _health(self, visit: Visit) -> Answer:
        if self.draining:
            return text_answer("draining\n", HTTPStatus.SERVICE_UNAVAILABLE)
        return text_answer("ok\n")

    async def _metrics(self, visit: Visit) -> Answer:
        self._access.check_metrics(visit, time.time())
        from transports.ws.exposition import CONTENT_TYPE, render  # prometheus-client, only where it is asked for

        totals = self._service.metrics.totals() if self._scrape is None else await self._scrape()
        return Answer(HTTPStatus.OK, (("Content-Type", CONTENT_TYPE), NEVER_KEPT), render(totals))

    async def _file(self, visit: Visit) -> Answer:
        return self._files[visit.request.path].answer(visit.request)

    async def _about(self, visit: Visit) -> Answer:
        knows = self._access.knows(visit, time.time())
        about: dict[str, object] = {
            "version": realtime_engine.__version__,
            "token_required": self._access.token_required,
            "signed_in": knows,
        }
        if knows:
            policy = self._service.policy_of("managed")
            about |= {
                "upstream": self._service.upstream.name,
                "host": host_of(self._service.upstream),
                "recorded": self._service.recorded,
                "pinned": policy.pinned,
                "may_set": policy.may_set,
                "settings": foretold(self._service.settings),
            }
        return json_answer(about)

    async def _sign_in(self, visit: Visit) -> Answer:
        given = read_form(visit.request.body).get("token", "")
        return _with_cookie(self._access.sign_in(visit, given, time.time()), COOKIE_LIFE, visit)

    async def _sign_out(self, visit: Visit) -> Answer:
        return _with_cookie("", 0, visit)

    async def _managed(self, visit: Visit) -> Admission:
        return self._admit(visit, "managed", ANYTHING)

    async def _transparent(self, visit: Visit) -> Admission:
        query = visit.request.query
        model = query.get("model") or None
        if model is not None and (len(model) > LONGEST_MODEL or not model.isprintable()):
            raise HttpError(HTTPStatus.BAD_REQUEST, "invalid_model", "This is no name of a model.")
        admission = self._admit(visit, "transparent", Wanted(model, query.get("intent") == "transcription"))
        if query.get("call_id"):
            raise _no_call()
        return admission

    def _admit(self, visit: Visit, mode: Mode, wanted: Wanted) -> Admission:
        self._access.check_token(visit, time.time())
        return Admission(read_handshake(visit.request), mode, dialect(visit.request), wanted)


_Handler: TypeAlias = Callable[[Site, Visit], Awaitable[Answer | Admission]]
_Route: TypeAlias = tuple[Method, bool, _Handler]

_FILE: Final[_Route] = ("GET", True, Site._file)
_ROUTES: Final[Mapping[str, _Route]] = {
    "/ws": ("GET", False, Site._managed),
    "/v1/realtime": ("GET", False, Site._transparent),
    "/about": ("GET", True, Site._about),
    "/sign-in": ("POST", False, Site._sign_in),
    "/sign-out": ("POST", False, Site._sign_out),
    HEALTH: ("GET", True, Site._health),
    "/metrics": ("GET", True, Site._metrics),
}
"""The method, whether HEAD is answered too, and what answers."""


def _no_call() -> HttpError:
    """What is told to whoever would join a call by WebRTC or SIP: there are none here (protocol.md, section 10)."""
    message = "No session found for the provided call_id"
    return HttpError(HTTPStatus.NOT_FOUND, "call_id_not_found", message, param="")


def _with_cookie(value: str, life: int, visit: Visit) -> Answer:
    """The browser keeps a cookie, out of the reach of scripts and of other sites, or forgets it.

    A proxy may speak TLS for the server; then the page that asks is one of https.
    """
    secure = visit.secure or (visit.request.origin or "").lower().startswith("https:")
    name, flag = (SECURE_COOKIE, "; Secure") if secure else (COOKIE, "")
    cookie = f"{name}={value}; Path=/; Max-Age={life}; HttpOnly; SameSite=Strict{flag}"
    return Answer(HTTPStatus.NO_CONTENT, (("Set-Cookie", cookie), NEVER_KEPT))
