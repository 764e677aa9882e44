"""The opening handshake of a WebSocket, on the server's side (RFC 6455, section 4.2). No I/O in here."""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final, NamedTuple

from realtime_engine.dialect import Dialect
from realtime_engine.websocket import accept_value
from transports.ws.answers import HttpError
from transports.ws.request import Request, bad_request

VERSION: Final = "13"
SUBPROTOCOL: Final = "realtime"
"""The one that is selected where it is offered: browsers fail a connection that offered some and got none."""

BETA_HEADER: Final = ("openai-beta", "realtime=v1")
BETA_SUBPROTOCOL: Final = "openai-beta.realtime-v1"
"""How a client says that it speaks the beta (protocol.md, section 1.1); a browser can set no header."""

_DIALECTS: Final[Mapping[str, Dialect]] = {"ga": "ga", "beta": "beta"}
_KEY_BYTES: Final = 16
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_UPGRADE: Final = ("upgrade", "websocket")


class Handshake(NamedTuple):
    """A handshake that may be answered.

    Attributes:
        key: The client's.
        selected: The subprotocol that is used; None: none of ours was offered.
    """

    key: str
    selected: str | None

    @property
    def answer(self) -> bytes:
        """The answer that opens the WebSocket."""
        lines = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept_value(self.key)}",
        ]
        if self.selected is not None:
            lines.append(f"Sec-WebSocket-Protocol: {self.selected}")
        return "\r\n".join((*lines, "", "")).encode("ascii")


def read_handshake(request: Request) -> Handshake | None:
    """The handshake of a request; None: it is a plain request.

    Raises:
        HttpError: It wants to be one and is malformed, or of a version that nobody speaks any more.
    """
    connection, upgrade = _UPGRADE
    if upgrade not in map(str.lower, request.listed("upgrade")):
        return None
    if request.method != "GET" or request.version != "1.1":
        raise bad_request("A WebSocket is opened by GET, and HTTP/1.1.")
    if connection not in map(str.lower, request.listed("connection")):
        raise bad_request("The header Connection does not say Upgrade.")
    if request.headers.get("sec-websocket-version") != VERSION:
        raise _upgrade("unsupported_version")
    key = request.headers.get("sec-websocket-key", "")
    if not _is_key(key):
        raise bad_request("The header Sec-WebSocket-Key is not 16 bytes in base64.")
    return Handshake(key, SUBPROTOCOL if SUBPROTOCOL in offered(request) else None)


def offered(request: Request) -> Sequence[str]:
    """The subprotocols that a client offers.

    Raises:
        HttpError: They are malformed.
    """
    names = request.listed("sec-websocket-protocol")
    if not all(map(_TOKEN.fullmatch, names)):
        raise bad_request("The header Sec-WebSocket-Protocol is malformed.")
    return names


def dialect(request: Request) -> Dialect:
    """How a client speaks: what its URL says counts most, for that can be chosen where the rest is an SDK's.

    Raises:
        HttpError: There is no such dialect, or the subprotocols are malformed.
    """
    asked = request.query.get("dialect")
    if asked is None:
        name, value = BETA_HEADER
        return "beta" if value in request.listed(name) or BETA_SUBPROTOCOL in offered(request) else "ga"
    if asked not in _DIALECTS:
        known = " and ".join(_DIALECTS)
        raise HttpError(HTTPStatus.BAD_REQUEST, "invalid_dialect", f"The dialects that are spoken here are {known}.")
    return _DIALECTS[asked]


def upgrade_required() -> HttpError:
    """What a plain request is told, that could have opened a WebSocket."""
    return _upgrade("upgrade_required")


def _upgrade(code: str) -> HttpError:
    return HttpError(
        HTTPStatus.UPGRADE_REQUIRED,
        code,
        "This is a WebSocket: open it as one, version 13.",
        headers=(("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", VERSION)),
    )


def _is_key(key: str) -> bool:
    try:
        return len(a2b_base64(key, strict_mode=True)) == _KEY_BYTES
    except (Base64Error, ValueError):
        return False
