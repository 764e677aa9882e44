"""What the server answers over HTTP, and the headers that all of it carries. No I/O in here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

import msgspec

Headers = Sequence[tuple[str, str]]

_COMMON: Final[Headers] = (
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
    ("Cross-Origin-Embedder-Policy", "require-corp"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Permissions-Policy", "microphone=(self), camera=(), geolocation=(), display-capture=()"),
)

NO_CONTENT_POLICY: Final = ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
NEVER_KEPT: Final = ("Cache-Control", "no-store")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; its length is added when it is sent."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class HttpError(Exception):
    """A request that is not granted, and why: an ``error`` object like the protocol's own (protocol.md, section 1).

    Attributes:
        status: What answers it.
        code: What programs read.
        message: What people read.
        headers: What the answer carries besides.
        param: Which parameter is wrong, as the protocol names it; None: none in particular.
    """

    def __init__(
        self, status: HTTPStatus, code: str, message: str, *, headers: Headers = (), param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers
        self.param = param

    @property
    def answer(self) -> Answer:
        """The answer that says so."""
        kind = "server_error" if self.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
        error = {"message": self.message, "type": kind, "code": self.code, "param": self.param}
        return json_answer({"error": error}, self.status, headers=self.headers)


def json_answer(value: Mapping[str, object], status: int = HTTPStatus.OK, *, headers: Headers = ()) -> Answer:
    """An object, never kept by anybody."""
    kind = ("Content-Type", "application/json")
    return Answer(status, (kind, NEVER_KEPT, NO_CONTENT_POLICY, *headers), msgspec.json.encode(value))


def text_answer(text: str, status: int = HTTPStatus.OK) -> Answer:
    """A line for whoever looks at it."""
    kind = ("Content-Type", "text/plain; charset=utf-8")
    return Answer(status, (kind, NEVER_KEPT, NO_CONTENT_POLICY), text.encode())


def all_headers(answer: Answer, now: float) -> list[tuple[str, str]]:
    """The headers as they are sent; ``now`` in seconds since 1970."""
    length = [] if answer.status in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED) else [str(len(answer.body))]
    return [
        ("Date", formatdate(now, usegmt=True)),
        *_COMMON,
        *answer.headers,
        *(("Content-Length", value) for value in length),
    ]
