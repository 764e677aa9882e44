"""A request, read strictly. What cannot be meant well is a `HttpError`, and the connection ends. No I/O in here."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import h11

from transports.ws.answers import HttpError
from transports.ws.origins import is_host

MOST_HEAD: Final = 16 * 1024
"""Bytes of a request's head; cookies and tokens are far smaller."""

MOST_HEADERS: Final = 100
MOST_FIELDS: Final = 100
"""Fields of a query or a form that are looked at."""

_VERSIONS: Final = (b"1.1", b"1.0")
_OPENING: Final = re.compile(
    rb"GET ([\x21-\x7e]+) HTTP/1\.1\r\n((?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n"
)
"""A request to open a WebSocket, as every client writes it: h11 would read it the same, and takes longer."""

_FIELD: Final = re.compile(r"([^:]+):([^\r]*)\r\n")
_NOT_OPENING: Final = frozenset({"content-length", "transfer-encoding", "expect"})
_ONCE: Final = frozenset(
    {
        *("host", "origin", "authorization", "content-type", "if-none-match"),
        *("sec-websocket-key", "sec-websocket-version"),
    }
)
"""What stands twice is read differently by different readers; one of them may be a proxy that was to check it."""


class Request(NamedTuple):
    """What a client asks for.

    Attributes:
        path: Without the query, as it was sent: what is percent-encoded in it is no path of ours.
        headers: By lower-case name; what stands several times is joined by commas.
        version: ``1.1`` or ``1.0``.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    version: str
    body: bytes = b""

    @property
    def host(self) -> str:
        """By which name the server was asked."""
        return self.headers["host"]

    @property
    def origin(self) -> str | None:
        """Which web page asks; None: none."""
        return self.headers.get("origin")

    def listed(self, name: str) -> Sequence[str]:
        """The elements of a header that is a list."""
        listed = self.headers.get(name)
        return [element.strip() for element in listed.split(",") if element.strip()] if listed else []


def read_opening(come: bytes) -> tuple[Request, bytes] | None:
    """A request to open a WebSocket that has come whole, and what has come behind it; None: h11 must look at it.

    Raises:
        HttpError: It is too large, or ambiguous.
    """
    opening = _OPENING.match(come)
    if opening is None or opening.end() > MOST_HEAD:
        return None
    fields = [(name.lower(), value.strip(" \t")) for name, value in _FIELD.findall(opening[2].decode("latin-1"))]
    names = [name for name, _ in fields]
    if "upgrade" not in names or names.count("host") != 1 or not _NOT_OPENING.isdisjoint(names):
        return None
    return _read("GET", opening[1].decode("ascii"), fields, "1.1"), come[opening.end() :]


def read_head(head: h11.Request) -> Request:
    """The request of a head that h11 has found well formed.

    Raises:
        HttpError: It is too large, or ambiguous, or names no host.
    """
    if len(head.target) + sum(len(name) + len(value) + 4 for name, value in head.headers) > MOST_HEAD:
        raise head_too_large()
    if head.http_version not in _VERSIONS:
        raise bad_request("Only HTTP/1.1 is spoken here.")
    fields = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
    return _read(head.method.decode("ascii"), head.target.decode("ascii"), fields, head.http_version.decode("ascii"))


def _read(method: str, target: str, fields: Sequence[tuple[str, str]], version: str) -> Request:
    if len(fields) > MOST_HEADERS:
        raise head_too_large()
    headers: dict[str, str] = {}
    for name, value in fields:
        if name not in headers:
            headers[name] = value
        elif name in _ONCE:
            raise bad_request(f"The header {name} stands twice.")
        else:
            headers[name] += f", {value}"
    if "transfer-encoding" in headers and ("content-length" in headers or version != "1.1"):
        raise bad_request("How long the body is can be read in two ways.")
    path, query = _read_target(target, headers)
    if not is_host(headers.get("host", "")):
        raise bad_request("The header Host is missing, or names no host.")
    return Request(method, path, query, headers, version)


def read_form(body: bytes) -> Mapping[str, str]:
    """The fields of a form; of a name that stands several times, the first.

    Raises:
        HttpError: It is none.
    """
    try:
        return _read_fields(body.decode("ascii"))
    except UnicodeDecodeError as error:
        raise bad_request("The form is not URL-encoded.") from error


def bad_request(message: str) -> HttpError:
    """What is malformed."""
    return HttpError(HTTPStatus.BAD_REQUEST, "bad_request", message)


def head_too_large() -> HttpError:
    """What is larger than any sensible request."""
    message = "The request's head is too large."
    return HttpError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "head_too_large", message)


def _read_target(target: str, headers: dict[str, str]) -> tuple[str, Mapping[str, str]]:
    """Path and query; a target that names the host too counts more than the header (RFC 9112, section 3.2.2)."""
    try:
        parts = urlsplit(target)
    except ValueError as error:
        raise bad_request("The request's target is malformed.") from error
    if not target.startswith("/"):
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise bad_request("The request's target is malformed.")
        headers["host"] = parts.netloc
        return parts.path or "/", _read_fields(parts.query)
    path, _, query = target.partition("#")[0].partition("?")
    return path, _read_fields(query)


def _read_fields(text: str) -> Mapping[str, str]:
    if not text:
        return {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError as error:
        raise bad_request("The query, or the form, is malformed.") from error
    fields: dict[str, str] = {}
    for name, value in pairs:
        fields.setdefault(name, value)
    return fields
